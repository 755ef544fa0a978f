//! What is durable: the segment log, the key-value store for checkpoints, the data folder that
//! holds both, and the physical erasure of what they hold of a person. Records, keys and values are
//! bytes here; touches and persons are not known. Everything is synchronous.

mod dir;
mod disk_store;
mod error;
mod format;
mod hot;
mod log;
mod purge;
mod reader;
mod remover;
mod rests;
mod scrub;
mod segment;
mod store;
mod tree;

pub mod disk;
pub mod sim_disk;

pub use dir::{DataDir, FORMAT};
pub use disk::{Disk, DiskFile, RealDisk, yield_to_others};
pub use disk_store::DiskStore;
pub use error::StorageError;
pub use format::{GROUP_BYTES_MAX, PART_BYTES_MAX};
pub use log::{Log, LogOptions, OwnedRecord, Record, Recovery};
pub use reader::{LogReader, Scan};
pub use scrub::{Damage, Hit, Report, find_bytes, read_log, verify_log};
pub use store::{CommitFault, Each, MemStore, Store};

#[cfg(test)]
mod hot_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod store_tests;
