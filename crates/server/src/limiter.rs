//! A limit on how often one caller may do one thing: token buckets, as many as there is room for.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

const BUCKETS: usize = 100_000;

#[derive(Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<(&'static str, u64), Bucket>>,
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
        let mut buckets = self.buckets.lock().expect("nobody panics while holding it");
        if buckets.len() >= BUCKETS {
            // Full buckets say nothing; the others stay.
            buckets.retain(|_, bucket| bucket.filled.elapsed().as_secs() < 60);
        }
        let bucket = buckets.entry((what, who)).or_insert(Bucket { tokens: most, filled: now });
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
    fn a_caller_waits_when_the_bucket_is_empty() {
        let limiter = Limiter::default();
        for _ in 0..3 {
            assert_eq!(limiter.take("claim", 1, 3), Ok(()));
        }
        assert!(limiter.take("claim", 1, 3).is_err());
        assert_eq!(limiter.take("claim", 2, 3), Ok(()));
    }
}
