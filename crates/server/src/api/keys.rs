//! Keys: the credentials of a company's systems. A key's text is shown once, when it is made.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};
use model::entry::{Body, Key, KeyScope};
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::Form;
use crate::app::App;
use crate::auth;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;
use crate::serve::key_of;

const TAG: &str = "Keys";
const KEYS: usize = 1_000;

pub fn routes() -> Vec<Route> {
    let example = json!({ "id": "wk_1a2b3c4d", "name": "web shop", "scope": "write",
        "made": "2026-11-22T10:00:00.000Z" });
    let mut made = example.clone();
    made["key"] = "wk_1a2b3c4d_…".into();
    vec![
        Route {
            body: object(json!({ "name": "web shop", "scope": "write" })),
            answer: (201, object(made)),
            problems: &["invalid", "conflict"],
            ..row(
                "post",
                "/v1/keys",
                TAG,
                "Make a key",
                "`write` keys can only send touches and may be public; `secret` keys can do all. \
                 `key` is shown this once; only its hash is kept.",
                post(make),
            )
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(example),
            ..row("get", "/v1/keys", TAG, "All keys", "Without their secrets.", get(list))
        },
        Route {
            answer: (200, object(json!({ "dropped": "wk_1a2b3c4d" }))),
            problems: &["not_found", "conflict"],
            ..row(
                "delete",
                "/v1/keys/{id}",
                TAG,
                "Drop a key",
                "It stops working at once. The key of this very call cannot be dropped with it.",
                delete(drop_one),
            )
        },
    ]
}

async fn make(
    State(app): State<App>,
    key: Secret,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let work = async {
        let mut form = Form::read_small(&body, &["name", "scope"])?;
        let name = form.word("name")?;
        if name.len() > model::limits::NAME_BYTES {
            return Err(invalid("name", "it has more than 64 bytes"));
        }
        let scope = match &*form.word("scope")? {
            "write" => KeyScope::Write,
            "secret" => KeyScope::Secret,
            _ => return Err(invalid("scope", "it is write or secret")),
        };
        if app.engine.state().keys().count() >= KEYS {
            return Err(Problem::new("conflict", format!("there are {KEYS} keys; drop some")));
        }
        let (_, text) = auth::new_key(scope);
        let made = key_of(scope, &name, &text);
        let mut shown = key_json(&made);
        shown["key"] = text.into();
        app.submit(Body::PutKey(made)).await?;
        Ok((StatusCode::CREATED, shown))
    };
    call::once(&app, &key.0, "keys", &headers, &body, work).await
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let state = app.engine.state();
    let key = |key: &Key| key.id.to_string();
    Ok(call::ok(&call::listed_after(&page, state.keys(), key, key_json)))
}

async fn drop_one(
    State(app): State<App>,
    key: Secret,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    if app.engine.state().key(&id).is_none() {
        return Err(Problem::new("not_found", "no key has this id"));
    }
    if *key.0.id == *id {
        return Err(Problem::new("conflict", "this call uses it; drop it with another key"));
    }
    app.submit(Body::DropKey { id: id.as_str().into() }).await?;
    Ok(call::ok(&json!({ "dropped": id })))
}

fn key_json(key: &Key) -> Json {
    let scope = match key.scope {
        KeyScope::Write => "write",
        KeyScope::Secret => "secret",
    };
    json!({ "id": key.id, "name": key.name, "scope": scope, "made": json::time(key.made) })
}
