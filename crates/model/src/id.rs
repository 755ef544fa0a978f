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
    ///
    /// Nobody can find two texts of one digest, or a text for somebody else's digest. Indexes need
    /// that: whoever could name a person or a message by another text would be joined to a stranger
    /// or use up a stranger's message. A faster hash without that promise would save less than a
    /// tenth of what reading a touch costs.
    pub fn of(parts: &[&[u8]]) -> Digest {
        use sha2::{Digest as _, Sha256};
        // What is short is hashed at one go: the hasher's own buffer costs as much as a block.
        let mut short = [0; 256];
        let mut len = 0;
        let whole: usize = parts.iter().map(|part| 4 + part.len()).sum();
        let full = if whole <= short.len() {
            for part in parts {
                for piece in [&length(part), *part] {
                    short[len..len + piece.len()].copy_from_slice(piece);
                    len += piece.len();
                }
            }
            Sha256::digest(&short[..len])
        } else {
            let mut hasher = Sha256::new();
            for part in parts {
                hasher.update(length(part));
                hasher.update(part);
            }
            hasher.finalize()
        };
        let half: [u8; 16] = full[..16].try_into().expect("SHA-256 has 32 bytes");
        Digest(u128::from_be_bytes(half))
    }

    /// The same for the word of somebody else: who knows a digest and not its text can still not
    /// name a text for the one that this gives.
    pub fn apart(self) -> Digest {
        Digest(self.0 ^ 0x6a09_e667_f3bc_c908_b2fb_1366_ea95_7d3e)
    }
}

/// Four bytes, so that an alias or a message's id mostly fits the one block that is hashed anyway.
fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).expect("no part is of 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_parts_are_hashed_alike() {
        use sha2::{Digest as _, Sha256};
        for len in [0, 1, 47, 48, 247, 248, 249, 1000] {
            let long = vec![7; len];
            let bytes = [&[1, 0, 0, 0, 9][..], &(len as u32).to_le_bytes(), &long].concat();
            let half: [u8; 16] = Sha256::digest(bytes)[..16].try_into().expect("32 bytes");
            assert_eq!(Digest::of(&[&[9], &long]), Digest(u128::from_be_bytes(half)), "{len}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
        assert_ne!(Digest::of(&[b"a"]), Digest::of(&[b"a", b""]));
        assert_ne!(Digest::of(&[b"a"]).apart(), Digest::of(&[b"a"]));
    }
}
