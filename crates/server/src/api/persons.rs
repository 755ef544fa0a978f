//! Persons: everything that is known of one, in order and as a graph; joining and parting;
//! forgetting.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};
use engine::record::{Because, Known, Person};
use engine::{Entity, State as Folded};
use model::entry::{Body, SplitWhat};
use model::id::PersonId;
use model::limits;
use serde_json::{Value as Json, json};

use super::call::{self, PAGE_QUERY, Params, Secret, invalid, object, person, row};
use super::form::Form;
use super::graph::{self, Node};
use super::products::name_of;
use super::{receipts, timeline};
use crate::app::{App, parse_alias, random_u64};
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Persons";
const REASON_BYTES: usize = 500;
const LIST_QUERY: &[(&str, &str)] = &[
    ("alias", "Only the person known by this name: `email:ann@example.com`"),
    ("cursor", "Where the page before ended: its `next`"),
    ("limit", "Items of a page: 50 if not given, at most 500"),
];

pub fn routes() -> Vec<Route> {
    let mut routes = looking_routes();
    routes.extend(changing_routes());
    routes
}

fn looking_routes() -> Vec<Route> {
    let summary = json!({ "id": "p3", "name": "user:u1", "known": true, "aliases": ["user:u1"],
        "first_seen": null, "last_seen": null, "touches": 12, "bonds": 1 });
    vec![
        Route {
            query: LIST_QUERY,
            answer: call::list_answer(summary),
            ..row("get", "/v1/persons", TAG, "Persons", "In order of first touch.", get(list))
        },
        Route {
            answer: (
                200,
                object(json!({ "id": "p3", "aliases": [{ "kind": "user", "value": "u1",
                "since": "2026-11-22T10:00:00.000Z", "because": "the first touch came with it" }],
                "traits": {}, "consents": [], "bonds": [], "grants": [], "links": [],
                "merges": [] })),
            ),
            problems: &["no_such_person"],
            ..row(
                "get",
                "/v1/persons/{id}",
                TAG,
                "Everything known of a person",
                "The id is `p12` or a name such as `user:u1`. Each name says since when and why \
                 it is believed to be theirs; each merge says how it can be undone.",
                get(one),
            )
        },
        Route {
            query: PAGE_QUERY,
            answer: call::list_answer(timeline::example()),
            problems: &["no_such_person"],
            ..row(
                "get",
                "/v1/persons/{id}/timeline",
                TAG,
                "What a person did and was shown",
                "Newest first.",
                get(its_timeline),
            )
        },
        Route {
            query: graph::QUERY,
            answer: (200, graph::example()),
            problems: &["no_such_person"],
            ..row(
                "get",
                "/v1/persons/{id}/graph",
                TAG,
                "What a person is connected with",
                "Up to 500 nodes.",
                get(its_graph),
            )
        },
    ]
}

fn changing_routes() -> Vec<Route> {
    vec![
        Route {
            body: object(json!({ "keep": "user:u1", "gone": "p9", "reason": "called us" })),
            answer: (
                200,
                object(json!({ "person": "p3", "merge": 120, "undo": {
                "call": "POST /v1/persons/split", "body": { "person": "p3", "merge": 120 } } })),
            ),
            problems: &["no_such_person", "invalid", "conflict", "refused"],
            ..row(
                "post",
                "/v1/persons/merge",
                TAG,
                "Say that two persons are one",
                "`keep` stays and gets all of `gone`: its names, its history. The answer says how \
                 to undo it.",
                post(merge),
            )
        },
        Route {
            body: object(json!({ "person": "p3", "merge": 120, "reason": "they are brothers" })),
            answer: (200, object(json!({ "person": "p3", "new": "p9" }))),
            problems: &["no_such_person", "invalid", "conflict", "refused"],
            ..row(
                "post",
                "/v1/persons/split",
                TAG,
                "Say that one person is two",
                "Undoes a `merge`, or takes `aliases` out into a person of their own. They are \
                 not joined by a touch again.",
                post(split),
            )
        },
        Route {
            answer: (
                202,
                object(json!({ "receipt": { "id": "r_0011223344556677",
                "url": "/v1/receipts/r_0011223344556677" } })),
            ),
            problems: &["no_such_person"],
            ..row(
                "delete",
                "/v1/persons/{id}",
                TAG,
                "Forget a person",
                "At once nothing leads to them any more. The receipt says when every record of \
                 them is overwritten. It cannot be undone.",
                delete(wipe),
            )
        },
    ]
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    if let Some(named) = params.get("alias") {
        let detail = "write kind:value, such as email:ann@example.com";
        let alias = parse_alias(named).ok_or_else(|| invalid("alias", detail))?;
        let state = app.engine.state();
        let id = state.person_by_alias(&alias);
        let items: Json = id.into_iter().map(|id| summary(&state, id)).collect();
        return Ok(call::ok(&json!({ "items": items, "next": null })));
    }
    let cursor = page.cursor.as_deref();
    let after = cursor.map(|text| text.parse::<PersonId>().map_err(|()| call::bad_cursor()));
    let after = after.transpose()?;
    call::blocking(move || {
        let state = app.engine.state();
        let ids = state.persons_after(after, page.limit + 1);
        Ok(call::ok(&call::listed(&page, ids, PersonId::to_string, |id| summary(&state, *id))))
    })
    .await
}

