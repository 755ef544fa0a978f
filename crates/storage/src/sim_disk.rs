//! A disk in memory that can fail, fill up and crash, for tests and the simulator. It keeps apart
//! what a program sees and what would survive: writes since a file's last sync, and names since the
//! folder's last sync, may be kept, lost or torn, as `Survival` says.

use crate::disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What of the unsynced writes is there after the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Synced,
    /// Everything, in order, but of each file's last write only this many bytes.
    Torn(usize),
    /// Everything.
    All,
    /// Every 512-byte sector, and every name, is kept or lost by a coin with this seed.
    Sectors(u64),
}

#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    files: Vec<FileState>,
    /// Operations that change something, so far.
    operations: u64,
    /// From this operation on everything fails: the machine is off.
    crash_at: Option<u64>,
    /// These operations fail once, and the disk goes on.
    fail_at: BTreeMap<u64, io::ErrorKind>,
    /// How many bytes all files together may have.
    capacity: Option<u64>,
}

#[derive(Clone, Default)]
struct FileState {
    now: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

impl SimDisk {
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changing operations (create, write, truncate, sync, rename, remove) were asked for.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The operation with this number (the first is 0) and all after it fail. A write at exactly
    /// that point reaches the disk's cache, so that it can be torn.
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// The operation with this number fails once, without effect; but a sync that fails makes what
    /// it should have written unsynced for ever, though it can still be read.
    pub fn fail_at(&self, operation: u64, kind: io::ErrorKind) {
        self.state().fail_at.insert(operation, kind);
    }

    /// Sets how many bytes fit; `None` is without bound. A write that does not fit is done in part.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Whether the operation at which the power fails was reached.
    pub fn is_off(&self) -> bool {
        let state = self.state();
        state.crash_at.is_some_and(|at| state.operations > at)
    }

    /// A digest over the names and bytes of all files as they are now.
    pub fn digest(&self) -> u64 {
        let state = self.state();
        let mut digest = xxhash_rust::xxh3::Xxh3::new();
        for (name, at) in &state.names {
            digest.update(name.as_bytes());
            digest.update(&state.files[*at].now);
        }
        digest.digest()
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The length of the longest write that `Survival::Torn` can cut.
    pub fn last_write_len(&self) -> usize {
        let state = self.state();
        let lasts = state.files.iter().filter_map(|file| match file.unsynced.last() {
            Some(Change::Write(_, bytes)) => Some(bytes.len()),
            _ => None,
        });
        lasts.max().unwrap_or(0)
    }

    /// The disk as it is found after the power came back. This disk is unchanged.
    pub fn survivor(&self, survival: Survival) -> SimDisk {
        let state = self.state();
        let mut coin = match survival {
            Survival::Sectors(seed) => Coin(seed),
            _ => Coin(0),
        };
        let names = match survival {
            Survival::Synced => state.synced_names.clone(),
            Survival::All | Survival::Torn(_) => state.names.clone(),
            Survival::Sectors(_) if coin.toss() => state.names.clone(),
            Survival::Sectors(_) => state.synced_names.clone(),
        };
        let files: Vec<FileState> = state
            .files
            .iter()
            .map(|file| {
                let bytes = file.survivor(survival, &mut coin);
                FileState { now: bytes.clone(), synced: bytes, unsynced: Vec::new() }
            })
            .collect();
        let next = State { synced_names: names.clone(), names, files, ..State::default() };
        SimDisk { state: Arc::new(Mutex::new(next)) }
    }

    /// The bytes of a file as they are now.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|at| state.files[*at].now.clone())
    }

    /// Changes bytes behind everybody's back, durably.
    pub fn corrupt(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let at = state.names[name];
        let file = &mut state.files[at];
        change(&mut file.now);
        file.synced = file.now.clone();
        file.unsynced.clear();
    }
}

/// A small generator of coin tosses (splitmix64).
struct Coin(u64);

impl Coin {
    fn toss(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) & 1 == 1
    }
}

