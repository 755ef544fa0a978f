//! The checkpoint store on disk. The rows of tables that change all the time are in files that only
//! grow (`hot`), all others in a tree of sorted files (`tree`); the tree also has the keys of the
//! hot rows, for their order, and the position up to which the hot files count. So a batch is there
//! as a whole or not at all: its hot rows are synced first, and the tree's batch makes them count.
//!
//! Nothing is compressed and keys are stored whole, so that a search through the files for an
//! identifier is an honest audit of a wipe. A purge writes anew all that counts and lets the old
//! files go. It takes its time, a third of a core and of the disk. Gather wipes, purge once.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::bytes::Rows;

use crate::disk::{RealDisk, yield_to_others};
use crate::error::StorageError;
use crate::hot::{Clean, Hot, Position};
use crate::remover::Remover;
use crate::rests::Pace;
use crate::store::{Each, Store, lock};
use crate::tree::{PURGE_WAIT, Tree, copy, link_or_copy};

/// Where the tree has the position of the hot files. Nobody else's key.
const POSITION: &[u8] = b"\0hot";
/// How often somebody looks whether there is something to tidy up.
const TIDY_EVERY: Duration = Duration::from_secs(1);
const SCANNED_FIRST: usize = 16;
const SCANNED_MOST: usize = 1024;
/// So many hot rows at once say that there is other work for a while.
const BUSY_ROWS: usize = 10_000;
/// A batch of more rows comes from a full machine: to rest would only make the log's tail longer,
/// which the next start has to read.
const RESTED_ROWS: usize = 100_000;
const BUSY_FOR: Duration = Duration::from_secs(5);

pub struct DiskStore {
    inner: Arc<Inner>,
    tidier: Option<JoinHandle<()>>,
}

struct Inner {
    folder: PathBuf,
    tree: Tree,
    hot: Hot<RealDisk>,
    remover: Arc<Remover>,
    /// What the keys of hot rows begin with.
    hot_tables: Box<[u8]>,
    /// Held by the one commit that runs; says why commits stopped, if they did.
    commit: Mutex<Option<String>>,
    work: Mutex<Work>,
    wake: Condvar,
}

struct Work {
    /// Until then nobody tidies up.
    busy: Instant,
    /// Something was committed since the last purge, or it is not known.
    unpurged: bool,
    stop: bool,
}

impl DiskStore {
    /// Opens the store in this folder or makes a new one. `cache_bytes` are for blocks of the tree;
    /// keys that begin with one of `hot_tables` are of rows that change all the time.
    pub fn open(
        folder: impl AsRef<Path>,
        cache_bytes: u64,
        hot_tables: &[u8],
    ) -> Result<DiskStore, StorageError> {
        let folder = folder.as_ref().to_path_buf();
        let rows = folder.join("rows");
        fs::create_dir_all(&rows)
            .map_err(|e| StorageError::io(&rows.display().to_string(), "make", e))?;
        let remover = Remover::start();
        let remover = remover.map_err(|e| StorageError::io("the store's thread", "start", e))?;
        let remover = Arc::new(remover);
        let tree = Tree::open(&folder, cache_bytes, remover.clone())?;
        let position = tree.get(POSITION)?.map(|bytes| {
            Position::of_bytes(&bytes).ok_or_else(|| StorageError::Store {
                doing: "open",
                what: "the position of the row files cannot be read".into(),
            })
        });
        let hot = Hot::open(RealDisk::new(rows), position.transpose()?)?;
        let inner = Arc::new(Inner {
            folder,
            tree,
            hot,
            remover,
            hot_tables: hot_tables.into(),
            commit: Mutex::new(None),
            // Whoever starts has other things to do first.
            work: Mutex::new(Work { busy: Instant::now() + BUSY_FOR, unpurged: true, stop: false }),
            wake: Condvar::new(),
        });
        let worker = inner.clone();
        let tidier = std::thread::Builder::new()
            .name("store-tidier".into())
            .spawn(move || worker.tidy_forever())
            .map_err(|e| StorageError::io("the store's thread", "start", e))?;
        Ok(DiskStore { inner, tidier: Some(tidier) })
    }

    /// Why the last merging failed, for the operator. The data is safe; space is not given back and
    /// reading slows down until it succeeds.
    pub fn trouble(&self) -> Option<String> {
        self.inner.tree.trouble()
    }

