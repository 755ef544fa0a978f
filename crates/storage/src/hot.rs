//! Rows that change all the time: appended to files, the newest row of a key counts, and an index
//! in memory says where it lies. A change costs a copy, and neither sorting nor merging.
//!
//! The files are a ring: when more than half of what they hold is out of date, the oldest file's
//! rows that still count are appended anew, and the file goes. Nothing in a file is ever changed,
//! so what was overwritten or deleted is gone from the disk when the files of its time are.
//!
//! Whoever holds the position makes a write count: rows behind it are not there for the next
//! opening. Kept true: after [`Hot::open`] at a position, reading gives what it gave when that
//! position was given.
//!
//! ```text
//! rows-NNNNNNNN   rows, each at a multiple of 8:
//!                   checksum u64, length u32, length of key u16, kind u8, 0 u8, key, value
//!                 in all but the last file, the table: id 12 bytes, place u32, length and kind u32
//!                   for each row; then checksum u64, end of the rows u64, number of rows u64
//! ```

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::disk::{Disk, DiskFile};
use crate::error::StorageError;
use crate::rests::{Pace, Turns};
use crate::segment::read_full;
use crate::store::lock;

/// Tests have files of some rows.
const SHRUNK: u32 = if cfg!(test) { 11 } else { 0 };
/// A file takes no more rows when it is as long as this.
const FILE_BYTES: u64 = (32 << 20) >> SHRUNK;
const WRITE_BYTES: usize = (1 << 20) >> SHRUNK;
/// Bytes after which a long write is synced: more at once would hold up the log's sync.
const SYNC_BYTES: u64 = (2 << 20) >> SHRUNK;
/// So much may be out of date without anybody cleaning, beside as much as counts.
const SLACK_BYTES: u64 = (64 << 20) >> SHRUNK;
/// Rows with less than this between them are read at once, up to so many bytes.
const GAP_BYTES: u64 = 2 << 10;
const RUN_BYTES: u64 = 256 << 10;
const PARTS: usize = 64;
const HEAD: usize = 16;
const UNIT: u64 = 8;
const TABLE_ROW: usize = 20;
const TAIL: usize = 24;
/// Of a table row's length: the row says that its key is deleted.
const DELETED: u32 = 1 << 31;

/// What counts: files from `oldest` to `last`, and that one up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    seed: u64,
    oldest: u32,
    last: u32,
    end: u64,
}

