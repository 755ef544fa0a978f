//! Undoing a join: which touches go to whom, and folding persons anew from their timelines.
//!
//! Folding anew recomputes what a person *did* led to (stages, traits, consents, ownership). What
//! they were given (codes of offers, personal links) was drawn from the entries themselves, so
//! the same entries draw the same ones again. Sums and messages to the outside are not repeated.
//! The journeys in force now apply to the whole history.

use std::collections::BTreeMap;

use model::alias::Alias;
use model::entry::{Body, Entry, Seq, SplitWhat};
use model::gs1::Subject;
use model::id::PersonId;
use model::limits;
use model::outcome::{Accepted, Outcome};

use crate::aliases::name_of;
use crate::fold::{self, Change, Cx};
use crate::grants;
use crate::identity;
use crate::lazy::Lazy;
use crate::record::{Because, Bond, Grant, Known, Merged, Person, PersonMore};
use crate::state::{Entity, State};
use crate::timeline::Topic;
use crate::timers;

/// What persons had that their entries alone do not say.
#[derive(Default)]
pub(crate) struct Pool {
    grants: Vec<Grant>,
    /// Messages already sent, so that they are neither sent nor forgotten.
    bonds: BTreeMap<Subject, Bond>,
}

pub(crate) fn split(state: &mut State, id: PersonId, what: &SplitWhat, cx: &mut Cx<'_>) -> Outcome {
    if let SplitWhat::Aliases(named) = what {
        identity::mention(state, named, cx.seq);
    }
    let Some(person) = state.person(id) else {
        return Outcome::refused("no_such_person", "there is no such person");
    };
    let (new, aliases): (PersonId, Vec<Alias>) = match what {
        SplitWhat::Aliases(aliases) => (PersonId(cx.seq), aliases.clone()),
        SplitWhat::Merge(seq) => match person.merges.iter().find(|merged| merged.seq == *seq) {
            Some(merged) => {
                let aliases = merged.aliases.iter().map(|known| known.alias.clone()).collect();
                (merged.gone, aliases)
            }
            None => return Outcome::refused("no_such_merge", "this person has no such merge"),
        },
    };
    let mut leaving: Vec<Known> =
        person.aliases.iter().filter(|known| aliases.contains(&known.alias)).cloned().collect();
    if leaving.is_empty() || leaving.len() == person.aliases.len() {
        let detail = "some, but not all, of the person's aliases must go";
        return Outcome::refused("nothing_to_split", detail);
    }
    drop(person);
    let pool = take_apart(state, &[id]);
    let person = state.persons.get_mut(&id).expect("found above");
    person.aliases.retain(|known| !aliases.contains(&known.alias));
    if let SplitWhat::Merge(seq) = what {
        // Each name is again believed for the reason that it was before. One touch may have
        // joined several; they are undone one by one.
        let undone = |merged: &mut Merged| merged.seq == *seq && merged.gone == new;
        for merged in person.merges.extract_if(.., undone) {
            leaving = merged.aliases;
        }
    }
    // The merges that the leaving part had before go with it, so they can be undone there.
    let is_leaving =
        |merged: &Merged| merged.aliases.iter().all(|known| aliases.contains(&known.alias));
    let merges = person.merges.iter().filter(|merged| is_leaving(merged)).cloned().collect();
    person.merges.retain(|merged| !is_leaving(merged));
    forget_names(person, &aliases);
    person.apart.push(new);
    for known in &leaving {
        state.aliases.insert(name_of(&known.alias), new);
    }
    for known in &mut leaving {
        if matches!(&known.because, Because::With(with) if !aliases.contains(with)) {
            known.because = Because::First;
        }
    }
    let more = PersonMore { merges, apart: vec![id], ..PersonMore::default() };
    let (aliases_of, more) = (Lazy::new(leaving), Lazy::new(more));
    let other = Person { aliases: aliases_of, more, ..Person::default() };
    state.persons.insert(new, other);
    state.meta.persons += 1;
    divide_timeline(state, id, new, &aliases, cx);
    fold_again(state, &[id, new], pool, cx);
    state.note(Topic::Mention(id), cx.seq);
    state.note(Topic::Mention(new), cx.seq);
    cx.changed(Change::Person(id));
    cx.changed(Change::Person(new));
    Outcome::Accepted(Accepted { person: Some(new), grants: Vec::new() })
}

/// Names that are no longer this person's must not stay in its record: the wipe of whoever has
/// them now would not find them there.
fn forget_names(person: &mut Person, leaving: &[Alias]) {
    for known in person.aliases.iter_mut() {
        if matches!(&known.because, Because::With(with) if leaving.contains(with)) {
            known.because = Because::First;
        }
    }
    for merged in &mut person.merges {
        merged.aliases.retain(|known| !leaving.contains(&known.alias));
        for known in &mut merged.aliases {
            if matches!(&known.because, Because::With(with) if leaving.contains(with)) {
                known.because = Because::First;
            }
        }
    }
    person.merges.retain(|merged| !merged.aliases.is_empty());
}

