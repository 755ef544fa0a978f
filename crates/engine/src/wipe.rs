//! The wipe: forgetting one person. The fold makes everything unreachable at once; the log
//! records are overwritten once a checkpoint covers the wipe, so that no restart needs them.

use model::alias::{Alias, AliasKind};
use model::entry::{Body, Seq};
use model::id::PersonId;
use model::outcome::Outcome;
use model::value::{Map, Value};

use crate::aliases::name_of;
use crate::fold::{Change, Cx};
use crate::record::{Person, Purge, Receipt};
use crate::state::State;
use crate::timeline::Topic;
use crate::{refused, timers};

pub(crate) fn wipe(state: &mut State, id: PersonId, receipt: u64, cx: &mut Cx<'_>) -> Outcome {
    let Some(mut person) = state.persons.remove(&id) else {
        return Outcome::refused("no_such_person", "there is no such person");
    };
    state.meta.persons -= 1;
    for known in person.aliases.iter() {
        state.aliases.remove(&name_of(&known.alias));
    }
    for bond in &person.bonds {
        let subject = bond.subject;
        timers::cancel_all(state, id, bond);
        if let Some(product) = state.products.get_mut(&subject) {
            forget_in(&mut product.state, &person);
            if product.owner == Some(id) {
                product.owner = None;
                product.owned_since = None;
            }
            cx.changed(Change::Product(subject));
        }
    }
    for grant in &person.grants {
        state.codes.remove(&grant.code);
    }
    for link in &person.links {
        if let Some(node) = state.referrals.get_mut(&link.code) {
            node.person = None;
        }
    }
    let mut seqs: Vec<Seq> = person.timeline.all(&state.blocks);
    person.timeline.replace(&[], &mut state.blocks);
    forget_decisions(state, &seqs, cx);
    seqs.extend(state.topic(Topic::Mention(id)));
    seqs.extend(state.topic(Topic::Look(id)));
    seqs.extend(forget_refused(state, &person, cx));
    seqs.sort_unstable();
    seqs.dedup();
    state.set_topic(Topic::Mention(id), &[]);
    state.set_topic(Topic::Look(id), &[]);
    state.receipts.insert(
        receipt,
        Receipt {
            wiped: cx.now,
            aliases: person.aliases.len() as u64,
            bonds: person.bonds.len() as u64,
            touches: person.touches,
            purged: None,
        },
    );
    state.purges.insert(receipt, Purge { seqs });
    cx.effects.purges.push(receipt);
    cx.changed(Change::Gone(id));
    Outcome::accepted()
}

/// A unit's state is the unit's, but a source may have written a name into it all the same.
fn forget_in(map: &mut Map, person: &Person) {
    let named = map.iter().filter(|(_, value)| holds_name(value, person));
    let named: Vec<Box<str>> = named.map(|(key, _)| key.into()).collect();
    for key in named {
        map.remove(&key);
    }
}

/// Short names would be found by chance.
fn holds_name(value: &Value, person: &Person) -> bool {
    match value {
        Value::Text(text) => {
            let text = text.to_lowercase();
            let long = person.aliases.iter().filter(|known| known.alias.value.len() >= 4);
            long.into_iter().any(|known| names(&text, &known.alias))
        }
        Value::List(list) => list.iter().any(|value| holds_name(value, person)),
        Value::Map(map) => map.iter().any(|(_, value)| holds_name(value, person)),
        _ => false,
    }
}

/// What was not understood may still name the person.
fn forget_refused(state: &mut State, person: &Person, cx: &Cx<'_>) -> Vec<Seq> {
    let all = state.topic(Topic::Refused);
    let (mut keep, mut forget) = (Vec::with_capacity(all.len()), Vec::new());
    cx.history.entries(&all, &mut |entry| {
        let holds = match &entry.body {
            Body::Refused { raw, .. } => {
                let text = as_read(raw);
                person.aliases.iter().any(|known| names(&text, &known.alias))
            }
            _ => false,
        };
        if holds { forget.push(entry.seq) } else { keep.push(entry.seq) }
    });
    if !forget.is_empty() {
        refused::leave(state, keep);
    }
    forget
}

/// A refused item in small letters, what JSON writes as `\u00fc` or `\/` undone.
fn as_read(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let code = rest.strip_prefix("\\u").and_then(|hex| hex.get(..4));
        if let Some(unit) = code.and_then(|hex| u16::from_str_radix(hex, 16).ok()) {
            units.push(unit);
            rest = &rest[6..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    String::from_utf16_lossy(&units).to_lowercase()
}

/// Whether a text names somebody, a phone number however it is grouped.
fn names(text: &str, alias: &Alias) -> bool {
    if alias.kind == AliasKind::Phone {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let number = digits(&alias.value);
        return !number.is_empty() && digits(text).contains(&number);
    }
    !alias.value.is_empty() && text.contains(&alias.value.to_lowercase())
}

fn forget_decisions(state: &mut State, seqs: &[Seq], cx: &mut Cx<'_>) {
    let mut ids = Vec::new();
    cx.history.entries(seqs, &mut |entry| {
        if let Body::Decided { decision, .. } = &entry.body {
            ids.push(decision.id);
        }
    });
    for id in ids {
        state.decisions.remove(&id);
    }
}

pub(crate) fn purged(state: &mut State, receipt: u64, records: u64, cx: &mut Cx<'_>) -> Outcome {
    let pending = state.purges.remove(&receipt);
    match state.receipts.get_mut(&receipt) {
        Some(stored) => {
            stored.purged = Some((cx.now, records));
            Outcome::accepted()
        }
        // What left the list of the refused is overwritten without a receipt.
        None if pending.is_some() => Outcome::accepted(),
        None => Outcome::refused("no_such_receipt", "there is no such wipe"),
    }
}