impl Position {
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.oldest.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.last.to_le_bytes());
        bytes[16..].copy_from_slice(&self.end.to_le_bytes());
        bytes
    }

    pub fn of_bytes(bytes: &[u8]) -> Option<Position> {
        let bytes: &[u8; 24] = bytes.try_into().ok()?;
        let (seed, rest) = (word(bytes), &bytes[8..]);
        Some(Position { seed, oldest: half(rest), last: half(&rest[4..]), end: word(&rest[8..]) })
    }

    fn files(self) -> RangeInclusive<u32> {
        self.oldest..=self.last
    }

    /// Of a store that never was. The seed keeps outsiders from choosing keys whose ids are equal.
    fn new() -> Position {
        let seed = std::hash::RandomState::new().build_hasher().finish();
        Position { seed, oldest: 0, last: 0, end: 0 }
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

fn half(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// A short key as it is, or 95 bits of a longer one's digest.
type Id = [u8; 12];

/// File, place in it and length: 28, 23 and 13 bits, the last two in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u64);

/// A length of more units stands in the row itself.
const UNITS_MOST: u64 = (1 << 13) - 1;

impl Place {
    fn new(file: u32, at: u64, len: u64) -> Place {
        assert!(file < 1 << 28, "a disk ends before eight thousand million million bytes");
        let units = len.div_ceil(UNIT).min(UNITS_MOST);
        Place(u64::from(file) << 36 | (at / UNIT) << 13 | units)
    }

    fn file(self) -> u32 {
        (self.0 >> 36) as u32
    }

    fn at(self) -> u64 {
        (self.0 >> 13 & ((1 << 23) - 1)) * UNIT
    }

    /// Up to the next row, but for very long ones.
    fn len(self) -> u64 {
        (self.0 & UNITS_MOST) * UNIT
    }

    fn is_long(self) -> bool {
        self.0 & UNITS_MOST == UNITS_MOST
    }
}

#[derive(Clone, Copy)]
struct Entry([u8; 20]);

impl Entry {
    fn new(id: Id, place: Place) -> Entry {
        let mut bytes = [0; 20];
        bytes[..12].copy_from_slice(&id);
        bytes[12..].copy_from_slice(&place.0.to_le_bytes());
        Entry(bytes)
    }

    fn id(&self) -> &[u8] {
        &self.0[..12]
    }

    fn place(&self) -> Place {
        Place(word(&self.0[12..]))
    }

    fn hash(&self) -> u64 {
        hash(self.id())
    }
}

fn id_of(key: &[u8], seed: u64) -> Id {
    let mut id = [0; 12];
    if key.len() < 12 {
        id[0] = key.len() as u8;
        id[1..=key.len()].copy_from_slice(key);
    } else {
        let digest = xxh3_128_with_seed(key, seed).to_le_bytes();
        id.copy_from_slice(&digest[..12]);
        id[0] |= 0x80;
    }
    id
}

fn hash(id: &[u8]) -> u64 {
    let long = word(id).wrapping_mul(0x9fb2_1c65_1e98_df25);
    let mut x =
        long.rotate_left(29) ^ u64::from(half(&id[8..])).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^= x >> 32;
    x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ x >> 29
}

/// Neither the lowest nor the highest bits: the part's own table uses those.
fn part_of(hash: u64) -> usize {
    model::parts::part_of((hash >> 40) as u16, PARTS)
}

#[derive(Clone, Copy)]
struct TableRow {
    id: Id,
    at: u64,
    len: u32,
    deleted: bool,
}

pub(crate) struct RowFile<F> {
    name: String,
    file: F,
    /// Where its rows end.
    end: AtomicU64,
    /// Bytes of rows that the index leads to.
    live: AtomicU64,
}

pub(crate) struct Hot<D: Disk> {
    disk: D,
    seed: u64,
    index: Vec<RwLock<HashTable<Entry>>>,
    files: RwLock<BTreeMap<u32, Arc<RowFile<D::File>>>>,
    end: Mutex<End>,
    /// How many wait until a write is done: as long as there are any, it does not rest.
    waiting: AtomicU32,
}

/// Where the next row goes.
struct End {
    position: Position,
    /// The rows of the last file.
    table: Vec<TableRow>,
    /// The last file takes no more.
    is_full: bool,
}

/// Rows that are on the disk and do not count yet.
pub(crate) struct Written<F> {
    position: Position,
    changes: Vec<Change>,
    /// The new files.
    files: Vec<(u32, Arc<RowFile<F>>)>,
    /// Those that were full, and where their rows end.
    full: Vec<(Arc<RowFile<F>>, u64)>,
    /// What the table of the last file got.
    table: Vec<TableRow>,
}

impl<F> Written<F> {
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.changes.len()
    }
}

/// A key's new place and length; `None`: it is deleted.
struct Change {
    id: Id,
    place: Option<(Place, u64)>,
}

/// How much of what is out of date a write cleans away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clean {
    /// So much that what is out of date stays less than what counts.
    Half,
    /// The oldest file.
    Oldest,
}

fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn name_of(number: u32) -> String {
    format!("rows-{number:08}")
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("rows-")?.parse().ok()
}

impl<D: Disk> Hot<D> {
    /// Opens what counts at this position and takes away all else.
    pub fn open(disk: D, at: Option<Position>) -> Result<Hot<D>, StorageError> {
        let position = at.unwrap_or_else(Position::new);
        let counts = at.map(Position::files);
        let names = disk.list().map_err(|e| StorageError::io("the row files", "list", e))?;
        for (name, number) in names.iter().filter_map(|name| Some((name, number_of(name)?))) {
            if !counts.as_ref().is_some_and(|counts| counts.contains(&number)) {
                disk.remove(name).map_err(|e| StorageError::io(name, "remove", e))?;
            }
        }
        let (mut files, mut tables) = (BTreeMap::new(), Vec::new());
        for number in counts.into_iter().flatten() {
            let (file, table) = open_file(&disk, number, position)?;
            files.insert(number, Arc::new(file));
            tables.push((number, table));
        }
        let in_order: Vec<_> = files.values().cloned().collect();
        let index = index_of(&tables, &in_order);
        let table = tables.pop().map(|(_, table)| table).unwrap_or_default();
        // Before the first file there is nothing that could take a row.
        let is_full = at.is_none();
        let end = Mutex::new(End { position, table, is_full });
        Ok(Hot {
            disk,
            seed: position.seed,
            index,
            files: RwLock::new(files),
            end,
            waiting: AtomicU32::new(0),
        })
    }

