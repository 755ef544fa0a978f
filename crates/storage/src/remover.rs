//! Takes large files away a piece at a time. A file system gives the blocks of a removed file back
//! in one go, and where the disk is told of it ('discard'), every sync waits meanwhile: ten
//! milliseconds for 32 MiB, measured. A file that is cut short by a piece now and then costs them
//! one or two.
//!
//! Kept true: nobody reads a file that is cut, and no other name leads to it, as one in a backup
//! would.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::disk::yield_to_others;
use crate::store::lock;

const PIECE_BYTES: u64 = 1 << 20;
const REST: Duration = Duration::from_millis(5);
/// With so many files waiting there is no rest between two pieces.
const FILES_HURRY: usize = 16;
/// How often somebody looks whether a file is still read.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Remover {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Inner {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<Gone>,
    /// One that was taken from those that wait, and is not gone yet.
    cutting: bool,
    stop: bool,
}

struct Gone {
    path: PathBuf,
    is_read: Box<dyn Fn() -> bool + Send>,
}

impl Remover {
    pub fn start() -> io::Result<Remover> {
        let inner = Arc::new(Inner::default());
        let worker = inner.clone();
        let name = "store-remover".to_owned();
        let thread = std::thread::Builder::new().name(name).spawn(move || worker.run())?;
        Ok(Remover { inner, thread: Some(thread) })
    }

    /// Removes the file once nobody reads it; nobody may begin to.
    pub fn remove(&self, path: PathBuf, is_read: impl Fn() -> bool + Send + 'static) {
        lock(&self.inner.work).waiting.push_back(Gone { path, is_read: Box::new(is_read) });
        self.inner.changed.notify_all();
    }

    /// Waits until all are gone, as long as some go. Gives the number of those that are left.
    pub fn wait(&self, at_most: Duration) -> usize {
        let mut since = Instant::now();
        let mut work = lock(&self.inner.work);
        let mut before = usize::MAX;
        loop {
            let left = work.waiting.len() + usize::from(work.cutting);
            if left < before {
                (before, since) = (left, Instant::now());
            }
            if left == 0 || since.elapsed() >= at_most {
                return left;
            }
            let wait = self.inner.changed.wait_timeout(work, LOOK_EVERY);
            work = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        lock(&self.inner.work).stop = true;
        self.inner.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed; there is nobody here to hand it to.
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn run(&self) {
        yield_to_others();
        while let Some(gone) = self.next() {
            // What cannot be removed now is removed at the next opening.
            let _ = remove(&gone.path, || self.is_hurried());
            drop(gone);
            lock(&self.work).cutting = false;
            self.changed.notify_all();
        }
    }

    /// Somebody waits for the space, or for the end.
    fn is_hurried(&self) -> bool {
        let work = lock(&self.work);
        work.stop || work.waiting.len() >= FILES_HURRY
    }

    /// The next file that nobody reads. None at the end: files that somebody reads stay then.
    fn next(&self) -> Option<Gone> {
        let mut work = lock(&self.work);
        loop {
            if let Some(at) = work.waiting.iter().position(|gone| !(gone.is_read)()) {
                work.cutting = true;
                return work.waiting.remove(at);
            }
            if work.stop {
                return None;
            }
            let wait = if work.waiting.is_empty() { Duration::MAX } else { LOOK_EVERY };
            let wait = self.changed.wait_timeout(work, wait);
            work = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn remove(path: &Path, is_hurried: impl Fn() -> bool) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let found = file.metadata()?;
    let mut left = if found.nlink() == 1 { found.len() } else { 0 };
    while left > PIECE_BYTES && !is_hurried() {
        left -= PIECE_BYTES;
        file.set_len(left)?;
        std::thread::sleep(REST);
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const LONG: usize = PIECE_BYTES as usize * 3 + 5;

    fn file(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, vec![7; LONG]).unwrap();
        path
    }

    #[test]
    fn files_go_once_nobody_reads_them_and_other_names_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, linked, read] =
            ["plain", "linked", "read"].map(|name| file(folder.path(), name));
        let other = folder.path().join("other name");
        fs::hard_link(&linked, &other).unwrap();
        let reading = Arc::new(AtomicBool::new(true));
        let remover = Remover::start().unwrap();
        let is_read = reading.clone();
        remover.remove(read.clone(), move || is_read.load(Ordering::Relaxed));
        for path in [&plain, &linked] {
            remover.remove(path.clone(), || false);
        }
        remover.remove(folder.path().join("was never there"), || false);
        assert_eq!(remover.wait(Duration::from_millis(300)), 1);
        assert!(!plain.exists() && !linked.exists());
        assert_eq!(fs::read(&read).unwrap().len(), LONG);
        assert_eq!(fs::read(&other).unwrap(), vec![7; LONG]);
        reading.store(false, Ordering::Relaxed);
        assert_eq!(remover.wait(Duration::from_secs(30)), 0);
        assert!(!read.exists());
    }

    #[test]
    fn at_the_end_all_go_that_nobody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..40).map(|n| file(folder.path(), &n.to_string())).collect();
        let remover = Remover::start().unwrap();
        paths.iter().for_each(|path| remover.remove(path.clone(), || false));
        drop(remover);
        assert!(paths.iter().all(|path| !path.exists()));
    }
}