/// A touch goes with its strongest alias. What came without any, such as the report of a unit,
/// stays; it goes with the unit when its ownership goes.
fn divide_timeline(
    state: &mut State,
    from: PersonId,
    to: PersonId,
    leaving: &[Alias],
    cx: &Cx<'_>,
) {
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    let mut units: Vec<Subject> = Vec::new();
    let mut common: Vec<Seq> = Vec::new();
    cx.history.entries(&state.timeline_all(&Entity::Person(from)), &mut |entry| {
        if let Body::Touch(touch) = &entry.body {
            let going = touch.aliases.iter().filter(|name| leaving.contains(name)).count();
            if going > 0 && going < touch.aliases.len() {
                common.push(entry.seq);
            }
        }
        let goes = match &entry.body {
            Body::Touch(touch) if touch.aliases.is_empty() => {
                !touch.products.is_empty()
                    && touch.products.iter().all(|subject| units.contains(subject))
            }
            Body::Touch(touch) => {
                let goes = leaving.contains(&touch.aliases[0]);
                if goes {
                    units.extend(touch.products.iter().filter(|subject| subject.is_unit()));
                }
                goes
            }
            Body::Decided { by, .. } => leaving.contains(by),
            _ => false,
        };
        if goes { go.push(entry.seq) } else { stay.push(entry.seq) }
    });
    state.set_timeline(from, &stay);
    state.set_timeline(to, &go);
    // A wipe of either must find the records of their common time.
    common.extend(state.topic(Topic::Mention(from)));
    common.sort_unstable();
    common.dedup();
    state.set_topic(Topic::Mention(to), &common);
    state.set_topic(Topic::Mention(from), &common);
    // Whoever looked then, looked at both.
    let looks = state.topic(Topic::Look(from));
    state.set_topic(Topic::Look(to), &looks);
}

/// Takes out what will be computed again, and keeps what was given.
pub(crate) fn take_apart(state: &mut State, ids: &[PersonId]) -> Pool {
    let mut pool = Pool::default();
    for id in ids {
        let Some(person) = state.persons.get_mut(id) else { continue };
        let bonds = std::mem::take(&mut person.bonds);
        pool.grants.append(&mut person.grants);
        person.traits = Default::default();
        person.consents.clear();
        person.clicks.clear();
        person.links.clear();
        person.referred_by.clear();
        person.touches = 0;
        person.first_seen = Default::default();
        person.last_seen = Default::default();
        for bond in bonds {
            let subject = bond.subject;
            timers::cancel_all(state, *id, &bond);
            pool.bonds.entry(subject).or_insert(bond);
            if let Some(product) = state.products.get_mut(&subject)
                && product.owner == Some(*id)
            {
                product.owner = None;
            }
        }
    }
    pool
}

/// Folds the timelines of `ids` again, in the common order of their entries.
pub(crate) fn fold_again(state: &mut State, ids: &[PersonId], pool: Pool, cx: &mut Cx<'_>) {
    let mut order: Vec<(Seq, PersonId)> = Vec::new();
    for id in ids {
        let seqs = state.timeline_all(&Entity::Person(*id));
        let skip = seqs.len().saturating_sub(limits::REFOLD_TOUCHES);
        order.extend(seqs[skip..].iter().filter(|seq| **seq < cx.seq).map(|seq| (*seq, *id)));
    }
    order.sort_unstable();
    let seqs: Vec<Seq> = order.iter().map(|(seq, _)| *seq).collect();
    let mut entries: Vec<Entry> = Vec::with_capacity(seqs.len());
    cx.history.entries(&seqs, &mut |entry| entries.push(entry));
    let mut whose = order.iter();
    for entry in &entries {
        let Some((_, id)) = whose.find(|(seq, _)| *seq == entry.seq) else { break };
        fold_entry_again(state, *id, entry, &pool, cx);
    }
    for id in ids {
        let mut quiet = quiet(cx, cx.seq, cx.now);
        timers::fire_due_of(state, *id, &mut quiet);
        keep_messages(state, *id, &pool);
        restore_grants(state, *id, &pool);
    }
}

fn quiet<'a>(cx: &'a mut Cx<'_>, seq: Seq, now: model::id::Time) -> Cx<'a> {
    Cx { seq, now, live: false, history: cx.history, effects: cx.effects }
}

fn fold_entry_again(state: &mut State, id: PersonId, entry: &Entry, pool: &Pool, cx: &mut Cx<'_>) {
    let mut then = quiet(cx, entry.seq, entry.time);
    timers::fire_due_of(state, id, &mut then);
    match &entry.body {
        Body::Touch(touch) if touch.aliases.is_empty() => {
            for subject in &touch.products {
                crate::bonds::fold(state, id, *subject, touch, &mut then);
            }
        }
        Body::Touch(touch) => fold::fold_person(state, id, touch, &mut then),
        Body::Decided { decision, seed, .. } => {
            grants::fold_decided_again(state, id, decision, *seed, &pool.grants);
        }
        _ => {}
    }
}

/// What was sent stays sent.
fn keep_messages(state: &mut State, id: PersonId, pool: &Pool) {
    for (subject, old) in &pool.bonds {
        if let Some(bond) = state.bond_mut(id, *subject) {
            bond.messages = old.messages.clone();
        }
    }
}

/// The codes of a person's grants lead to them.
fn restore_grants(state: &mut State, id: PersonId, pool: &Pool) {
    let Some(person) = state.persons.get(&id) else { return };
    let codes: Vec<Box<str>> = person.grants.iter().map(|grant| grant.code.clone()).collect();
    drop(person);
    debug_assert!(codes.len() <= pool.grants.len());
    for code in codes {
        state.codes.insert(code, id.0);
    }
}