    fn id(&self, key: &[u8]) -> Id {
        id_of(key, self.seed)
    }

    fn place(&self, id: &Id) -> Option<Place> {
        let hash = hash(id);
        let part = reading(&self.index[part_of(hash)]);
        part.find(hash, |own| own.id() == id).map(Entry::place)
    }

    /// Which of these keys have rows.
    pub fn contains(&self, keys: &[&[u8]], pace: Pace) -> Vec<bool> {
        let ids: Vec<Id> = keys.iter().map(|key| self.id(key)).collect();
        self.look(&ids, |id| id, &mut Turns::new(pace), |_, _| true)
    }

    /// For which of these the index has a place that is right.
    fn look<T>(
        &self,
        all: &[T],
        id: impl Fn(&T) -> &Id,
        turns: &mut Turns,
        is_right: impl Fn(&T, Place) -> bool,
    ) -> Vec<bool> {
        let mut right = vec![false; all.len()];
        for (number, some) in by_part(all, &id).iter().enumerate() {
            let part = reading(&self.index[number]);
            for (at, own, hash) in some {
                let entry = part.find(*hash, |entry| entry.id() == id(own));
                right[*at] = entry.is_some_and(|entry| is_right(own, entry.place()));
            }
            drop(part);
            turns.look();
        }
        right
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let id = self.id(key);
        loop {
            let Some(place) = self.place(&id) else { return Ok(None) };
            // A file goes after the index has led elsewhere.
            let Some(file) = reading(&self.files).get(&place.file()).cloned() else { continue };
            let bytes = file.read(place.at(), file.len_of(place)? as usize)?;
            return file.value(&bytes, place.at(), key);
        }
    }

