//! The inbox: what people asked the company's people, and the answers.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use engine::{Entity, State as Folded, Topic};
use model::entry::{Body, Entry, Seq};
use model::id::{Digest, PersonId};
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use model::value::Value;
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::Form;
use super::persons::{brief, product_brief};
use crate::app::{App, now, random_u64};
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Inbox";
const TEXT_CHARS: usize = 4_000;
/// Newest touches of a person among which the answers to them are looked for.
const ANSWERS_DEPTH: usize = 200;

pub fn routes() -> Vec<Route> {
    vec![
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(json!({ "seq": 31, "time": "2026-11-22T10:00:00.000Z",
                "person": { "id": "p3", "name": "Ann" }, "text": "It is stuck.", "contact": null,
                "product": { "link": "/01/09506000134352/21/A1", "name": "Photo printer" },
                "state": { "error": "paper_jam" }, "stage": "support", "answered": false })),
            ..row("get", "/v1/inbox", TAG, "What people asked", "Newest first.", get(list))
        },
        Route {
            body: object(json!({ "text": "We send a new tray today.", "by": "Sam" })),
            answer: (201, object(json!({ "seq": 32, "answers": 31 }))),
            problems: &["invalid", "not_found", "no_such_person", "conflict"],
            ..row(
                "post",
                "/v1/inbox/{seq}/answer",
                TAG,
                "Answer somebody",
                "It becomes a touch `help.answered` of the person, and their page shows it.",
                post(answer),
            )
        },
    ]
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let before = page.before()?;
    call::blocking(move || {
        let seqs =
            app.engine.state().timeline(&Entity::Topic(Topic::Inbox), before, page.limit + 1);
        let more = seqs.len() > page.limit;
        let shown = &seqs[..seqs.len().min(page.limit)];
        let next = shown.last().filter(|_| more).map(ToString::to_string);
        let entries = call::entries_now(&app, shown);
        let mut answered: BTreeMap<PersonId, BTreeSet<Seq>> = BTreeMap::new();
        for entry in &entries {
            let person = touch_of(entry).and_then(|touch| person_of(&app.engine.state(), touch));
            if let Some(person) = person.filter(|person| !answered.contains_key(person)) {
                answered.insert(person, answers_to(&app, person));
            }
        }
        let state = app.engine.state();
        let items = entries.iter().filter_map(|entry| question(&state, entry, &answered));
        Ok(call::ok(&json!({ "items": items.collect::<Json>(), "next": next })))
    })
    .await
}

fn touch_of(entry: &Entry) -> Option<&Touch> {
    match &entry.body {
        Body::Touch(touch) => Some(touch),
        _ => None,
    }
}

fn person_of(state: &Folded, touch: &Touch) -> Option<PersonId> {
    touch.aliases.iter().find_map(|alias| state.person_by_alias(alias))
}

/// Which questions of this person have an answer.
fn answers_to(app: &App, person: PersonId) -> BTreeSet<Seq> {
    let seqs = app.engine.state().timeline(&Entity::Person(person), None, ANSWERS_DEPTH);
    let entries = call::entries_now(app, &seqs);
    let answers = entries.iter().filter_map(touch_of);
    let answers = answers.filter(|touch| touch.kind.as_str() == "help.answered" && touch.trusted);
    let to = answers.filter_map(|touch| touch.properties.get("answers")?.as_i64());
    to.filter_map(|seq| Seq::try_from(seq).ok()).collect()
}

/// One question; `None` once its person is forgotten.
fn question(
    state: &Folded,
    entry: &Entry,
    answered: &BTreeMap<PersonId, BTreeSet<Seq>>,
) -> Option<Json> {
    let touch = touch_of(entry)?;
    let person = person_of(state, touch)?;
    let subject = touch.products.first().copied();
    let standing = subject.and_then(|subject| {
        let subject = engine::bond_subject(state, person, subject);
        engine::journey_and_stage(state, person, subject)
    });
    let product = subject.and_then(|subject| state.product(subject));
    let done = answered.get(&person).is_some_and(|seqs| seqs.contains(&entry.seq));
    Some(json!({
        "seq": entry.seq,
        "time": json::time(touch.time),
        "person": brief(state, person),
        "product": subject.map(|subject| product_brief(state, subject)),
        "state": product.map(|product| json::map(&product.state)),
        "stage": standing.map(|(_, stage)| stage).filter(|stage| !stage.is_empty()),
        "text": touch.properties.text("text"),
        "contact": touch.properties.text("contact"),
        "channel": touch.channel.map(|channel| channel.name()),
        "answered": done,
    }))
}

async fn answer(
    State(app): State<App>,
    key: Secret,
    Path(seq): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let work = async {
        let none = || Problem::new("not_found", "there is no such question");
        let seq: Seq = seq.parse().map_err(|_| none())?;
        let mut form = Form::read_small(&body, &["text", "by"])?;
        let (text, by) = (form.word("text")?, form.text("by")?);
        if text.chars().count() > TEXT_CHARS {
            return Err(invalid("text", format!("it has more than {TEXT_CHARS} characters")));
        }
        let asked =
            app.engine.state().timeline(&Entity::Topic(Topic::Inbox), seq.checked_add(1), 1);
        if asked != [seq] {
            return Err(none());
        }
        let entries = call::entries(&app, asked).await;
        let question = entries.first().and_then(touch_of).ok_or_else(none)?;
        let touch = answer_to(&app, seq, question, &text, by.as_deref())?;
        let (answer, _) = app.submit(Body::Touch(touch)).await?;
        Ok((StatusCode::CREATED, json!({ "seq": answer, "answers": seq })))
    };
    let call = format!("answer {seq}");
    call::once(&app, &key.0, &call, &headers, &body, work).await
}

fn answer_to(
    app: &App,
    seq: Seq,
    question: &Touch,
    text: &str,
    by: Option<&str>,
) -> Result<Touch, Problem> {
    let state = app.engine.state();
    // One name is enough to find the person, and joins nobody.
    let alias = question.aliases.iter().find(|alias| state.person_by_alias(alias).is_some());
    let gone = || Problem::new("no_such_person", "whoever asked is not known any more");
    let alias = alias.ok_or_else(gone)?.clone();
    let id = random_u64();
    let mut touch = Touch::new(Kind::of("help.answered"), now(), Source::Native);
    touch.trusted = true;
    touch.channel = Some(question.channel.unwrap_or(Channel::Chat));
    touch.products = question.products.clone();
    touch.aliases = vec![alias];
    touch.id = Digest::of(&[b"answer", &id.to_le_bytes()]);
    touch.properties.insert("id", Value::text(format!("a{id:016x}")));
    touch.properties.insert("text", Value::from(text));
    touch.properties.insert("answers", Value::Int(seq as i64));
    if let Some(by) = by {
        touch.properties.insert("by", Value::from(by));
    }
    Ok(touch)
}
