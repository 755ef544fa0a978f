//! A limit on how often one caller may do one thing: token buckets, as many as there is room for.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// Of each of the two generations.
const BUCKETS: usize = 100_000;

type Buckets = HashMap<(&'static str, u64), Bucket>;

/// The younger and the older buckets. When the younger ones are too many, the older ones go: what
/// many strangers at once cost is bounded, in memory and in time.
#[derive(Default)]
pub struct Limiter {
    buckets: Mutex<(Buckets, Buckets)>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Limiter {
    /// Takes one token of `per_minute`; the seconds to wait if there is none. `who` is a hash.
    pub fn take(&self, what: &'static str, who: u64, per_minute: u32) -> Result<(), u32> {
        let now = Instant::now();
        let most = f64::from(per_minute);
        let mut both = self.buckets.lock().expect("nobody panics while holding it");
        let (young, old) = &mut *both;
        if young.len() >= BUCKETS {
            *old = std::mem::take(young);
        }
        let known = old.remove(&(what, who));
        let fresh = || known.unwrap_or(Bucket { tokens: most, filled: now });
        let bucket = young.entry((what, who)).or_insert_with(fresh);
        let fresh = now.duration_since(bucket.filled).as_secs_f64() * most / 60.0;
        bucket.tokens = (bucket.tokens + fresh).min(most);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - bucket.tokens) * 60.0 / most).ceil() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_strangers_are_bounded_and_free_nobody_at_once() {
        let limiter = Limiter::default();
        assert_eq!(limiter.take("claim", 0, 1), Ok(()));
        for stranger in 1..=BUCKETS as u64 + 10 {
            let _ = limiter.take("claim", stranger, 1);
        }
        assert!(limiter.take("claim", 0, 1).is_err());
        for stranger in 0..3 * BUCKETS as u64 {
            let _ = limiter.take("other", stranger, 1);
        }
        let both = limiter.buckets.lock().unwrap();
        assert!(both.0.len() + both.1.len() <= 2 * BUCKETS);
    }

    #[test]
    fn a_caller_waits_when_the_bucket_is_empty() {
        let limiter = Limiter::default();
        for _ in 0..3 {
            assert_eq!(limiter.take("claim", 1, 3), Ok(()));
        }
        assert!(limiter.take("claim", 1, 3).is_err());
        assert_eq!(limiter.take("claim", 2, 3), Ok(()));
    }
}
