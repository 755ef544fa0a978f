//! engine

pub mod condition;
pub mod journey;
