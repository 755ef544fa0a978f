//! Journeys: published as files, kept in all their versions, checked before.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use engine::State as Folded;
use engine::journey::{self, FileMistake, Journey};
use model::entry::Body;
use model::limits;
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form;
use crate::app::App;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Journeys";

pub fn routes() -> Vec<Route> {
    let source = || {
        json!({ "type": "string", "format": "YAML or JSON", "example":
        "journey: printer\napplies_to: { models: [\"09506000134352\"] }\nkind: guided\n\
         stages: [interested, support]\nmoves:\n  - { on: product.viewed, to: interested }\n" })
    };
    vec![
        Route {
            body: source(),
            answer: (200, object(example())),
            problems: &["bad_journey", "invalid", "too_large"],
            ..row(
                "put",
                "/v1/journeys/{name}",
                TAG,
                "Publish a journey",
                "The body is the file, YAML or JSON, at most 256 KiB; its name is the one in the \
                 address. A new version goes into force at once, and bonds in the older one are \
                 carried over by its `carry_over`. The same file again changes nothing.",
                put(publish),
            )
        },
        Route {
            answer: (200, object(example())),
            problems: &["not_found"],
            ..row("get", "/v1/journeys/{name}", TAG, "A journey and its versions", "", get(one))
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(summary_example()),
            ..row("get", "/v1/journeys", TAG, "All journeys", "In order of name.", get(list))
        },
        Route {
            answer: (
                200,
                object(json!({ "name": "printer", "version": 1,
                "published": "2026-11-22T10:00:00.000Z", "source": "journey: printer\n…" })),
            ),
            problems: &["not_found"],
            ..row(
                "get",
                "/v1/journeys/{name}/versions/{version}",
                TAG,
                "The file of a version",
                "",
                get(version),
            )
        },
        Route {
            body: source(),
            answer: (200, object(json!({ "ok": true, "name": "printer", "stages": 7 }))),
            problems: &["bad_journey", "invalid", "too_large"],
            ..row(
                "post",
                "/v1/journeys/{name}/check",
                TAG,
                "Check a journey",
                "Reads the file and says all its mistakes; publishes nothing.",
                post(check),
            )
        },
    ]
}

fn summary_example() -> Json {
    json!({ "name": "printer", "version": 2, "kind": "guided", "published":
        "2026-11-22T10:00:00.000Z", "applies_to": { "all": false, "models": ["09506000134352"] },
        "stages": [{ "id": "interested", "title": { "en": "Having a look" } }] })
}

fn example() -> Json {
    let mut example = summary_example();
    example["source"] = "journey: printer\n…".into();
    example["versions"] = json!([{ "version": 1, "published": "2026-11-22T10:00:00.000Z" }]);
    example
}

async fn publish(
    State(app): State<App>,
    _: Secret,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let source = form::text_of(&body)?.to_owned();
    read(&name, &source)?;
    app.submit(Body::PutJourney { source: source.into() }).await?;
    let state = app.engine.state();
    Ok(call::ok(&whole(&state, &name).expect("it was just published")))
}

async fn check(
    State(_): State<App>,
    _: Secret,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let journey = read(&name, form::text_of(&body)?)?;
    Ok(call::ok(&json!({
        "ok": true,
        "name": journey.name,
        "kind": journey.kind.name(),
        "stages": journey.stages.len(),
        "moves": journey.moves.len(),
        "steps": journey.steps.len(),
        "timers": journey.timers.len(),
        "menu": journey.menu.len(),
        "offers": journey.offers.len(),
    })))
}

pub fn read(name: &str, source: &str) -> Result<Journey, Problem> {
    if source.len() > limits::JOURNEY_BYTES {
        let (found, most) = (source.len(), limits::JOURNEY_BYTES);
        return Err(Problem::new("too_large", format!("{found} bytes, {most} are allowed")));
    }
    let journey = journey::parse(name, source).map_err(|mistakes| mistaken(&mistakes))?;
    if journey.name != name {
        let detail = format!("the file calls itself {:?}, the address {name:?}", journey.name);
        return Err(invalid("journey", detail));
    }
    Ok(journey)
}

fn mistaken(mistakes: &[FileMistake]) -> Problem {
    let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
    let list = mistakes.iter().map(|mistake| {
        json!({
            "line": mistake.line,
            "column": mistake.column,
            "path": mistake.path,
            "message": mistake.message,
            "suggestion": mistake.suggestion,
        })
    });
    let problem = Problem::new("bad_journey", first).with("mistakes", list.collect());
    match mistakes.first() {
        Some(first) => problem.at(json!({
            "line": first.line, "column": first.column, "path": first.path,
        })),
        None => problem,
    }
}

async fn one(
    State(app): State<App>,
    _: Secret,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let state = app.engine.state();
    whole(&state, &name).map(|shown| call::ok(&shown)).ok_or_else(none)
}

fn none() -> Problem {
    Problem::new("not_found", "no journey has this name")
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let state = app.engine.state();
    let all: Vec<(&str, u32, _)> = state.journeys().collect();
    let key = |row: &(&str, u32, &std::sync::Arc<Journey>)| row.0.to_owned();
    let show = |row: &(&str, u32, &std::sync::Arc<Journey>)| summary(&state, row.0, row.1, row.2);
    Ok(call::ok(&call::listed_after(&page, all.iter(), key, show)))
}

async fn version(
    State(app): State<App>,
    _: Secret,
    Path((name, version)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let state = app.engine.state();
    let sources = state.journey_sources(&name);
    let number: usize = version.parse().map_err(|_| invalid("version", "it is a number"))?;
    let found = number.checked_sub(1).and_then(|at| sources.get(at));
    let (published, source) =
        found.ok_or_else(|| Problem::new("not_found", "there is no such version"))?;
    Ok(call::ok(&json!({
        "name": name,
        "version": number,
        "published": json::time(*published),
        "source": source,
    })))
}

fn summary(state: &Folded, name: &str, version: u32, journey: &Journey) -> Json {
    let published = state.journey_sources(name).last().map(|(time, _)| *time);
    let stages = journey
        .stages
        .iter()
        .map(|stage| json!({ "id": stage.name, "title": json::texts(&stage.title) }));
    json!({
        "name": name,
        "version": version,
        "kind": journey.kind.name(),
        "published": json::time_or_null(published),
        "applies_to": {
            "all": journey.applies_to.all,
            "models": journey.applies_to.models.iter().map(ToString::to_string).collect::<Json>(),
        },
        "stages": stages.collect::<Json>(),
    })
}

fn whole(state: &Folded, name: &str) -> Option<Json> {
    let (version, journey) = state.journey(name)?;
    let mut shown = summary(state, name, version, journey);
    let sources = state.journey_sources(name);
    shown["source"] = sources.last().map_or(Json::Null, |(_, source)| Json::from(*source));
    let versions = sources
        .iter()
        .enumerate()
        .map(|(at, (time, _))| json!({ "version": at + 1, "published": json::time(*time) }));
    shown["versions"] = versions.collect();
    Some(shown)
}