    /// Several rows, read in the order in which they lie: neighbours at once.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let place = |(at, key): (usize, &&[u8])| Some((self.place(&self.id(key))?, at));
        let mut places: Vec<(Place, usize)> = keys.iter().enumerate().filter_map(place).collect();
        places.sort_unstable_by_key(|(place, _)| place.0);
        let mut values = vec![None; keys.len()];
        let files = reading(&self.files).clone();
        let mut rest = &places[..];
        while let Some((first, _)) = rest.first() {
            let (run, others) = rest.split_at(run_of(rest));
            rest = others;
            let Some(file) = files.get(&first.file()) else {
                for (_, number) in run {
                    values[*number] = self.get(keys[*number])?;
                }
                continue;
            };
            let bytes = file.read_run(run)?;
            for (place, number) in run {
                let own = &bytes[(place.at() - first.at()) as usize..];
                values[*number] = file.value(own, place.at(), keys[*number])?;
            }
        }
        Ok(values)
    }

    /// Appends the rows and syncs them, and before them those rows of old files that still count.
    /// Next comes [`Hot::apply`], from which on they count, or [`Hot::take_back`].
    pub fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        clean: Clean,
        pace: Pace,
    ) -> Result<Written<D::File>, StorageError> {
        let mut appending = Appending::new(self, clean, pace);
        match appending.all(rows) {
            Ok(()) => Ok(appending.written),
            Err(error) => {
                self.take_back(appending.written);
                Err(error)
            }
        }
    }

    /// The position is durable: the rows count. Gives the files that do not any more; whoever has
    /// them takes them away, or the next opening does.
    pub fn apply(&self, written: Written<D::File>, pace: Pace) -> Vec<Gone<D::File>> {
        let Written { position, changes, files: new, full, table } = written;
        {
            let mut end = lock(&self.end);
            if new.is_empty() {
                end.table.extend(table);
            } else {
                end.table = table;
            }
            end.is_full &= new.is_empty();
            end.position = position;
        }
        writing(&self.files).extend(new);
        full.iter().for_each(|(file, end)| file.end.store(*end, Ordering::Relaxed));
        let files = reading(&self.files).clone();
        let mut turns = Turns::new(pace);
        // Part by part: one part's table stays near the processor.
        for (number, changes) in by_part(&changes, |change| &change.id).iter().enumerate() {
            let mut part = writing(&self.index[number]);
            for (_, change, hash) in changes {
                let place = change.place.map(|(place, _)| place);
                let before = replace(&mut part, *hash, change.id, place);
                if let Some(before) = before
                    && let Some(file) = files.get(&before.file())
                {
                    file.dies(before);
                }
                if let Some((place, len)) = change.place {
                    files[&place.file()].live.fetch_add(len, Ordering::Relaxed);
                }
            }
            drop(part);
            turns.look();
        }
        if let Some(file) = files.get(&position.last) {
            file.end.store(position.end, Ordering::Relaxed);
        }
        drop(files);
        let mut files = writing(&self.files);
        let kept = files.split_off(&position.oldest);
        let gone = std::mem::replace(&mut *files, kept);
        drop(files);
        gone.into_values().map(Gone).collect()
    }

    /// The rows never counted; the next ones are written over them.
    pub fn take_back(&self, written: Written<D::File>) {
        for (_, file) in written.files {
            // What cannot be removed now is removed before its number is used, or at the opening.
            let _ = self.disk.remove(&file.name);
        }
    }

    /// Whether somebody waits until a write is done.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// While `other` waits for the write that runs.
    pub fn waiting<T>(&self, other: impl FnOnce() -> T) -> T {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let done = other();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        done
    }

    /// The next row goes to a new file. Gives the number of this one.
    pub fn seal(&self) -> u32 {
        let mut end = lock(&self.end);
        end.is_full = true;
        end.position.last
    }

    /// The number of the oldest file; none before the first write.
    pub fn oldest(&self) -> Option<u32> {
        reading(&self.files).keys().next().copied()
    }

    /// The names of the files that do not change any more, and of the last.
    pub fn names(&self) -> (Vec<String>, Option<String>) {
        let files = reading(&self.files);
        let mut names: Vec<String> = files.values().map(|file| file.name.clone()).collect();
        let last = names.pop();
        (names, last)
    }

    /// Whether more than a twentieth is out of date.
    pub fn is_untidy(&self) -> bool {
        let (all, live) = self.bytes();
        all > live / 20 * 21 + FILE_BYTES
    }

    /// Bytes of all rows, and of those that count.
    fn bytes(&self) -> (u64, u64) {
        reading(&self.files).values().fold((0, 0), |(all, live), file| {
            let (end, own) = (file.end.load(Ordering::Relaxed), file.live.load(Ordering::Relaxed));
            (all + end, live + own)
        })
    }

    pub fn disk_bytes(&self) -> Result<u64, StorageError> {
        let files = reading(&self.files).clone();
        files.values().try_fold(0, |sum, file| {
            Ok(sum + file.file.len().map_err(|e| StorageError::io(&file.name, "measure", e))?)
        })
    }
}

/// A file that does not count any more; somebody may still read it.
pub(crate) struct Gone<F>(Arc<RowFile<F>>);

impl<F> Gone<F> {
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn is_read(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// A write on its way.
struct Appending<'a, D: Disk> {
    hot: &'a Hot<D>,
    written: Written<D::File>,
    /// The last file, if there is one, and what of it is not written yet.
    file: Option<Arc<RowFile<D::File>>>,
    buffer: Vec<u8>,
    /// Where in the file the buffer goes.
    buffer_at: u64,
    unsynced: u64,
    is_full: bool,
    turns: Turns,
    clean: Clean,
}

impl<'a, D: Disk> Appending<'a, D> {
    fn new(hot: &'a Hot<D>, clean: Clean, pace: Pace) -> Appending<'a, D> {
        let end = lock(&hot.end);
        let position = end.position;
        let file = reading(&hot.files).get(&position.last).cloned();
        let written = Written {
            position,
            changes: Vec::new(),
            files: Vec::new(),
            full: Vec::new(),
            table: Vec::new(),
        };
        Appending {
            hot,
            written,
            file,
            buffer: Vec::with_capacity(WRITE_BYTES + WRITE_BYTES / 4),
            buffer_at: position.end,
            unsynced: 0,
            is_full: end.is_full,
            turns: Turns::new(pace),
            clean,
        }
    }

    fn all<'r>(
        &mut self,
        rows: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    ) -> Result<(), StorageError> {
        if self.file.is_none() || (self.is_full && self.clean == Clean::Oldest) {
            self.roll()?;
        }
        // First, so that a row of the batch stands behind an older one of its key.
        self.clean()?;
        for (key, value) in rows {
            let at = self.place()?;
            let len = put_row(&mut self.buffer, key, value);
            self.put(self.hot.id(key), at, len, value.is_none());
        }
        self.sync()?;
        if !self.written.files.is_empty() {
            let synced = self.hot.disk.sync_dir();
            synced.map_err(|e| StorageError::io("the row files", "sync", e))?;
        }
        Ok(())
    }

