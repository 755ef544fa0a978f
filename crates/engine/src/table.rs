//! Tables: the records of the state, held in memory, written to the store in checkpoints and read
//! back from it when touched. Two forms: a [`Table`] holds what it needs (hashed, any size), a
//! [`Shelf`] holds all of its records in key order (configuration, sums, timers).
//!
//! Kept true: a checkpoint is the state as it was at one log position, although it is encoded
//! step by step while the fold goes on: a record that changes before its turn is encoded first.
//! Nothing here depends on the order of a hash map.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use model::bytes::{Corrupt, Reader, Writer};

/// A record's value: its byte form begins with a version number.
pub trait Record: Sized {
    fn write(&self, out: &mut Writer);
    fn read(input: &mut Reader<'_>) -> Result<Self, Corrupt>;
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

/// Receives a key and its value; says whether to go on.
pub type EachRow<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// What a checkpoint writes: key and value, `None` to delete.
pub type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

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

struct Slot<V> {
    /// `None`: deleted, and the store may still have it.
    value: Option<V>,
    /// In which epoch it last changed; 0: as in the store.
    epoch: u32,
}

/// The bookkeeping of which records changed, shared by both forms.
struct Changes<K> {
    epoch: u32,
    dirty: Vec<K>,
    /// Those of the epoch before, still to be encoded for the running checkpoint.
    flushing: Vec<K>,
    saved: Rows,
    /// Deleted records whose deletion went into the last checkpoint; forgotten at the next.
    gone: Vec<K>,
}

impl<K> Changes<K> {
    fn new() -> Changes<K> {
        let (dirty, flushing, saved, gone) = (vec![], vec![], vec![], vec![]);
        Changes { epoch: 1, dirty, flushing, saved, gone }
    }

    fn begin(&mut self) {
        assert!(self.flushing.is_empty(), "one checkpoint at a time");
        self.flushing = std::mem::take(&mut self.dirty);
        self.epoch += 1;
    }
}

pub struct Table<K, V> {
    number: u8,
    slots: FixedMap<K, Slot<V>>,
    changes: Changes<K>,
    /// The store has nothing that is not here, so a miss need not ask it.
    complete: bool,
    backing: Option<Arc<dyn Backing>>,
}

/// A record for reading: in memory, or just read from the store.
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
        Table { number, slots: FixedMap::default(), changes: Changes::new(), complete, backing }
    }

