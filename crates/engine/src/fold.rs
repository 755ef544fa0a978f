//! The fold: what an entry does to the state. Synchronous and total: it reads no clock and no
//! network, cannot fail, and depends on nothing but the entries.

use model::entry::{Body, Entry, Seq};
use model::gs1::Subject;
use model::id::{PersonId, Time};
use model::kind::Kinds;
use model::limits;
use model::outcome::Outcome;
use model::things::Product as Registration;
use model::touch::Touch;

use crate::record::Product;
use crate::state::{History, State, seen_key};
use crate::timeline::Topic;
use crate::{bonds, grants, identity, referrals, refused, split, tally, timers, wipe};

/// Kinds that do more to a person than to be counted.
const PERSONAL: Kinds = identity::CONSENTS.and(tally::COUNTED).and(referrals::FOLLOWED);
const FIXED: Kinds = Kinds::of(&["product.fixed"]);
const ASKED: Kinds = Kinds::of(&["help.asked"]);

/// What must happen outside once the entry is durable.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    pub changes: Vec<Change>,
    /// Messages that a journey sends: whose bond, which message, when.
    pub sends: Vec<Send>,
    /// Wipes whose log records can be overwritten after the next checkpoint.
    pub purges: Vec<u64>,
}

impl Effects {
    /// Nothing must happen any more; the memory stays.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.sends.clear();
        self.purges.clear();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Person(PersonId),
    Product(Subject),
    /// The person was wiped, or became part of another.
    Gone(PersonId),
    Inbox,
    /// Journeys, models, campaigns, places: every decision may differ.
    Configuration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    pub person: PersonId,
    pub subject: Subject,
    pub journey: Box<str>,
    pub message: Box<str>,
    pub time: Time,
}

/// What the parts of the fold hand around while they work on one entry.
pub(crate) struct Cx<'a> {
    pub seq: Seq,
    /// Log time.
    pub now: Time,
    /// False while a person's history is folded anew: sums and the outside were served already.
    pub live: bool,
    pub history: &'a dyn History,
    pub effects: &'a mut Effects,
}

impl Cx<'_> {
    pub fn changed(&mut self, change: Change) {
        // Most repeats follow one another; the others go when all of a group are sorted.
        if self.live && self.effects.changes.last() != Some(&change) {
            self.effects.changes.push(change);
        }
    }
}

/// An entry whose body stays where it is.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    pub seq: Seq,
    pub time: Time,
    pub body: &'a Body,
    /// Whoever brings it asked the state whether its message was counted: it was not.
    pub is_new: bool,
}

impl EntryRef<'_> {
    pub fn of(entry: &Entry) -> EntryRef<'_> {
        EntryRef { seq: entry.seq, time: entry.time, body: &entry.body, is_new: false }
    }
}

/// Folds one entry in. Entries come in order, each once.
pub fn apply(
    state: &mut State,
    entry: EntryRef<'_>,
    history: &dyn History,
    effects: &mut Effects,
) -> Outcome {
    assert!(entry.seq > state.meta.seq, "entries come in order, each once");
    let now = entry.time.max(state.meta.time);
    let mut cx = Cx { seq: entry.seq, now, live: true, history, effects };
    timers::fire_due(state, &mut cx);
    let outcome = apply_body(state, entry, &mut cx);
    state.meta.seq = entry.seq;
    state.meta.time = now;
    outcome
}