    /// Where the next row goes.
    fn place(&mut self) -> Result<Place, StorageError> {
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        if self.is_full || self.buffer_at + self.buffer.len() as u64 >= FILE_BYTES {
            self.roll()?;
        }
        let at = self.buffer_at + self.buffer.len() as u64;
        Ok(Place::new(self.written.position.last, at, 0))
    }

    /// Notes the row that was just put at the buffer's end.
    fn put(&mut self, id: Id, at: Place, len: u64, deleted: bool) {
        let place = Place::new(at.file(), at.at(), len);
        let row_len = u32::try_from(len).expect("a record is far below 2 GiB");
        self.written.table.push(TableRow { id, at: at.at(), len: row_len, deleted });
        let place = (!deleted).then_some((place, len));
        self.written.changes.push(Change { id, place });
        self.written.position.end = at.at() + len;
        self.turns.row();
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let Some(file) = self.file.as_ref().filter(|_| !self.buffer.is_empty()) else {
            return Ok(());
        };
        let wrote = file.file.write_at(self.buffer_at, &self.buffer);
        wrote.map_err(|e| StorageError::io(&file.name, "write", e))?;
        self.buffer_at += self.buffer.len() as u64;
        self.unsynced += self.buffer.len() as u64;
        self.buffer.clear();
        let cleans = self.clean == Clean::Oldest;
        if self.unsynced >= SYNC_BYTES || cleans {
            self.sync()?;
        }
        if cleans {
            let pace = if self.hot.is_waited_for() { Pace::Hurry } else { Pace::Purge };
            self.turns.rests = pace as u32;
        }
        self.turns.look();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if !self.buffer.is_empty() {
            self.unsynced = 0;
            self.flush()?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.unsynced = 0;
        file.file.sync_data().map_err(|e| StorageError::io(&file.name, "sync", e))
    }

    /// The last file gets its table, and a new one begins.
    fn roll(&mut self) -> Result<(), StorageError> {
        self.flush()?;
        if let Some(file) = self.file.clone() {
            let end = lock(&self.hot.end);
            let old: &[TableRow] = if self.written.files.is_empty() { &end.table } else { &[] };
            let table = bytes_of(old.iter().chain(&self.written.table), self.buffer_at);
            drop(end);
            let len = self.buffer_at + table.len() as u64;
            let wrote = file.file.write_at(self.buffer_at, &table);
            let cut = wrote.and_then(|()| file.file.truncate(len));
            cut.map_err(|e| StorageError::io(&file.name, "write", e))?;
            self.sync()?;
            self.written.full.push((file, self.buffer_at));
            self.written.position.last += 1;
        }
        let number = self.written.position.last;
        let name = name_of(number);
        let failed = |e| StorageError::io(&name, "create", e);
        let disk = &self.hot.disk;
        let file = match disk.create(&name) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                disk.remove(&name).and_then(|()| disk.create(&name))
            }
            made => made,
        };
        let file = Arc::new(RowFile::new(name.clone(), file.map_err(failed)?, 0));
        self.written.files.push((number, file.clone()));
        self.written.table.clear();
        self.file = Some(file);
        (self.buffer_at, self.is_full) = (0, false);
        self.written.position.end = 0;
        Ok(())
    }

