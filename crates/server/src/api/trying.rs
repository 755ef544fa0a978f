//! Trying a journey: the whole history is folded once more, in memory, with the draft in force
//! from the first day on instead of all that was published under its name. Nothing is written,
//! nothing is sent.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use engine::State as Folded;
use engine::journey::{self, Journey, NONE};
use engine::{Effects, EntryRef, apply};
use model::entry::{Body, Entry, Seq};
use model::gs1::Subject;
use model::id::{PersonId, Time};
use serde_json::{Value as Json, json};

use super::call::{self, Secret, object, row};
use super::{form, journeys};
use crate::app::{App, now};
use crate::problem::Problem;
use crate::route::Route;

/// Entries that are folded again at most: a few seconds, and memory for their state.
const ENTRIES: u64 = 500_000;
const EXAMPLES: usize = 20;
const PER_MINUTE: u32 = 6;
/// Persons that are looked at under one hold of the state's lock.
const PERSONS_AT_ONCE: usize = 1_000;

pub fn routes() -> Vec<Route> {
    vec![Route {
        body: json!({ "type": "string", "format": "YAML or JSON",
            "example": "journey: printer\n…" }),
        answer: (
            200,
            object(json!({ "journey": "printer", "entries": 1200, "bonds": 310,
            "changed": 12, "now": { "engaged": 40 }, "draft": { "engaged": 28, "support": 12 },
            "changes": [{ "from": "engaged", "to": "support", "bonds": 12 }],
            "examples": [{ "person": "p3", "product": "/01/09506000134352/21/A1",
                "now": "engaged", "draft": "support" }],
            "messages": { "install-help": 3 } })),
        ),
        problems: &["bad_journey", "invalid", "too_large", "too_many"],
        ..row(
            "post",
            "/v1/journeys/{name}/try",
            "Journeys",
            "Try a journey on real history",
            "The body is the draft. Folds the history once more, up to 500,000 entries, as if the \
             draft had been in force all the time, and compares where every bond would stand now, \
             and which messages would have been sent. Changes nothing.",
            post(try_draft),
        )
    }]
}

async fn try_draft(
    State(app): State<App>,
    _: Secret,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let source = form::text_of(&body)?.to_owned();
    let draft = journeys::read(&name, &source)?;
    let reader = app.engine.reader();
    let entries = reader.last_seq().saturating_sub(reader.first_seq()) + 1;
    if entries > ENTRIES {
        let detail = format!("the history has {entries} entries, {ENTRIES} can be tried");
        return Err(Problem::new("too_large", detail));
    }
    app.limiter.take("try", 0, PER_MINUTE).map_err(|seconds| {
        Problem::new("too_many", "trying takes the machine's time").retry_after(seconds)
    })?;
    let shown = call::blocking(move || {
        let tried = replay(&app, &name, &source)?;
        Ok::<Json, Problem>(compare(&app, &draft, &tried))
    });
    shown.await.map(|shown| call::ok(&shown))
}

struct Tried {
    state: Folded,
    entries: u64,
    messages: BTreeMap<Box<str>, u64>,
}

