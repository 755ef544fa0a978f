//! The limit of a state that does not fit: fjall alone, with everything in it. For each touch 300
//! bytes appended, a record of 500 and one of 200 bytes read, changed and written, one key of an
//! index; one durable commit for each group, and the memory budget as its cache.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::Scratch;
use super::fold::{PERSON_BYTES, UNIT_BYTES, change};
use crate::Trouble;
use crate::dice::{Dice, mix};
use crate::flags::{Figures, Flags};
use crate::touches::TOUCH_BYTES;

pub type Key = [u8; 16];

/// Spread over the whole space, as digests are.
pub fn key(who: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mix(who.wrapping_add(1)).to_be_bytes());
    key[8..].copy_from_slice(&who.to_be_bytes());
    key
}

struct Tree {
    database: Database,
    persons: Keyspace,
    units: Keyspace,
    index: Keyspace,
    touches: Keyspace,
}

impl Tree {
    fn open(path: &std::path::Path, cache_bytes: u64) -> Result<Tree, Trouble> {
        let database = Database::builder(path).cache_size(cache_bytes).open()?;
        let records = || KeyspaceCreateOptions::default().expect_point_read_hits(true);
        let lists = KeyspaceCreateOptions::default;
        Ok(Tree {
            persons: database.keyspace("persons", records)?,
            units: database.keyspace("units", records)?,
            index: database.keyspace("index", lists)?,
            touches: database.keyspace("touches", lists)?,
            database,
        })
    }

    fn load(&self, people: u64) -> Result<(), Trouble> {
        let mut keys: Vec<Key> = (0..people).map(key).collect();
        keys.sort_unstable();
        for some in keys.chunks(10_000) {
            let mut batch = self.database.batch();
            for key in some {
                // Not all alike, or it would compress to nothing.
                let mut record = [0; PERSON_BYTES];
                let mut dice = Dice(u64::from_be_bytes(key[8..].try_into()?));
                record
                    .chunks_exact_mut(8)
                    .for_each(|own| own.copy_from_slice(&dice.next().to_le_bytes()));
                batch.insert(&self.persons, key, &record[..]);
                batch.insert(&self.units, key, &record[..UNIT_BYTES]);
            }
            batch.commit()?;
        }
        for keyspace in [&self.persons, &self.units] {
            keyspace.rotate_memtable_and_wait()?;
        }
        Ok(())
    }

    fn group(
        &self,
        group: usize,
        people: u64,
        dice: &mut Dice,
        seq: &mut u64,
    ) -> Result<(), Trouble> {
        let (mut persons, mut units) = (BTreeMap::new(), BTreeMap::new());
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for _ in 0..group {
            *seq += 1;
            let (person, unit) = (key(dice.below(people)), key(dice.below(people)));
            for (records, keyspace, key) in
                [(&mut persons, &self.persons, person), (&mut units, &self.units, unit)]
            {
                let record = match records.entry(key) {
                    Entry::Occupied(there) => there.into_mut(),
                    Entry::Vacant(empty) => {
                        let found = keyspace.get(key)?.ok_or("a record is not there")?;
                        empty.insert(found.to_vec())
                    }
                };
                change(record, *seq);
            }
            let mut of_person = [0; 24];
            of_person[..16].copy_from_slice(&person);
            of_person[16..].copy_from_slice(&seq.to_be_bytes());
            batch.insert(&self.index, of_person, *b"");
            let mut touch = [0; TOUCH_BYTES];
            touch
                .chunks_exact_mut(8)
                .for_each(|own| own.copy_from_slice(&dice.next().to_le_bytes()));
            batch.insert(&self.touches, seq.to_be_bytes(), touch);
        }
        persons.into_iter().for_each(|(key, record)| batch.insert(&self.persons, key, record));
        units.into_iter().for_each(|(key, record)| batch.insert(&self.units, key, record));
        Ok(batch.commit()?)
    }
}

pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let scratch = Scratch::of(flags, "fjall")?;
    let people: u64 = flags.number("people")?;
    let group: usize = flags.number("group")?;
    let cache_mib: u64 = flags.number("cache-mib")?;
    let time = Duration::from_secs_f64(flags.number("seconds")?);
    let tree = Tree::open(&scratch.0, cache_mib << 20)?;
    tree.load(people)?;
    let (mut dice, mut seq) = (Dice(5), 0);
    let begun = Instant::now();
    while begun.elapsed() < time {
        tree.group(group, people, &mut dice, &mut seq)?;
    }
    let mut figures = Figures::default();
    figures.add("per_second", seq as f64 / begun.elapsed().as_secs_f64());
    figures.print();
    Ok(())
}
