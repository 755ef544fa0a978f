//! engine

pub mod condition;