fn apply_body(state: &mut State, entry: EntryRef<'_>, cx: &mut Cx<'_>) -> Outcome {
    match entry.body {
        Body::Touch(touch) => apply_touch(state, touch, entry.is_new, cx),
        Body::Tick => Outcome::accepted(),
        Body::PutModel(model) => {
            state.models.insert(model.gtin.as_u64(), model.clone());
            configured(cx)
        }
        Body::PutProduct(product) => register(state, product, cx),
        Body::PutCampaign(campaign) => {
            if state.campaigns.len() >= limits::CAMPAIGNS && state.campaign(&campaign.id).is_none()
            {
                return Outcome::refused("too_many_campaigns", "there are 100,000 campaigns");
            }
            state.campaigns.insert(campaign.id.clone(), campaign.clone());
            configured(cx)
        }
        Body::PutPlace(place) => {
            if state.places.len() >= limits::PLACES && state.place(&place.id).is_none() {
                return Outcome::refused("too_many_places", "there are 100,000 places");
            }
            if let Some(old) = state.places.get(&place.id) {
                state.grid.remove(&old.id, &old.area);
            }
            state.grid.add(&place.id, &place.area);
            state.places.insert(place.id.clone(), place.clone());
            configured(cx)
        }
        Body::PutJourney { source } => publish(state, source, cx),
        Body::PutMapping { pairs } => {
            for (name, kind) in pairs {
                if kind.is_empty() {
                    state.mapping.remove(name);
                } else {
                    state.mapping.insert(name.clone(), kind.clone());
                }
            }
            configured(cx)
        }
        Body::PutKey(key) => {
            state.keys.insert(key.id.clone(), key.clone());
            configured(cx)
        }
        Body::DropKey { id } => match state.keys.remove(id) {
            Some(_) => configured(cx),
            None => Outcome::refused("no_such_key", "there is no key with this id"),
        },
        Body::Merge { keep, gone, .. } => identity::merge_by_staff(state, *keep, *gone, cx),
        Body::Split { person, what, .. } => split::split(state, *person, what, cx),
        Body::Wipe { person, receipt } => wipe::wipe(state, *person, *receipt, cx),
        Body::Decided { decision, by, seed } => grants::decided(state, decision, by, *seed, cx),
        Body::Purged { receipt, records } => wipe::purged(state, *receipt, *records, cx),
        Body::Refused { .. } => refused::keep(state, cx),
        Body::RefusedDone { seq } => refused::done(state, *seq, cx),
        Body::Looked { person, .. } => looked(state, *person, cx),
    }
}

fn looked(state: &mut State, person: PersonId, cx: &mut Cx<'_>) -> Outcome {
    if !state.persons.contains(&person) {
        // The record still names the key that looked, but nobody who was looked at.
        return Outcome::refused("no_such_person", "there is no such person");
    }
    state.note(Topic::Look(person), cx.seq);
    cx.changed(Change::Person(person));
    Outcome::accepted()
}

fn configured(cx: &mut Cx<'_>) -> Outcome {
    cx.changed(Change::Configuration);
    Outcome::accepted()
}

fn publish(state: &mut State, source: &str, cx: &mut Cx<'_>) -> Outcome {
    let journey = match crate::journey::parse("journey", source) {
        Ok(journey) => std::sync::Arc::new(journey),
        Err(mistakes) => {
            let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
            return Outcome::refused("bad_journey", first);
        }
    };
    let name: Box<str> = journey.name.as_str().into();
    if state.journeys.len() >= limits::JOURNEYS && state.journeys.get(&name).is_none() {
        return Outcome::refused("too_many_journeys", "there are 1,000 journeys");
    }
    let stored = state.journeys.or_insert(name.clone(), Default::default);
    if stored.versions.last().is_some_and(|(_, _, old)| **old == *source) {
        return Outcome::accepted();
    }
    stored.versions.push((cx.seq, cx.now, source.into()));
    state.published.entry(name).or_default().versions.push(journey);
    state.put_in_force();
    configured(cx)
}

fn register(state: &mut State, registration: &Registration, cx: &mut Cx<'_>) -> Outcome {
    let subject = registration.subject;
    if !subject.is_unit() {
        return Outcome::refused("no_serial", "a product needs a serial number");
    }
    let now = cx.now;
    let product = state.products.or_insert(&subject, Product::default);
    product.registered = product.registered.or(Some(now));
    product.made = registration.made.or(product.made);
    if let Some(claim) = registration.claim {
        product.claim = Some(claim.0);
        product.claim_failures = 0;
    }
    if !registration.attributes.is_empty() {
        product.attributes.merge(&registration.attributes);
    }
    product.timeline.push(cx.seq, &mut state.blocks);
    cx.changed(Change::Product(subject));
    Outcome::accepted()
}

