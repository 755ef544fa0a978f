//! What the person does, as their phone tells it: a short list of kinds, always theirs, and what
//! they say of a product's state or of money is not believed.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use model::entry::Body;
use model::outcome::Outcome;
use model::touch::{Channel, Source};
use serde_json::{Value as Json, json};

use super::visitor::{self, Sent};
use crate::app::{App, now};
use crate::ingest::native::{self, Defaults};
use crate::ingest::{Bad, Parsed};
use crate::problem::Problem;

pub const KINDS: [&str; 22] = [
    "page.viewed",
    "product.viewed",
    "product.scanned",
    "product.unboxed",
    "product.powered_on",
    "product.connected",
    "product.installed",
    "product.used",
    "product.reviewed",
    "product.recommended",
    "guide.viewed",
    "guide.completed",
    "menu.clicked",
    "offer.clicked",
    "step.done",
    "help.asked",
    "place.neared",
    "place.entered",
    "place.left",
    "cart.added",
    "message.opened",
    "message.clicked",
];

/// A phone that was offline sends what it kept in one call.
const TOUCHES: usize = 500;
const CALLS_PER_MINUTE: u32 = 240;

pub async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::change(&app, &headers)?)?;
    visitor::limited(&app, "touches", session.alias.value.as_bytes(), CALLS_PER_MINUTE)?;
    let bytes = visitor::bytes(sent)?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let aliases = [session.alias];
    let defaults = Defaults {
        channel: Some(Channel::Companion),
        aliases: Some(&aliases),
        kinds: Some(&KINDS),
        idempotency_key: header("idempotency-key"),
        ..Defaults::of(Source::Companion)
    };
    let content_type = header(header::CONTENT_TYPE.as_str());
    let parsed = native::parse(&bytes, content_type, now(), &defaults).map_err(whole)?;
    if parsed.items.len() > TOUCHES {
        let detail = format!("{} touches in one call, {TOUCHES} are allowed", parsed.items.len());
        return Err(Problem::new("too_large", detail));
    }
    Ok(visitor::private(record(&app, parsed).await?, None))
}

fn whole(problem: crate::ingest::Problem) -> Problem {
    let code = match problem.status {
        413 => "too_large",
        415 => "bad_encoding",
        _ => "bad_json",
    };
    let out = Problem::new(code, problem.detail);
    match problem.place {
        Some((line, column)) => out.at(json!({ "line": line, "column": column })),
        None => out,
    }
}

async fn record(app: &App, parsed: Parsed) -> Result<Json, Problem> {
    let mut results: Vec<Json> = Vec::with_capacity(parsed.items.len());
    let (mut bodies, mut places) = (Vec::new(), Vec::new());
    for (place, item) in parsed.items.into_iter().enumerate() {
        match item {
            Ok(touch) => {
                bodies.push(Body::Touch(touch));
                places.push(place);
                results.push(Json::Null);
            }
            Err(bad) => results.push(refused(&bad)),
        }
    }
    let answers = if bodies.is_empty() { Vec::new() } else { app.engine.submit(bodies).await? };
    for (place, (seq, outcome)) in places.into_iter().zip(answers) {
        results[place] = match outcome {
            Outcome::Accepted(_) => json!({ "status": "accepted", "seq": seq }),
            Outcome::Duplicate => json!({ "status": "duplicate" }),
            Outcome::Refused(refusal) => json!({
                "status": "refused", "code": refusal.code, "detail": refusal.detail,
            }),
        };
    }
    let count = |status: &str| results.iter().filter(|one| one["status"] == status).count();
    Ok(json!({
        "accepted": count("accepted"),
        "duplicates": count("duplicate"),
        "refused": count("refused"),
        "results": results,
    }))
}

fn refused(bad: &Bad) -> Json {
    json!({
        "status": "refused", "code": bad.code, "detail": bad.detail, "hint": bad.hint, "at": bad.at,
    })
}
