//! GS1 keys and Digital Link.

pub mod check;
pub mod key;

pub use key::{Gtin, KeyError, Serial, Subject};