    /// Puts a copy of the store as it is now into a new folder, by hard links where the file system
    /// can. Commits wait meanwhile, reads do not.
    pub fn backup(&self, into: &Path) -> Result<(), StorageError> {
        let _no_commit = self.inner.hot.waiting(|| lock(&self.inner.commit));
        self.inner.tree.backup(&into.join("tree"))?;
        let rows = into.join("rows");
        self.inner
            .copy_rows(&rows)
            .map_err(|e| StorageError::io(&rows.display().to_string(), "copy to", e))
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        lock(&self.inner.work).stop = true;
        self.inner.wake.notify_all();
        self.inner.tree.stop();
        if let Some(tidier) = self.tidier.take() {
            // A panic there was printed; there is nobody here to hand it to.
            let _ = tidier.join();
        }
    }
}

impl Store for DiskStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if self.inner.is_hot(key) { self.inner.hot.get(key) } else { self.inner.tree.get(key) }
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let is_hot = |at: &usize| self.inner.is_hot(keys[*at]);
        let (hot, mut others): (Vec<usize>, Vec<usize>) = (0..keys.len()).partition(is_hot);
        let hot_keys: Vec<&[u8]> = hot.iter().map(|at| keys[*at]).collect();
        let mut values = vec![None; keys.len()];
        for (at, value) in hot.into_iter().zip(self.inner.hot.get_many(&hot_keys)?) {
            values[at] = value;
        }
        // Neighbours lie in one block of the tree.
        others.sort_unstable_by_key(|at| keys[*at]);
        for at in others {
            values[at] = self.inner.tree.get(keys[at])?;
        }
        Ok(values)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: &mut Each<'_>,
    ) -> Result<(), StorageError> {
        let mut hot = HotScan { inner: &self.inner, keys: Vec::new(), most: SCANNED_FIRST };
        let mut result = Ok(());
        self.inner.tree.scan(from, to, reverse, &mut |key, value| {
            if self.inner.is_hot(key) {
                return hot.add(key, each, &mut result);
            }
            hot.hand_out(each, &mut result)?;
            if key == POSITION { ControlFlow::Continue(()) } else { each(key, value) }
        })?;
        // Nothing is left if it was broken off.
        let _ = hot.hand_out(each, &mut result);
        result
    }

    fn commit(&self, batch: &Rows) -> Result<(), StorageError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.inner.write(batch, Clean::Half)
    }

    fn purge(&self) -> Result<(), StorageError> {
        let result = self.inner.purge();
        if result.is_err() {
            lock(&self.inner.work).unpurged = true;
        }
        result
    }

    fn disk_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.inner.tree.disk_bytes()? + self.inner.hot.disk_bytes()?)
    }
}

/// Keys of hot rows that a scan came by: their rows are read some at once, first few, since a
/// page of a list wants no more.
struct HotScan<'a> {
    inner: &'a Inner,
    keys: Vec<Vec<u8>>,
    most: usize,
}

