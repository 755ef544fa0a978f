//! Which messages were counted: 64 bits of each one's id, for good.
//!
//! The newest ids are in memory as they are. When there are `GENERATION` of them they become a
//! *generation*: sorted, coded in some 45 bits each (Rice's code of the differences), in the store;
//! in memory stay 16 bits an id (`prints`) that say 'certainly not' to all but few new messages.
//! Two generations' prints become those of both, up to sixteen generations. So a new message costs
//! nearly the same however many were counted before: one look for each 67 million of them, and a
//! few for the rest; whoever asks for many at once waits for many of those looks at a time.
//!
//! Kept true: what was inserted is contained; nothing else is.

mod prints;

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use model::bytes::{Reader, Rows, Writer};

use crate::keys;
use crate::table::Backing;
use prints::{Joining, Prints};

/// Ids of one generation.
const GENERATION: usize = 1 << 22;
/// By the highest bits of an id: a table in memory has those of one part.
const PART_BITS: u32 = 10;
const PARTS: usize = 1 << PART_BITS;
/// By the highest bits of an id: a row of a generation, of some sixty ids, so that little is read
/// to find one.
const ROW_BITS: u32 = 16;
/// Ids of the newest generation in one row, until it is sealed.
const LOOSE_IDS: usize = 4096;
/// Buckets of prints in one row.
const PRINTS_ROW: usize = if cfg!(test) { 32 } else { 2048 };
/// So many generations have their prints together at most: more would leave too few bits of each.
const TOGETHER: usize = 16;
/// Buckets of two prints that are joined in one step: some twenty microseconds.
const JOINED: usize = 128;

/// What a row holds, behind the table's number.
const LOOSE: u8 = 2;
const SORTED: u8 = 3;
const PRINTS: u8 = 4;

pub(crate) struct Seen {
    ids: Ids,
    generation: u32,
    /// Ids of a generation from which on it is sealed.
    most: usize,
    /// Rows of loose ids that the newest generation has in the store.
    loose_rows: u32,
    fresh: Vec<u64>,
    flushing: Vec<u64>,
    encoded: usize,
    sealing: Option<Sealing>,
    /// The prints of the generations in the store.
    sealed: Vec<Prints>,
    /// Two of them, by their places, that become one.
    joining: Option<(usize, usize, Joining)>,
    backing: Option<Arc<dyn Backing>>,
}

/// Some ids in memory.
struct Ids {
    parts: Vec<HashTable<u64>>,
    count: usize,
}

/// A generation on its way to the store, part by part.
struct Sealing {
    ids: Ids,
    generation: u32,
    next: usize,
    prints: Prints,
    /// Rows of prints that are written.
    rows: usize,
}

impl Ids {
    fn new() -> Ids {
        Ids { parts: (0..PARTS).map(|_| HashTable::new()).collect(), count: 0 }
    }

    fn contains(&self, id: u64) -> bool {
        self.parts[part_of(id)].find(hash(id), |own| *own == id).is_some()
    }

    fn insert(&mut self, id: u64) -> bool {
        match self.parts[part_of(id)].entry(hash(id), |own| *own == id, |own| hash(*own)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(room) => {
                room.insert(id);
                self.count += 1;
                true
            }
        }
    }
}

fn part_of(id: u64) -> usize {
    (id >> (64 - PART_BITS)) as usize
}

fn row_of(id: u64) -> u32 {
    (id >> (64 - ROW_BITS)) as u32
}

/// The bits that are the same within a part go to the middle: the table looks at the lowest ones
/// for the place, and at the highest seven.
fn hash(id: u64) -> u64 {
    id.rotate_right(24)
}

impl Seen {
    pub fn new(backing: Option<Arc<dyn Backing>>) -> Seen {
        Seen::of(GENERATION, backing)
    }