    pub fn get(&self, key: &K) -> Option<Found<'_, V>> {
        match self.slots.get(key) {
            Some(slot) => slot.value.as_ref().map(Found::Here),
            None => self.read(key).map(|value| Found::Read(Box::new(value))),
        }
    }

    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// For changing it; counts as changed from here on.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.fetch(key);
        self.slots.get(key)?.value.as_ref()?;
        self.mark(key);
        self.slots.get_mut(key)?.value.as_mut()
    }

    pub fn insert(&mut self, key: K, value: V) {
        self.mark(&key);
        let epoch = self.changes.epoch;
        self.slots.insert(key, Slot { value: Some(value), epoch });
    }

    pub fn or_insert(&mut self, key: &K, value: impl FnOnce() -> V) -> &mut V {
        self.fetch(key);
        if self.slots.get(key).is_none_or(|slot| slot.value.is_none()) {
            self.insert(key.clone(), value());
        } else {
            self.mark(key);
        }
        let slot = self.slots.get_mut(key).expect("just put there");
        slot.value.as_mut().expect("just put there")
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.fetch(key);
        self.slots.get(key)?.value.as_ref()?;
        self.mark(key);
        self.slots.get_mut(key)?.value.take()
    }

    /// How many are in memory.
    pub fn len_here(&self) -> usize {
        self.slots.len()
    }

    fn fetch(&mut self, key: &K) {
        if !self.complete
            && !self.slots.contains_key(key)
            && let Some(value) = self.read(key)
        {
            self.slots.insert(key.clone(), Slot { value: Some(value), epoch: 0 });
        }
    }

    fn read(&self, key: &K) -> Option<V> {
        if self.complete {
            return None;
        }
        let bytes = self.backing.as_ref()?.get(&row_key(self.number, key))?;
        Some(decode(self.number, &bytes))
    }

    /// Notes that `key` changes now; keeps its old bytes if the running checkpoint needs them.
    fn mark(&mut self, key: &K) {
        let epoch = self.changes.epoch;
        match self.slots.get_mut(key) {
            None => self.changes.dirty.push(key.clone()),
            Some(slot) if slot.epoch == epoch => {}
            Some(slot) => {
                if slot.epoch == epoch - 1 && !self.changes.flushing.is_empty() {
                    let row = encode(self.number, key, slot.value.as_ref());
                    self.changes.saved.push(row);
                }
                slot.epoch = epoch;
                self.changes.dirty.push(key.clone());
            }
        }
    }

    pub fn checkpoint_begin(&mut self) {
        for key in std::mem::take(&mut self.changes.gone) {
            if self.slots.get(&key).is_some_and(|slot| slot.epoch == 0 && slot.value.is_none()) {
                self.slots.remove(&key);
            }
        }
        self.changes.begin();
    }

    /// Encodes up to `max` records; true when none is left.
    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let flushing_epoch = self.changes.epoch - 1;
        for _ in 0..max {
            let Some(key) = self.changes.flushing.pop() else { break };
            let slot = self.slots.get_mut(&key).expect("changed records stay in memory");
            if slot.epoch == flushing_epoch {
                rows.push(encode(self.number, &key, slot.value.as_ref()));
                slot.epoch = 0;
                if slot.value.is_none() {
                    self.changes.gone.push(key);
                }
            }
        }
        let done = self.changes.flushing.is_empty();
        rows.append(&mut self.changes.saved);
        done
    }

    /// Drops unchanged records from memory until at most `keep` are left. Never while a
    /// checkpoint is on its way to the store.
    pub fn evict(&mut self, keep: usize) {
        if self.slots.len() <= keep || self.backing.is_none() {
            return;
        }
        let mut over = self.slots.len() - keep;
        // Which ones go depends on the hash order; what anybody reads does not.
        self.slots.retain(|_, slot| {
            let drop = over > 0 && slot.epoch == 0;
            over -= usize::from(drop);
            !drop
        });
        self.complete = false;
    }

    /// The first `limit` keys after `after`, for the pages of a list. Looks once at every key in
    /// memory, and in the store only at those of the page.
    pub fn keys_after(&self, after: Option<&K>, limit: usize) -> Vec<K> {
        let mut first: BinaryHeap<&K> = BinaryHeap::new();
        let here = self.slots.iter().filter(|(_, slot)| slot.value.is_some());
        for (key, _) in here.filter(|(key, _)| after.is_none_or(|after| *key > after)) {
            if first.len() < limit {
                first.push(key);
            } else if first.peek().is_some_and(|last| key < *last) {
                first.pop();
                first.push(key);
            }
        }
        let mut keys: Vec<K> = first.into_iter().cloned().collect();
        if let (false, Some(backing)) = (self.complete, &self.backing) {
            let from = after.map_or_else(|| vec![self.number], |key| row_key(self.number, key));
            let mut stored = Vec::new();
            backing.scan(&from, &[self.number + 1], false, &mut |bytes, _| {
                let key = K::read(&mut Reader::new(&bytes[1..])).expect("keys are ours");
                if after != Some(&key) && !self.slots.contains_key(&key) {
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
        let mut here: Vec<&K> = self.slots.keys().collect();
        here.sort_unstable();
        let mut here = here.into_iter().peekable();
        let mut flow = ControlFlow::Continue(());
        if let (false, Some(backing)) = (self.complete, &self.backing) {
            backing.scan(&[self.number], &[self.number + 1], false, &mut |bytes, value| {
                let key = K::read(&mut Reader::new(&bytes[1..])).expect("keys are ours");
                while let Some(own) = here.next_if(|own| **own < key) {
                    self.each_here(own, &mut each)?;
                }
                if here.next_if(|own| **own == key).is_some() {
                    return self.each_here(&key, &mut each);
                }
                flow = each(&key, &decode(self.number, value));
                flow
            });
        }
        if flow.is_continue() {
            let _ = here.try_for_each(|own| self.each_here(own, &mut each));
        }
    }

    fn each_here(
        &self,
        key: &K,
        each: &mut impl FnMut(&K, &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match &self.slots[key].value {
            Some(value) => each(key, value),
            None => ControlFlow::Continue(()),
        }
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        self.for_each(|key, value| {
            if let (key, Some(value)) = encode(self.number, key, Some(value)) {
                add(&key, &value);
            }
            ControlFlow::Continue(())
        });
    }
}

/// A table that is wholly in memory and in order.
pub struct Shelf<K, V> {
    number: u8,
    rows: BTreeMap<K, V>,
    changes: BTreeMap<K, ()>,
    flushing: Rows,
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
        Shelf { number, rows, changes: BTreeMap::new(), flushing: Vec::new() }
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
    pub fn checkpoint_begin(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        self.flushing
            .extend(changes.keys().map(|key| encode(self.number, key, self.rows.get(key))));
    }

    pub fn checkpoint_take(&mut self, rows: &mut Rows) {
        rows.append(&mut self.flushing);
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        for (key, value) in &self.rows {
            if let (key, Some(value)) = encode(self.number, key, Some(value)) {
                add(&key, &value);
            }
        }
    }
}

pub fn row_key<K: Key>(number: u8, key: &K) -> Vec<u8> {
    let mut out = Writer::onto(Vec::with_capacity(40));
    out.u8(number);
    key.write(&mut out);
    out.into_bytes()
}

fn encode<K: Key, V: Record>(number: u8, key: &K, value: Option<&V>) -> (Vec<u8>, Option<Vec<u8>>) {
    let bytes = value.map(|value| {
        let mut out = Writer::new();
        value.write(&mut out);
        out.into_bytes()
    });
    (row_key(number, key), bytes)
}

/// The store verifies its own checksums, so bytes that do not decode are a bug, and a bug stops.
fn decode<V: Record>(number: u8, bytes: &[u8]) -> V {
    V::read(&mut Reader::new(bytes))
        .unwrap_or_else(|corrupt| panic!("a stored record of table {number}: {corrupt}"))
}

fn is_empty(backing: &dyn Backing, number: u8) -> bool {
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
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A store in memory, as a checkpoint would leave it.
    #[derive(Default)]
    struct Stored(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

    impl Stored {
        fn commit(&self, rows: Rows) {
            let mut map = self.0.lock().unwrap();
            for (key, value) in rows {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
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
        let mut rows = Vec::new();
        table.checkpoint_begin();
        while !table.checkpoint_step(1, &mut rows) {}
        store.commit(rows);
    }

    #[test]
    fn a_checkpoint_is_the_state_at_its_beginning() {
        let store = Arc::new(Stored::default());
        let mut table: Table<u64, u64> = Table::new(2, Some(store.clone()));
        (0..10).for_each(|key| table.insert(key, key));
        let mut rows = Vec::new();
        table.checkpoint_begin();
        for key in 0..10 {
            table.checkpoint_step(1, &mut rows);
            *table.get_mut(&key).unwrap() += 100;
            table.insert(20 + key, 0);
        }
        table.remove(&3);
        while !table.checkpoint_step(1, &mut rows) {}
        store.commit(rows);
        let again: Table<u64, u64> = Table::new(2, Some(store.clone()));
        assert_eq!(read(&again), (0..10).map(|key| (key, key)).collect::<Vec<_>>());
        checkpoint(&mut table, &store);
        assert_eq!(read(&Table::new(2, Some(store))), read(&table));
    }

    #[test]
    fn what_was_evicted_is_read_back_and_listed() {
        let store = Arc::new(Stored::default());
        let mut table: Table<u64, u64> = Table::new(2, Some(store.clone()));
        (0..100).for_each(|key| table.insert(key, key));
        checkpoint(&mut table, &store);
        table.evict(10);
        assert_eq!(table.len_here(), 10);
        table.remove(&50);
        *table.get_mut(&7).unwrap() = 700;
        assert_eq!(table.get(&7).as_deref(), Some(&700));
        assert_eq!(table.get(&8).as_deref(), Some(&8));
        assert!(table.get(&50).is_none());
        assert_eq!(table.keys_after(Some(&48), 3), [49, 51, 52]);
        assert_eq!(table.keys_after(None, 2), [0, 1]);
        assert_eq!(table.keys_after(Some(&98), 9), [99]);
        checkpoint(&mut table, &store);
        table.evict(0);
        assert!(table.get(&50).is_none());
        assert_eq!(read(&table).len(), 99);
    }
}
