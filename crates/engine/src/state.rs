//! The state: everything that the fold knows. Readers see it between two entries, never within.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alias::Alias;
use model::bytes::{Corrupt, Reader, Writer};
use model::entry::{Entry, Key as ApiKey, Seq};
use model::gs1::{Gtin, Subject};
use model::id::{PersonId, Time};
use model::things::{Campaign, Model, Place};

use crate::index::{Entity, Index};
use crate::journey::Journey;
use crate::keys;
use crate::places::Grid;
use crate::record::{
    Bond, Counts, JourneyVersions, Person, Product, Purge, Receipt, Referral, TallyKey, TimerKey,
};
use crate::table::{Backing, Found, Record, Rows, Shelf, Table};

/// Reads entries of the log again. Entries are all that the fold depends on, so reading an
/// earlier one keeps it exact. Wiped parts are missing.
pub trait History {
    fn entries(&self, seqs: &[Seq], each: &mut dyn FnMut(Entry));
}

/// What the whole workspace has one of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// The last entry that is in the state.
    pub seq: Seq,
    /// Its log time.
    pub time: Time,
    pub persons: u64,
    pub touches: u64,
    pub duplicates: u64,
    pub refused: u64,
    /// Refused items that can be listed.
    pub refused_kept: u64,
}

pub struct State {
    pub(crate) meta: Meta,
    pub(crate) persons: Table<PersonId, Person>,
    pub(crate) aliases: Table<u128, u64>,
    pub(crate) bonds: Table<(PersonId, Subject), Bond>,
    pub(crate) products: Table<Subject, Product>,
    pub(crate) codes: Table<Box<str>, u64>,
    pub(crate) decisions: Table<u64, u64>,
    pub(crate) seen: Table<u64, ()>,
    pub(crate) referrals: Table<Box<str>, Referral>,
    pub(crate) receipts: Table<u64, Receipt>,
    /// Records with a name that was not given to anybody, for the day when it is.
    pub(crate) loose: Table<u128, Purge>,
    pub(crate) models: Shelf<u64, Model>,
    pub(crate) campaigns: Shelf<Box<str>, Campaign>,
    pub(crate) places: Shelf<Box<str>, Place>,
    pub(crate) journeys: Shelf<Box<str>, JourneyVersions>,
    pub(crate) mapping: Shelf<Box<str>, Box<str>>,
    pub(crate) keys: Shelf<Box<str>, ApiKey>,
    pub(crate) tallies: Shelf<TallyKey, Counts>,
    pub(crate) timers: Shelf<TimerKey, ()>,
    pub(crate) purges: Shelf<u64, Purge>,
    pub(crate) index: Index,
    /// What follows from the shelves and is not stored.
    pub(crate) published: BTreeMap<Box<str>, Published>,
    pub(crate) grid: Grid,
}

/// The compiled versions of a journey, in the order of publishing; version 1 is the first.
#[derive(Clone, Default)]
pub(crate) struct Published {
    pub versions: Vec<Arc<Journey>>,
}

impl Published {
    pub fn current(&self) -> Option<(u32, &Arc<Journey>)> {
        self.versions.last().map(|journey| (self.versions.len() as u32, journey))
    }
}

