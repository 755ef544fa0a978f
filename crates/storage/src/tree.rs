//! The rows that seldom change, in order: one tree of sorted, immutable files (the `lsm-tree`
//! crate, without a journal: the log is the journal).
//!
//! A commit goes past the tree's memory tables: it is sorted and written straight into new table
//! files, which are synced, and then the manifest is replaced by rename. So a batch is invisible
//! until it is durable, and appears whole. Reads take the newest manifest and hold on to its files.
//!
//! Nothing is compressed and keys are stored whole, so that a search through the files for an
//! identifier is an honest audit of a wipe. What a purge costs: it rewrites every table (measured:
//! 290 MB/s, and it rests for twice as long), because the crate's interface for choosing tables is
//! closed to other crates. Gather wipes, purge once.

use crate::error::StorageError;
use crate::remover::Remover;
use crate::rests::{Pace, Rests, Turns};
use crate::store::{Each, bounds, lock};
use lsm_tree::config::{CompressionPolicy, PinningPolicy, RestartIntervalPolicy};
use lsm_tree::{
    AbstractTree, AnyTree, Cache, CompressionType, Config, Guard, InternalValue, SeqNo,
    SequenceNumberCounter, ValueType,
};
use model::bytes::Rows;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Above so many unmerged batches a commit waits for the merging, else reading would slow down
/// without bound.
const BATCHES_UNMERGED_MAX: usize = 128;
/// So many batches are merged with what there is: the more at once, the less often all of it is
/// written anew, and the more files a search looks into.
const BATCHES_MERGED: u8 = 64;
/// With more, a commit is refused as on a full disk, which is nearly always why nothing was merged:
/// the manifest has one byte for their number.
const BATCHES_MOST: usize = 240;
/// How long one commit waits at most: a purge may keep the merging from running for long.
const MERGE_WAIT: Duration = Duration::from_secs(5);
/// A table is synced as a whole when it is written, and the log's sync waits for as long.
const TABLE_BYTES: u64 = 8 << 20;
/// The same in a purge, which goes on while nothing else may wait.
const PURGED_TABLE_BYTES: u64 = 2 << 20;
/// From so many unmerged batches on, merging takes no rests.
const BATCHES_HURRY: usize = 96;
/// Unmerged bytes that nobody tidies up, beside a twentieth of all.
const UNTIDY_LEAST: u64 = 16 << 20;
/// More than this is not tidied up: all is merged at once, and what comes meanwhile has to wait.
const TIDIED_MOST: u64 = 1 << 30;
/// How long a purge waits for running reads to let go of old files.
pub(crate) const PURGE_WAIT: Duration = Duration::from_secs(10);

/// Reads never ask for a past state by number (they hold its files), so every older version may go.
const ALL_OLDER: SeqNo = SeqNo::MAX;

pub(crate) struct Tree {
    inner: Arc<Inner>,
    merger: Option<JoinHandle<()>>,
}

struct Inner {
    tree: AnyTree,
    folder: PathBuf,
    /// Files that were merged into others get a name here as well, so that the crate's removing
    /// them gives no block back, and wait for the remover.
    going: PathBuf,
    numbers: SequenceNumberCounter,
    rests: Arc<Rests>,
    remover: Arc<Remover>,
    /// Held by whoever merges or removes tables. Taken before `commit`, never after.
    merging: Mutex<()>,
    /// Held by the one commit that runs; says why commits stopped, if they did.
    commit: Mutex<Option<String>>,
    work: Mutex<Work>,
    wake: Condvar,
}

#[derive(Default)]
struct Work {
    /// There are new tables to merge.
    pending: bool,
    stop: bool,
    trouble: Option<String>,
    /// Something was committed since the last purge, or it is not known.
    unpurged: bool,
}

