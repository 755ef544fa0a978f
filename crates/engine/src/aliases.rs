//! Which person goes by an alias: 18 bytes for each, by half of the alias's digest.
//!
//! Half means 96 bits: with 10^9 aliases two of them are taken for the same once in 10^11
//! workspaces, and nobody can make one that equals a given other one. What is not in memory is read
//! from the store.

use std::sync::Arc;

use hashbrown::HashTable;
use model::alias::Alias;
use model::bytes::{Reader, Rows, Writer};
use model::id::{Digest, PersonId};

use crate::keys;
use crate::table::{Backing, FixedSet, is_empty};

const PARTS: usize = 256;

pub(crate) type Name = [u8; 12];

/// The name, and in the last six bytes the person; the two highest bits of those say in which
/// epoch it changed: 0 if the store has it, else 1 or 2 in turns.
#[derive(Clone, Copy)]
struct Entry([u8; 18]);

const EPOCH_SHIFT: u32 = 46;

impl Entry {
    fn new(name: Name, person: PersonId, epoch: u64) -> Entry {
        assert!(person.0 < 1 << EPOCH_SHIFT, "a log ends before 70 million million entries");
        let mut bytes = [0; 18];
        bytes[..12].copy_from_slice(&name);
        bytes[12..].copy_from_slice(&(person.0 | epoch << EPOCH_SHIFT).to_be_bytes()[2..]);
        Entry(bytes)
    }

    fn name(&self) -> Name {
        self.0[..12].try_into().expect("twelve bytes")
    }

    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0[12..]);
        u64::from_be_bytes(bytes)
    }

    fn person(&self) -> PersonId {
        PersonId(self.number() & ((1 << EPOCH_SHIFT) - 1))
    }

    fn epoch(&self) -> u64 {
        self.number() >> EPOCH_SHIFT
    }
}

#[derive(Default)]
struct Part {
    entries: HashTable<Entry>,
    complete: bool,
}

pub(crate) struct Aliases {
    parts: Vec<Part>,
    count: usize,
    /// 1 or 2.
    epoch: u64,
    /// Changed since the last checkpoint began, and those that it writes; `None`: taken away.
    fresh: Vec<(Name, Option<PersonId>)>,
    flushing: Vec<(Name, Option<PersonId>)>,
    encoded: usize,
    /// Taken away, while the store may still have them: in this epoch, and in the one before.
    gone: [FixedSet<Name>; 2],
    hand: usize,
    /// Something has left the memory since the start.
    left: bool,
    backing: Option<Arc<dyn Backing>>,
}

pub(crate) fn name_of(alias: &Alias) -> Name {
    name_in(alias.digest())
}

pub(crate) fn name_in(digest: Digest) -> Name {
    digest.0.to_be_bytes()[..12].try_into().expect("a digest has sixteen bytes")
}

/// Digests are spread evenly, so their own bits serve.
fn hash(name: &Name) -> u64 {
    u64::from_le_bytes(name[..8].try_into().expect("eight of twelve bytes"))
}

fn part_of(name: &Name) -> usize {
    model::parts::part_of(u16::from_le_bytes([name[10], name[11]]), PARTS)
}

impl Aliases {
    pub fn new(backing: Option<Arc<dyn Backing>>) -> Aliases {
        let complete = backing.as_ref().is_none_or(|store| is_empty(&**store, keys::ALIAS));
        let part = || Part { entries: HashTable::new(), complete };
        Aliases {
            parts: (0..PARTS).map(|_| part()).collect(),
            count: 0,
            epoch: 1,
            fresh: Vec::new(),
            flushing: Vec::new(),
            encoded: 0,
            gone: [FixedSet::default(), FixedSet::default()],
            hand: 0,
            left: false,
            backing,
        }
    }

    /// Whose it is, if it is in memory.
    pub fn here(&self, name: &Name) -> Option<PersonId> {
        let part = &self.parts[part_of(name)];
        let entry = part.entries.find(hash(name), |entry| entry.name() == *name);
        entry.map(Entry::person)
    }

    pub fn get(&self, name: &Name) -> Option<PersonId> {
        match self.here(name) {
            Some(person) => Some(person),
            None if self.is_away(name) => person_in(&self.backing.as_ref()?.get(&row(name))?),
            None => None,
        }
    }

    /// Whether only the store knows.
    pub fn is_away(&self, name: &Name) -> bool {
        let nowhere =
            self.parts[part_of(name)].complete || self.gone.iter().any(|gone| gone.contains(name));
        !nowhere && self.here(name).is_none()
    }

    /// Takes in a row that was read from the store without holding the state.
    pub fn supply(&mut self, name: &Name, bytes: &[u8]) {
        if let Some(person) = person_in(bytes) {
            self.supply_of(name, person);
        }
    }