fn apply_touch(state: &mut State, touch: &Touch, is_new: bool, cx: &mut Cx<'_>) -> Outcome {
    // Before it is remembered as seen, so that it can be sent again with the right key.
    if let Err(refusal) = identity::check_sessions(touch) {
        state.meta.refused += 1;
        identity::mention(state, &touch.aliases, cx.seq);
        return Outcome::Refused(refusal);
    }
    let key = seen_key(touch.id);
    if key != 0 && !state.seen.insert(key, is_new) {
        state.meta.duplicates += 1;
        identity::mention(state, &touch.aliases, cx.seq);
        return Outcome::Duplicate;
    }
    // A code says whose it is, so that a till needs to know nobody.
    let code = grants::code_in(touch);
    let code_person = code.as_ref().and_then(|code| state.person_by_code(code));
    let person = identity::resolve(state, touch, code_person, cx);
    if bonds::CHECKED.have(&touch.kind)
        && let Err(refusal) = bonds::check(state, touch, person, cx)
    {
        state.meta.refused += 1;
        identity::mention(state, &touch.aliases, cx.seq);
        return Outcome::Refused(refusal);
    }
    state.meta.touches += 1;
    fold_products(state, touch, cx);
    fold_timelines(state, touch, cx);
    if let Some(code) = &code {
        grants::redeem(state, code, touch, cx);
    }
    if let Some(person) = person {
        fold_person(state, person, touch, cx);
    } else {
        fold_owners(state, touch, cx);
        tally::without_person(state, touch);
    }
    Outcome::Accepted(model::outcome::Accepted { person, grants: Vec::new() })
}

/// What a touch does to the units themselves, whoever it came from.
fn fold_products(state: &mut State, touch: &Touch, cx: &mut Cx<'_>) {
    for subject in touch.products.iter().filter(|subject| subject.is_unit()) {
        let product = state.products.or_insert(subject, Product::default);
        product.touches += 1;
        product.first_seen = product.first_seen.or(Some(touch.time));
        product.last_seen = product.last_seen.max(Some(touch.time));
        product.timeline.push(cx.seq, &mut state.blocks);
        if !touch.state.is_empty() {
            product.state.lay_over(&touch.state, limits::PROPERTIES, &mut state.scratch);
        }
        if FIXED.have(&touch.kind) {
            product.state.remove("error");
        }
        cx.changed(Change::Product(*subject));
    }
}

/// Only campaigns and places that are registered: a client's text would stay in the index for ever.
fn fold_timelines(state: &mut State, touch: &Touch, cx: &mut Cx<'_>) {
    if let Some(campaign) = touch.campaign.as_ref().filter(|id| state.campaign(id).is_some()) {
        state.note(Topic::Campaign(campaign.clone()), cx.seq);
    }
    if let Some(place) = touch.place.as_ref().filter(|id| state.place(id).is_some()) {
        state.note(Topic::Place(place.clone()), cx.seq);
    }
    if ASKED.have(&touch.kind) {
        state.note(Topic::Inbox, cx.seq);
        cx.changed(Change::Inbox);
    }
}

/// The personal part of the fold; it runs again when a person is merged or split.
pub(crate) fn fold_person(state: &mut State, id: PersonId, touch: &Touch, cx: &mut Cx<'_>) {
    let Some(spot) = state.persons.open(&id) else { return };
    let person = state.persons.here_mut(spot);
    if cx.live {
        person.timeline.push(cx.seq, &mut state.blocks);
    }
    person.touches += 1;
    if person.first_seen == Time::default() || touch.time < person.first_seen {
        person.first_seen = touch.time;
    }
    person.last_seen = person.last_seen.max(touch.time);
    if !touch.traits.is_empty() {
        person.traits.lay_over(&touch.traits, limits::PROPERTIES, &mut state.scratch);
    }
    let personal = PERSONAL.have(&touch.kind);
    if personal {
        identity::fold_consent(person, touch, cx);
        tally::fold_click(person, touch);
        referrals::fold_visit(state, id, touch, cx);
    }
    for subject in bonds::subjects_of(state, touch).iter() {
        bonds::fold_at(state, (id, spot), *subject, touch, cx);
    }
    if personal {
        if cx.live {
            tally::with_person(state, id, touch);
        }
        referrals::fold_recommend(state, id, touch, cx);
    }
    cx.changed(Change::Person(id));
}

/// A unit that reports by itself moves the bond of whoever owns it.
fn fold_owners(state: &mut State, touch: &Touch, cx: &mut Cx<'_>) {
    for subject in &touch.products {
        let owner = state.products.get(subject).and_then(|product| product.owner);
        if let Some(owner) = owner {
            state.note_person(owner, cx.seq);
            bonds::fold(state, owner, *subject, touch, cx);
            cx.changed(Change::Person(owner));
        }
    }
}