impl State {
    /// The state as the last checkpoint left it, or an empty one.
    pub fn open(backing: Option<Arc<dyn Backing>>) -> State {
        let here = backing.as_ref();
        let meta =
            here.and_then(|store| store.get(&[keys::META])).map_or_else(Meta::default, |bytes| {
                Meta::read(&mut Reader::new(&bytes)).expect("the store checks its rows")
            });
        let mut state = State {
            meta,
            persons: Table::new(keys::PERSON, backing.clone()),
            aliases: Table::new(keys::ALIAS, backing.clone()),
            bonds: Table::new(keys::BOND, backing.clone()),
            products: Table::new(keys::PRODUCT, backing.clone()),
            codes: Table::new(keys::CODE, backing.clone()),
            decisions: Table::new(keys::DECISION, backing.clone()),
            seen: Table::new(keys::SEEN, backing.clone()),
            referrals: Table::new(keys::REFERRAL, backing.clone()),
            receipts: Table::new(keys::RECEIPT, backing.clone()),
            loose: Table::new(keys::LOOSE, backing.clone()),
            models: Shelf::new(keys::MODEL, here),
            campaigns: Shelf::new(keys::CAMPAIGN, here),
            places: Shelf::new(keys::PLACE, here),
            journeys: Shelf::new(keys::JOURNEY, here),
            mapping: Shelf::new(keys::MAPPING, here),
            keys: Shelf::new(keys::KEY, here),
            tallies: Shelf::new(keys::TALLY, here),
            timers: Shelf::new(keys::TIMER, here),
            purges: Shelf::new(keys::PURGE, here),
            index: Index::new(backing.clone()),
            published: BTreeMap::new(),
            grid: Grid::default(),
        };
        state.derive();
        state
    }

    fn derive(&mut self) {
        for (name, stored) in self.journeys.iter() {
            let versions = stored.versions.iter().map(|(_, _, source)| {
                let journey = crate::journey::parse(name, source);
                Arc::new(journey.expect("it was compiled before it was stored"))
            });
            self.published.insert(name.clone(), Published { versions: versions.collect() });
        }
        for (id, place) in self.places.iter() {
            self.grid.add(id, &place.area);
        }
    }

    /// The last entry that is folded in.
    pub fn seq(&self) -> Seq {
        self.meta.seq
    }

