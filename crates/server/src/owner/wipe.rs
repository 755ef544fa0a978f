//! The wipe at the person's own word. At once nothing leads to them any more; the receipt says
//! when the last byte is overwritten.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::entry::Body;
use serde_json::json;

use super::visitor;
use crate::api::receipts;
use crate::app::{App, random_u64};
use crate::auth;
use crate::problem::Problem;

pub async fn delete(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let session = visitor::known(visitor::change(&app, &headers)?)?;
    let Some(person) = session.person else {
        let mut response =
            Problem::new("no_such_person", "nothing is known of you").into_response();
        visitor::set_cookie(&mut response, Some(auth::no_session()));
        return Ok(response);
    };
    let receipt = random_u64();
    app.submit(Body::Wipe { person, receipt }).await?;
    app.memory.forget_person(person);
    let id = receipts::name(receipt);
    let body = json!({ "receipt": { "id": id, "url": format!("/v1/receipts/{id}") } });
    let mut response = visitor::private(body, Some(auth::no_session()));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