impl FileState {
    fn survivor(&self, survival: Survival, coin: &mut Coin) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (at, change) in self.unsynced.iter().enumerate() {
            let last = at + 1 == self.unsynced.len();
            match (survival, change) {
                (Survival::Synced, _) => {}
                (Survival::Torn(keep), Change::Write(offset, data)) if last => {
                    put(&mut bytes, *offset, &data[..keep.min(data.len())]);
                }
                (Survival::All | Survival::Torn(_), change) => change.apply(&mut bytes),
                (Survival::Sectors(_), Change::Truncate(_)) => {
                    if coin.toss() {
                        change.apply(&mut bytes);
                    }
                }
                (Survival::Sectors(_), Change::Write(offset, data)) => {
                    put_sectors(&mut bytes, *offset, data, coin);
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(offset, data) => put(bytes, *offset, data),
            Change::Truncate(len) => bytes.resize(*len as usize, 0),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let end = offset as usize + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset as usize..end].copy_from_slice(data);
}

fn put_sectors(bytes: &mut Vec<u8>, offset: u64, data: &[u8], coin: &mut Coin) {
    let mut at = 0;
    while at < data.len() {
        let absolute = offset as usize + at;
        let n = (512 - absolute % 512).min(data.len() - at);
        if coin.toss() {
            put(bytes, absolute as u64, &data[at..at + n]);
        }
        at += n;
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().map(|at| self.files[*at].now.len() as u64).sum()
    }

    /// Counts an operation; gives whether it is the one at which the machine goes off.
    fn begin(&mut self) -> io::Result<bool> {
        let this = self.operations;
        self.operations += 1;
        if let Some(kind) = self.fail_at.remove(&this) {
            return Err(io::Error::new(kind, "an error made by the test"));
        }
        match self.crash_at {
            Some(at) if this > at => Err(off()),
            Some(at) => Ok(this == at),
            None => Ok(false),
        }
    }

    fn name(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn off() -> io::Error {
    io::Error::other("the simulated machine is off")
}

impl Disk for SimDisk {
    type File = SimFile;

    fn create(&self, name: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        if state.begin()? {
            return Err(off());
        }
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(FileState::default());
        let at = state.files.len() - 1;
        state.names.insert(name.to_owned(), at);
        Ok(SimFile { disk: self.clone(), at })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let at = self.state().name(name)?;
        Ok(SimFile { disk: self.clone(), at })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.begin()? {
            return Err(off());
        }
        state.name(name)?;
        state.names.remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.begin()? {
            return Err(off());
        }
        let at = state.name(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.begin()? {
            return Err(off());
        }
        state.synced_names = state.names.clone();
        Ok(())
    }
}

/// A file on a `SimDisk`.
pub struct SimFile {
    disk: SimDisk,
    at: usize,
}

impl DiskFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let off_now = state.begin()?;
        let grows =
            (offset + bytes.len() as u64).saturating_sub(state.files[self.at].now.len() as u64);
        let room = state.capacity.map_or(u64::MAX, |all| all.saturating_sub(state.used()));
        let fits = if grows > room { bytes.len() - (grows - room) as usize } else { bytes.len() };
        let file = &mut state.files[self.at];
        put(&mut file.now, offset, &bytes[..fits]);
        file.unsynced.push(Change::Write(offset, bytes[..fits].to_vec()));
        match (off_now, fits < bytes.len()) {
            (true, _) => Err(off()),
            (_, true) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        let bytes = &state.files[self.at].now;
        let from = (offset as usize).min(bytes.len());
        let n = into.len().min(bytes.len() - from);
        into[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.at].now.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.begin()? {
            return Err(off());
        }
        let file = &mut state.files[self.at];
        file.now.resize(len as usize, 0);
        file.unsynced.push(Change::Truncate(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        match state.begin() {
            Ok(false) => {}
            Ok(true) => return Err(off()),
            Err(error) => {
                // As Linux does it: after a failed sync the cache counts as written.
                if state.crash_at.is_none() {
                    state.files[self.at].unsynced.clear();
                }
                return Err(error);
            }
        }
        let file = &mut state.files[self.at];
        for change in std::mem::take(&mut file.unsynced) {
            change.apply(&mut file.synced);
        }
        Ok(())
    }
}
