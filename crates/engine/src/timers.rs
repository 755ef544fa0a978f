//! Timers: what a journey does by itself when a bond stays in a stage. They fire by log time.

use model::id::{PersonId, Time};

use crate::bonds::{self, Moving, Standing};
use crate::fold::{Change, Cx, Send};
use crate::moves::By;
use crate::record::{Bond, Message, TimerKey};
use crate::state::State;
use crate::terms::Term;

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
        for bond in &person.bonds {
            for (at, timer) in bond.timers.iter().filter(|(at, _)| *at <= cx.now) {
                let key = TimerKey { due: *at, person: id, subject: bond.subject, id: *timer };
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
    let Some(own) = Standing::of(state, key.person, key.subject) else { return };
    own.bond_mut(state).timers.retain(|(due, id)| (*due, *id) != (key.due, key.id));
    let Some((force, stage)) = bonds::force_and_stage(state, own) else { return };
    let journey = &force.journey;
    let Some(at) = force.timers.iter().position(|own| *own == key.id) else { return };
    let timer = &journey.timers[at];
    if force.stage_no(stage) != Some(timer.in_stage) {
        return;
    }
    let about = bonds::About { own, touch: None, now: key.due };
    if let Some(when) = &timer.when
        && !bonds::holds(state, about, when)
    {
        return;
    }
    if let Some(message) = &timer.send {
        send(state, own, key.due, &journey.name, message, cx);
    }
    if let Some(to) = timer.to {
        let by = format!("timer:{}", timer.id);
        let (to, by) = (force.stage_term(Some(to)), By::Other(&by));
        let moved = Moving { to, by, time: key.due };
        bonds::enter(state, own, &force, moved, cx);
    }
    if let Some(kind) = &timer.touch {
        bonds::move_by_kind(state, own, kind, key.due, cx);
    }
    cx.changed(Change::Person(key.person));
}

fn send(
    state: &mut State,
    own: Standing,
    time: Time,
    journey: &str,
    message: &str,
    cx: &mut Cx<'_>,
) {
    let id = state.terms.of(message);
    let bond = own.bond_mut(state);
    if bond.messages.len() >= MESSAGES_KEPT {
        bond.messages.remove(0);
    }
    bond.messages.push(Message { id, time, read: false });
    if cx.live {
        let Standing { person, subject, .. } = own;
        let (journey, message) = (journey.into(), message.into());
        cx.effects.sends.push(Send { person, subject, journey, message, time });
    }
}

/// Begins a stage's timers, counted from `now` (log time).
pub(crate) fn begin(state: &mut State, own: Standing, timers: &[(Term, i64)], now: Time) {
    let Standing { person, subject, .. } = own;
    for (id, after_ms) in timers {
        let (due, id) = (now.plus(*after_ms), *id);
        state.timers.insert(TimerKey { due, person, subject, id }, ());
        own.bond_mut(state).timers.push((due, id));
    }
}

pub(crate) fn cancel(state: &mut State, own: Standing) {
    let Standing { person, subject, .. } = own;
    let bond = own.bond_mut(state);
    if bond.timers.is_empty() {
        return;
    }
    for (due, id) in std::mem::take(&mut bond.timers) {
        state.timers.remove(&TimerKey { due, person, subject, id });
    }
}

/// For a bond that is no longer in the state.
pub(crate) fn cancel_all(state: &mut State, person: PersonId, bond: &Bond) {
    for (due, id) in &bond.timers {
        let key = TimerKey { due: *due, person, subject: bond.subject, id: *id };
        state.timers.remove(&key);
    }
}
