//! What is durable: the segment log, the key-value store for checkpoints, the data folder that
//! holds both, and the physical erasure of what they hold of a person. Records, keys and values are
//! bytes here; touches and persons are not known. Everything is synchronous.

mod error;
mod format;
mod log;
mod purge;
mod reader;
mod segment;

pub mod disk;
pub mod sim_disk;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::StorageError;
pub use format::{GROUP_BYTES_MAX, PART_BYTES_MAX, RECORD_OVERHEAD};
pub use log::{Log, LogOptions, OwnedRecord, Record, Recovery};
pub use reader::{LogReader, Scan};

#[cfg(test)]
mod log_tests;
