//! The runtime: the one loop that drains what was submitted, appends and syncs it, folds it in,
//! answers, and tells the outside what changed; checkpoints and purges beside it; replay.

mod adapt;
pub mod core;
mod service;

pub use adapt::{LogHistory, StoreBacking, decode};
pub use core::{Answers, Core, Covered, OpenError, Opened, Options, Told, replay};
pub use service::{Busy, Gauges, Handle, Pace, Running, start};
