//! Asking a human, and the conversation so far. A question is a touch; so is the answer.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use model::entry::Body;
use model::id::Digest;
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use model::value::Value;
use serde_json::{Value as Json, json};

use super::past::{self, Past};
use super::visitor::{self, Params, Sent};
use crate::app::{App, now, random_u64};
use crate::json;
use crate::problem::Problem;

const TEXT_CHARS: usize = 2_000;
const CONTACT_CHARS: usize = 200;
const PER_MINUTE: u32 = 10;
/// Touches that are looked through for the conversation.
const DEPTH: usize = 1_000;

pub async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::change(&app, &headers)?)?;
    visitor::limited(&app, "help", session.alias.value.as_bytes(), PER_MINUTE)?;
    let body = visitor::body(sent)?;
    let subject = visitor::subject_of_body(&body)?;
    let text = bounded(&body, "text", TEXT_CHARS)?;
    let Some(text) = text else {
        return Err(Problem::new("invalid", "say what it is about").at(json!({ "path": "text" })));
    };
    let contact = bounded(&body, "contact", CONTACT_CHARS)?;
    let given = bounded(&body, "id", model::limits::ALIAS_BYTES)?;
    let id = given.map_or_else(|| format!("h{:016x}", random_u64()), str::to_owned);
    let mut touch = Touch::new(Kind::of("help.asked"), now(), Source::Companion);
    touch.channel = Some(Channel::Companion);
    touch.products = vec![subject];
    touch.id = Digest::of(&[b"help", session.alias.value.as_bytes(), id.as_bytes()]);
    touch.aliases = vec![session.alias];
    touch.properties.insert("text", Value::from(text));
    touch.properties.insert("id", Value::from(id.as_str()));
    if let Some(contact) = contact {
        touch.properties.insert("contact", Value::from(contact));
    }
    app.submit(Body::Touch(touch)).await?;
    Ok(visitor::private(json!({ "id": id, "sent": true }), None))
}

fn bounded<'a>(body: &'a Json, name: &str, chars: usize) -> Result<Option<&'a str>, Problem> {
    let text = visitor::text(body, name)?.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > chars) {
        let problem = Problem::new("invalid", format!("it has more than {chars} characters"));
        return Err(problem.at(json!({ "path": name })));
    }
    Ok(text)
}

/// What was asked and answered about this product, oldest first.
pub async fn get(
    State(app): State<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::look(&app, &headers)?)?;
    let subject = visitor::subject_of_query(&params)?;
    let messages = match session.person {
        Some(person) => past::touches(&app, person, subject, DEPTH).await,
        None => Vec::new(),
    };
    let messages: Json = messages.iter().filter_map(message).collect();
    Ok(visitor::private(json!({ "messages": messages }), None))
}

fn message(past: &Past) -> Option<Json> {
    let touch = &past.touch;
    let mine = match touch.kind.as_str() {
        "help.asked" => true,
        // Not what somebody says with a write key: it would read as if the company wrote it.
        "help.answered" if touch.trusted => false,
        _ => return None,
    };
    let id = touch.properties.text("id").map_or_else(|| format!("m{}", past.seq), str::to_owned);
    Some(json!({
        "id": id,
        "kind": touch.kind.as_str(),
        "mine": mine,
        "from": if mine { "me" } else { "company" },
        "by": touch.properties.text("by").filter(|_| !mine),
        "text": touch.properties.text("text").unwrap_or_default(),
        "time": json::time(touch.time),
    }))
}