fn summary(state: &Folded, id: PersonId) -> Json {
    let Some(person) = state.person(id) else { return Json::Null };
    let aliases: Json = person.aliases.iter().map(|known| known.alias.to_string()).collect();
    json!({
        "id": id.to_string(),
        "name": called(id, &person),
        "known": person.is_known(),
        "aliases": aliases,
        "first_seen": json::time(person.first_seen),
        "last_seen": json::time(person.last_seen),
        "touches": person.touches,
        "bonds": person.bonds.len(),
    })
}

/// What one calls a person in a list: what they said, else their strongest name.
pub fn called(id: PersonId, person: &Person) -> String {
    let said = ["name", "firstName", "first_name"].iter().find_map(|key| person.traits.text(key));
    if let Some(said) = said.filter(|said| !said.trim().is_empty()) {
        return said.to_owned();
    }
    let strongest = person.aliases.iter().map(|known| &known.alias).max();
    strongest.map_or_else(|| id.to_string(), ToString::to_string)
}

async fn one(
    State(app): State<App>,
    key: Secret,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = person(&app, &id)?;
    call::looked(&app, &key, id, "profile").await?;
    let state = app.engine.state();
    let found = state.person(id).ok_or_else(gone)?;
    Ok(call::ok(&person_json(&app, &state, id, &found)))
}

fn gone() -> Problem {
    Problem::new("no_such_person", "they were wiped or merged just now")
}

