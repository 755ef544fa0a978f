//! The state: everything that the fold knows. Readers see it between two entries, never within.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::alias::Alias;
use model::bytes::{Corrupt, Reader, Rows, Writer};
use model::entry::{Entry, Key as ApiKey, Seq};
use model::gs1::{Gtin, Subject};
use model::id::{PersonId, Time};
use model::kind::Kind;
use model::things::{Campaign, Model, Place};

use crate::aliases::{Aliases, name_of};
use crate::journey::{Journey, StageNo, matches_kind};
use crate::keys;
use crate::places::Grid;
use crate::record::{
    Bond, Counts, JourneyVersions, Person, Product, Purge, Receipt, Referral, TallyKey, TimerKey,
};
use crate::seen::Seen;
use crate::table::{Backing, FixedMap, Found, Record, Shelf, Table, Warmed as _};
use crate::terms::{Term, Terms};
use crate::timeline::{Blocks, Timeline, Topic};

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
    /// The number of the next block of a timeline.
    pub blocks: u64,
}

/// Whose timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    Person(PersonId),
    Product(Subject),
    Topic(Topic),
}

pub struct State {
    pub(crate) meta: Meta,
    pub(crate) persons: Table<PersonId, Person>,
    pub(crate) aliases: Aliases,
    pub(crate) products: Table<Subject, Product>,
    pub(crate) codes: Table<Box<str>, u64>,
    pub(crate) decisions: Table<u64, u64>,
    pub(crate) seen: Seen,
    pub(crate) referrals: Table<Box<str>, Referral>,
    pub(crate) receipts: Table<u64, Receipt>,
    /// Records with a name that was not given to anybody, for the day when it is.
    pub(crate) loose: Table<u128, Purge>,
    pub(crate) topics: Table<Topic, Timeline>,
    pub(crate) models: Shelf<u64, Model>,
    pub(crate) campaigns: Shelf<Box<str>, Campaign>,
    pub(crate) places: Shelf<Box<str>, Place>,
    pub(crate) journeys: Shelf<Box<str>, JourneyVersions>,
    pub(crate) mapping: Shelf<Box<str>, Box<str>>,
    pub(crate) keys: Shelf<Box<str>, ApiKey>,
    pub(crate) tallies: Shelf<TallyKey, Counts>,
    pub(crate) timers: Shelf<TimerKey, ()>,
    pub(crate) purges: Shelf<u64, Purge>,
    pub(crate) terms: Terms,
    pub(crate) blocks: Blocks,
    /// What follows from the shelves and is not stored.
    pub(crate) published: BTreeMap<Box<str>, Published>,
    in_force: InForce,
    pub(crate) grid: Grid,
    /// For what is put together in between; empty.
    pub(crate) scratch: Writer,
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

/// Which journey applies to which model.
#[derive(Default)]
struct InForce {
    by_model: FixedMap<u64, Arc<Force>>,
    general: Option<Arc<Force>>,
}

/// A version of a journey that is in force, with the terms of its names.
pub(crate) struct Force {
    pub version: u32,
    pub name: Term,
    pub journey: Arc<Journey>,
    /// In the order of the journey's stages.
    pub stages: Box<[Term]>,
    pub steps: Box<[Term]>,
    pub timers: Box<[Term]>,
    /// What each standard kind is for, by its number less one.
    by_kind: Box<[OnKind]>,
}

/// What a kind of touch may do in a journey.
#[derive(Clone)]
pub(crate) struct OnKind {
    /// The places of the moves on it, in order.
    pub moves: Box<[u16]>,
    /// Whether it does a step.
    pub step: bool,
}

impl OnKind {
    fn of(journey: &Journey, kind: &Kind) -> OnKind {
        let moves = (0_u16..).zip(&journey.moves);
        let moves = moves.filter(|(_, own)| matches_kind(&own.on, kind)).map(|(at, _)| at);
        let step = journey.steps.iter().any(|step| matches_kind(&step.done_on, kind));
        OnKind { moves: moves.collect(), step }
    }
}

impl Force {
    pub fn on_kind(&self, kind: &Kind) -> Cow<'_, OnKind> {
        match kind.number() {
            Some(number) => Cow::Borrowed(&self.by_kind[usize::from(number) - 1]),
            None => Cow::Owned(OnKind::of(&self.journey, kind)),
        }
    }

    pub fn stage_no(&self, stage: Term) -> Option<StageNo> {
        self.stages.iter().position(|own| *own == stage).map(|at| StageNo(at as u8))
    }

    pub fn stage_term(&self, number: Option<StageNo>) -> Term {
        number.map_or(Term::NONE, |number| self.stages[usize::from(number.0)])
    }
}

/// A bond for reading, within its person's record.
pub struct BondRef<'a> {
    person: Found<'a, Person>,
    at: usize,
}