    fn clean(&mut self) -> Result<(), StorageError> {
        let (mut all, live) = self.hot.bytes();
        let before = all;
        while self.written.position.oldest < self.written.position.last
            && reading(&self.hot.files).contains_key(&self.written.position.oldest)
        {
            let enough = match self.clean {
                Clean::Half => all <= live * 2 + SLACK_BYTES,
                Clean::Oldest => all < before,
            };
            if enough {
                break;
            }
            let oldest = self.written.position.oldest;
            let file = reading(&self.hot.files)[&oldest].clone();
            all = all.saturating_sub(file.end.load(Ordering::Relaxed))
                + self.rescue(oldest, &file)?;
            self.written.position.oldest += 1;
        }
        Ok(())
    }

    /// Appends those rows of a file that still count; gives their length.
    fn rescue(&mut self, number: u32, file: &RowFile<D::File>) -> Result<u64, StorageError> {
        let (table, end) = file.table()?;
        let place = |row: &TableRow| Place::new(number, row.at, u64::from(row.len));
        let counts = |row: &TableRow, at| !row.deleted && place(row) == at;
        let counting = self.hot.look(&table, |row| &row.id, &mut self.turns, counts);
        let (mut sum, mut read, mut read_at) = (0, Vec::new(), 0);
        for (row, _) in table.iter().zip(counting).filter(|(_, counts)| *counts) {
            let len = row.len as usize;
            if row.at + len as u64 > read_at + read.len() as u64 {
                let left = end.saturating_sub(row.at) as usize;
                read = file.read(row.at, WRITE_BYTES.max(len).min(left))?;
                read_at = row.at;
            }
            let own = read[(row.at - read_at) as usize..].get(..len);
            let own =
                own.filter(|own| Row::of(own).is_some()).ok_or_else(|| file.damaged(row.at))?;
            let at = self.place()?;
            self.buffer.extend_from_slice(own);
            self.put(row.id, at, u64::from(row.len), false);
            sum += u64::from(row.len);
        }
        Ok(sum)
    }
}

/// How many of these rows, in order, lie so close together that one read gets them all.
fn run_of(places: &[(Place, usize)]) -> usize {
    let first = places[0].0;
    let mut end = first.at() + first.len();
    let together = |(place, _): &&(Place, usize)| {
        let near = place.file() == first.file()
            && place.at() <= end + GAP_BYTES
            && place.at() <= first.at() + RUN_BYTES;
        end = place.at() + place.len();
        near
    };
    1 + places[1..].iter().take_while(together).count()
}

/// Puts a row at the end, up to where the next one begins; gives its length.
fn put_row(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) -> u64 {
    let from = out.len();
    let len = HEAD + key.len() + value.map_or(0, <[u8]>::len);
    let fits = u32::try_from(len).expect("a record is far below 4 GiB");
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&fits.to_le_bytes());
    let key_len = u16::try_from(key.len()).expect("rows have short keys");
    out.extend_from_slice(&key_len.to_le_bytes());
    out.extend_from_slice(&[u8::from(value.is_none()), 0]);
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
    let checksum = xxh3_64(&out[from + 8..]);
    out[from..from + 8].copy_from_slice(&checksum.to_le_bytes());
    out.resize(from + len.next_multiple_of(UNIT as usize), 0);
    (out.len() - from) as u64
}

/// A row whose checksum is right.
struct Row<'a> {
    key: &'a [u8],
    value: &'a [u8],
    deleted: bool,
    /// Up to the next one.
    len: usize,
}

impl Row<'_> {
    fn of(bytes: &[u8]) -> Option<Row<'_>> {
        let head = bytes.get(..HEAD)?;
        let own = bytes.get(..half(&head[8..]) as usize)?;
        let key_len = usize::from(u16::from_le_bytes([head[12], head[13]]));
        if own.len() < HEAD + key_len || word(head) != xxh3_64(&own[8..]) {
            return None;
        }
        let (key, value) = own[HEAD..].split_at(key_len);
        let len = own.len().next_multiple_of(UNIT as usize);
        Some(Row { key, value, deleted: head[14] == 1, len })
    }
}

impl<F: DiskFile> RowFile<F> {
    fn new(name: String, file: F, end: u64) -> RowFile<F> {
        RowFile { name, file, end: AtomicU64::new(end), live: AtomicU64::new(0) }
    }

