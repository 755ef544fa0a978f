//! Tables: the records of the state, held in memory, written to the store in checkpoints and read
//! back from it when touched. Two forms: a [`Table`] holds what it needs (hashed, any size), a
//! [`Shelf`] holds all of its records in key order (configuration, sums, timers).
//!
//! A record of a table is *open*, as the fold works on it, or *packed*, in its byte form, which
//! takes a fraction of the memory. What was opened is packed again between entries, and beyond the
//! memory's budget what nobody touches leaves and is read from the store when it is wanted again.
//!
//! Kept true: a checkpoint is the state as it was at one log position, although it is encoded
//! step by step while the fold goes on: a record that changes before its turn is encoded first.
//! What is not yet durable in the store never leaves. Nothing here depends on the order of a hash
//! map.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashTable;
use model::bytes::{Corrupt, Reader, Rows, Writer};

use crate::heap::{Heap, Packed};

/// A record's value: its byte form begins with a version number.
pub trait Record: Sized {
    /// About what an open one takes on the heap beside itself, in bytes.
    const HEAP: usize = 64;

    /// Something of it that lies where most of it lies.
    fn near(&self) -> u64 {
        0
    }

    fn write(&self, out: &mut Writer);
    fn read(input: &mut Reader<'_>) -> Result<Self, Corrupt>;

    /// As [`Record::read`], in place of another one, whose memory is used again.
    fn read_again(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        *self = Self::read(input)?;
        Ok(())
    }
}

/// A record's key: its bytes sort as it does.
pub trait Key: Clone + Ord + Hash + Eq {
    fn write(&self, out: &mut Writer);
    fn read(input: &mut Reader<'_>) -> Result<Self, Corrupt>;
}

/// Where records lie that are not in memory. A store that cannot be read stops the program: the
/// fold cannot fail, and to go on without a record would be to lose it.
pub trait Backing: Send + Sync {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// In key order from `from` (inclusive) to `to` (exclusive), or backwards.
    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, each: &mut EachRow<'_>);
}

/// A table that takes in rows of the store before anybody asks for them.
pub trait Warmed: Send {
    /// Some keys with their rows; the more at once, the less each waits for the memory.
    fn supply_rows(&mut self, rows: &[(&[u8], &[u8])]);
    /// All rows of the store were supplied since the start: unless some have left again, a miss
    /// need not ask the store any more.
    fn all_supplied(&mut self);
    /// About what its records take in memory, in bytes.
    fn bytes_here(&self) -> usize;
}

/// Receives a key and its value; says whether to go on.
pub type EachRow<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Hashes without a random seed, so that two runs are the same. Keys that outsiders choose are
/// digests or validated ids before they come here.
#[derive(Clone, Copy, Default)]
pub struct Fixed;

#[derive(Clone, Copy)]
pub struct FixedHasher(u64);

impl BuildHasher for Fixed {
    type Hasher = FixedHasher;

