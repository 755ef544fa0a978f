//! The words of Everbond as types: ids, GS1 keys, touches, entries, contexts, decisions, what a
//! company registers, limits, and the byte form of each. It holds no state, reads no clock and
//! does no I/O.

pub mod alias;
pub mod bytes;
pub mod context;
pub mod decision;
pub mod entry;
pub mod fields;
pub mod gs1;
pub mod id;
pub mod kind;
pub mod limits;
mod names;
pub mod outcome;
pub mod parts;
pub mod prose;
pub mod texts;
pub mod things;
pub mod touch;
pub mod value;