    fn of(most: usize, backing: Option<Arc<dyn Backing>>) -> Seen {
        let mut seen = Seen {
            ids: Ids::new(),
            generation: 0,
            most,
            loose_rows: 0,
            fresh: Vec::new(),
            flushing: Vec::new(),
            encoded: 0,
            sealing: None,
            sealed: Vec::new(),
            joining: None,
            backing,
        };
        seen.load();
        seen
    }

    fn load(&mut self) {
        let Some(backing) = self.backing.clone() else { return };
        backing.scan(&[keys::SEEN, PRINTS], &[keys::SEEN + 1], false, &mut |key, value| {
            let generation = generation_of(key);
            if self.sealed.last().is_none_or(|last| last.generations() != [generation]) {
                self.sealed.push(Prints::new(generation, self.most));
            }
            let prints = self.sealed.last_mut().expect("pushed above");
            prints.read(PRINTS_ROW.min(prints.buckets()), value);
            ControlFlow::Continue(())
        });
        self.sealed.iter_mut().for_each(Prints::end);
        self.generation = self.sealed.last().map_or(0, |last| last.generations()[0] + 1);
        // Part by part, so that one part's table is near while it grows.
        let mut parts: Vec<Vec<u64>> = vec![Vec::new(); PARTS];
        backing.scan(&[keys::SEEN, LOOSE], &[keys::SEEN, SORTED], false, &mut |key, value| {
            self.generation = generation_of(key);
            self.loose_rows += 1;
            for id in value.chunks_exact(8) {
                let id = u64::from_le_bytes(id.try_into().expect("eight bytes"));
                parts[part_of(id)].push(id);
            }
            ControlFlow::Continue(())
        });
        for (part, ids) in parts.iter().enumerate() {
            self.ids.parts[part].reserve(ids.len(), |id| hash(*id));
            for id in ids {
                self.ids.insert(*id);
            }
        }
    }

    /// Which of these are there. One generation after the other, so that the processor waits for
    /// many places of a filter at once.
    pub fn contains(&self, ids: &[u64]) -> Vec<bool> {
        let mut there: Vec<bool> = ids.iter().map(|id| self.ids.contains(*id)).collect();
        let mut add = |is_there: &dyn Fn(u64) -> bool| {
            there.iter_mut().zip(ids).for_each(|(there, id)| *there |= is_there(*id));
        };
        if let Some(sealing) = &self.sealing {
            add(&|id| sealing.ids.contains(id));
        }
        let mut places = Vec::with_capacity(ids.len());
        for prints in &self.sealed {
            places.clear();
            places.extend(ids.iter().map(|id| prints.place(*id)));
            std::hint::black_box(places.iter().fold(0, |sum, place| sum ^ prints.touch(*place)));
            for ((place, there), id) in places.iter().zip(&mut there).zip(ids) {
                *there |= prints.may_contain(*place, *id) && self.stored(prints, *id);
            }
        }
        there
    }

    /// Whether it is in the newest generation.
    pub fn contains_new(&self, id: u64) -> bool {
        self.ids.contains(id)
    }

    /// Whether it is in one of the generations before the newest.
    fn is_older(&self, id: u64) -> bool {
        self.sealing.as_ref().is_some_and(|sealing| sealing.ids.contains(id))
            || self.sealed.iter().any(|prints| self.stored(prints, id))
    }

    /// Whether one of those generations that may have it has it.
    fn stored(&self, prints: &Prints, id: u64) -> bool {
        let Some(backing) = &self.backing else { return false };
        prints.generations_of(prints.place(id), id).any(|generation| {
            let bytes = backing.get(&row(SORTED, generation, row_of(id)));
            bytes.is_some_and(|bytes| decode(row_of(id), &bytes).any(|own| own == id))
        })
    }

    /// False if it is there already. `is_new` says that no generation before the newest has it:
    /// they were asked.
    pub fn insert(&mut self, id: u64, is_new: bool) -> bool {
        if (!is_new && self.is_older(id)) || !self.ids.insert(id) {
            return false;
        }
        self.fresh.push(id);
        true
    }

