//! Aliases: the names under which a person is known, and which of them say *who* it is.

use std::cmp::Ordering;
use std::sync::OnceLock;

use crate::bytes::{Corrupt, Reader, Writer};
use crate::id::Digest;
use crate::limits;

/// What sort of name it is. The numbers are stored; the order is the strength, weakest first:
/// a touch belongs to the strongest alias that it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AliasKind {
    /// A browser or app before anybody said who they are (Segment's `anonymousId`).
    Anonymous = 1,
    /// A companion on a phone: the hash of its session secret, never the secret.
    Device = 2,
    Phone = 3,
    Email = 4,
    Loyalty = 5,
    /// The company's own customer number (Segment's `userId`). A person has at most one unless
    /// the company merges two on purpose.
    User = 6,
}

const KINDS: [(AliasKind, &str); 6] = [
    (AliasKind::Anonymous, "anonymous"),
    (AliasKind::Device, "device"),
    (AliasKind::Phone, "phone"),
    (AliasKind::Email, "email"),
    (AliasKind::Loyalty, "loyalty"),
    (AliasKind::User, "user"),
];

impl AliasKind {
    pub fn name(self) -> &'static str {
        KINDS[self as usize - 1].1
    }

    pub fn named(name: &str) -> Option<AliasKind> {
        KINDS.iter().find(|(_, own)| *own == name).map(|(kind, _)| *kind)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(_, name)| *name)
    }

    /// Whether it says who the person is, rather than through which window they look.
    pub fn is_known(self) -> bool {
        self >= AliasKind::Phone
    }
}

#[derive(Clone)]
pub struct Alias {
    pub kind: AliasKind,
    pub value: Box<str>,
    /// Computed when it is first asked for: by the edge, so that the fold finds it here.
    digest: OnceLock<Digest>,
}

impl PartialEq for Alias {
    fn eq(&self, other: &Alias) -> bool {
        (self.kind, &self.value) == (other.kind, &other.value)
    }
}

impl Eq for Alias {}

impl PartialOrd for Alias {
    fn partial_cmp(&self, other: &Alias) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alias {
    fn cmp(&self, other: &Alias) -> Ordering {
        (self.kind, &self.value).cmp(&(other.kind, &other.value))
    }
}

impl std::fmt::Debug for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Alias({self})")
    }
}

/// Why a text cannot be an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAlias {
    Empty,
    TooLong,
    ControlCharacter,
    /// A value that many clients send when they know nobody: it would join strangers.
    Placeholder,
}

impl BadAlias {
    pub fn sentence(self) -> &'static str {
        match self {
            BadAlias::Empty => "the id is empty; leave it out instead",
            BadAlias::TooLong => "the id is longer than 256 bytes",
            BadAlias::ControlCharacter => "the id contains a control character",
            BadAlias::Placeholder => {
                "the id is a placeholder that would join strangers; leave it out instead"
            }
        }
    }
}

const PLACEHOLDERS: [&str; 10] = [
    "null",
    "undefined",
    "none",
    "nil",
    "nan",
    "unknown",
    "anonymous",
    "[object object]",
    "n/a",
    "0",
];

impl Alias {
    /// Trims, lower-cases e-mail addresses, keeps only digits and the plus of phone numbers.
    pub fn new(kind: AliasKind, value: &str) -> Result<Alias, BadAlias> {
        let value = value.trim();
        if value.is_empty() {
            return Err(BadAlias::Empty);
        }
        if value.len() > limits::ALIAS_BYTES {
            return Err(BadAlias::TooLong);
        }
        // Nearly all are ASCII, which needs no decoding.
        let plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !plain && value.chars().any(char::is_control) {
            return Err(BadAlias::ControlCharacter);
        }
        if PLACEHOLDERS.iter().any(|word| value.eq_ignore_ascii_case(word)) {
            return Err(BadAlias::Placeholder);
        }
        let value: Box<str> = match kind {
            AliasKind::Email => value.to_lowercase().into(),
            AliasKind::Phone => value
                .chars()
                .enumerate()
                .filter(|(at, c)| c.is_ascii_digit() || (*at == 0 && *c == '+'))
                .map(|(_, c)| c)
                .collect::<String>()
                .into(),
            _ => value.into(),
        };
        if value.is_empty() { Err(BadAlias::Empty) } else { Ok(Alias::plain(kind, value)) }
    }