    fn damaged(&self, at: u64) -> StorageError {
        StorageError::damaged(&self.name, at, "a row does not carry its checksum")
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; len];
        let read = read_full(&self.file, at, &mut bytes);
        bytes.truncate(read.map_err(|e| StorageError::io(&self.name, "read", e))?);
        Ok(bytes)
    }

    /// The value of the row that these bytes begin with; none if it is of another key with the
    /// same id.
    fn value(&self, bytes: &[u8], at: u64, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let row = Row::of(bytes).ok_or_else(|| self.damaged(at))?;
        Ok((row.key == key).then(|| row.value.to_vec()))
    }

    /// All bytes from the first row of a run to the end of the last.
    fn read_run(&self, run: &[(Place, usize)]) -> Result<Vec<u8>, StorageError> {
        let (first, last) = (run[0].0, run[run.len() - 1].0);
        let len = last.at() + self.len_of(last)? - first.at();
        let bytes = self.read(first.at(), len as usize)?;
        if (bytes.len() as u64) < len {
            return Err(self.damaged(last.at()));
        }
        Ok(bytes)
    }

    /// How long a row is, up to the next.
    fn len_of(&self, place: Place) -> Result<u64, StorageError> {
        if !place.is_long() {
            return Ok(place.len());
        }
        let head = self.read(place.at(), HEAD)?;
        let len = head.get(8..12).ok_or_else(|| self.damaged(place.at()))?;
        Ok(u64::from(half(len)).next_multiple_of(UNIT))
    }

    /// The same; 0 if it cannot be read.
    fn len_known(&self, place: Place) -> u64 {
        self.len_of(place).unwrap_or(0)
    }

    /// The row there counts no more.
    fn dies(&self, place: Place) {
        // A row that cannot be read any more only makes the sum less exact.
        self.live.fetch_sub(self.len_known(place), Ordering::Relaxed);
    }

    /// The table, and where it begins. For all but the last file.
    fn table(&self) -> Result<(Vec<TableRow>, u64), StorageError> {
        let bad = |at: u64| {
            StorageError::damaged(&self.name, at, "its table does not carry its checksum")
        };
        let len = self.file.len().map_err(|e| StorageError::io(&self.name, "measure", e))?;
        let tail_at = len.checked_sub(TAIL as u64).ok_or_else(|| bad(len))?;
        let tail = self.read(tail_at, TAIL)?;
        let count = word(&tail[16..]).min(len);
        let from = tail_at.checked_sub(count * TABLE_ROW as u64).ok_or_else(|| bad(tail_at))?;
        let bytes = self.read(from, (len - from) as usize)?;
        let rows = bytes.len() - TAIL;
        let mut whole = bytes[..rows].to_vec();
        whole.extend_from_slice(&tail[8..]);
        if word(&tail[8..]) != from || xxh3_64(&whole) != word(&tail) {
            return Err(bad(tail_at));
        }
        Ok((bytes[..rows].chunks_exact(TABLE_ROW).map(TableRow::of_bytes).collect(), from))
    }

    /// The table of the last file, which has none yet.
    fn scanned(&self, key_id: impl Fn(&[u8]) -> Id) -> Result<Vec<TableRow>, StorageError> {
        let end = self.end.load(Ordering::Relaxed);
        let bytes = self.read(0, end as usize)?;
        let (mut at, mut table) = (0_usize, Vec::new());
        while (at as u64) < end {
            let row = bytes.get(at..).and_then(Row::of).ok_or_else(|| self.damaged(at as u64))?;
            let (id, len) = (key_id(row.key), row.len as u32);
            table.push(TableRow { id, at: at as u64, len, deleted: row.deleted });
            at += row.len;
        }
        Ok(table)
    }
}

impl TableRow {
    fn of_bytes(bytes: &[u8]) -> TableRow {
        let id = bytes[..12].try_into().expect("twelve bytes");
        let (at, len) = (u64::from(half(&bytes[12..])) * UNIT, half(&bytes[16..]));
        TableRow { id, at, len: len & !DELETED, deleted: len & DELETED != 0 }
    }
}

