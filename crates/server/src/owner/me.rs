//! 'My data': everything that is known of the person, in plain words.

use axum::extract::{Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use engine::{Entity, State, Topic, journey_and_stage};
use model::entry::{Body, Entry, Seq};
use model::gs1::Subject;
use model::id::PersonId;
use serde_json::{Value as Json, json};

use super::page::{permissions_json, stage_title};
use super::past;
use super::visitor::{self, Params};
use super::words::{self, Language};
use crate::app::App;
use crate::json;
use crate::problem::Problem;

const PAGE: usize = model::limits::PAGE;

pub async fn get(
    Shared(app): Shared<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::look(&app, &headers)?)?;
    let locale = visitor::locale(&params, &headers);
    let before = match params.get("cursor") {
        None => None,
        Some(text) => Some(text.parse::<Seq>().map_err(|_| {
            Problem::new("invalid", "this cursor was not given out").at(json!({ "path": "cursor" }))
        })?),
    };
    let Some(person) = session.person else {
        return Ok(visitor::private(nobody(), None));
    };
    let looks = app.engine.state().timeline(&Entity::Topic(Topic::Look(person)), None, PAGE);
    let looks = past::entries(&app, looks).await;
    let seqs = app.engine.state().timeline(&Entity::Person(person), before, PAGE + 1);
    let next = (seqs.len() > PAGE).then(|| seqs[PAGE - 1].to_string());
    let shown = seqs[..seqs.len().min(PAGE)].to_vec();
    let entries = past::entries(&app, shown).await;
    let state = app.engine.state();
    let mut body = about(&state, person, &locale).unwrap_or_else(nobody);
    let language = Language::named(&locale);
    let line = |entry: &Entry| timeline_json(&state, entry, &locale, language);
    body["timeline"] = entries.iter().filter_map(line).collect();
    body["next"] = json!(next);
    body["lookups"] = looks.iter().filter_map(|entry| look_json(entry, language)).collect();
    Ok(visitor::private(body, None))
}

fn nobody() -> Json {
    json!({
        "person": null, "aliases": [], "traits": {}, "bonds": [], "permissions": [],
        "points": 0, "timeline": [], "next": null, "lookups": [],
    })
}

/// All but the timeline; `None` if the person is gone.
fn about(state: &State, id: PersonId, locale: &str) -> Option<Json> {
    let person = state.person(id)?;
    let language = Language::named(locale);
    let aliases = person.aliases.iter().map(|known| {
        json!({
            "kind": known.alias.kind.name(),
            "value": known.alias.value,
            "since": json::time(known.since),
            "because": words::because(&known.because, language),
        })
    });
    let bonds = person.subjects().filter_map(|subject| bond_json(state, id, subject, locale));
    Some(json!({
        "person": id.to_string(),
        "aliases": aliases.collect::<Json>(),
        "traits": json::map(&person.traits),
        "bonds": bonds.collect::<Json>(),
        "permissions": permissions(state, id, locale),
        "points": 0,
        "lookups": [],
        "since": json::time(person.first_seen),
        "touches": person.touches,
    }))
}

/// Who of the company looked, when, at what.
fn look_json(entry: &Entry, language: Language) -> Option<Json> {
    let Body::Looked { who, what, .. } = &entry.body else { return None };
    let why = words::looked_at(what, language);
    Some(json!({ "time": json::time(entry.time), "who": who, "why": why }))
}

fn bond_json(state: &State, id: PersonId, subject: Subject, locale: &str) -> Option<Json> {
    let bond = state.bond(id, subject)?;
    let stage = journey_and_stage(state, id, subject)
        .map_or_else(String::new, |(journey, stage)| stage_title(journey, stage, locale));
    Some(json!({
        "gtin": subject.gtin.to_string(),
        "serial": json::serial(subject),
        "name": product_name(state, subject, locale).unwrap_or_else(|| subject.gtin.to_string()),
        "stage": stage,
        "role": bond.role.name(),
        "begun": json::time(bond.begun),
    }))
}

/// The permissions of every journey that the person is in, and those they once gave elsewhere.
fn permissions(state: &State, id: PersonId, locale: &str) -> Json {
    let Some(person) = state.person(id) else { return json!([]) };
    let mut all: Vec<Json> = Vec::new();
    for subject in person.subjects() {
        let Some((_, journey)) = state.journey_for(subject.gtin) else { continue };
        let own = permissions_json(Some(&*person), journey, locale);
        for one in own.as_array().into_iter().flatten() {
            if all.iter().all(|other| other["purpose"] != one["purpose"]) {
                all.push(one.clone());
            }
        }
    }
    for consent in &person.consents {
        if all.iter().any(|one| one["purpose"] == *consent.purpose) {
            continue;
        }
        all.push(json!({
            "purpose": consent.purpose,
            "title": consent.purpose,
            "gives": "",
            "given": consent.given,
            "changed": json::time(consent.time),
        }));
    }
    Json::Array(all)
}

pub fn product_name(state: &State, subject: Subject, locale: &str) -> Option<String> {
    let name = state.model(subject.gtin)?.name.get(locale);
    (!name.is_empty()).then(|| name.to_owned())
}

/// One line of the history; `None` for what is not part of it.
pub fn timeline_json(
    state: &State,
    entry: &Entry,
    locale: &str,
    language: Language,
) -> Option<Json> {
    let name = |subject: Option<&Subject>| {
        subject.and_then(|subject| product_name(state, *subject, locale))
    };
    let place_name = |id: &str| state.place(id).map_or(id, |place| &*place.name).to_owned();
    match &entry.body {
        Body::Touch(touch) => {
            let product = name(touch.products.first());
            let kind = touch.kind.as_str();
            Some(json!({
                "time": json::time(touch.time),
                "kind": kind,
                "text": words::sentence(kind, product.as_deref(), language),
                "source": touch.source.name(),
                "place": touch.place.as_deref().map(place_name),
            }))
        }
        Body::Decided { decision, .. } => {
            let product = name(Some(&decision.subject));
            Some(json!({
                "time": json::time(entry.time),
                "kind": words::DECISION,
                "text": words::sentence(words::DECISION, product.as_deref(), language),
                "source": "engine",
                "place": decision.context.place.as_deref().map(place_name),
            }))
        }
        _ => None,
    }
}