    /// Log time.
    pub fn time(&self) -> Time {
        self.meta.time
    }

    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    pub fn person(&self, id: PersonId) -> Option<Found<'_, Person>> {
        self.persons.get(&id)
    }

    pub fn person_by_alias(&self, alias: &Alias) -> Option<PersonId> {
        self.aliases.get(&alias.digest().0).map(|id| PersonId(*id))
    }

    pub fn bond(&self, person: PersonId, subject: Subject) -> Option<Found<'_, Bond>> {
        self.bonds.get(&(person, subject))
    }

    pub fn product(&self, subject: Subject) -> Option<Found<'_, Product>> {
        self.products.get(&subject)
    }

    pub fn model(&self, gtin: Gtin) -> Option<&Model> {
        self.models.get(&gtin.as_u64())
    }

    pub fn models(&self) -> impl DoubleEndedIterator<Item = &Model> {
        self.models.iter().map(|(_, model)| model)
    }

    pub fn campaign(&self, id: &str) -> Option<&Campaign> {
        self.campaigns.get(id)
    }

    pub fn campaigns(&self) -> impl DoubleEndedIterator<Item = &Campaign> {
        self.campaigns.iter().map(|(_, campaign)| campaign)
    }

    pub fn place(&self, id: &str) -> Option<&Place> {
        self.places.get(id)
    }

    pub fn places(&self) -> impl DoubleEndedIterator<Item = &Place> {
        self.places.iter().map(|(_, place)| place)
    }

    /// Name, number of the version in force, and it.
    pub fn journeys(&self) -> impl Iterator<Item = (&str, u32, &Arc<Journey>)> {
        self.published.iter().filter_map(|(name, published)| {
            published.current().map(|(version, journey)| (&**name, version, journey))
        })
    }

    pub fn journey(&self, name: &str) -> Option<(u32, &Arc<Journey>)> {
        self.published.get(name)?.current()
    }

    /// Every version's source, oldest first, with when it was published.
    pub fn journey_sources(&self, name: &str) -> Vec<(Time, &str)> {
        let stored = self.journeys.get(name);
        stored.map_or_else(Vec::new, |stored| {
            stored.versions.iter().map(|(_, time, source)| (*time, &**source)).collect()
        })
    }

    /// The journey that applies to a model: the one that names it, else one for all; of several
    /// the first by name.
    pub fn journey_for(&self, gtin: Gtin) -> Option<(u32, &Arc<Journey>)> {
        let mut general = None;
        for (_, version, journey) in self.journeys() {
            if journey.applies_to.models.contains(&gtin) {
                return Some((version, journey));
            }
            if journey.applies_to.all && general.is_none() {
                general = Some((version, journey));
            }
        }
        general
    }

    pub fn mapping(&self) -> impl Iterator<Item = (&str, &str)> {
        self.mapping.iter().map(|(name, kind)| (&**name, &**kind))
    }

    pub fn key(&self, id: &str) -> Option<&ApiKey> {
        self.keys.get(id)
    }

    pub fn keys(&self) -> impl Iterator<Item = &ApiKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    pub fn tallies(&self) -> impl Iterator<Item = (&TallyKey, &Counts)> {
        self.tallies.iter()
    }

    pub fn referral(&self, code: &str) -> Option<Found<'_, Referral>> {
        self.referrals.get(&Box::from(code))
    }

    pub fn receipt(&self, id: u64) -> Option<Found<'_, Receipt>> {
        self.receipts.get(&id)
    }

    /// The log entry that holds a decision.
    pub fn decision_seq(&self, id: u64) -> Option<Seq> {
        self.decisions.get(&id).map(|seq| *seq)
    }

    pub fn person_by_code(&self, code: &str) -> Option<PersonId> {
        let id = self.codes.get(&Box::from(code)).map(|id| PersonId(*id));
        id.filter(|id| self.persons.contains(id))
    }

    /// Newest first.
    pub fn timeline(&self, entity: &Entity, before: Option<Seq>, limit: usize) -> Vec<Seq> {
        self.index.newest(entity, before, limit)
    }

    pub fn timeline_all(&self, entity: &Entity) -> Vec<Seq> {
        self.index.all(entity)
    }

    /// Whether a message with this id was counted.
    pub fn is_seen(&self, id: model::id::Digest) -> bool {
        self.seen.contains(&seen_key(id))
    }

    /// Wipes whose log records are still to be overwritten: receipt and entries.
    pub fn purges(&self) -> impl Iterator<Item = (u64, &[Seq])> {
        self.purges.iter().map(|(receipt, purge)| (*receipt, &*purge.seqs))
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Time> {
        self.timers.first().map(|(key, ())| key.due)
    }

    /// Timers that wait.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// Persons in the order of their ids, after `after`.
    pub fn persons_after(&self, after: Option<PersonId>, limit: usize) -> Vec<PersonId> {
        self.persons.keys_after(after.as_ref(), limit)
    }

    /// Units of any model in order, after `after`.
    pub fn products_after(&self, after: Option<Subject>, limit: usize) -> Vec<Subject> {
        self.products.keys_after(after.as_ref(), limit)
    }

    /// How many records of each kind are in memory, for the metrics.
    pub fn in_memory(&self) -> [(&'static str, usize); 6] {
        [
            ("person", self.persons.len_here()),
            ("alias", self.aliases.len_here()),
            ("bond", self.bonds.len_here()),
            ("product", self.products.len_here()),
            ("seen", self.seen.len_here()),
            ("timer", self.timers.len()),
        ]
    }

    /// Begins a checkpoint: what it will hold is the state as it is now. `rows` receives what is
    /// encoded at once; [`State::checkpoint_step`] gives the rest.
    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        self.persons.checkpoint_begin();
        self.aliases.checkpoint_begin();
        self.bonds.checkpoint_begin();
        self.products.checkpoint_begin();
        self.codes.checkpoint_begin();
        self.decisions.checkpoint_begin();
        self.seen.checkpoint_begin();
        self.referrals.checkpoint_begin();
        self.receipts.checkpoint_begin();
        self.loose.checkpoint_begin();
        macro_rules! shelves {
            ($($shelf:ident),*) => {
                $(self.$shelf.checkpoint_begin(); self.$shelf.checkpoint_take(rows);)*
            };
        }
        shelves!(models, campaigns, places, journeys, mapping, keys, tallies, timers, purges);
        self.index.checkpoint_begin(rows);
        let mut out = Writer::new();
        self.meta.write(&mut out);
        rows.push((vec![keys::META], Some(out.into_bytes())));
    }

    /// Encodes up to `max` more records of each table; true when all are in `rows`.
    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let mut done = self.persons.checkpoint_step(max, rows);
        done &= self.aliases.checkpoint_step(max, rows);
        done &= self.bonds.checkpoint_step(max, rows);
        done &= self.products.checkpoint_step(max, rows);
        done &= self.codes.checkpoint_step(max, rows);
        done &= self.decisions.checkpoint_step(max, rows);
        done &= self.seen.checkpoint_step(max, rows);
        done &= self.referrals.checkpoint_step(max, rows);
        done &= self.loose.checkpoint_step(max, rows);
        done & self.receipts.checkpoint_step(max, rows)
    }

    /// The rows are in the store. Unchanged records beyond `keep` of each kind leave the memory.
    pub fn checkpoint_done(&mut self, keep: usize) {
        self.index.checkpoint_done();
        self.persons.evict(keep);
        self.aliases.evict(keep.saturating_mul(4));
        self.bonds.evict(keep.saturating_mul(2));
        self.products.evict(keep);
        self.codes.evict(keep);
        self.decisions.evict(keep);
        self.seen.evict(keep.saturating_mul(4));
        self.referrals.evict(keep);
        self.receipts.evict(keep);
        self.loose.evict(keep);
    }

    /// A hash over all records, wherever they are: two states are equal if it is.
    pub fn hash(&self) -> [u8; 32] {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        let mut add = |key: &[u8], value: &[u8]| {
            hasher.update((key.len() as u64).to_le_bytes());
            hasher.update(key);
            hasher.update((value.len() as u64).to_le_bytes());
            hasher.update(value);
        };
        let mut meta = Writer::new();
        self.meta.write(&mut meta);
        add(&[keys::META], meta.as_bytes());
        self.persons.hash_into(&mut add);
        self.aliases.hash_into(&mut add);
        self.bonds.hash_into(&mut add);
        self.products.hash_into(&mut add);
        self.codes.hash_into(&mut add);
        self.decisions.hash_into(&mut add);
        self.seen.hash_into(&mut add);
        self.referrals.hash_into(&mut add);
        self.receipts.hash_into(&mut add);
        self.loose.hash_into(&mut add);
        self.models.hash_into(&mut add);
        self.campaigns.hash_into(&mut add);
        self.places.hash_into(&mut add);
        self.journeys.hash_into(&mut add);
        self.mapping.hash_into(&mut add);
        self.keys.hash_into(&mut add);
        self.tallies.hash_into(&mut add);
        self.timers.hash_into(&mut add);
        self.purges.hash_into(&mut add);
        self.index.hash_into(&mut add);
        hasher.finalize().into()
    }
}

pub(crate) fn seen_key(id: model::id::Digest) -> u64 {
    id.half()
}

impl Record for Meta {
    fn write(&self, out: &mut Writer) {
        out.u8(1);
        out.uint(self.seq);
        out.int(self.time.0);
        out.uint(self.persons);
        out.uint(self.touches);
        out.uint(self.duplicates);
        out.uint(self.refused);
        out.uint(self.refused_kept);
    }

    fn read(input: &mut Reader<'_>) -> Result<Meta, Corrupt> {
        if input.u8()? != 1 {
            return Err(Corrupt("the meta record has an unknown version"));
        }
        Ok(Meta {
            seq: input.uint()?,
            time: Time(input.int()?),
            persons: input.uint()?,
            touches: input.uint()?,
            duplicates: input.uint()?,
            refused: input.uint()?,
            refused_kept: input.uint()?,
        })
    }
}
