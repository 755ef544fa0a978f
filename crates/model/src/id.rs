//! Times and the ids that the engine itself gives out.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    pub const DAY_MS: i64 = 86_400_000;

    pub fn plus(self, ms: i64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this, negative if it is later.
    pub fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole days since 1970-01-01 in UTC.
    pub fn day(self) -> i64 {
        self.0.div_euclid(Time::DAY_MS)
    }
}

/// A person's number. It is given in the order of first touches and never used again.
/// It says nothing by itself: every way to a person's data is authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(pub u64);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl std::str::FromStr for PersonId {
    type Err = ();

    fn from_str(text: &str) -> Result<PersonId, ()> {
        let digits = text.strip_prefix('p').ok_or(())?;
        if digits.is_empty()
            || digits.starts_with('0')
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(());
        }
        digits.parse().map(PersonId).map_err(|_| ())
    }
}

/// What places a text in an index and tells two messages apart, without keeping the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// Half of it, as it is stored where it tells messages apart: with 10^9 remembered, the chance
    /// that a new one is taken for an old one is 5 in 10^11.
    pub fn half(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// What of a digest comes back when its half was stored.
    pub fn of_half(half: u64) -> Digest {
        Digest(u128::from(half) << 64)
    }

    /// The first 128 bits of SHA-256 over the parts, each with its length before it.
    pub fn of(parts: &[&[u8]]) -> Digest {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let full = hasher.finalize();
        let half: [u8; 16] = full[..16].try_into().expect("SHA-256 has 32 bytes");
        Digest(u128::from_be_bytes(half))
    }
}