fn person_json(app: &App, state: &Folded, id: PersonId, person: &Person) -> Json {
    let consents = person.consents.iter().map(|consent| {
        json!({
            "purpose": consent.purpose,
            "given": consent.given,
            "changed": json::time(consent.time),
            "seq": consent.seq,
        })
    });
    let mut shown = summary(state, id);
    let more = json!({
        "aliases": person.aliases.iter().map(known_json).collect::<Json>(),
        "traits": json::map(&person.traits),
        "consents": consents.collect::<Json>(),
        "bonds": person.subjects().map(|own| super::bonds::summary(state, id, own))
            .collect::<Json>(),
        "clicks": person.clicks.iter().map(|click| json!({
            "campaign": click.campaign,
            "time": json::time(click.time),
            "channel": click.channel.map(|channel| channel.name()),
        })).collect::<Json>(),
        "grants": grants(person),
        "links": person.links.iter().map(|link| link_json(app, state, &link.code))
            .collect::<Json>(),
        "referred_by": person.referred_by.iter().map(|(gtin, code)| json!({
            "gtin": gtin.to_string(),
            "code": code,
            "person": state.referral(code).and_then(|own| own.person).map(|id| id.to_string()),
        })).collect::<Json>(),
        "merges": merges(id, person),
        "apart": person.apart.iter().map(ToString::to_string).collect::<Json>(),
    });
    let fields = shown.as_object_mut().expect("a summary is an object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    shown
}

fn known_json(known: &Known) -> Json {
    let because = match &known.because {
        Because::First => "the first touch came with it".to_owned(),
        Because::With(alias) => format!("it came in one touch with {alias}"),
        Because::Merge => "the company merged two persons".to_owned(),
    };
    json!({
        "kind": known.alias.kind.name(),
        "value": known.alias.value,
        "since": json::time(known.since),
        "because": because,
        "seq": known.seq,
    })
}

fn grants(person: &Person) -> Json {
    let grants = person.grants.iter().map(|grant| {
        json!({
            "product": grant.subject.path(),
            "journey": grant.journey,
            "offer": grant.offer,
            "code": grant.code,
            "given": json::time(grant.time),
            "until": json::time(grant.until),
            "redeemed": json::time_or_null(grant.redeemed),
            "stage": grant.stage,
            "channel": grant.channel.map(|channel| channel.name()),
        })
    });
    grants.collect()
}

/// A personal link with what came of it.
fn link_json(app: &App, state: &Folded, code: &str) -> Json {
    let Some(own) = state.referral(code) else { return json!({ "code": code }) };
    json!({
        "code": code,
        "url": format!("{}/r/{code}", app.settings.public_url),
        "gtin": own.gtin.to_string(),
        "made": json::time(own.made),
        "visits": own.visits,
        "orders": own.orders,
        "money": json::monies(&own.money),
        "orders_below": own.orders_below,
        "money_below": json::monies(&own.money_below),
    })
}

fn merges(id: PersonId, person: &Person) -> Json {
    let merges = person.merges.iter().map(|merged| {
        json!({
            "merge": merged.seq,
            "gone": merged.gone.to_string(),
            "time": json::time(merged.time),
            "because": if merged.by_staff {
                "the company merged them"
            } else {
                "one touch carried names of both"
            },
            "aliases": merged.aliases.iter().map(|known| known.alias.to_string())
                .collect::<Json>(),
            "undo": undo(id, merged.seq),
        })
    });
    merges.collect()
}

fn undo(id: PersonId, seq: u64) -> Json {
    json!({
        "call": "POST /v1/persons/split",
        "body": { "person": id.to_string(), "merge": seq },
    })
}

async fn its_timeline(
    State(app): State<App>,
    key: Secret,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = person(&app, &id)?;
    call::looked(&app, &key, id, "timeline").await?;
    timeline::answer(&app, Entity::Person(id), &params, true).await
}

async fn its_graph(
    State(app): State<App>,
    key: Secret,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = person(&app, &id)?;
    call::looked(&app, &key, id, "graph").await?;
    graph::answer(&app, Node::Person(id), &params).await
}

async fn merge(
    State(app): State<App>,
    key: Secret,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let work = async {
        let mut form = Form::read(&body, &["keep", "gone", "reason"])?;
        let keep = named(&app, &mut form, "keep")?;
        let gone = named(&app, &mut form, "gone")?;
        if keep == gone {
            return Err(invalid("gone", "both are the same person already"));
        }
        let reason = reason(&mut form)?;
        let (seq, _) = app.submit(Body::Merge { keep, gone, reason }).await?;
        let shown = json!({ "person": keep.to_string(), "merge": seq, "undo": undo(keep, seq) });
        Ok((StatusCode::OK, shown))
    };
    call::once(&app, &key.0, "merge", &headers, &body, work).await
}

async fn split(
    State(app): State<App>,
    key: Secret,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let work = async {
        let mut form = Form::read(&body, &["person", "aliases", "merge", "reason"])?;
        let person = named(&app, &mut form, "person")?;
        let what = split_what(&mut form)?;
        let reason = reason(&mut form)?;
        let (_, accepted) = app.submit(Body::Split { person, what, reason }).await?;
        let new = accepted.person.map(|new| new.to_string());
        Ok((StatusCode::OK, json!({ "person": person.to_string(), "new": new })))
    };
    call::once(&app, &key.0, "split", &headers, &body, work).await
}

fn split_what(form: &mut Form<'_>) -> Result<SplitWhat, Problem> {
    let words = form.words("aliases", limits::ALIASES_PER_PERSON)?;
    let merge = form.whole("merge")?;
    match (merge, words.is_empty()) {
        (Some(seq), true) => {
            let seq = u64::try_from(seq).ok().filter(|seq| *seq > 0);
            let seq = seq.ok_or_else(|| invalid("merge", "it is the number that merging gave"))?;
            Ok(SplitWhat::Merge(seq))
        }
        (None, false) => {
            let aliases = words.iter().enumerate().map(|(index, word)| {
                let detail = "this is not kind:value, such as user:u1";
                parse_alias(word).ok_or_else(|| invalid(&format!("aliases[{index}]"), detail))
            });
            Ok(SplitWhat::Aliases(aliases.collect::<Result<_, _>>()?))
        }
        _ => Err(invalid("aliases", "give either aliases or merge")),
    }
}

fn named(app: &App, form: &mut Form<'_>, field: &'static str) -> Result<PersonId, Problem> {
    let word = form.word(field)?;
    person(app, &word).map_err(|problem| problem.at(json!({ "path": field })))
}

fn reason(form: &mut Form<'_>) -> Result<Box<str>, Problem> {
    let reason = form.text("reason")?.unwrap_or_default();
    if reason.len() > REASON_BYTES {
        return Err(invalid("reason", format!("it has more than {REASON_BYTES} bytes")));
    }
    Ok(reason)
}

async fn wipe(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let person = person(&app, &id)?;
    let receipt = random_u64();
    app.submit(Body::Wipe { person, receipt }).await?;
    app.memory.forget_person(person);
    let id = receipts::name(receipt);
    let url = format!("/v1/receipts/{id}");
    let shown = json!({ "receipt": { "id": id, "url": url } });
    Ok(call::answer(StatusCode::ACCEPTED, &shown))
}

/// A person in a list of something else.
pub fn brief(state: &Folded, id: PersonId) -> Json {
    let name = state.person(id).map(|person| called(id, &person));
    json!({ "id": id.to_string(), "name": name })
}

/// The product of a list's row.
pub fn product_brief(state: &Folded, subject: model::gs1::Subject) -> Json {
    let mut shown = json::subject(subject);
    shown["name"] = name_of(state, subject);
    shown
}
