//! Timers: what a journey does by itself when a bond stays in a stage. They fire by log time.

use model::gs1::Subject;
use model::id::{PersonId, Time};

use crate::bonds;
use crate::fold::{Change, Cx, Send};
use crate::record::{Bond, Message, TimerKey};
use crate::state::State;

/// Messages of a bond that are kept for the companion.
const MESSAGES_KEPT: usize = 32;

/// Fires all timers that are due at this entry's log time, the earliest first.
pub(crate) fn fire_due(state: &mut State, cx: &mut Cx<'_>) {
    while let Some((key, ())) = state.timers.first() {
        if key.due > cx.now {
            break;
        }
        let key = key.clone();
        fire(state, &key, cx);
    }
}

/// The same for one person's bonds, while their history is folded anew.
pub(crate) fn fire_due_of(state: &mut State, id: PersonId, cx: &mut Cx<'_>) {
    loop {
        let Some(person) = state.persons.get(&id) else { return };
        let mut due: Option<TimerKey> = None;
        for subject in &person.bonds {
            let Some(bond) = state.bonds.get(&(id, *subject)) else { continue };
            for (at, timer) in bond.timers.iter().filter(|(at, _)| *at <= cx.now) {
                let key = TimerKey { due: *at, person: id, subject: *subject, id: timer.clone() };
                if due.as_ref().is_none_or(|first| key < *first) {
                    due = Some(key);
                }
            }
        }
        drop(person);
        match due {
            Some(key) => fire(state, &key, cx),
            None => return,
        }
    }
}

fn fire(state: &mut State, key: &TimerKey, cx: &mut Cx<'_>) {
    state.timers.remove(key);
    let Some(bond) = state.bonds.get_mut(&(key.person, key.subject)) else { return };
    bond.timers.retain(|(due, id)| (*due, id) != (key.due, &key.id));
    let Some((journey, stage)) = bonds::journey_and_stage(state, key.person, key.subject) else {
        return;
    };
    let Some(timer) = journey.timers.iter().find(|timer| *timer.id == *key.id) else { return };
    if journey.stage_no(&stage) != Some(timer.in_stage) {
        return;
    }
    if let Some(when) = &timer.when
        && !bonds::holds(state, key.person, key.subject, when, None, key.due)
    {
        return;
    }
    if let Some(message) = &timer.send {
        send(state, key, &journey.name, message, cx);
    }
    if let Some(to) = timer.to {
        let by = format!("timer:{}", key.id);
        let to = journey.stage_name(Some(to)).to_owned();
        bonds::enter(state, key.person, key.subject, &journey, &to, &by, key.due, cx);
    }
    if let Some(kind) = &timer.touch {
        bonds::move_by_kind(state, key.person, key.subject, kind, key.due, cx);
    }
    cx.changed(Change::Person(key.person));
}

fn send(state: &mut State, key: &TimerKey, journey: &str, message: &str, cx: &mut Cx<'_>) {
    let bond = state.bonds.get_mut(&(key.person, key.subject)).expect("the caller found it");
    if bond.messages.len() >= MESSAGES_KEPT {
        bond.messages.remove(0);
    }
    bond.messages.push(Message { id: message.into(), time: key.due, read: false });
    if cx.live {
        cx.effects.sends.push(Send {
            person: key.person,
            subject: key.subject,
            journey: journey.into(),
            message: message.into(),
            time: key.due,
        });
    }
}

/// Begins a stage's timers, counted from `now` (log time).
pub(crate) fn begin(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    timers: &[(Box<str>, i64)],
    now: Time,
) {
    for (id, after_ms) in timers {
        let due = now.plus(*after_ms);
        state.timers.insert(TimerKey { due, person, subject, id: id.clone() }, ());
        if let Some(bond) = state.bonds.get_mut(&(person, subject)) {
            bond.timers.push((due, id.clone()));
        }
    }
}

pub(crate) fn cancel(state: &mut State, person: PersonId, subject: Subject) {
    let Some(bond) = state.bonds.get_mut(&(person, subject)) else { return };
    for (due, id) in std::mem::take(&mut bond.timers) {
        state.timers.remove(&TimerKey { due, person, subject, id });
    }
}

/// For a bond that is no longer in the state.
pub(crate) fn cancel_all(state: &mut State, person: PersonId, subject: Subject, bond: &Bond) {
    for (due, id) in &bond.timers {
        state.timers.remove(&TimerKey { due: *due, person, subject, id: id.clone() });
    }
}
