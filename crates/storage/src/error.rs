//! The one error of this crate. Each value names the file, and the offset where one is known, so
//! that an operator can act on the sentence alone.

use std::fmt;
use std::io;

#[derive(Debug)]
pub enum StorageError {
    /// The operating system refused a file operation.
    Io { file: String, doing: &'static str, source: io::Error },
    /// Bytes that were acknowledged no longer carry their checksum, or a file is missing.
    Damaged { file: String, offset: u64, what: String },
    /// No space; nothing of the refused write is kept and the caller may try again.
    DiskFull { file: String },
    /// An earlier write or sync failed in a way that leaves the disk's state unknown.
    Poisoned { why: String },
    /// Another process holds the data folder.
    Locked { path: String, pid: Option<u32> },
    /// The folder or file was written by a version before the first release; nothing reads it.
    OlderFormat { path: String, found: u32, known: u32 },
    /// The folder or file was written by a later version of the program.
    NewerFormat { path: String, found: u32, known: u32 },
    /// The folder is not a data folder, or its FORMAT file cannot be read.
    NotADataFolder { path: String, what: String },
    /// The key-value store under the checkpoints failed.
    Store { doing: &'static str, what: String },
    /// A purge could not finish because readers still hold old files; call it again.
    PurgeBlocked { files: usize },
}

impl StorageError {
    /// Sorts an error of the operating system: a full disk is told apart from all the rest.
    pub(crate) fn io(file: &str, doing: &'static str, source: io::Error) -> StorageError {
        if is_full(&source) {
            StorageError::DiskFull { file: file.to_owned() }
        } else {
            StorageError::Io { file: file.to_owned(), doing, source }
        }
    }

    pub(crate) fn other_format(path: String, found: u32, known: u32) -> StorageError {
        if found < known {
            StorageError::OlderFormat { path, found, known }
        } else {
            StorageError::NewerFormat { path, found, known }
        }
    }

    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> StorageError {
        StorageError::Damaged { file: file.to_owned(), offset, what: what.into() }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Io { file, doing, source } => {
                write!(f, "could not {doing} {file}: {source}")
            }
            StorageError::Damaged { file, offset, what } => write!(
                f,
                "{file} is damaged at byte {offset}: {what}; restore this file from a backup or \
                 a replica, nothing was skipped or changed"
            ),
            StorageError::DiskFull { file } => write!(
                f,
                "no space left for {file}; nothing of the refused write was kept, free some \
                 space and try again"
            ),
            StorageError::Poisoned { why } => write!(
                f,
                "writing stopped after a failed write ({why}); restart so that the state is \
                 read again from what is durable"
            ),
            StorageError::Locked { path, pid: Some(pid) } => {
                write!(f, "the data folder {path} is in use by process {pid}")
            }
            StorageError::Locked { path, pid: None } => {
                write!(f, "the data folder {path} is in use by another process")
            }
            StorageError::OlderFormat { path, found, known } => write!(
                f,
                "{path} has format {found}, which only versions before the first release wrote; \
                 this program reads format {known}: begin with an empty data folder"
            ),
            StorageError::NewerFormat { path, found, known } => write!(
                f,
                "{path} has format {found}, this program reads up to {known}; \
                 use the version of the program that wrote it, or a later one"
            ),
            StorageError::NotADataFolder { path, what } => {
                write!(f, "{path} is not a data folder: {what}")
            }
            StorageError::Store { doing, what } => {
                write!(f, "the checkpoint store could not {doing}: {what}")
            }
            StorageError::PurgeBlocked { files } => write!(
                f,
                "purge is not complete: {files} old files are still held by running reads; run \
                 the purge again"
            ),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StorageError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
