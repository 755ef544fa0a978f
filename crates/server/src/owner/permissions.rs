//! The switches: giving a permission and withdrawing it. Each turn of a switch is a touch.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use model::entry::Body;
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use model::value::Value;
use serde_json::json;

use super::visitor::{self, Sent};
use crate::app::{App, now};
use crate::json;
use crate::problem::Problem;

const PER_MINUTE: u32 = 60;

pub async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::change(&app, &headers)?)?;
    visitor::limited(&app, "permissions", session.alias.value.as_bytes(), PER_MINUTE)?;
    let body = visitor::body(sent)?;
    let purpose = visitor::text(&body, "purpose")?.unwrap_or_default();
    let asked = app
        .engine
        .state()
        .journeys()
        .any(|(_, _, journey)| journey.permissions.iter().any(|own| own.purpose == purpose));
    if !asked {
        let problem = Problem::new("invalid", "no journey asks for this permission");
        return Err(problem.at(json!({ "path": "purpose" })));
    }
    let Some(given) = body["given"].as_bool() else {
        return Err(Problem::new("invalid", "true or false").at(json!({ "path": "given" })));
    };
    let kind = Kind::of(if given { "consent.given" } else { "consent.withdrawn" });
    let time = now();
    let mut touch = Touch::new(kind, time, Source::Companion);
    touch.channel = Some(Channel::Companion);
    touch.aliases = vec![session.alias];
    touch.properties.insert("purpose", Value::from(purpose));
    app.submit(Body::Touch(touch)).await?;
    let answer = json!({ "purpose": purpose, "given": given, "changed": json::time(time) });
    Ok(visitor::private(answer, None))
}