    /// The same, from the person's row.
    pub fn supply_of(&mut self, name: &Name, person: PersonId) {
        if self.is_away(name) {
            self.put(Entry::new(*name, person, 0));
        }
    }

    fn put(&mut self, entry: Entry) {
        let name = entry.name();
        let entries = &mut self.parts[part_of(&name)].entries;
        match entries.find_mut(hash(&name), |own| own.name() == name) {
            Some(own) => *own = entry,
            None => {
                entries.insert_unique(hash(&name), entry, |own| hash(&own.name()));
                self.count += 1;
            }
        }
    }

    pub fn insert(&mut self, name: Name, person: PersonId) {
        self.put(Entry::new(name, person, self.epoch));
        self.gone.iter_mut().for_each(|gone| {
            gone.remove(&name);
        });
        self.fresh.push((name, Some(person)));
    }

    pub fn remove(&mut self, name: &Name) {
        let entries = &mut self.parts[part_of(name)].entries;
        if let Ok(entry) = entries.find_entry(hash(name), |own| own.name() == *name) {
            entry.remove();
            self.count -= 1;
        }
        self.gone[0].insert(*name);
        self.fresh.push((*name, None));
    }

    pub fn len_here(&self) -> usize {
        self.count
    }

    pub fn checkpoint_begin(&mut self) {
        assert!(self.flushing.is_empty(), "one checkpoint at a time");
        self.flushing = std::mem::take(&mut self.fresh);
        self.encoded = 0;
        self.gone[1] = std::mem::take(&mut self.gone[0]);
        self.epoch = 3 - self.epoch;
    }

    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let upto = self.flushing.len().min(self.encoded.saturating_add(max));
        for (name, person) in &self.flushing[self.encoded..upto] {
            match person {
                Some(person) => rows.put_with(
                    |out| out.raw(&row(name)),
                    |out| {
                        out.u8(1);
                        out.uint(person.0);
                    },
                ),
                None => rows.delete(row(name)),
            }
        }
        self.encoded = upto;
        upto == self.flushing.len()
    }

    /// The checkpoint is durable: notes so of about `max` names; true when none is left.
    pub fn checkpoint_done(&mut self, max: usize) -> bool {
        let written = 3 - self.epoch;
        let left = self.flushing.len().saturating_sub(max);
        for (name, _) in self.flushing.drain(left..) {
            let entries = &mut self.parts[part_of(&name)].entries;
            let own = entries.find_mut(hash(&name), |own| own.name() == name);
            if let Some(own) = own.filter(|own| own.epoch() == written) {
                *own = Entry::new(name, own.person(), 0);
            }
        }
        if left == 0 {
            self.flushing = Vec::new();
            self.gone[1].clear();
        }
        left == 0
    }

    /// Lets what the store has of the next part leave the memory.
    pub fn settle(&mut self) {
        self.hand = (self.hand + 1) % PARTS;
        if self.backing.is_none() {
            return;
        }
        let part = &mut self.parts[self.hand];
        let before = part.entries.len();
        part.entries.retain(|entry| entry.epoch() != 0);
        if part.entries.len() < before {
            part.complete = false;
            self.left = true;
            part.entries.shrink_to_fit(|own| hash(&own.name()));
        }
        self.count -= before - part.entries.len();
    }

    /// As [`crate::table::Warmed::all_supplied`].
    pub fn all_supplied(&mut self) {
        if !self.left {
            self.parts.iter_mut().for_each(|part| part.complete = true);
        }
    }

    pub fn bytes_here(&self) -> usize {
        let room: usize = self.parts.iter().map(|part| part.entries.capacity()).sum();
        room * 8 / 7 * (size_of::<Entry>() + 1)
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        let mut all: std::collections::BTreeMap<Name, PersonId> = Default::default();
        if let Some(backing) = &self.backing {
            backing.scan(&[keys::ALIAS], &[keys::ALIAS + 1], false, &mut |key, value| {
                let name: Name = key[1..].try_into().expect("keys are ours");
                if self.is_away(&name) {
                    all.insert(name, person_in(value).expect("the store checks its rows"));
                }
                std::ops::ControlFlow::Continue(())
            });
        }
        let here = self.parts.iter().flat_map(|part| &part.entries);
        all.extend(here.map(|entry| (entry.name(), entry.person())));
        for (name, person) in all {
            let mut out = Writer::new();
            out.uint(person.0);
            add(&row(&name), out.as_bytes());
        }
    }
}

pub(crate) fn row(name: &Name) -> [u8; 13] {
    let mut key = [keys::ALIAS; 13];
    key[1..].copy_from_slice(name);
    key
}

pub(crate) fn person_in(bytes: &[u8]) -> Option<PersonId> {
    let mut input = Reader::new(bytes);
    match input.u8() {
        Ok(1) => input.uint().ok().map(PersonId),
        _ => None,
    }
}
