//! Takes large files away a piece at a time. A file system gives the blocks of a removed file back
//! in one go, and where the disk is told of it ('discard'), every sync waits meanwhile: ten
//! milliseconds for 32 MiB, measured. A file that is cut short by a piece now and then costs them
//! one or two.
//!
//! Kept true: nobody reads a file that is cut, and no other name leads to it, as one in a backup
//! would.

use std::collections::BTreeSet;
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
/// How often somebody looks whether a file is still read, or can be removed by now.
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
    /// Those that the thread does not have yet.
    new: Vec<Gone>,
    /// The numbers of all that are not gone yet, in the order in which they came.
    left: BTreeSet<u64>,
    next: u64,
    stop: bool,
}

struct Gone {
    number: u64,
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
        let mut work = lock(&self.inner.work);
        let number = work.next;
        work.next += 1;
        work.left.insert(number);
        work.new.push(Gone { number, path, is_read: Box::new(is_read) });
        self.inner.changed.notify_all();
    }

    /// Waits until all are gone that were to go before, as long as some go. Gives the number of
    /// those that are left.
    pub fn wait(&self, at_most: Duration) -> usize {
        let mut since = Instant::now();
        let mut work = lock(&self.inner.work);
        let (upto, mut before) = (work.next, usize::MAX);
        loop {
            let left = work.left.range(..upto).count();
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
    /// Until the end; files that somebody reads then, or that cannot be removed, stay until the
    /// next opening.
    fn run(&self) {
        yield_to_others();
        let mut waiting: Vec<Gone> = Vec::new();
        loop {
            let stop = {
                let mut work = lock(&self.work);
                waiting.append(&mut work.new);
                work.stop
            };
            waiting.retain(|gone| {
                if (gone.is_read)() || remove(&gone.path, |_| self.rest()).is_err() {
                    return true;
                }
                lock(&self.work).left.remove(&gone.number);
                self.changed.notify_all();
                false
            });
            if stop {
                return;
            }
            let work = lock(&self.work);
            // After a failure or while somebody reads, it is tried again after a while.
            if !work.new.is_empty() || work.stop {
                continue;
            }
            if waiting.is_empty() {
                drop(self.changed.wait(work));
            } else {
                drop(self.changed.wait_timeout(work, LOOK_EVERY));
            }
        }
    }

    /// Between two pieces. False: there is no time for more of them.
    fn rest(&self) -> bool {
        let (stop, hurry) = {
            let work = lock(&self.work);
            (work.stop, work.left.len() >= FILES_HURRY)
        };
        if !stop && !hurry {
            std::thread::sleep(REST);
        }
        !stop
    }
}

/// Cuts the file by a piece as long as `go_on` says so of what is left, and removes the rest.
fn remove(path: &Path, mut go_on: impl FnMut(u64) -> bool) -> io::Result<()> {
    if let Ok(file) = File::options().write(true).open(path)
        && let Ok(found) = file.metadata()
        && found.nlink() == 1
    {
        let mut left = found.len();
        while left > PIECE_BYTES {
            left -= PIECE_BYTES;
            if file.set_len(left).is_err() || !go_on(left) {
                break;
            }
        }
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
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
    fn a_file_is_cut_by_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "long");
        let mut lens = Vec::new();
        remove(&path, |left| {
            assert_eq!(fs::metadata(&path).unwrap().len(), left);
            lens.push(left);
            true
        })
        .unwrap();
        assert_eq!(lens, [PIECE_BYTES * 2 + 5, PIECE_BYTES + 5, 5]);
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_removed_counts_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a folder");
        fs::create_dir(&path).unwrap();
        let remover = Remover::start().unwrap();
        remover.remove(path.clone(), || false);
        assert_eq!(remover.wait(Duration::from_millis(100)), 1);
        fs::remove_dir(&path).unwrap();
        assert_eq!(remover.wait(Duration::from_secs(30)), 0);
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
