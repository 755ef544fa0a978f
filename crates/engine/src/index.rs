//! Timelines: which log entries touched an entity. Only sequence numbers; the bodies are read
//! from the log. New ones wait in memory until a checkpoint writes them as one row per entity.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::bytes::{Reader, Writer};
use model::entry::Seq;
use model::gs1::Subject;
use model::id::{Digest, PersonId};

use crate::keys;
use crate::record::{read_seqs, write_seqs};
use crate::table::{Backing, FixedMap, Rows};

/// Whose timeline. The numbers in its byte form are stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    Person(PersonId),
    Product(Subject),
    Campaign(Box<str>),
    Place(Box<str>),
    /// What came in and was not understood.
    Refused,
    /// What people asked the company's people.
    Inbox,
    /// Records with something of the person in them that are not part of their history: a touch
    /// that went to somebody else, a repeated message. A wipe needs to find them.
    Mention(PersonId),
    /// Who looked at the person's data.
    Look(PersonId),
}

pub struct Index {
    pending: FixedMap<Entity, Vec<Seq>>,
    flushing: FixedMap<Entity, Vec<Seq>>,
    /// Stored rows that no longer count and are deleted by the next checkpoint.
    dropped: BTreeSet<Vec<u8>>,
    dropping: BTreeSet<Vec<u8>>,
    backing: Option<Arc<dyn Backing>>,
}

impl Entity {
    /// Table number, kind, length, name: no entity's rows lie among another's.
    fn prefix(&self) -> Vec<u8> {
        let (kind, name) = match self {
            Entity::Person(person) => (1, person.0.to_be_bytes().to_vec()),
            Entity::Product(subject) => (2, subject.to_bytes()),
            Entity::Campaign(id) => (3, id.as_bytes().to_vec()),
            Entity::Place(id) => (4, id.as_bytes().to_vec()),
            Entity::Refused => (5, Vec::new()),
            Entity::Inbox => (6, Vec::new()),
            Entity::Mention(person) => (7, person.0.to_be_bytes().to_vec()),
            Entity::Look(person) => (8, person.0.to_be_bytes().to_vec()),
        };
        // The edges hold names to 64 bytes; a longer one in the log must not stop the fold.
        let name = match name.len() {
            0..=255 => name,
            _ => Digest::of(&[b"entity", &name]).0.to_be_bytes().to_vec(),
        };
        let len = u8::try_from(name.len()).expect("cut above");
        let mut out = Writer::onto(Vec::with_capacity(name.len() + 11));
        out.u8(keys::INDEX);
        out.u8(kind);
        out.u8(len);
        out.raw(&name);
        out.into_bytes()
    }

    fn row(&self, first: Seq) -> Vec<u8> {
        let mut key = self.prefix();
        key.extend_from_slice(&first.to_be_bytes());
        key
    }
}

impl Index {
    pub fn new(backing: Option<Arc<dyn Backing>>) -> Index {
        Index {
            pending: FixedMap::default(),
            flushing: FixedMap::default(),
            dropped: BTreeSet::new(),
            dropping: BTreeSet::new(),
            backing,
        }
    }

    /// `seq` is larger than all that the entity has.
    pub fn push(&mut self, entity: Entity, seq: Seq) {
        let seqs = self.pending.entry(entity).or_default();
        if seqs.last() != Some(&seq) {
            seqs.push(seq);
        }
    }

