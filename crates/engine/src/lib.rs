//! The engine: the fold that turns entries into state, and the decision that reads it.
//!
//! It is deterministic: no clock, no random source, no I/O, no hash order shows in a result.
//! Kept so by this crate's `clippy.toml`.

mod aliases;
mod away;
mod bonds;
pub mod condition;
pub mod decide;
mod facts;
mod fold;
mod grants;
mod heap;
mod identity;
pub mod journey;
pub mod keys;
mod lazy;
mod moves;
mod places;
pub mod record;
mod referrals;
mod refused;
mod seen;
mod split;
mod state;
pub mod table;
mod tally;
mod terms;
mod timeline;
mod timers;
mod wipe;

pub use away::{Away, WARMED};
pub use bonds::{CLAIM_FAILURES, journey_and_stage};
pub use decide::{Looked, bond_subject, consents_to, decide, look_and_decide, nearest_place};
pub use fold::{Change, Effects, EntryRef, Send, apply};
pub use grants::{code_of, held, normal_code};
pub use keys::HOT;
pub use state::{BondRef, Entity, History, Meta, State, seen_key};
pub use table::{Backing, Found, Warmed};
pub use terms::Term;
pub use timeline::Topic;

#[cfg(test)]
mod tests;
