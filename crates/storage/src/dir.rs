//! The data folder: who may use it, which format it has, where its parts are.
//!
//! ```text
//! FORMAT   "everbond data folder\nformat 6\n"
//! LOCK     locked while a process uses the folder; holds its number
//! log/     segments and purge-pending
//! store/   checkpoints
//! ```

use crate::disk::RealDisk;
use crate::error::StorageError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The format that this program writes and the only one that it reads.
pub const FORMAT: u32 = 6;
const TITLE: &str = "everbond data folder";

#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock until it is dropped.
    _lock: File,
}

impl DataDir {
    /// Takes the folder for this process alone; makes it if it does not exist or is empty.
    ///
    /// # Errors
    /// `Locked`, `OlderFormat`, `NewerFormat`, `NotADataFolder` when the folder holds other things,
    /// or `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<DataDir, StorageError> {
        let path = path.as_ref().to_path_buf();
        let name = path.display().to_string();
        let failed = |e| StorageError::io(&name, "open the data folder", e);
        fs::create_dir_all(&path).map_err(failed)?;
        let format = read_format(&path)?;
        if format.is_none() {
            refuse_foreign(&path, &name)?;
        }
        let lock = take_lock(&path, &name)?;
        // Only now, so that two processes that start at once do not both make the folder.
        for part in ["log", "store"] {
            fs::create_dir_all(path.join(part)).map_err(failed)?;
        }
        if read_format(&path)?.is_none() {
            write_format(&path).map_err(failed)?;
        }
        Ok(DataDir { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn log_folder(&self) -> PathBuf {
        self.path.join("log")
    }

    pub fn log_disk(&self) -> RealDisk {
        RealDisk::new(self.log_folder())
    }

    pub fn store_folder(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Bytes that this process may still write to the folder's file system.
    pub fn free_bytes(&self) -> Result<u64, StorageError> {
        let name = self.path.display().to_string();
        let stat = rustix::fs::statvfs(&self.path)
            .map_err(|e| StorageError::io(&name, "ask for the free space of", e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn read_format(path: &Path) -> Result<Option<u32>, StorageError> {
    let file = path.join("FORMAT");
    let bad = |what: String| StorageError::NotADataFolder { path: show(path), what };
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StorageError::io(&show(&file), "read", e)),
    };
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(bad(format!("its FORMAT file does not begin with {TITLE:?}")));
    }
    let number = lines.next().and_then(|line| line.strip_prefix("format "));
    let Some(found) = number.and_then(|number| number.parse().ok()) else {
        return Err(bad("its FORMAT file names no format".into()));
    };
    if found != FORMAT {
        return Err(StorageError::other_format(show(path), found, FORMAT));
    }
    Ok(Some(found))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// A folder without FORMAT may hold only what a first start leaves when it is broken off.
fn refuse_foreign(path: &Path, name: &str) -> Result<(), StorageError> {
    let failed = |e| StorageError::io(name, "list", e);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.file_name();
        let entry = entry.to_string_lossy();
        if !["LOCK", "FORMAT.tmp", "log", "store", "lost+found"].contains(&entry.as_ref()) {
            let what = format!("it has no FORMAT file but holds {entry:?}; name an empty folder");
            return Err(StorageError::NotADataFolder { path: name.to_owned(), what });
        }
    }
    Ok(())
}

fn take_lock(path: &Path, name: &str) -> Result<File, StorageError> {
    let failed = |e| StorageError::io(name, "lock", e);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path.join("LOCK")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(StorageError::Locked { path: name.to_owned(), pid });
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn write_format(path: &Path) -> io::Result<()> {
    let tmp = path.join("FORMAT.tmp");
    let mut file = File::create(&tmp)?;
    writeln!(file, "{TITLE}\nformat {FORMAT}")?;
    file.sync_all()?;
    fs::rename(&tmp, path.join("FORMAT"))?;
    File::open(path)?.sync_all()
}
