//! What became of an entry: the fold's answer to whoever brought it. A refusal is an outcome.

use crate::id::{PersonId, Time};

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Accepted(Accepted),
    /// A message with this id was counted before.
    Duplicate,
    Refused(Refusal),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accepted {
    /// Whose it was found to be.
    pub person: Option<PersonId>,
    /// Offers that a decision asked for and got.
    pub grants: Vec<Grant>,
}

/// An offer given to one person, with its code.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub offer: Box<str>,
    pub code: Box<str>,
    pub until: Time,
}

/// Why the fold changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable word for programs, `claim_code_wrong`.
    pub code: &'static str,
    /// A sentence for people; names no person.
    pub detail: String,
}

impl Outcome {
    pub fn accepted() -> Outcome {
        Outcome::Accepted(Accepted::default())
    }

    pub fn refused(code: &'static str, detail: impl Into<String>) -> Outcome {
        Outcome::Refused(Refusal { code, detail: detail.into() })
    }
}