impl Tree {
    /// Opens the store's tree or makes a new one. `cache_bytes` are for blocks read.
    pub fn open(
        store: &Path,
        cache_bytes: u64,
        remover: Arc<Remover>,
    ) -> Result<Tree, StorageError> {
        let (folder, going) = (store.join("tree"), store.join("going"));
        // What a stop left.
        let emptied = match fs::remove_dir_all(&going) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => fs::create_dir_all(&going).and_then(|()| File::open(store)?.sync_all()),
        };
        emptied.map_err(|e| StorageError::io(&going.display().to_string(), "empty", e))?;
        let numbers = SequenceNumberCounter::default();
        let rests = Arc::new(Rests::default());
        let tree = Config::new(&folder, numbers.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(cache_bytes)))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
            .data_block_restart_interval_policy(RestartIntervalPolicy::all(1))
            // Some two hundredths of the store, in memory for good: a search needs them in every
            // file, and each is so large that reading it again costs more than all else.
            .filter_block_pinning_policy(PinningPolicy::all(true))
            .index_block_pinning_policy(PinningPolicy::all(true))
            .with_compaction_filter_factory(Some(rests.clone()))
            .open()
            .map_err(|e| error(&folder, "open", e))?;
        numbers.fetch_max(tree.get_highest_persisted_seqno().unwrap_or(0) + 1);
        let unpurged = tree.table_count() > 0;
        let inner = Arc::new(Inner {
            tree,
            folder,
            numbers,
            rests,
            remover,
            going,
            commit: Mutex::new(None),
            merging: Mutex::new(()),
            work: Mutex::new(Work { unpurged, ..Work::default() }),
            wake: Condvar::new(),
        });
        let worker = inner.clone();
        let merger = std::thread::Builder::new()
            .name("store-merger".into())
            .spawn(move || worker.merge_forever())
            .map_err(|e| StorageError::io("the store's thread", "start", e))?;
        Ok(Tree { inner, merger: Some(merger) })
    }

    /// Why the last merging failed, for the operator. The data is safe; space is not given back and
    /// reading slows down until it succeeds.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.inner.work).trouble.clone()
    }

    /// Puts a copy of the store as it is now into a new folder, by hard links where the file system
    /// can. Commits wait meanwhile, reads do not.
    pub fn backup(&self, into: &Path) -> Result<(), StorageError> {
        let _no_merging = lock(&self.inner.merging);
        let _no_commit = lock(&self.inner.commit);
        let name = into.display().to_string();
        copy_tree(&self.inner.folder, into).map_err(|e| StorageError::io(&name, "copy to", e))
    }
}

/// Table files never change, so links serve; the manifest is replaced by rename, so they do too.
fn copy_tree(from: &Path, into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            link_or_copy(&entry.path(), &target)?;
        }
    }
    File::open(into)?.sync_all()
}

/// For files that never change.
pub(crate) fn link_or_copy(from: &Path, into: &Path) -> io::Result<()> {
    fs::hard_link(from, into).or_else(|_| copy(from, into))
}

pub(crate) fn copy(from: &Path, into: &Path) -> io::Result<()> {
    fs::copy(from, into)?;
    File::open(into)?.sync_all()
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.stop();
        if let Some(merger) = self.merger.take() {
            // A panic there was printed; there is nobody here to hand it to.
            let _ = merger.join();
        }
    }
}

