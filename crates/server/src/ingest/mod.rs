//! The ways in: bytes from outside become touches, or a refusal that says what, where and what to
//! do. Everything here but `routes` is a plain function of its arguments: no clock, no state, no
//! I/O of its own; the time of arrival is an argument.
//!
//! Kept true: no input panics; one bad item never spoils its neighbours; what a refusal says
//! repeats no alias, trait or property value, because refusals outlive a wipe.

pub mod body;
pub mod cursor;
pub mod json;
pub mod mapping;
pub mod native;
pub mod parts;
pub mod routes;
pub mod segment;
#[cfg(test)]
mod spoil;
pub mod table;

use model::limits;
use model::touch::Touch;

/// Why one touch was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Stable word for programs, `bad_kind`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// Where: `touches[2].kind`.
    pub at: String,
    /// What to do about it.
    pub hint: String,
    /// From 1, in the body; 0 when not known.
    pub line: usize,
    pub column: usize,
    /// The item as it came, so that it can be read and retried; at most `TOUCH_BYTES`.
    pub raw: Box<[u8]>,
}

impl Bad {
    pub fn new(
        code: &'static str,
        at: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Bad {
        Bad {
            code,
            detail: detail.into(),
            at: at.into(),
            hint: hint.into(),
            line: 0,
            column: 0,
            raw: Box::default(),
        }
    }

    /// Puts `before` in front of the place: `kind` becomes `touches[2].kind`.
    fn under(mut self, before: &str) -> Bad {
        self.at = match (before.is_empty(), self.at.is_empty()) {
            (true, _) => self.at,
            (_, true) => before.to_owned(),
            _ if self.at.starts_with('[') => format!("{before}{}", self.at),
            _ => format!("{before}.{}", self.at),
        };
        self
    }

    fn with_raw(mut self, raw: &[u8]) -> Bad {
        self.raw = raw[..raw.len().min(limits::TOUCH_BYTES)].into();
        self
    }

    /// The reason as one sentence with its place, as it is kept with the refused item.
    pub fn reason(&self) -> String {
        if self.at.is_empty() {
            self.detail.clone()
        } else {
            format!("{}: {}", self.at, self.detail)
        }
    }
}

/// Why a whole request was not read. Nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status it answers with.
    pub status: u16,
    pub code: &'static str,
    pub detail: String,
    pub hint: &'static str,
    /// Line and column from 1, when the body is text and the place is known.
    pub place: Option<(usize, usize)>,
}

impl Problem {
    fn new(status: u16, code: &'static str, detail: impl Into<String>, hint: &'static str) -> Self {
        Problem { status, code, detail: detail.into(), hint, place: None }
    }
}

/// What a body held, in its order.
#[derive(Debug, Default)]
pub struct Parsed {
    pub items: Vec<Result<Touch, Bad>>,
    /// The key that a Segment body named, which is a credential as good as a header.
    pub write_key: Option<Box<str>>,
}

impl Parsed {
    pub fn refused(&self) -> usize {
        self.items.iter().filter(|item| item.is_err()).count()
    }
}