impl std::ops::Deref for BondRef<'_> {
    type Target = Bond;

    fn deref(&self) -> &Bond {
        &self.person.bonds[self.at]
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
        let blocks = Blocks::new(meta.blocks.max(1), backing.clone());
        let mut state = State {
            meta,
            persons: Table::new(keys::PERSON, backing.clone()),
            aliases: Aliases::new(backing.clone()),
            products: Table::new(keys::PRODUCT, backing.clone()),
            codes: Table::new(keys::CODE, backing.clone()),
            decisions: Table::new(keys::DECISION, backing.clone()),
            seen: Seen::new(backing.clone()),
            referrals: Table::new(keys::REFERRAL, backing.clone()),
            receipts: Table::new(keys::RECEIPT, backing.clone()),
            loose: Table::new(keys::LOOSE, backing.clone()),
            topics: Table::new(keys::TOPIC, backing.clone()),
            models: Shelf::new(keys::MODEL, here),
            campaigns: Shelf::new(keys::CAMPAIGN, here),
            places: Shelf::new(keys::PLACE, here),
            journeys: Shelf::new(keys::JOURNEY, here),
            mapping: Shelf::new(keys::MAPPING, here),
            keys: Shelf::new(keys::KEY, here),
            tallies: Shelf::new(keys::TALLY, here),
            timers: Shelf::new(keys::TIMER, here),
            purges: Shelf::new(keys::PURGE, here),
            terms: Terms::new(here),
            blocks,
            published: BTreeMap::new(),
            in_force: InForce::default(),
            grid: Grid::default(),
            scratch: Writer::new(),
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
        self.put_in_force();
    }

    /// After a journey was published: the one that names a model applies to it, else one for all;
    /// of several the first by name.
    pub(crate) fn put_in_force(&mut self) {
        let mut in_force = InForce::default();
        for published in self.published.values() {
            let Some((version, journey)) = published.current() else { continue };
            let mut terms = |names: &mut dyn Iterator<Item = &str>| -> Box<[Term]> {
                names.map(|name| self.terms.of(name)).collect()
            };
            let force = Arc::new(Force {
                version,
                name: terms(&mut std::iter::once(&*journey.name))[0],
                journey: journey.clone(),
                stages: terms(&mut journey.stages.iter().map(|stage| &*stage.name)),
                steps: terms(&mut journey.steps.iter().map(|step| &*step.id)),
                timers: terms(&mut journey.timers.iter().map(|timer| &*timer.id)),
                by_kind: Kind::all_standard().map(|kind| OnKind::of(journey, &kind)).collect(),
            });
            terms(&mut journey.messages.iter().map(|message| &*message.id));
            terms(&mut journey.menu.iter().map(|item| &*item.id));
            terms(&mut journey.offers.iter().map(|offer| &*offer.id));
            for model in &journey.applies_to.models {
                in_force.by_model.entry(model.as_u64()).or_insert_with(|| force.clone());
            }
            if journey.applies_to.all && in_force.general.is_none() {
                in_force.general = Some(force);
            }
        }
        self.in_force = in_force;
    }

    pub(crate) fn force(&self, gtin: Gtin) -> Option<&Arc<Force>> {
        self.in_force.by_model.get(&gtin.as_u64()).or(self.in_force.general.as_ref())
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

    pub fn has_person(&self, id: PersonId) -> bool {
        self.persons.contains(&id)
    }

    pub fn person_by_alias(&self, alias: &Alias) -> Option<PersonId> {
        self.aliases.get(&name_of(alias))
    }

    pub fn bond(&self, person: PersonId, subject: Subject) -> Option<BondRef<'_>> {
        let person = self.persons.get(&person)?;
        let at = person.bonds.iter().position(|bond| bond.subject == subject)?;
        Some(BondRef { person, at })
    }

    pub(crate) fn bond_mut(&mut self, person: PersonId, subject: Subject) -> Option<&mut Bond> {
        self.persons.get_mut(&person)?.bond_mut(subject)
    }

    /// The text of a term; empty for none.
    pub fn text(&self, term: Term) -> &str {
        self.terms.text(term)
    }

    /// The term of a name that the configuration uses.
    pub fn term(&self, text: &str) -> Option<Term> {
        self.terms.find(text)
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
        self.force(gtin).map(|force| (force.version, &force.journey))
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
        let of = |own: &Timeline| own.newest(&self.blocks, before, limit);
        self.with_timeline(entity, of)
    }

    pub fn timeline_all(&self, entity: &Entity) -> Vec<Seq> {
        self.with_timeline(entity, |own: &Timeline| own.all(&self.blocks))
    }

    fn with_timeline(&self, entity: &Entity, read: impl Fn(&Timeline) -> Vec<Seq>) -> Vec<Seq> {
        let found = match entity {
            Entity::Person(id) => self.persons.get(id).map(|person| read(&person.timeline)),
            Entity::Product(subject) => {
                self.products.get(subject).map(|product| read(&product.timeline))
            }
            Entity::Topic(topic) => self.topics.get(topic).map(|timeline| read(&timeline)),
        };
        found.unwrap_or_default()
    }

    pub(crate) fn topic(&self, topic: Topic) -> Vec<Seq> {
        self.timeline_all(&Entity::Topic(topic))
    }

    /// Notes that an entry is about this.
    pub(crate) fn note(&mut self, topic: Topic, seq: Seq) {
        let timeline = self.topics.or_insert(&topic, Timeline::default);
        timeline.push(seq, &mut self.blocks);
    }

    /// Sets a timeline anew; an empty one is gone.
    pub(crate) fn set_topic(&mut self, topic: Topic, seqs: &[Seq]) {
        if seqs.is_empty() {
            if let Some(mut timeline) = self.topics.remove(&topic) {
                timeline.replace(&[], &mut self.blocks);
            }
            return;
        }
        let timeline = self.topics.or_insert(&topic, Timeline::default);
        timeline.replace(seqs, &mut self.blocks);
    }

    /// Notes that an entry is of this person's history.
    pub(crate) fn note_person(&mut self, id: PersonId, seq: Seq) {
        if let Some(person) = self.persons.get_mut(&id) {
            person.timeline.push(seq, &mut self.blocks);
        }
    }

    pub(crate) fn set_timeline(&mut self, id: PersonId, seqs: &[Seq]) {
        if let Some(person) = self.persons.get_mut(&id) {
            person.timeline.replace(seqs, &mut self.blocks);
        }
    }

    /// Which messages with these ids were counted.
    pub fn are_seen(&self, ids: &[model::id::Digest]) -> Vec<bool> {
        self.seen.contains(&ids.iter().map(|id| seen_key(*id)).collect::<Vec<_>>())
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
    pub fn in_memory(&self) -> [(&'static str, usize); 5] {
        [
            ("person", self.persons.len_here()),
            ("alias", self.aliases.len_here()),
            ("product", self.products.len_here()),
            ("seen", self.seen.len_here()),
            ("timer", self.timers.len()),
        ]
    }

    /// About what the records that are in memory take, in bytes.
    pub fn bytes_here(&self) -> usize {
        let mut sum = self.aliases.bytes_here() + self.seen.bytes_here();
        macro_rules! add {
            ($($table:ident),*) => { $(sum += self.$table.bytes_here();)* };
        }
        add!(persons, products, codes, decisions, referrals, receipts, loose, topics);
        // A key in a tree of keys, and what a bond says of it.
        sum + self.timers.len() * 120
    }

    /// Begins a checkpoint: what it will hold is the state as it is now. `rows` receives what is
    /// encoded at once; [`State::checkpoint_step`] gives the rest.
    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        macro_rules! tables {
            ($($table:ident),*) => { $(self.$table.checkpoint_begin();)* };
        }
        tables!(persons, aliases, products, codes, decisions, referrals, receipts, loose, topics);
        macro_rules! shelves {
            ($($shelf:ident),*) => { $(self.$shelf.checkpoint_begin(rows);)* };
        }
        shelves!(models, campaigns, places, journeys, mapping, keys, tallies, timers, purges);
        shelves!(terms, seen, blocks);
        self.meta.blocks = self.blocks.next;
        let meta = &self.meta;
        rows.put_with(|out| out.u8(keys::META), |out| meta.write(out));
    }

    /// Encodes up to `max` more records of each table; true when all are in `rows`.
    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let mut done = true;
        macro_rules! tables {
            ($($table:ident),*) => { $(done &= self.$table.checkpoint_step(max, rows);)* };
        }
        tables!(persons, aliases, products, codes, decisions, referrals, receipts, loose, topics);
        tables!(seen, blocks);
        done
    }

    /// The rows are in the store. Notes so of about `max` names; true when all is noted. Until then
    /// nothing else may change the state.
    pub fn checkpoint_done(&mut self, max: usize) -> bool {
        macro_rules! tables {
            ($($table:ident),*) => { $(self.$table.checkpoint_done();)* };
        }
        tables!(persons, products, codes, decisions, referrals, receipts, loose, topics);
        tables!(seen, blocks);
        self.aliases.checkpoint_done(max)
    }

    /// Packs what was opened since the last time. Between entries; the sooner, the more of it is
    /// still near the processor.
    pub fn close(&mut self) {
        macro_rules! tables {
            ($($table:ident),*) => { $(self.$table.close();)* };
        }
        tables!(persons, products, codes, decisions, referrals, receipts, loose, topics);
    }

    /// Packs what nobody asked for lately, looking at the next `count` records of each table; over
    /// `budget` bytes, what the store has leaves the memory.
    pub fn settle(&mut self, count: usize, budget: usize) {
        let leave = self.bytes_here() > budget;
        macro_rules! tables {
            ($($table:ident),*) => { $(self.$table.settle(count, leave);)* };
        }
        tables!(persons, products, codes, decisions, referrals, receipts, loose, topics);
        if leave {
            self.aliases.settle();
        }
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
        Meta { blocks: self.blocks.next, ..self.meta.clone() }.write(&mut meta);
        add(&[keys::META], meta.as_bytes());
        self.persons.hash_into(&mut add);
        self.aliases.hash_into(&mut add);
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
        self.topics.hash_into(&mut add);
        self.terms.hash_into(&mut add);
        self.blocks.hash_into(&mut add);
        hasher.finalize().into()
    }
}

pub fn seen_key(id: model::id::Digest) -> u64 {
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
        out.uint(self.blocks);
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
            blocks: input.uint()?,
        })
    }
}