/// A table's bytes, with what stands behind it.
fn bytes_of<'a>(table: impl Iterator<Item = &'a TableRow>, end: u64) -> Vec<u8> {
    let (mut out, mut count) = (Vec::new(), 0_u64);
    for row in table {
        out.extend_from_slice(&row.id);
        out.extend_from_slice(&((row.at / UNIT) as u32).to_le_bytes());
        let deleted = if row.deleted { DELETED } else { 0 };
        out.extend_from_slice(&(row.len | deleted).to_le_bytes());
        count += 1;
    }
    let rows = out.len();
    out.extend_from_slice(&end.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    let checksum = xxh3_64(&out);
    out.splice(rows..rows, checksum.to_le_bytes());
    out
}

fn open_file<D: Disk>(
    disk: &D,
    number: u32,
    position: Position,
) -> Result<(RowFile<D::File>, Vec<TableRow>), StorageError> {
    let name = name_of(number);
    let file = disk.open(&name).map_err(|e| StorageError::io(&name, "open", e))?;
    let file = RowFile::new(name, file, position.end);
    if number < position.last {
        let (table, end) = file.table()?;
        file.end.store(end, Ordering::Relaxed);
        return Ok((file, table));
    }
    // What stands behind was never acknowledged, and may be of somebody who is forgotten since.
    let cut = file.file.truncate(position.end);
    cut.map_err(|e| StorageError::io(&file.name, "cut", e))?;
    let table = file.scanned(|key| id_of(key, position.seed))?;
    Ok((file, table))
}

/// The index over all files, made by two threads: the parts with even and with odd numbers.
fn index_of<F: DiskFile>(
    tables: &[(u32, Vec<TableRow>)],
    files: &[Arc<RowFile<F>>],
) -> Vec<RwLock<HashTable<Entry>>> {
    let rows: usize = tables.iter().map(|(_, table)| table.len()).sum();
    let first = tables.first().map_or(0, |(number, _)| *number);
    let half_of = |odd: usize| {
        // Part by part: one part's table stays near the processor.
        let mut parts: Vec<Vec<(&TableRow, u32, u64)>> =
            (0..PARTS / 2).map(|_| Vec::with_capacity(rows / PARTS * 9 / 8)).collect();
        for (number, table) in tables {
            for row in table {
                let hash = hash(&row.id);
                if part_of(hash) % 2 == odd {
                    parts[part_of(hash) / 2].push((row, *number - first, hash));
                }
            }
        }
        // By the number of the file.
        let mut live: Vec<i64> = vec![0; tables.len()];
        let index = parts.into_iter().map(|rows| {
            let mut part = HashTable::with_capacity(rows.len() / 2);
            for (row, file, hash) in rows {
                let len = u64::from(row.len);
                let place = (!row.deleted).then(|| Place::new(first + file, row.at, len));
                live[file as usize] += place.map_or(0, |_| len as i64);
                if let Some(before) = replace(&mut part, hash, row.id, place) {
                    let file = (before.file() - first) as usize;
                    live[file] -= files[file].len_known(before) as i64;
                }
            }
            part
        });
        let index: Vec<HashTable<Entry>> = index.collect();
        for (file, live) in files.iter().zip(live) {
            // Each of the two adds what it found, which may be less than nothing for one of them.
            file.live.fetch_add(live as u64, Ordering::Relaxed);
        }
        index
    };
    let (even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half_of(1));
        (half_of(0), odd.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    even.into_iter().zip(odd).flat_map(|(even, odd)| [even, odd]).map(RwLock::new).collect()
}

/// In their order, for each part of the index, with their numbers and hashes.
fn by_part<T>(all: &[T], id: impl Fn(&T) -> &Id) -> Vec<Vec<(usize, &T, u64)>> {
    let mut parts: Vec<Vec<(usize, &T, u64)>> = (0..PARTS).map(|_| Vec::new()).collect();
    for (number, own) in all.iter().enumerate() {
        let hash = hash(id(own));
        parts[part_of(hash)].push((number, own, hash));
    }
    parts
}

/// Leads an id elsewhere, or nowhere; gives where it led.
fn replace(part: &mut HashTable<Entry>, hash: u64, id: Id, place: Option<Place>) -> Option<Place> {
    match (part.find_entry(hash, |own| own.id() == id), place) {
        (Ok(mut own), Some(place)) => {
            let before = own.get().place();
            *own.get_mut() = Entry::new(id, place);
            Some(before)
        }
        (Ok(own), None) => Some(own.remove().0.place()),
        (Err(absent), Some(place)) => {
            absent.into_table().insert_unique(hash, Entry::new(id, place), Entry::hash);
            None
        }
        (Err(_), None) => None,
    }
}