    pub fn len_here(&self) -> usize {
        self.ids.count + self.sealing.as_ref().map_or(0, |sealing| sealing.ids.count)
    }

    pub fn bytes_here(&self) -> usize {
        let prints: usize = self.sealed.iter().map(Prints::bytes).sum();
        let joining = self.joining.as_ref().map_or(0, |(_, _, joining)| joining.bytes());
        self.len_here() * 16 + prints + joining
    }

    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        assert!(self.flushing.is_empty(), "one checkpoint at a time");
        self.encoded = 0;
        if self.ids.count < self.most || self.backing.is_none() {
            self.flushing = std::mem::take(&mut self.fresh);
            return;
        }
        // The generation is written as a whole, so its loose rows go.
        self.fresh.clear();
        for number in 0..std::mem::take(&mut self.loose_rows) {
            rows.delete(row(LOOSE, self.generation, number));
        }
        let ids = std::mem::replace(&mut self.ids, Ids::new());
        let generation = self.generation;
        self.generation += 1;
        let prints = Prints::new(generation, self.most);
        self.sealing = Some(Sealing { ids, generation, next: 0, prints, rows: 0 });
    }

    /// Gives about `max` more ids; true when there are none left.
    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let upto = self.flushing.len().min(self.encoded.saturating_add(max));
        for ids in self.flushing[self.encoded..upto].chunks(LOOSE_IDS) {
            let key = row(LOOSE, self.generation, self.loose_rows);
            let value = |out: &mut Writer| ids.iter().for_each(|id| out.raw(&id.to_le_bytes()));
            rows.put_with(|out| out.raw(&key), value);
            self.loose_rows += 1;
        }
        self.encoded = upto;
        let sealed = self.sealing.as_mut().is_none_or(|sealing| sealing.step(max, rows));
        self.join();
        sealed && upto == self.flushing.len()
    }

    pub fn checkpoint_done(&mut self) {
        self.flushing.clear();
        if let Some(sealing) = self.sealing.take_if(|sealing| sealing.is_written()) {
            self.sealed.push(sealing.prints);
        }
    }

    /// Joins two prints of as many generations, a little further with each step: no checkpoint
    /// waits for it.
    fn join(&mut self) {
        if self.joining.is_none() {
            self.joining = self.pair();
        }
        let Some((one, other, mut joining)) = self.joining.take() else { return };
        // After a start there are many.
        let buckets = JOINED << (self.sealed.len() / 8).min(4);
        if !joining.step(&self.sealed[one], &self.sealed[other], buckets) {
            self.joining = Some((one, other, joining));
            return;
        }
        self.sealed.remove(other);
        self.sealed[one] = joining.into_prints();
    }

    fn pair(&self) -> Option<(usize, usize, Joining)> {
        let mut pairs = (1..self.sealed.len())
            .rev()
            .flat_map(|other| (0..other).rev().map(move |one| (one, other)));
        pairs.find_map(|(one, other)| {
            let joining = Joining::of(&self.sealed[one], &self.sealed[other], TOGETHER)?;
            Some((one, other, joining))
        })
    }

    /// All ids in order, whatever generation they are in.
    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        let mut all: Vec<u64> = self.ids.parts.iter().flatten().copied().collect();
        let sealing = self.sealing.iter().flat_map(|sealing| sealing.ids.parts.iter().flatten());
        all.extend(sealing);
        let sealed: Vec<u32> = self.sealed.iter().flat_map(Prints::generations).copied().collect();
        if let Some(backing) = &self.backing {
            backing.scan(&[keys::SEEN, SORTED], &[keys::SEEN, PRINTS], false, &mut |key, value| {
                if sealed.contains(&generation_of(key)) {
                    all.extend(decode(number_of(key), value));
                }
                ControlFlow::Continue(())
            });
        }
        all.sort_unstable();
        let mut out = Writer::new();
        all.iter().for_each(|id| out.u64_be(*id));
        add(&[keys::SEEN], out.as_bytes());
    }
}

