//! The session: a secret in a cookie, made when a call first needs one. Its hash is an alias of
//! the person, so there is no table of sessions and a wipe ends it.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::visitor::{self, Params};
use crate::app::App;
use crate::auth;
use crate::problem::Problem;

pub async fn post(
    State(app): State<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (session, cookie) = match visitor::change(&app, &headers)? {
        Some(session) => (session, None),
        None => {
            let (session, cookie) = auth::new_session(&app);
            (session, Some(cookie))
        }
    };
    let person = session.person.map(|person| person.to_string());
    let body = json!({ "person": person, "locale": visitor::locale(&params, &headers) });
    Ok(visitor::private(body, cookie))
}