    /// Newest first, those before `before`, at most `limit`.
    pub fn newest(&self, entity: &Entity, before: Option<Seq>, limit: usize) -> Vec<Seq> {
        let before = before.unwrap_or(Seq::MAX);
        let mut seqs = Vec::new();
        for part in [&self.pending, &self.flushing] {
            let own = part.get(entity).map_or(&[][..], |own| own);
            let below = own.partition_point(|seq| *seq < before);
            seqs.extend(own[..below].iter().rev().take(limit - seqs.len()));
        }
        if seqs.len() < limit {
            self.scan(entity, before, true, &mut |stored| {
                let below = stored.partition_point(|seq| *seq < before);
                seqs.extend(stored[..below].iter().rev().take(limit - seqs.len()));
                if seqs.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
        seqs
    }

    /// All of them in order.
    pub fn all(&self, entity: &Entity) -> Vec<Seq> {
        let mut seqs = Vec::new();
        self.scan(entity, Seq::MAX, false, &mut |stored| {
            seqs.extend_from_slice(&stored);
            ControlFlow::Continue(())
        });
        for part in [&self.flushing, &self.pending] {
            seqs.extend_from_slice(part.get(entity).map_or(&[][..], |own| own));
        }
        seqs.sort_unstable();
        seqs.dedup();
        seqs
    }

    /// Sets an entity's timeline anew; an empty one is gone.
    pub fn replace(&mut self, entity: &Entity, seqs: Vec<Seq>) {
        if let Some(backing) = self.backing.clone() {
            let prefix = entity.prefix();
            backing.scan(&prefix, &end_of(&prefix), false, &mut |key, _| {
                self.dropped.insert(key.to_vec());
                ControlFlow::Continue(())
            });
        }
        if let Some(own) = self.flushing.get_mut(entity) {
            // It is on its way to the store and must be taken out again afterwards.
            if let Some(first) = own.first() {
                self.dropped.insert(entity.row(*first));
            }
            own.clear();
        }
        self.pending.remove(entity);
        if !seqs.is_empty() {
            self.pending.insert(entity.clone(), seqs);
        }
    }

    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        assert!(self.flushing.is_empty(), "one checkpoint at a time");
        self.flushing = std::mem::take(&mut self.pending);
        self.dropping = std::mem::take(&mut self.dropped);
        rows.extend(self.dropping.iter().map(|key| (key.clone(), None)));
        let mut added: Vec<_> = self.flushing.iter().collect();
        added.sort_unstable_by_key(|(entity, _)| *entity);
        for (entity, seqs) in added {
            let mut out = Writer::new();
            write_seqs(seqs, &mut out);
            rows.push((entity.row(seqs[0]), Some(out.into_bytes())));
        }
    }

    pub fn checkpoint_done(&mut self) {
        self.flushing.clear();
        self.dropping.clear();
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        let mut sums: std::collections::BTreeMap<Vec<u8>, Vec<Seq>> = Default::default();
        if let Some(backing) = &self.backing {
            backing.scan(&[keys::INDEX], &[keys::INDEX + 1], false, &mut |key, value| {
                if !self.is_dropped(key) {
                    let seqs = read_seqs(&mut Reader::new(value)).expect("rows are ours");
                    let prefix = key[..key.len() - 8].to_vec();
                    sums.entry(prefix).or_default().extend(seqs);
                }
                ControlFlow::Continue(())
            });
        }
        for part in [&self.flushing, &self.pending] {
            for (entity, seqs) in part {
                sums.entry(entity.prefix()).or_default().extend(seqs);
            }
        }
        for (prefix, mut seqs) in sums {
            seqs.sort_unstable();
            seqs.dedup();
            if !seqs.is_empty() {
                let mut out = Writer::new();
                write_seqs(&seqs, &mut out);
                add(&prefix, out.as_bytes());
            }
        }
    }

    fn is_dropped(&self, key: &[u8]) -> bool {
        self.dropped.contains(key) || self.dropping.contains(key)
    }

    fn scan(
        &self,
        entity: &Entity,
        before: Seq,
        reverse: bool,
        each: &mut dyn FnMut(Vec<Seq>) -> ControlFlow<()>,
    ) {
        let Some(backing) = &self.backing else { return };
        let (from, to) = (entity.prefix(), entity.row(before));
        backing.scan(&from, &to, reverse, &mut |key, value| {
            // While a checkpoint commits, its rows may already be in the store.
            if self.is_dropped(key) || self.is_flushing(entity, key) {
                return ControlFlow::Continue(());
            }
            each(read_seqs(&mut Reader::new(value)).expect("the store checks its rows"))
        });
    }

    fn is_flushing(&self, entity: &Entity, key: &[u8]) -> bool {
        let first = self.flushing.get(entity).and_then(|seqs| seqs.first());
        first.is_some_and(|first| key.ends_with(&first.to_be_bytes()))
    }
}

/// The first key after all that begin with `prefix`.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    end.extend_from_slice(&[0xff; 9]);
    end
}