    fn build_hasher(&self) -> FixedHasher {
        FixedHasher(0x9e37_79b9_7f4a_7c15)
    }
}

impl Hasher for FixedHasher {
    fn finish(&self) -> u64 {
        let mut x = self.0;
        x ^= x >> 32;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
        x ^ (x >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.write_u64(u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(last) ^ ((rest.len() as u64) << 56));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
}

pub type FixedMap<K, V> = hashbrown::HashMap<K, V, Fixed>;
pub type FixedSet<K> = hashbrown::HashSet<K, Fixed>;

/// Places are found in one of so many parts, so that growing one of them moves little at once.
const PARTS: usize = 64;
const CHUNK_BITS: usize = 12;
/// Records of a checkpoint that are looked at, and then encoded.
const ENCODED_AT_ONCE: usize = 64;
/// Some more than are opened between two packings.
const SPARE_MOST: usize = 128;

/// Where a record is, until it leaves the memory. Not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot(u32);

struct Slot<K, V> {
    key: K,
    held: Held<V>,
    /// In which epoch it last changed; 0: as the store has had it from the start.
    epoch: u32,
    /// The running checkpoint has it already.
    encoded: bool,
    /// Somebody wanted it since it was last looked at for packing.
    wanted: bool,
}

impl<K, V> Slot<K, V> {
    fn changing(&mut self) -> &mut V {
        match &mut self.held {
            Held::Open { value, clean, .. } => {
                *clean = false;
                value
            }
            _ => unreachable!("the caller opened it"),
        }
    }
}

enum Held<V> {
    /// With its bytes as they were when it was packed last; they count while it is `clean`.
    Open {
        value: Box<V>,
        packed: Option<Packed>,
        clean: bool,
    },
    Packed(Packed),
    /// Deleted, and the store may still have it.
    Gone,
    /// Nothing is here.
    Free,
}

#[derive(Default)]
struct Part {
    spots: HashTable<u32>,
    /// The store has nothing of this part that is not here, so a miss need not ask it.
    complete: bool,
}

pub struct Table<K, V> {
    number: u8,
    parts: Vec<Part>,
    chunks: Vec<Vec<Slot<K, V>>>,
    free: Vec<u32>,
    /// Records that are in memory, deleted ones too.
    count: usize,
    heap: Heap,
    /// Those that were opened since they were packed last; some may have gone since.
    opened: Vec<u32>,
    /// How many are open.
    open: usize,
    /// Records that were open: the next ones are read into their memory.
    spare: Vec<Box<V>>,
    scratch: Writer,
    epoch: u32,
    /// All changes up to this epoch are in the store.
    durable: u32,
    dirty: Vec<u32>,
    /// Those of the epoch before, still to be encoded for the running checkpoint.
    flushing: Vec<u32>,
    saved: Rows,
    /// Deleted records whose deletion was encoded; forgotten when that is durable.
    gone: Vec<u32>,
    /// Where packing and leaving go on.
    hand: usize,
    /// Something has left the memory since the start.
    left: bool,
    backing: Option<Arc<dyn Backing>>,
}

/// A record for reading: open in memory, or just decoded.
pub enum Found<'a, V> {
    Here(&'a V),
    Read(Box<V>),
}

impl<V> std::ops::Deref for Found<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        match self {
            Found::Here(value) => value,
            Found::Read(value) => value,
        }
    }
}

impl<K: Key, V: Record> Table<K, V> {
    pub fn new(number: u8, backing: Option<Arc<dyn Backing>>) -> Table<K, V> {
        let complete = backing.as_ref().is_none_or(|store| is_empty(&**store, number));
        let part = || Part { spots: HashTable::new(), complete };
        Table {
            number,
            parts: (0..PARTS).map(|_| part()).collect(),
            chunks: Vec::new(),
            free: Vec::new(),
            count: 0,
            heap: Heap::default(),
            opened: Vec::new(),
            open: 0,
            spare: Vec::new(),
            scratch: Writer::new(),
            epoch: 1,
            durable: 0,
            dirty: Vec::new(),
            flushing: Vec::new(),
            saved: Rows::new(),
            gone: Vec::new(),
            hand: 0,
            left: false,
            backing,
        }
    }

    pub fn get(&self, key: &K) -> Option<Found<'_, V>> {
        match self.spot(key) {
            Some(spot) => self.at(spot),
            None => self.read(key).map(|bytes| self.decoded(&bytes)),
        }
    }

    pub fn contains(&self, key: &K) -> bool {
        match self.spot(key) {
            Some(spot) => !matches!(self.slot(spot).held, Held::Gone),
            None => self.read(key).is_some(),
        }
    }

    /// Where the record is in memory, brought there and opened if need be.
    pub fn open(&mut self, key: &K) -> Option<Spot> {
        let spot = match self.spot(key) {
            Some(spot) => spot,
            None => {
                let bytes = self.read(key)?;
                let packed = self.heap.put(&bytes);
                self.put(key.clone(), Held::Packed(packed), 0)
            }
        };
        self.unpack(spot).then_some(spot)
    }

    /// For reading.
    pub fn at(&self, spot: Spot) -> Option<Found<'_, V>> {
        match &self.slot(spot).held {
            Held::Open { value, .. } => Some(Found::Here(value)),
            Held::Packed(packed) => Some(self.decoded(self.heap.get(*packed))),
            Held::Gone => None,
            Held::Free => unreachable!("a spot is kept only while its record is in memory"),
        }
    }

    /// An open record, for reading.
    pub fn here(&self, spot: Spot) -> &V {
        match &self.slot(spot).held {
            Held::Open { value, .. } => value,
            _ => unreachable!("the caller opened it"),
        }
    }

    /// An open record, for changing it; counts as changed from here on.
    pub fn here_mut(&mut self, spot: Spot) -> &mut V {
        if self.slot(spot).epoch != self.epoch {
            self.mark_first(spot);
            return self.slot_mut(spot).changing();
        }
        self.slot_mut(spot).changing()
    }