    pub(crate) fn plain(kind: AliasKind, value: Box<str>) -> Alias {
        Alias { kind, value, digest: OnceLock::new() }
    }

    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Alias::digest_of(self.kind, self.value.as_bytes()))
    }

    /// The digest of an alias with this kind and value.
    pub fn digest_of(kind: AliasKind, value: &[u8]) -> Digest {
        Digest::of(&[b"alias", &[kind as u8], value])
    }

    /// The kind's number in the low three bits of a byte; above it the value's length, 0 when that
    /// has no room and follows. The value is always plain text, although the UUIDs that SDKs make
    /// up would fit into 16 bytes instead of 36: so any search for a name through the raw bytes of
    /// a file is an honest one, and that is how a wipe is audited.
    pub fn write(&self, out: &mut Writer) {
        let kind = self.kind as u8;
        match self.value.len() {
            len @ 1..=31 => {
                out.u8(kind | (len as u8) << 3);
                out.raw(self.value.as_bytes());
            }
            _ => {
                out.u8(kind);
                out.text(&self.value);
            }
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Alias, Corrupt> {
        let (kind, value) = Alias::read_past(input)?;
        let value = std::str::from_utf8(value).map_err(|_| Corrupt("a text is not UTF-8"))?;
        Ok(Alias::plain(kind, value.into()))
    }

    /// Reads past an alias; gives its kind and its value's bytes.
    pub fn read_past<'a>(input: &mut Reader<'a>) -> Result<(AliasKind, &'a [u8]), Corrupt> {
        let byte = input.u8()?;
        let kind = KINDS
            .get(usize::from(byte & 7).wrapping_sub(1))
            .map(|(kind, _)| *kind)
            .ok_or(Corrupt("an alias has an unknown kind number"))?;
        let value = match usize::from(byte >> 3) {
            0 => input.blob()?,
            len => input.raw(len)?,
        };
        Ok((kind, value))
    }
}

/// `kind:value`, as the API writes it.
impl std::fmt::Display for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_into_one_form() {
        let email = Alias::new(AliasKind::Email, " Jörg@Example.COM ").expect("valid");
        assert_eq!(email.to_string(), "email:jörg@example.com");
        let phone = Alias::new(AliasKind::Phone, "+49 (0)30 / 123-45").expect("valid");
        assert_eq!(phone.to_string(), "phone:+4903012345");
    }

    #[test]
    fn bytes_go_there_and_back_and_hold_the_plain_name() {
        for (kind, _) in KINDS {
            for len in [0, 1, 7, 31, 32, 36, 127, 128, 256] {
                let alias = Alias::plain(kind, "7".repeat(len).into());
                let mut out = Writer::new();
                alias.write(&mut out);
                let bytes = out.into_bytes();
                assert!(bytes.ends_with(alias.value.as_bytes()));
                let mut input = Reader::new(&bytes);
                assert_eq!(Alias::read(&mut input), Ok(alias));
                assert!(input.is_empty());
            }
        }
        assert!(Alias::read(&mut Reader::new(&[7 | 1 << 3, b'x'])).is_err());
        assert!(Alias::read(&mut Reader::new(&[1 | 2 << 3, b'x'])).is_err());
    }

    #[test]
    fn what_would_join_strangers_is_refused() {
        assert_eq!(Alias::new(AliasKind::User, "undefined"), Err(BadAlias::Placeholder));
        assert_eq!(Alias::new(AliasKind::User, "  "), Err(BadAlias::Empty));
        assert_eq!(Alias::new(AliasKind::Phone, "call me"), Err(BadAlias::Empty));
    }
}
