//! The claim: the code from the box makes the session's person the owner.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use model::context::Context;
use model::entry::Body;
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use model::value::Value;
use serde_json::json;

use super::page;
use super::visitor::{self, Params, Sent};
use crate::app::{App, now};
use crate::auth;
use crate::claim::claim_hex;
use crate::problem::Problem;

const PER_SESSION: u32 = 10;
/// A session costs nothing to make, so the unit has a limit of its own; the fold locks it for a
/// day after ten wrong codes besides.
const PER_UNIT: u32 = 20;
const CODE_CHARS: usize = 100;

pub async fn post(
    State(app): State<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let session = visitor::change(&app, &headers)?;
    let body = visitor::body(sent)?;
    let subject = visitor::subject_of_body(&body)?;
    if !subject.is_unit() {
        let problem = Problem::new("invalid", "a claim is for one unit; the serial is missing");
        return Err(problem.at(json!({ "path": "serial" })));
    }
    let code = visitor::text(&body, "code")?.map(str::trim).unwrap_or_default();
    if code.is_empty() || code.chars().count() > CODE_CHARS {
        let problem = Problem::new("invalid", "the code from the box is missing or too long");
        return Err(problem.at(json!({ "path": "code" })));
    }
    if let Some(session) = &session {
        visitor::limited(&app, "claim", session.alias.value.as_bytes(), PER_SESSION)?;
    }
    visitor::limited(&app, "claim_unit", &subject.to_bytes(), PER_UNIT)?;
    let (session, cookie) = match session {
        Some(session) => (session, None),
        None => {
            let (session, cookie) = auth::new_session(&app);
            (session, Some(cookie))
        }
    };
    let time = now();
    let mut touch = Touch::new(Kind::of("product.claimed"), time, Source::Companion);
    touch.channel = Some(Channel::Companion);
    touch.products = vec![subject];
    touch.aliases = vec![session.alias.clone()];
    touch.properties.insert("code_sha256", Value::from(claim_hex(code).as_str()));
    app.submit(Body::Touch(touch)).await?;
    let locale = visitor::locale(&params, &headers);
    let context = Context {
        time,
        channel: Some(Channel::Companion),
        locale: Some(locale.as_str().into()),
        zone: visitor_zone(&params),
        ..Context::default()
    };
    let page = page::build(&app, Some(&session), subject, context, &locale).await?;
    Ok(visitor::private(page, cookie))
}

fn visitor_zone(params: &Params) -> Option<Box<str>> {
    params.get("tz").filter(|zone| zone.len() <= 64).map(|zone| zone.as_str().into())
}
