//! What came in and was not understood: to read, to try again once the mistake is mended, or to
//! throw away.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use engine::{Entity, Topic};
use model::entry::{Body, Entry, Seq};
use model::outcome::Outcome;
use model::touch::{Source, Touch};
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, object, row};
use super::form;
use crate::app::App;
use crate::ingest::mapping::Mapping;
use crate::ingest::native::{self, Defaults};
use crate::ingest::segment;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Refused";

pub fn routes() -> Vec<Route> {
    vec![
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(json!({ "seq": 41, "time": "2026-11-22T10:00:00.000Z",
                "source": "native", "code": "bad_kind", "reason": "touches[0].kind: …",
                "raw": "{\"kind\":\"Order\"}" })),
            ..row(
                "get",
                "/v1/refused",
                TAG,
                "What was refused",
                "Newest first, as it came, with the reason.",
                get(list),
            )
        },
        Route {
            answer: (200, object(json!({ "status": "accepted", "seq": 42 }))),
            problems: &["not_found", "invalid", "bad_json", "refused"],
            ..row(
                "post",
                "/v1/refused/{seq}/retry",
                TAG,
                "Try a refused item again",
                "It is read once more, with your names of events as they are now. If it is \
                 understood it leaves the list.",
                post(retry),
            )
        },
        Route {
            answer: (200, object(json!({ "dropped": 41 }))),
            problems: &["not_found"],
            ..row(
                "delete",
                "/v1/refused/{seq}",
                TAG,
                "Throw a refused item away",
                "",
                delete(drop_one),
            )
        },
    ]
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let before = page.before()?;
    let mut seqs =
        app.engine.state().timeline(&Entity::Topic(Topic::Refused), before, page.limit + 1);
    let more = seqs.len() > page.limit;
    seqs.truncate(page.limit);
    let next = seqs.last().filter(|_| more).map(ToString::to_string);
    let entries = call::entries(&app, seqs).await;
    let items: Json = entries.iter().filter_map(refused_json).collect();
    Ok(call::ok(&json!({ "items": items, "next": next })))
}

fn refused_json(entry: &Entry) -> Option<Json> {
    let Body::Refused { source, code, reason, raw } = &entry.body else { return None };
    Some(json!({
        "seq": entry.seq,
        "time": json::time(entry.time),
        "source": source.name(),
        "code": code,
        "reason": reason,
        "raw": String::from_utf8_lossy(raw),
    }))
}

fn none() -> Problem {
    Problem::new("not_found", "there is no such refused item; it may have been retried already")
}

/// The place of an item that is still in the list.
fn seq_of(app: &App, text: &str) -> Result<Seq, Problem> {
    let seq: Seq = text.parse().map_err(|_| none())?;
    let found = app.engine.state().timeline(&Entity::Topic(Topic::Refused), seq.checked_add(1), 1);
    if found == [seq] { Ok(seq) } else { Err(none()) }
}

async fn retry(
    State(app): State<App>,
    _: Secret,
    Path(seq): Path<String>,
) -> Result<Response, Problem> {
    let seq = seq_of(&app, &seq)?;
    let entries = call::entries(&app, vec![seq]).await;
    let touch = read_again(&app, entries.first().ok_or_else(none)?)?;
    let answers = app.engine.submit(vec![Body::Touch(touch), Body::RefusedDone { seq }]).await?;
    let (own, outcome) = answers.into_iter().next().expect("two bodies have two answers");
    match outcome {
        Outcome::Accepted(_) => Ok(call::ok(&json!({ "status": "accepted", "seq": own }))),
        Outcome::Duplicate => Ok(call::ok(&json!({ "status": "duplicate" }))),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

fn read_again(app: &App, entry: &Entry) -> Result<Touch, Problem> {
    let Body::Refused { source, raw, .. } = &entry.body else { return Err(none()) };
    if raw.is_empty() {
        return Err(Problem::new("not_found", "what came in was wiped with its person"));
    }
    let arrived = entry.time;
    match source {
        Source::Segment => {
            let mapping = {
                let state = app.engine.state();
                Mapping::new(state.mapping()).map_err(form::problem)?
            };
            segment::parse_refused(raw, arrived, &mapping).map_err(form::problem)
        }
        source => {
            let parsed = native::parse(raw, None, arrived, &Defaults::of(*source))?;
            let first = parsed.items.into_iter().next().ok_or_else(none)?;
            first.map_err(form::problem)
        }
    }
}

async fn drop_one(
    State(app): State<App>,
    _: Secret,
    Path(seq): Path<String>,
) -> Result<Response, Problem> {
    let seq = seq_of(&app, &seq)?;
    app.submit(Body::RefusedDone { seq }).await?;
    Ok(call::ok(&json!({ "dropped": seq })))
}