    /// For changing it; counts as changed from here on.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let spot = self.open(key)?;
        Some(self.here_mut(spot))
    }

    pub fn insert(&mut self, key: K, value: V) -> Spot {
        let held = Held::Open { value: Box::new(value), packed: None, clean: false };
        let spot = match self.spot(&key) {
            Some(spot) => {
                self.mark(spot);
                self.hold(spot, held);
                spot
            }
            None => {
                let spot = self.put(key, held, 0);
                self.changed(spot);
                spot
            }
        };
        self.opened.push(spot.0);
        self.open += 1;
        spot
    }

    pub fn or_insert(&mut self, key: &K, value: impl FnOnce() -> V) -> &mut V {
        let spot = self.open(key);
        let spot = spot.unwrap_or_else(|| self.insert(key.clone(), value()));
        self.here_mut(spot)
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let spot = self.open(key)?;
        self.mark(spot);
        match self.hold(spot, Held::Gone) {
            Held::Open { value, .. } => Some(*value),
            _ => unreachable!("opened above"),
        }
    }

    /// How many are in memory.
    pub fn len_here(&self) -> usize {
        self.count
    }

    fn hash(key: &K) -> u64 {
        Fixed.hash_one(key)
    }

    /// Neither the lowest nor the highest bits: the part's own table uses those.
    fn part_of(hash: u64) -> usize {
        model::parts::part_of((hash >> 40) as u16, PARTS)
    }

    /// Where it is, if it is in memory.
    pub fn spot(&self, key: &K) -> Option<Spot> {
        let hash = Self::hash(key);
        let is_it = |spot: &u32| self.slot(Spot(*spot)).key == *key;
        self.parts[Self::part_of(hash)].spots.find(hash, is_it).map(|spot| Spot(*spot))
    }

    fn slot(&self, spot: Spot) -> &Slot<K, V> {
        let at = spot.0 as usize;
        &self.chunks[at >> CHUNK_BITS][at & ((1 << CHUNK_BITS) - 1)]
    }

    fn slot_mut(&mut self, spot: Spot) -> &mut Slot<K, V> {
        let at = spot.0 as usize;
        &mut self.chunks[at >> CHUNK_BITS][at & ((1 << CHUNK_BITS) - 1)]
    }

    /// Puts a record where there was none.
    fn put(&mut self, key: K, held: Held<V>, epoch: u32) -> Spot {
        let hash = Self::hash(&key);
        let slot = Slot { key, held, epoch, encoded: false, wanted: true };
        let spot = match self.free.pop() {
            Some(spot) => {
                *self.slot_mut(Spot(spot)) = slot;
                spot
            }
            None => self.put_last(slot),
        };
        let chunks = &self.chunks;
        let hash_of = |spot: &u32| {
            let at = *spot as usize;
            Self::hash(&chunks[at >> CHUNK_BITS][at & ((1 << CHUNK_BITS) - 1)].key)
        };
        self.parts[Self::part_of(hash)].spots.insert_unique(hash, spot, hash_of);
        self.count += 1;
        Spot(spot)
    }

    fn put_last(&mut self, slot: Slot<K, V>) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == 1 << CHUNK_BITS) {
            self.chunks.push(Vec::with_capacity(1 << CHUNK_BITS));
        }
        let chunk = self.chunks.len() - 1;
        let last = &mut self.chunks[chunk];
        last.push(slot);
        let spot = (chunk << CHUNK_BITS) + last.len() - 1;
        u32::try_from(spot).expect("memory ends before four thousand million records")
    }

    /// Takes a record out of memory.
    fn leave(&mut self, spot: Spot) {
        let hash = Self::hash(&self.slot(spot).key);
        self.hold(spot, Held::Free);
        let part = &mut self.parts[Self::part_of(hash)];
        let found = part.spots.find_entry(hash, |own| *own == spot.0);
        found.expect("what is in memory is found").remove();
        self.free.push(spot.0);
        self.count -= 1;
    }

    /// Holds something else there from now on; gives what was there, whose bytes are gone.
    fn hold(&mut self, spot: Spot, held: Held<V>) -> Held<V> {
        let before = std::mem::replace(&mut self.slot_mut(spot).held, held);
        match &before {
            Held::Open { packed, .. } => {
                self.open -= 1;
                packed.iter().for_each(|packed| self.heap.free(*packed));
            }
            Held::Packed(packed) => self.heap.free(*packed),
            Held::Gone | Held::Free => {}
        }
        before
    }

    /// False if it was deleted.
    fn unpack(&mut self, spot: Spot) -> bool {
        let at = spot.0 as usize;
        let slot = &mut self.chunks[at >> CHUNK_BITS][at & ((1 << CHUNK_BITS) - 1)];
        slot.wanted = true;
        let Held::Packed(packed) = slot.held else {
            return matches!(slot.held, Held::Open { .. });
        };
        let mut input = Reader::new(self.heap.get(packed));
        let value = match self.spare.pop() {
            Some(mut value) => value.read_again(&mut input).map(|()| value),
            None => V::read(&mut input).map(Box::new),
        };
        let value = decoded(self.number, value);
        slot.held = Held::Open { value, packed: Some(packed), clean: true };
        self.opened.push(spot.0);
        self.open += 1;
        true
    }

    /// An open record becomes its bytes again. One that is long and changed takes long to write; it
    /// stays as it is unless `long` says otherwise.
    fn pack(&mut self, spot: Spot, long: bool) {
        let at = spot.0 as usize;
        let slot = &mut self.chunks[at >> CHUNK_BITS][at & ((1 << CHUNK_BITS) - 1)];
        let Held::Open { value, packed, clean } = &slot.held else { return };
        let packed = match packed {
            Some(packed) if *clean => *packed,
            Some(packed) if packed.is_long() && !long => return,
            _ => {
                self.scratch.clear();
                value.write(&mut self.scratch);
                let bytes = self.scratch.as_bytes();
                match packed {
                    Some(packed) => self.heap.replace(*packed, bytes),
                    None => self.heap.put(bytes),
                }
            }
        };
        let held = std::mem::replace(&mut slot.held, Held::Packed(packed));
        if let Held::Open { value, .. } = held
            && self.spare.len() < SPARE_MOST
            && !packed.is_long()
        {
            self.spare.push(value);
        }
        self.open -= 1;
    }

    /// Packs what was opened since the last time, but for long records that changed: they wait for
    /// the next checkpoint.
    pub fn close(&mut self) {
        let mut opened = std::mem::take(&mut self.opened);
        opened.drain(..).for_each(|spot| self.pack(Spot(spot), false));
        self.opened = opened;
    }

    fn read(&self, key: &K) -> Option<Vec<u8>> {
        if self.parts[Self::part_of(Self::hash(key))].complete {
            return None;
        }
        let mut out = Writer::onto(Vec::with_capacity(40));
        write_key(self.number, key, &mut out);
        self.backing.as_ref()?.get(out.as_bytes())
    }

    fn decoded(&self, bytes: &[u8]) -> Found<'_, V> {
        Found::Read(Box::new(decode(self.number, bytes)))
    }

    /// Notes that it changes now; keeps its old bytes if the running checkpoint needs them.
    #[inline]
    fn mark(&mut self, spot: Spot) {
        if self.slot(spot).epoch != self.epoch {
            self.mark_first(spot);
        }
    }

    #[cold]
    #[inline(never)]
    fn mark_first(&mut self, spot: Spot) {
        let (epoch, durable) = (self.epoch, self.durable);
        let slot = self.slot(spot);
        if slot.epoch == epoch - 1 && slot.epoch > durable && !slot.encoded {
            let mut saved = std::mem::take(&mut self.saved);
            self.encode(spot, &mut saved);
            self.saved = saved;
        }
        self.changed(spot);
    }

    fn changed(&mut self, spot: Spot) {
        let epoch = self.epoch;
        let slot = self.slot_mut(spot);
        (slot.epoch, slot.encoded) = (epoch, false);
        self.dirty.push(spot.0);
    }

    fn encode(&self, spot: Spot, rows: &mut Rows) {
        let slot = self.slot(spot);
        let key = |out: &mut Writer| write_key(self.number, &slot.key, out);
        match &slot.held {
            Held::Packed(packed) | Held::Open { packed: Some(packed), clean: true, .. } => {
                rows.put_with(key, |out| out.raw(self.heap.get(*packed)));
            }
            Held::Open { value, .. } => rows.put_with(key, |out| value.write(out)),
            Held::Gone => rows.delete_with(key),
            Held::Free => unreachable!("changed records stay in memory"),
        }
    }

    pub fn checkpoint_begin(&mut self) {
        assert!(self.flushing.is_empty(), "one checkpoint at a time");
        for spot in std::mem::take(&mut self.gone) {
            let slot = self.slot(Spot(spot));
            if matches!(slot.held, Held::Gone) && slot.epoch <= self.durable {
                self.leave(Spot(spot));
            }
        }
        self.flushing = std::mem::take(&mut self.dirty);
        self.epoch += 1;
    }

    /// Encodes up to `max` records; true when none is left.
    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let mut left = max;
        while left > 0 && !self.flushing.is_empty() {
            let from = self.flushing.len() - self.flushing.len().min(left).min(ENCODED_AT_ONCE);
            let some = self.flushing.split_off(from);
            left -= some.len();
            // As in [`crate::away`]: all of them are waited for at once.
            let near = some.iter().map(|spot| self.near(Spot(*spot)));
            std::hint::black_box(near.fold(0, u64::wrapping_add));
            some.into_iter().for_each(|spot| self.checkpoint_record(spot, rows));
        }
        rows.append(&mut self.saved);
        self.flushing.is_empty()
    }

    fn checkpoint_record(&mut self, spot: u32, rows: &mut Rows) {
        let slot = self.slot(Spot(spot));
        if slot.epoch != self.epoch - 1 {
            return;
        }
        if matches!(slot.held, Held::Gone) {
            self.gone.push(spot);
        }
        self.pack(Spot(spot), true);
        self.encode(Spot(spot), rows);
        self.slot_mut(Spot(spot)).encoded = true;
    }

    /// The checkpoint that was begun last is in the store.
    pub fn checkpoint_done(&mut self) {
        self.durable = self.epoch - 1;
    }

    /// Looks at the next `count` records: those that nobody wanted since the last time are packed,
    /// or leave the memory if `leave` says so and the store has them. Which ones does not show in
    /// what anybody reads.
    pub fn settle(&mut self, count: usize, leave: bool) {
        let all = self.chunks.len() << CHUNK_BITS;
        for _ in 0..count.min(all) {
            self.hand = if self.hand + 1 >= all { 0 } else { self.hand + 1 };
            let at = (self.hand >> CHUNK_BITS, self.hand & ((1 << CHUNK_BITS) - 1));
            let Some(slot) = self.chunks[at.0].get_mut(at.1) else { continue };
            if std::mem::take(&mut slot.wanted) || matches!(slot.held, Held::Free) {
                continue;
            }
            let spot = Spot(self.hand as u32);
            let durable = slot.epoch <= self.durable;
            if leave && durable && self.backing.is_some() && !matches!(slot.held, Held::Gone) {
                self.parts[Self::part_of(Self::hash(&slot.key))].complete = false;
                self.left = true;
                self.leave(spot);
            } else {
                self.pack(spot, true);
            }
        }
    }

    /// Looks at a record in memory without using it; gives something of it.
    pub fn near(&self, spot: Spot) -> u64 {
        match &self.slot(spot).held {
            Held::Open { value, .. } => value.near(),
            Held::Packed(packed) => {
                let lines = self.heap.get(*packed).chunks(64);
                lines.map(|line| u64::from(line[0])).sum()
            }
            Held::Gone | Held::Free => 0,
        }
    }

    /// Whether the key's record is neither in memory nor known to be nowhere: the store has to be
    /// asked for it.
    pub fn is_away(&self, key: &K) -> bool {
        self.spot(key).is_none() && !self.parts[Self::part_of(Self::hash(key))].complete
    }

    /// Takes in a row that was read from the store without holding the state; the state may have
    /// got it meanwhile.
    pub fn supply(&mut self, key: &K, bytes: &[u8]) {
        if self.is_away(key) {
            let packed = self.heap.put(bytes);
            self.put(key.clone(), Held::Packed(packed), 0);
        }
    }

    fn slots(&self) -> impl Iterator<Item = (Spot, &Slot<K, V>)> {
        let slots = self.chunks.iter().flatten().enumerate();
        let slots = slots.filter(|(_, slot)| !matches!(slot.held, Held::Free));
        slots.map(|(at, slot)| (Spot(at as u32), slot))
    }

    fn is_complete(&self) -> bool {
        self.parts.iter().all(|part| part.complete)
    }

    /// The first `limit` keys after `after`, for the pages of a list. Looks once at every key in
    /// memory, and in the store only at those of the page.
    pub fn keys_after(&self, after: Option<&K>, limit: usize) -> Vec<K> {
        let mut first: BinaryHeap<&K> = BinaryHeap::new();
        let here = self.slots().filter(|(_, slot)| !matches!(slot.held, Held::Gone));
        let here = here.map(|(_, slot)| &slot.key);
        for key in here.filter(|key| after.is_none_or(|after| *key > after)) {
            if first.len() < limit {
                first.push(key);
            } else if first.peek().is_some_and(|last| key < *last) {
                first.pop();
                first.push(key);
            }
        }
        let mut keys: Vec<K> = first.into_iter().cloned().collect();
        if let (false, Some(backing)) = (self.is_complete(), &self.backing) {
            let from = after.map_or_else(|| vec![self.number], |key| row_key(self.number, key));
            let mut stored = Vec::new();
            backing.scan(&from, &[self.number + 1], false, &mut |bytes, _| {
                let key = K::read(&mut Reader::new(&bytes[1..])).expect("keys are ours");
                if after != Some(&key) && self.spot(&key).is_none() {
                    stored.push(key);
                }
                if stored.len() < limit {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            keys.append(&mut stored);
        }
        keys.sort_unstable();
        keys.truncate(limit);
        keys
    }

    /// Every record, here or in the store, in key order. For hashes and exports.
    pub fn for_each(&self, mut each: impl FnMut(&K, &V) -> ControlFlow<()>) {
        let mut here: Vec<(&K, Spot)> =
            self.slots().map(|(spot, slot)| (&slot.key, spot)).collect();
        here.sort_unstable_by_key(|(key, _)| *key);
        let mut here = here.into_iter().peekable();
        let mut flow = ControlFlow::Continue(());
        if let (false, Some(backing)) = (self.is_complete(), &self.backing) {
            backing.scan(&[self.number], &[self.number + 1], false, &mut |bytes, value| {
                let key = K::read(&mut Reader::new(&bytes[1..])).expect("keys are ours");
                while let Some((own, spot)) = here.next_if(|(own, _)| **own < key) {
                    self.each_here(own, spot, &mut each)?;
                }
                if let Some((_, spot)) = here.next_if(|(own, _)| **own == key) {
                    return self.each_here(&key, spot, &mut each);
                }
                flow = each(&key, &decode(self.number, value));
                flow
            });
        }
        if flow.is_continue() {
            let _ = here.try_for_each(|(own, spot)| self.each_here(own, spot, &mut each));
        }
    }

    fn each_here(
        &self,
        key: &K,
        spot: Spot,
        each: &mut impl FnMut(&K, &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.at(spot) {
            Some(value) => each(key, &value),
            None => ControlFlow::Continue(()),
        }
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        self.for_each(|key, value| {
            add(&row_key(self.number, key), &bytes_of(value));
            ControlFlow::Continue(())
        });
    }
}

impl<T: Warmed> Warmed for &mut T {
    fn supply_rows(&mut self, rows: &[(&[u8], &[u8])]) {
        (**self).supply_rows(rows);
    }

    fn all_supplied(&mut self) {
        (**self).all_supplied();
    }

    fn bytes_here(&self) -> usize {
        (**self).bytes_here()
    }
}

impl<K: Key + Send, V: Record + Send> Warmed for Table<K, V> {
    fn supply_rows(&mut self, rows: &[(&[u8], &[u8])]) {
        let key = |row: &[u8]| K::read(&mut Reader::new(&row[1..])).expect("keys are ours");
        let keys: Vec<K> = rows.iter().map(|(row, _)| key(row)).collect();
        // As in [`crate::away`]: all of them are waited for at once.
        let here = keys.iter().filter(|key| self.spot(key).is_some());
        std::hint::black_box(here.count());
        keys.iter().zip(rows).for_each(|(key, (_, bytes))| self.supply(key, bytes));
    }

    fn all_supplied(&mut self) {
        if !self.left {
            self.parts.iter_mut().for_each(|part| part.complete = true);
        }
    }

    fn bytes_here(&self) -> usize {
        let open = self.open * (size_of::<V>() + V::HEAP);
        self.heap.bytes() + open + self.count * (size_of::<Slot<K, V>>() + 12)
    }
}

/// A table that is wholly in memory and in order.
pub struct Shelf<K, V> {
    number: u8,
    rows: BTreeMap<K, V>,
    changes: BTreeMap<K, ()>,
}

impl<K: Key, V: Record> Shelf<K, V> {
    pub fn new(number: u8, backing: Option<&Arc<dyn Backing>>) -> Shelf<K, V> {
        let mut rows = BTreeMap::new();
        if let Some(backing) = backing {
            backing.scan(&[number], &[number + 1], false, &mut |key, value| {
                let key = K::read(&mut Reader::new(&key[1..])).expect("keys are ours");
                rows.insert(key, decode(number, value));
                ControlFlow::Continue(())
            });
        }
        Shelf { number, rows, changes: BTreeMap::new() }
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let value = self.rows.get_mut(key)?;
        self.changes.insert(key.clone(), ());
        Some(value)
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.changes.insert(key.clone(), ());
        self.rows.insert(key, value);
    }

    pub fn or_insert(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.changes.insert(key.clone(), ());
        self.rows.entry(key).or_insert_with(value)
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.rows.remove(key)?;
        self.changes.insert(key.clone(), ());
        Some(value)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    pub fn range<R: std::ops::RangeBounds<K>>(
        &self,
        range: R,
    ) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(range)
    }

    pub fn first(&self) -> Option<(&K, &V)> {
        self.rows.first_key_value()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A shelf changes little between checkpoints, so it is encoded at once.
    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        for key in std::mem::take(&mut self.changes).into_keys() {
            let number = self.number;
            match self.rows.get(&key) {
                Some(value) => {
                    rows.put_with(|out| write_key(number, &key, out), |out| value.write(out));
                }
                None => rows.delete_with(|out| write_key(number, &key, out)),
            }
        }
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        for (key, value) in &self.rows {
            add(&row_key(self.number, key), &bytes_of(value));
        }
    }
}

fn write_key<K: Key>(number: u8, key: &K, out: &mut Writer) {
    out.u8(number);
    key.write(out);
}

pub fn row_key<K: Key>(number: u8, key: &K) -> Vec<u8> {
    let mut out = Writer::onto(Vec::with_capacity(40));
    write_key(number, key, &mut out);
    out.into_bytes()
}

fn bytes_of<V: Record>(value: &V) -> Vec<u8> {
    let mut out = Writer::new();
    value.write(&mut out);
    out.into_bytes()
}

fn decode<V: Record>(number: u8, bytes: &[u8]) -> V {
    decoded(number, V::read(&mut Reader::new(bytes)))
}

/// The store verifies its own checksums, so bytes that do not decode are a bug, and a bug stops.
fn decoded<T>(number: u8, result: Result<T, Corrupt>) -> T {
    result.unwrap_or_else(|corrupt| panic!("a stored record of table {number}: {corrupt}"))
}

pub(crate) fn is_empty(backing: &dyn Backing, number: u8) -> bool {
    let mut empty = true;
    backing.scan(&[number], &[number + 1], false, &mut |_, _| {
        empty = false;
        ControlFlow::Break(())
    });
    empty
}

impl Key for u64 {
    fn write(&self, out: &mut Writer) {
        out.u64_be(*self);
    }

    fn read(input: &mut Reader<'_>) -> Result<u64, Corrupt> {
        input.u64_be()
    }
}

impl Key for u128 {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.to_be_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<u128, Corrupt> {
        Ok(u128::from_be_bytes(input.array()?))
    }
}

impl Key for Box<str> {
    fn write(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn read(input: &mut Reader<'_>) -> Result<Box<str>, Corrupt> {
        Ok(std::str::from_utf8(input.rest()).map_err(|_| Corrupt("a key is not UTF-8"))?.into())
    }
}

impl Record for u64 {
    fn write(&self, out: &mut Writer) {
        out.uint(*self);
    }

    fn read(input: &mut Reader<'_>) -> Result<u64, Corrupt> {
        input.uint()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A store in memory, as a checkpoint would leave it.
    #[derive(Default)]
    pub(crate) struct Stored(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

    impl Stored {
        pub fn commit(&self, rows: Rows) {
            let mut map = self.0.lock().unwrap();
            for (key, value) in rows.sorted() {
                match value {
                    Some(value) => map.insert(key.to_vec(), value.to_vec()),
                    None => map.remove(key),
                };
            }
        }
    }

    impl Backing for Stored {
        fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
            self.0.lock().unwrap().get(key).cloned()
        }

        fn scan(&self, from: &[u8], to: &[u8], reverse: bool, each: &mut EachRow<'_>) {
            let map = self.0.lock().unwrap().clone();
            let mut rows: Vec<_> = map.range(from.to_vec()..to.to_vec()).collect();
            if reverse {
                rows.reverse();
            }
            let _ = rows.into_iter().try_for_each(|(key, value)| each(key, value));
        }
    }

    fn read(table: &Table<u64, u64>) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        table.for_each(|key, value| {
            all.push((*key, *value));
            ControlFlow::Continue(())
        });
        all
    }

    fn checkpoint(table: &mut Table<u64, u64>, store: &Stored) {
        let mut rows = Rows::new();
        table.checkpoint_begin();
        while !table.checkpoint_step(1, &mut rows) {}
        store.commit(rows);
        table.checkpoint_done();
    }

    #[test]
    fn a_checkpoint_is_the_state_at_its_beginning() {
        let store = Arc::new(Stored::default());
        let mut table: Table<u64, u64> = Table::new(2, Some(store.clone()));
        (0..10).for_each(|key| {
            table.insert(key, key);
        });
        let mut rows = Rows::new();
        table.checkpoint_begin();
        for key in 0..10 {
            table.checkpoint_step(1, &mut rows);
            *table.get_mut(&key).unwrap() += 100;
            table.insert(20 + key, 0);
        }
        table.remove(&3);
        while !table.checkpoint_step(1, &mut rows) {}
        store.commit(rows);
        table.checkpoint_done();
        let again: Table<u64, u64> = Table::new(2, Some(store.clone()));
        assert_eq!(read(&again), (0..10).map(|key| (key, key)).collect::<Vec<_>>());
        checkpoint(&mut table, &store);
        assert_eq!(read(&Table::new(2, Some(store))), read(&table));
    }

    #[test]
    fn what_was_evicted_is_read_back_and_listed() {
        let store = Arc::new(Stored::default());
        let mut table: Table<u64, u64> = Table::new(2, Some(store.clone()));
        (0..100).for_each(|key| {
            table.insert(key, key);
        });
        checkpoint(&mut table, &store);
        table.settle(10_000, true);
        assert_eq!(table.len_here(), 100, "all were just wanted");
        table.settle(90, true);
        assert!(table.len_here() < 100);
        table.settle(10_000, true);
        assert_eq!(table.len_here(), 0);
        table.remove(&50);
        *table.get_mut(&7).unwrap() = 700;
        assert_eq!(table.get(&7).as_deref(), Some(&700));
        assert_eq!(table.get(&8).as_deref(), Some(&8));
        assert!(table.get(&50).is_none());
        assert_eq!(table.keys_after(Some(&48), 3), [49, 51, 52]);
        assert_eq!(table.keys_after(None, 2), [0, 1]);
        assert_eq!(table.keys_after(Some(&98), 9), [99]);
        checkpoint(&mut table, &store);
        table.settle(10_000, true);
        table.settle(10_000, true);
        assert!(table.get(&50).is_none());
        assert_eq!(read(&table).len(), 99);
    }

    #[test]
    fn what_is_packed_is_what_it_was_and_what_changed_does_not_leave() {
        let store = Arc::new(Stored::default());
        let mut table: Table<u64, u64> = Table::new(2, Some(store.clone()));
        (0..100).for_each(|key| {
            table.insert(key, key + 1000);
        });
        let open = table.bytes_here();
        (0..2).for_each(|_| table.settle(10_000, true));
        assert_eq!(table.len_here(), 100, "nothing of it is in the store");
        assert!(table.bytes_here() < open, "{} bytes of {open}", table.bytes_here());
        assert_eq!(read(&table), (0..100).map(|key| (key, key + 1000)).collect::<Vec<_>>());
        checkpoint(&mut table, &store);
        *table.get_mut(&5).unwrap() = 1;
        table.remove(&6);
        (0..2).for_each(|_| table.settle(10_000, true));
        assert_eq!(table.len_here(), 2);
        assert_eq!((table.get(&5).as_deref(), table.get(&6).as_deref()), (Some(&1), None));
        checkpoint(&mut table, &store);
        checkpoint(&mut table, &store);
        (0..2).for_each(|_| table.settle(10_000, true));
        assert_eq!(table.len_here(), 0);
        assert_eq!(read(&table).len(), 99);
        assert_eq!(read(&Table::new(2, Some(store))), read(&table));
    }
}