impl Sealing {
    fn step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let mut given = 0;
        while self.next < PARTS && given < max {
            let part = self.ids_sorted();
            given += part.len().max(1);
            part.iter().for_each(|id| self.prints.push(*id));
            for ids in part.chunk_by(|one, two| row_of(*one) == row_of(*two)) {
                let key = row(SORTED, self.generation, row_of(ids[0]));
                rows.put_with(|out| out.raw(&key), |out| encode(ids, out));
            }
            self.next += 1;
        }
        if given > 0 || self.next < PARTS {
            if self.next == PARTS {
                self.prints.end();
            }
            return false;
        }
        if !self.is_written() {
            let (from, buckets) = (self.rows * PRINTS_ROW, self.prints.buckets());
            let some = from..buckets.min(from + PRINTS_ROW);
            let key = row(PRINTS, self.generation, self.rows as u32);
            rows.put_with(|out| out.raw(&key), |out| self.prints.write(some, out));
            self.rows += 1;
        }
        self.is_written()
    }

    fn is_written(&self) -> bool {
        self.rows == self.prints.buckets().div_ceil(PRINTS_ROW)
    }

    /// Those of the next part.
    fn ids_sorted(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.ids.parts[self.next].iter().copied().collect();
        ids.sort_unstable();
        ids
    }
}

fn row(what: u8, generation: u32, number: u32) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&[keys::SEEN, what]);
    key[2..6].copy_from_slice(&generation.to_be_bytes());
    key[6..].copy_from_slice(&number.to_be_bytes());
    key
}

fn generation_of(key: &[u8]) -> u32 {
    u32::from_be_bytes(key[2..6].try_into().expect("keys are ours"))
}

fn number_of(key: &[u8]) -> u32 {
    u32::from_be_bytes(key[6..10].try_into().expect("keys are ours"))
}

/// Sorted ids of one row: their number, then the differences, the first to the row's beginning,
/// each as its high part in ones and a zero, and its low bits (Rice's code).
fn encode(ids: &[u64], out: &mut Writer) {
    out.uint(ids.len() as u64);
    let low_bits = low_bits(ids.len());
    let mut last = ids.first().map_or(0, |first| begin_of(row_of(*first)));
    let mut bits = BitWriter { out, word: 0, used: 0 };
    for id in ids {
        let step = id - last;
        last = *id;
        (0..step >> low_bits).for_each(|_| bits.put(1, 1));
        bits.put(0, 1);
        bits.put(step & ((1 << low_bits) - 1), low_bits);
    }
    bits.end();
}

fn decode(row: u32, bytes: &[u8]) -> impl Iterator<Item = u64> {
    let mut input = Reader::new(bytes);
    let len = input.uint().expect("the store checks its rows") as usize;
    let low_bits = low_bits(len);
    let mut id = begin_of(row);
    let mut bits = BitReader { bytes: input.rest(), at: 0 };
    (0..len).map(move |_| {
        let mut high = 0;
        while bits.take(1) == 1 {
            high += 1;
        }
        id += (high << low_bits) + bits.take(low_bits);
        id
    })
}

/// The lowest id that a row could have.
fn begin_of(row: u32) -> u64 {
    u64::from(row) << (64 - ROW_BITS)
}

/// Of a difference between two of so many ids in a row.
fn low_bits(len: usize) -> u32 {
    ((1 << (64 - ROW_BITS)) / len.max(1) as u64).max(1).ilog2()
}

/// The lowest bit comes first.
struct BitWriter<'a> {
    out: &'a mut Writer,
    word: u128,
    used: u32,
}

