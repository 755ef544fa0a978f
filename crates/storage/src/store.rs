//! The key-value store for checkpoints: ordered keys, batches that are atomic and durable, reading
//! from any thread meanwhile. What keys and values mean is not known here. `DiskStore` is on disk;
//! `MemStore`, for the simulator, is in memory and can crash.

use crate::error::StorageError;
use model::bytes::Rows;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Receives a key and its value; says whether to go on.
pub type Each<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

pub trait Store: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Several values, in the order of their keys.
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Hands out keys and values with `from <= key < to` in order, or from the end. An empty `to`
    /// is no bound. Sees one state of the store, whatever is committed meanwhile.
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: &mut Each<'_>,
    ) -> Result<(), StorageError>;

    /// Writes a batch: when it returns, all of it is durable; after a crash before that, all or
    /// nothing of it is there. Readers see nothing of it, then all of it.
    ///
    /// # Errors
    /// `DiskFull`: nothing was kept, try again. Any other error: the store takes no more commits.
    fn commit(&self, batch: &Rows) -> Result<(), StorageError>;

    /// Makes certain that no file holds a key or value that was deleted or overwritten before this
    /// call. Reads and commits go on meanwhile.
    fn purge(&self) -> Result<(), StorageError>;

    fn disk_bytes(&self) -> Result<u64, StorageError>;
}

/// How the next commit of a `MemStore` fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// The crash comes before the batch is durable.
    Lost,
    /// The crash comes after the batch is durable and before the commit returns.
    Kept,
    /// The disk is full; the store goes on.
    DiskFull,
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store in memory. Clones are handles on the same store.
#[derive(Clone, Default)]
pub struct MemStore {
    map: Arc<RwLock<Arc<Map>>>,
    fault: Arc<Mutex<Option<CommitFault>>>,
    poisoned: Arc<Mutex<bool>>,
}

impl MemStore {
    pub fn new() -> MemStore {
        MemStore::default()
    }

    /// Makes the next commit fail.
    pub fn fail_next_commit(&self, fault: CommitFault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// The store as it is found after a crash: all that is durable, and nothing else. Handles on
    /// this store keep seeing this store.
    pub fn crash(&self) -> MemStore {
        let store = MemStore::new();
        *store.map.write().unwrap_or_else(PoisonError::into_inner) = self.map();
        store
    }

    fn map(&self) -> Arc<Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn apply(&self, batch: &Rows) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let map = Arc::make_mut(&mut map);
        for (key, value) in batch.sorted() {
            match value {
                Some(value) => map.insert(key.to_vec(), value.to_vec()),
                None => map.remove(key),
            };
        }
    }
}

impl Store for MemStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.map().get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: &mut Each<'_>,
    ) -> Result<(), StorageError> {
        let map = self.map();
        let Some(bounds) = bounds(from, to) else { return Ok(()) };
        let mut range = map.range::<[u8], _>(bounds);
        while let Some((key, value)) = if reverse { range.next_back() } else { range.next() } {
            if each(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &Rows) -> Result<(), StorageError> {
        let mut poisoned = self.poisoned.lock().unwrap_or_else(PoisonError::into_inner);
        if *poisoned {
            return Err(StorageError::Poisoned { why: "a fault that the test made".into() });
        }
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        if matches!(fault, None | Some(CommitFault::Kept)) {
            self.apply(batch);
        }
        match fault {
            None => Ok(()),
            Some(CommitFault::DiskFull) => {
                Err(StorageError::DiskFull { file: "the store in memory".into() })
            }
            Some(_) => {
                *poisoned = true;
                let what = "a fault that the test made".into();
                Err(StorageError::Store { doing: "commit", what })
            }
        }
    }

    fn purge(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn disk_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.map().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}

/// Also after a panic of somebody who held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// `None` when nothing can lie between.
pub(crate) fn bounds<'a>(from: &'a [u8], to: &'a [u8]) -> Option<Bounds<'a>> {
    if to.is_empty() {
        return Some((Bound::Included(from), Bound::Unbounded));
    }
    (from < to).then_some((Bound::Included(from), Bound::Excluded(to)))
}