impl HotScan<'_> {
    fn add(
        &mut self,
        key: &[u8],
        each: &mut Each<'_>,
        result: &mut Result<(), StorageError>,
    ) -> ControlFlow<()> {
        self.keys.push(key.to_vec());
        if self.keys.len() < self.most {
            return ControlFlow::Continue(());
        }
        self.most = SCANNED_MOST.min(self.most * 2);
        self.hand_out(each, result)
    }

    fn hand_out(
        &mut self,
        each: &mut Each<'_>,
        result: &mut Result<(), StorageError>,
    ) -> ControlFlow<()> {
        let all = std::mem::take(&mut self.keys);
        let keys: Vec<&[u8]> = all.iter().map(|key| &**key).collect();
        match self.inner.hot.get_many(&keys) {
            // Without a value it was deleted since the scan began.
            Ok(values) => keys
                .iter()
                .zip(values)
                .filter_map(|(key, value)| Some((key, value?)))
                .try_for_each(|(key, value)| each(key, &value)),
            Err(error) => {
                *result = Err(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Inner {
    fn is_hot(&self, key: &[u8]) -> bool {
        key.first().is_some_and(|table| self.hot_tables.contains(table))
    }

    fn write(&self, batch: &Rows, clean: Clean) -> Result<(), StorageError> {
        // After a panic in the middle of a commit nobody knows how much of it the index has.
        let stopped = match clean {
            Clean::Half => self.hot.waiting(|| self.commit.lock()),
            Clean::Oldest => self.commit.lock(),
        };
        let mut stopped = stopped.map_err(|_| StorageError::Poisoned {
            why: "a commit to the store ended in a panic".into(),
        })?;
        if let Some(why) = &*stopped {
            return Err(StorageError::Poisoned { why: why.clone() });
        }
        let result = self.write_both(batch, clean);
        if let Err(error) = &result
            && !matches!(error, StorageError::DiskFull { .. })
        {
            *stopped = Some(error.to_string());
        }
        result
    }

    fn write_both(&self, batch: &Rows, clean: Clean) -> Result<(), StorageError> {
        let hot = || batch.iter().filter(|(key, _)| self.is_hot(key));
        let pace = if batch.len() > RESTED_ROWS { Pace::Hurry } else { Pace::Merge };
        let written = self.hot.write(hot(), clean, pace)?;
        let keys: Vec<&[u8]> = hot().map(|(key, _)| key).collect();
        let mut contained = self.hot.contains(&keys, pace).into_iter();
        let (mut others, mut deletes) = (Rows::new(), false);
        for (key, value) in batch.iter() {
            // One that was deleted in this batch is new as well.
            let is_old = self.is_hot(key) && contained.next() == Some(true) && !deletes;
            match value {
                None => {
                    others.delete(key);
                    deletes = true;
                }
                Some(_) if is_old => {}
                Some(_) if self.is_hot(key) => others.put(key, []),
                Some(value) => others.put(key, value),
            }
        }
        let hot_rows = written.len();
        others.put(POSITION, written.position().to_bytes());
        if let Err(error) = self.tree.commit(&others, pace) {
            // After any other error nobody knows which position the next opening finds.
            if matches!(error, StorageError::DiskFull { .. }) {
                self.hot.take_back(written);
            }
            return Err(error);
        }
        for gone in self.hot.apply(written, pace) {
            let path = self.folder.join("rows").join(gone.name());
            self.remover.remove(path, move || gone.is_read());
        }
        let mut work = lock(&self.work);
        if !batch.is_empty() {
            work.unpurged = true;
            if hot_rows > BUSY_ROWS {
                work.busy = Instant::now() + BUSY_FOR;
            }
        }
        Ok(())
    }

    /// Only the last of the files still changes. The caller holds `commit`.
    fn copy_rows(&self, into: &Path) -> io::Result<()> {
        fs::create_dir_all(into)?;
        let from = self.folder.join("rows");
        let (others, last) = self.hot.names();
        for name in others {
            link_or_copy(&from.join(&name), &into.join(&name))?;
        }
        if let Some(last) = last {
            copy(&from.join(&last), &into.join(&last))?;
        }
        File::open(into)?.sync_all()
    }

    fn purge(&self) -> Result<(), StorageError> {
        {
            // After the commit that runs now, if one does.
            let _no_commit = lock(&self.commit);
            if !std::mem::take(&mut lock(&self.work).unpurged) {
                return Ok(());
            }
        }
        let last = self.hot.seal();
        while self.hot.oldest().is_some_and(|oldest| oldest <= last) {
            self.clean_oldest()?;
        }
        self.tree.purge()?;
        let files = self.remover.wait(PURGE_WAIT);
        if files > 0 {
            return Err(StorageError::PurgeBlocked { files });
        }
        // What is gone must not come back after a crash.
        for name in ["rows", "going"] {
            let folder = self.folder.join(name);
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|e| StorageError::io(&folder.display().to_string(), "sync", e))?;
        }
        Ok(())
    }

    /// The oldest file goes. The lock is not fair, so whoever waited for it meanwhile comes before
    /// the caller's next.
    fn clean_oldest(&self) -> Result<(), StorageError> {
        let cleaned = self.write(&Rows::new(), Clean::Oldest);
        let begun = Instant::now();
        while self.hot.is_waited_for() && begun.elapsed() < BUSY_FOR {
            std::thread::sleep(Duration::from_millis(1));
        }
        cleaned
    }

    /// When there is nothing else to do, what is out of date goes, so that the disk is given back.
    fn tidy_forever(&self) {
        yield_to_others();
        let mut work = lock(&self.work);
        while !work.stop {
            let wait = self.wake.wait_timeout(work, TIDY_EVERY);
            work = wait.unwrap_or_else(PoisonError::into_inner).0;
            while !work.stop && work.busy < Instant::now() && self.hot.is_untidy() {
                drop(work);
                // An error stops the commits, and whoever commits next is told.
                let failed = self.clean_oldest().is_err();
                work = lock(&self.work);
                if failed {
                    break;
                }
            }
            if !work.stop && work.busy < Instant::now() && self.tree.is_untidy() {
                drop(work);
                self.tree.tidy();
                work = lock(&self.work);
            }
        }
    }
}
