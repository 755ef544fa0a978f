//! What this machine can do with nothing of ours in it: the work of a touch on plain memory behind
//! a log, on the best tree, a bare server, a bare replay, a broker's bare publish, the disk's sync.

pub mod disk;
pub mod fixed;
pub mod fold;
pub mod jetstream;
pub mod replay;
pub mod tree;

use std::path::PathBuf;

use crate::Trouble;
use crate::flags::Flags;

/// A folder that is made here and goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn of(flags: &Flags, name: &str) -> Result<Scratch, Trouble> {
        let path = PathBuf::from(flags.text("folder")?).join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in a folder that whoever started us takes away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
