//! The words of Everbond as types: ids, GS1 keys, touches, entries, effects, contexts, decisions,
//! limits, and the byte form of each. It holds no state, reads no clock and does no I/O.

pub mod bytes;
pub mod gs1;
pub mod value;
