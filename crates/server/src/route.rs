//! The table of routes: each row has its address, who may call it, what it takes and gives, and
//! the handler. The router, the OpenAPI document, the readable page and the tests of who may do
//! what are all made from these rows, so none of them can be forgotten.

use axum::Router;
use axum::routing::MethodRouter;
use serde_json::Value;

use crate::app::App;

pub struct Route {
    /// `get`, `put`, `post`, `delete`
    pub method: &'static str,
    /// As axum and OpenAPI write it: `/v1/models/{gtin}`.
    pub path: &'static str,
    pub who: Who,
    /// The group in the documentation: `Touches`, `Products`, …
    pub tag: &'static str,
    pub summary: &'static str,
    /// More than the summary says: units, limits, what happens on a repeat.
    pub about: &'static str,
    /// Query parameters: name and what it does.
    pub query: &'static [(&'static str, &'static str)],
    /// JSON Schema of the body, with an example; `Null` if there is none.
    pub body: Value,
    /// The status of success and its JSON Schema, with an example.
    pub answer: (u16, Value),
    /// Codes of the problem table that it may answer, beside those of its credential.
    pub problems: &'static [&'static str],
    pub handler: MethodRouter<App>,
}

/// Which credential a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody.
    Public,
    /// A write key or a secret key.
    WriteKey,
    SecretKey,
    /// The companion's session; a changing call carries `X-Everbond: 1`.
    Owner,
    /// The session, where there is one.
    OwnerOrPublic,
}

/// The axum router of these rows.
pub fn router(routes: Vec<Route>) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}