impl BitWriter<'_> {
    fn put(&mut self, bits: u64, count: u32) {
        self.word |= u128::from(bits) << self.used;
        self.used += count;
        while self.used >= 8 {
            self.out.u8(self.word as u8);
            self.word >>= 8;
            self.used -= 8;
        }
    }

    fn end(self) {
        if self.used > 0 {
            self.out.u8(self.word as u8);
        }
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    /// At most 56 bits; behind the end there are zeros.
    fn take(&mut self, count: u32) -> u64 {
        let from = self.at / 8;
        let mut word = [0; 8];
        let rest = self.bytes.get(from..).unwrap_or(&[]);
        let len = rest.len().min(8);
        word[..len].copy_from_slice(&rest[..len]);
        let bits = u64::from_le_bytes(word) >> (self.at % 8);
        self.at += count as usize;
        bits & ((1 << count) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::FixedSet;
    use crate::table::tests::Stored;

    fn id(number: u64) -> u64 {
        let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 31;
        x.wrapping_mul(0xd6e8_feb8_6659_fd93)
    }

    /// Else a look goes through a long row of others.
    #[test]
    fn ids_of_one_part_lie_all_over_its_table() {
        let ids = (0..4_096).map(|number| id(number) >> PART_BITS);
        let hashes: Vec<u64> = ids.map(hash).collect();
        let places: FixedSet<u64> = hashes.iter().map(|hash| hash & 8_191).collect();
        let tags: FixedSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(places.len() > 2_000, "{} places", places.len());
        assert_eq!(tags.len(), 128);
    }

    fn coded(ids: &[u64]) -> Vec<u8> {
        let mut out = Writer::new();
        encode(ids, &mut out);
        out.into_bytes()
    }

    #[test]
    fn sorted_ids_go_there_and_back() {
        let begin = begin_of(7);
        for ids in [
            vec![],
            vec![begin],
            vec![begin, begin + (1 << 48) - 1],
            vec![begin + 5, begin + 6, begin + 7, begin + (1 << 40)],
            (0..1000).map(|n| begin + (n << 35)).collect(),
        ] {
            assert_eq!(decode(7, &coded(&ids)).collect::<Vec<_>>(), ids);
        }
    }

    #[test]
    fn a_sealed_generation_takes_six_bytes_an_id() {
        let mut ids: Vec<u64> = (0..64).map(|n| begin_of(7) | id(n) >> ROW_BITS).collect();
        ids.sort_unstable();
        let coded = coded(&ids);
        assert_eq!(decode(7, &coded).collect::<Vec<_>>(), ids);
        assert!(coded.len() < 64 * 6, "{}", coded.len());
    }

    #[test]
    fn what_was_seen_stays_seen_over_generations_and_starts() {
        let are = |seen: &Seen, numbers: std::ops::Range<u64>, there: bool| {
            let ids: Vec<u64> = numbers.map(id).collect();
            seen.contains(&ids).iter().all(|own| *own == there)
        };
        let store = Arc::new(Stored::default());
        let mut seen = Seen::of(3_000, Some(store.clone()));
        for round in 0..40_u64 {
            for number in round * 1_000..(round + 1) * 1_000 {
                assert!(seen.insert(id(number), number % 2 == 0));
            }
            let mut rows = Rows::new();
            seen.checkpoint_begin(&mut rows);
            seen.insert(id(1_000_000 + round), false);
            while !seen.checkpoint_step(100, &mut rows) {}
            assert!(are(&seen, 0..(round + 1) * 1_000, true));
            store.commit(rows);
            seen.checkpoint_done();
        }
        let generations: Vec<usize> =
            seen.sealed.iter().map(|own| own.generations().len()).collect();
        assert_eq!(generations, [8, 4, 1], "joined as far as they can be");
        let mut again = Seen::of(3_000, Some(store));
        for seen in [&mut seen, &mut again] {
            assert!(are(seen, 0..40_000, true));
            assert!(are(seen, 50_000..90_000, false));
            assert!((0..40_000).all(|number| !seen.insert(id(number), false)));
        }
        assert!(are(&again, 1_000_000..1_000_039, true));
        assert!(
            are(&again, 1_000_039..1_000_040, false),
            "it came after the last checkpoint began"
        );
    }
}