fn replay(app: &App, name: &str, source: &str) -> Result<Tried, Problem> {
    let reader = app.engine.reader().clone();
    let history = runtime::LogHistory(reader.clone());
    let mut tried = Tried { state: Folded::open(None), entries: 0, messages: BTreeMap::new() };
    let mut draft = Some(Body::PutJourney { source: source.into() });
    let mut effects = Effects::default();
    let mut fold = |tried: &mut Tried, entry: &Entry| {
        apply(&mut tried.state, EntryRef::of(entry), &history, &mut effects);
        for send in std::mem::take(&mut effects).sends {
            if *send.journey == *name {
                *tried.messages.entry(send.message).or_default() += 1;
            }
        }
        tried.entries += 1;
    };
    let mut last: Seq = 0;
    let read = reader.for_each(0, |record| {
        let Ok(mut entry) = runtime::decode(&record) else { return ControlFlow::Break(()) };
        last = entry.seq;
        if is_published_as(&entry.body, name) {
            entry.body = Body::Tick;
        }
        // The draft takes the place of the first entry that means nothing to a bond, so that all
        // others keep their numbers, which persons are named by.
        if is_free(&entry.body) {
            entry.body = draft.take().unwrap_or(Body::Tick);
        }
        fold(&mut tried, &entry);
        ControlFlow::Continue(())
    });
    read.map_err(|error| {
        tracing::error!(%error, "the log could not be read for trying a journey");
        Problem::new("internal", "the history could not be read")
    })?;
    let time: Time = now().max(tried.state.time());
    // What is due by now has happened here as well.
    let end = draft.unwrap_or(Body::Tick);
    fold(&mut tried, &Entry { seq: last + 1, time, body: end });
    Ok(tried)
}

fn is_published_as(body: &Body, name: &str) -> bool {
    let Body::PutJourney { source } = body else { return false };
    journey::parse(name, source).is_ok_and(|journey| journey.name == name)
}

fn is_free(body: &Body) -> bool {
    matches!(
        body,
        Body::Tick
            | Body::PutKey(_)
            | Body::DropKey { .. }
            | Body::PutMapping { .. }
            | Body::Refused { .. }
            | Body::RefusedDone { .. }
    )
}

#[derive(Default)]
struct Compared {
    bonds: u64,
    now: BTreeMap<Box<str>, u64>,
    draft: BTreeMap<Box<str>, u64>,
    changes: BTreeMap<(Box<str>, Box<str>), u64>,
    examples: Vec<Json>,
}

fn compare(app: &App, draft: &Journey, tried: &Tried) -> Json {
    let mut compared = Compared::default();
    let mut after: Option<PersonId> = None;
    loop {
        let state = app.engine.state();
        let ids = state.persons_after(after, PERSONS_AT_ONCE);
        for id in &ids {
            let person = state.person(*id);
            for subject in person.iter().flat_map(|person| person.subjects()) {
                compare_bond(&state, draft, tried, (*id, subject), &mut compared);
            }
        }
        drop(state);
        match ids.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    let changes = compared
        .changes
        .iter()
        .map(|((from, to), bonds)| json!({ "from": from, "to": to, "bonds": bonds }));
    json!({
        "journey": draft.name,
        "entries": tried.entries,
        "bonds": compared.bonds,
        "changed": compared.changes.values().sum::<u64>(),
        "now": compared.now,
        "draft": compared.draft,
        "changes": changes.collect::<Json>(),
        "examples": compared.examples,
        "messages": tried.messages,
    })
}

fn compare_bond(
    state: &Folded,
    draft: &Journey,
    tried: &Tried,
    (id, subject): (PersonId, Subject),
    compared: &mut Compared,
) {
    let (now, then) = (stage(state, draft, id, subject), stage(&tried.state, draft, id, subject));
    if now.is_none() && then.is_none() {
        return;
    }
    let [now, then] = [now, then].map(|stage| stage.unwrap_or_else(|| NONE.into()));
    compared.bonds += 1;
    *compared.now.entry(now.clone()).or_default() += 1;
    *compared.draft.entry(then.clone()).or_default() += 1;
    if now != then {
        if compared.examples.len() < EXAMPLES {
            compared.examples.push(json!({
                "person": id.to_string(),
                "product": subject.path(),
                "now": now,
                "draft": then,
            }));
        }
        *compared.changes.entry((now, then)).or_default() += 1;
    }
}

/// Where a bond stands in the journey of this name; `None` if it is under another, or none.
fn stage(state: &Folded, draft: &Journey, id: PersonId, subject: Subject) -> Option<Box<str>> {
    let (journey, stage) = engine::journey_and_stage(state, id, subject)?;
    let own = journey.name == draft.name;
    own.then(|| if stage.is_empty() { NONE.into() } else { stage.into() })
}