impl Tree {
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.inner.tree.get(key, SeqNo::MAX);
        let found = found.map_err(|e| error(&self.inner.folder, "read", e))?;
        Ok(found.map(|value| value.to_vec()))
    }

    pub fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: &mut Each<'_>,
    ) -> Result<(), StorageError> {
        let Some(bounds) = bounds(from, to) else { return Ok(()) };
        let mut range = self.inner.tree.range::<&[u8], _>(bounds, SeqNo::MAX, None);
        while let Some(item) = if reverse { range.next_back() } else { range.next() } {
            let (key, value) =
                item.into_inner().map_err(|e| error(&self.inner.folder, "scan", e))?;
            if each(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    pub fn commit(&self, batch: &Rows, pace: Pace) -> Result<(), StorageError> {
        let inner = &self.inner;
        if batch.is_empty() {
            return Ok(());
        }
        inner.wait_for_merging();
        if inner.tree.l0_run_count() > BATCHES_MOST {
            return Err(StorageError::DiskFull { file: inner.name() });
        }
        let mut stopped = lock(&inner.commit);
        if let Some(why) = &*stopped {
            return Err(StorageError::Poisoned { why: why.clone() });
        }
        let first_table = inner.tree.next_table_id();
        let result = inner.write(batch, pace);
        if let Err(error) = &result {
            if !matches!(error, StorageError::DiskFull { .. }) {
                *stopped = Some(error.to_string());
            }
            drop(stopped);
            inner.sweep(first_table);
        }
        result
    }

    pub fn purge(&self) -> Result<(), StorageError> {
        self.inner.purge()
    }

    /// What is being merged is merged without rests, and nothing else any more.
    pub fn stop(&self) {
        let mut work = lock(&self.inner.work);
        work.stop = true;
        self.inner.rests.set(Pace::Hurry);
        self.inner.wake.notify_all();
    }

    /// Whether so much is unmerged that a good part of it may be out of date.
    pub fn is_untidy(&self) -> bool {
        if self.trouble().is_some() {
            return false;
        }
        let version = self.inner.tree.current_version();
        let all: u64 = version.iter_levels().map(|level| level.size()).sum();
        all <= TIDIED_MOST && version.l0().size() > all / 20 + UNTIDY_LEAST
    }

    /// Merges all into as few bytes as it takes.
    pub fn tidy(&self) {
        let trouble = self.inner.tidy().err().map(|e| e.to_string());
        lock(&self.inner.work).trouble = trouble;
    }

    pub fn disk_bytes(&self) -> Result<u64, StorageError> {
        let failed = |e| StorageError::io(&self.inner.name(), "measure", e);
        let mut sum = 0;
        for folder in [self.inner.folder.clone(), self.inner.tables()] {
            for entry in fs::read_dir(folder).map_err(failed)? {
                match entry.and_then(|entry| entry.metadata()) {
                    Ok(data) if data.is_file() => sum += data.len(),
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
                    _ => {}
                }
            }
        }
        Ok(sum)
    }
}

impl Inner {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn tables(&self) -> PathBuf {
        self.folder.join("tables")
    }

    /// Writes the batch into new tables and puts them into the manifest. The caller holds `commit`.
    fn write(&self, batch: &Rows, pace: Pace) -> Result<(), StorageError> {
        let number = self.numbers.next();
        let rows: Vec<(&[u8], Option<&[u8]>)> = batch.sorted().collect();
        let mut turns = Turns::new(pace);
        let mut item = |(key, value): &(&[u8], Option<&[u8]>)| {
            turns.row();
            Ok(match value {
                Some(value) => {
                    InternalValue::from_components(*key, *value, number, ValueType::Value)
                }
                None => InternalValue::new_tombstone(*key, number),
            })
        };
        // Keys between which many others may lie go to tables of their own: whoever looks for one
        // of those others then sees at once that it is not here.
        let close = |a: &(&[u8], Option<&[u8]>), b: &(&[u8], Option<&[u8]>)| b.0[0] - a.0[0] <= 1;
        let mut tables = Vec::new();
        let mut flushed = rows.chunk_by(close).map(|some| {
            let flushed = self.tree.flush_to_tables(some.iter().map(&mut item))?;
            tables.extend(flushed.into_iter().flat_map(|(tables, _)| tables));
            Ok(())
        });
        let registered = flushed
            .try_for_each(|done: lsm_tree::Result<()>| done)
            .and_then(|()| self.tree.register_tables(&tables, None, None, &[], ALL_OLDER));
        registered.map_err(|e| error(&self.folder, "commit", e))?;
        if self.tree.l0_run_count() > BATCHES_HURRY {
            self.rests.set(Pace::Hurry);
        }
        let mut work = lock(&self.work);
        (work.pending, work.unpurged) = (true, true);
        self.wake.notify_all();
        Ok(())
    }

    /// Slows commits down to the speed of merging, unless merging is not possible now.
    fn wait_for_merging(&self) {
        let begin = Instant::now();
        let mut work = lock(&self.work);
        while self.tree.l0_run_count() > BATCHES_UNMERGED_MAX
            && work.trouble.is_none()
            && begin.elapsed() < MERGE_WAIT
        {
            work.pending = true;
            self.wake.notify_all();
            let wait = self.wake.wait_timeout(work, Duration::from_millis(50));
            work = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn merge_forever(&self) {
        crate::disk::yield_to_others();
        loop {
            {
                let mut work = lock(&self.work);
                while !work.pending && !work.stop {
                    work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
                }
                if work.stop {
                    return;
                }
                work.pending = false;
            }
            let result = self.merge();
            lock(&self.work).trouble = result.err().map(|e| e.to_string());
            self.wake.notify_all();
        }
    }

    /// Merges tables level by level until the tree is in shape.
    fn merge(&self) -> Result<(), StorageError> {
        let shape = || (0..7).map(|level| self.tree.level_table_count(level)).collect::<Vec<_>>();
        let strategy = lsm_tree::compaction::Leveled::default().with_l0_threshold(BATCHES_MERGED);
        let strategy = Arc::new(strategy.with_table_target_size(TABLE_BYTES));
        loop {
            let merging = lock(&self.merging);
            let (before, first_table) = (shape(), self.tree.next_table_id());
            {
                let work = lock(&self.work);
                let hurry = work.stop || self.tree.l0_run_count() > BATCHES_HURRY;
                self.rests.set(if hurry { Pace::Hurry } else { Pace::Merge });
            }
            let merged = self.letting_go(|| self.tree.compact(strategy.clone(), ALL_OLDER));
            if let Err(e) = merged {
                drop(merging);
                self.sweep(first_table);
                return Err(error(&self.folder, "merge", e));
            }
            if shape() == before || lock(&self.work).stop {
                return Ok(());
            }
        }
    }

    /// Removes half-written tables that a failure left: those from a number on that the manifest
    /// does not know. What cannot be removed now is removed at the next open.
    fn sweep(&self, first_table: u64) {
        let _no_merging = lock(&self.merging);
        let _no_commit = lock(&self.commit);
        let live = self.live_tables();
        for id in self.table_files().unwrap_or_default() {
            if id >= first_table && !live.contains(&id) {
                let _ = fs::remove_file(self.tables().join(id.to_string()));
            }
        }
    }

    fn live_tables(&self) -> BTreeSet<u64> {
        self.tree.current_version().iter_tables().map(|table| table.id()).collect()
    }

    fn table_files(&self) -> io::Result<BTreeSet<u64>> {
        let mut ids = BTreeSet::new();
        for entry in fs::read_dir(self.tables())? {
            if let Ok(id) = entry?.file_name().to_string_lossy().parse() {
                ids.insert(id);
            }
        }
        Ok(ids)
    }

    fn tidy(&self) -> Result<(), StorageError> {
        let first_table = self.tree.next_table_id();
        let merged = {
            let _merging = lock(&self.merging);
            let work = lock(&self.work);
            self.rests.set(if work.stop { Pace::Hurry } else { Pace::Purge });
            drop(work);
            self.letting_go(|| self.tree.major_compact(TABLE_BYTES, ALL_OLDER))
        };
        merged.map_err(|e| {
            self.sweep(first_table);
            error(&self.folder, "tidy", e)
        })
    }

    fn purge(&self) -> Result<(), StorageError> {
        let first_table = self.tree.next_table_id();
        let result = self.purge_once();
        if result.is_err() {
            lock(&self.work).unpurged = true;
            self.sweep(first_table);
        }
        result
    }

    fn purge_once(&self) -> Result<(), StorageError> {
        let _merging = lock(&self.merging);
        let old = {
            // After the commit that runs now, if one does.
            let _no_commit = lock(&self.commit);
            if !std::mem::take(&mut lock(&self.work).unpurged) {
                return Ok(());
            }
            self.table_files().map_err(|e| StorageError::io(&self.name(), "purge", e))?
        };
        self.purge_files(&old)
    }

    /// Merges all tables into new ones and waits until the files `old` are gone.
    fn purge_files(&self, old: &BTreeSet<u64>) -> Result<(), StorageError> {
        let failed = |e| StorageError::io(&self.name(), "purge", e);
        if self.tree.table_count() > 0 {
            self.rests.set(Pace::Purge);
            let major = || self.tree.major_compact(PURGED_TABLE_BYTES, ALL_OLDER);
            let merged = self.letting_go(major);
            merged.map_err(|e| error(&self.folder, "purge", e))?;
        }
        let begin = Instant::now();
        loop {
            let files = self.table_files().map_err(failed)?;
            let left = old.intersection(&files).count();
            if left == 0 {
                break;
            }
            if begin.elapsed() > PURGE_WAIT {
                return Err(StorageError::PurgeBlocked { files: left });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        File::open(self.tables()).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// Merges, and gives the files that are merged into others to the remover.
    fn letting_go<T>(&self, merge: impl FnOnce() -> T) -> T {
        // While somebody holds it, its files stay.
        let before = self.tree.current_version();
        let merged = merge();
        let live = self.live_tables();
        for table in before.iter_tables().filter(|table| !live.contains(&table.id())) {
            let (name, id) = (self.tables().join(table.id().to_string()), table.id());
            let going = self.going.join(id.to_string());
            // Without a second name it goes with the crate's, all at once.
            if fs::hard_link(&name, &going).is_ok() {
                self.remover.remove(going, move || name.exists());
            }
        }
        merged
    }
}

fn error(folder: &Path, doing: &'static str, error: lsm_tree::Error) -> StorageError {
    match error {
        lsm_tree::Error::Io(e) => StorageError::io(&folder.display().to_string(), doing, e),
        other => StorageError::Store { doing, what: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(folder: &Path) -> Tree {
        Tree::open(folder, 1 << 20, Arc::new(Remover::start().unwrap())).unwrap()
    }

    /// Batches lie in each other's way, so that each is a run of its own.
    fn rows(number: usize, text: &str) -> Rows {
        let mut rows = Rows::new();
        for number in [0, number, usize::MAX] {
            rows.put(number.to_be_bytes(), text.as_bytes());
        }
        rows
    }

    /// The manifest could not hold the number of a 256th.
    #[test]
    fn a_commit_is_refused_while_hundreds_of_batches_are_not_merged() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        let merging = lock(&tree.inner.merging);
        lock(&tree.inner.work).trouble = Some("the disk is full".into());
        for number in 0..=BATCHES_MOST {
            tree.commit(&rows(number, "before"), Pace::Hurry).unwrap();
        }
        let refused = tree.commit(&rows(BATCHES_MOST, "refused"), Pace::Hurry);
        assert!(matches!(refused, Err(StorageError::DiskFull { .. })), "{refused:?}");
        lock(&tree.inner.work).trouble = None;
        drop(merging);
        tree.commit(&rows(0, "after"), Pace::Hurry).unwrap();
        let get = |number: usize| tree.get(&number.to_be_bytes()).unwrap().unwrap();
        assert_eq!((get(0), get(BATCHES_MOST)), (b"after".to_vec(), b"before".to_vec()));
        assert!(tree.inner.tree.l0_run_count() <= BATCHES_UNMERGED_MAX);
    }

    #[test]
    fn what_is_unmerged_is_tidied_up_and_takes_less() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path());
        let merging = lock(&tree.inner.merging);
        let text = "x".repeat(UNTIDY_LEAST as usize / 8);
        for _ in 0..2 {
            assert!(!tree.is_untidy());
            tree.commit(&rows(7, &text), Pace::Hurry).unwrap();
        }
        (0..2).for_each(|_| tree.commit(&rows(7, &text), Pace::Hurry).unwrap());
        assert!(tree.is_untidy());
        drop(merging);
        tree.tidy();
        assert_eq!(tree.trouble(), None);
        assert!(!tree.is_untidy());
        let size: u64 =
            tree.inner.tree.current_version().iter_levels().map(|level| level.size()).sum();
        assert!(size < UNTIDY_LEAST / 2, "{size}");
        assert_eq!(tree.get(&7usize.to_be_bytes()).unwrap().unwrap().len(), text.len());
    }
}
