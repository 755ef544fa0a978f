//! What the calls of the server API share: the credential, pages of lists, names in addresses,
//! answers, and calls that may be sent again.

use std::collections::BTreeMap;
use std::future::Future;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use engine::History;
use model::entry::{Body, Entry, Seq};
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, PersonId};
use model::limits;
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::auth::{self, KeyUse};
use crate::memory::Answer;
use crate::problem::Problem;
use crate::route::{Route, Who};

/// The secret key of the call. As the first argument of a handler nothing else is read before it
/// is checked.
pub struct Secret(pub KeyUse);

impl FromRequestParts<App> for Secret {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Secret, Problem> {
        auth::secret(app, &parts.headers).map(Secret)
    }
}

/// Notes for the person that their data was looked at, before it is shown. The same look by the
/// same key is noted once a minute.
pub async fn looked(
    app: &App,
    key: &Secret,
    person: PersonId,
    what: &'static str,
) -> Result<(), Problem> {
    let Some(name) = app.engine.state().key(&key.0.id).map(|own| own.name.clone()) else {
        return Err(Problem::new("bad_key", "it was taken away just now"));
    };
    let same = Digest::of(&[key.0.id.as_bytes(), &person.0.to_be_bytes(), what.as_bytes()]);
    if app.limiter.take("look", same.0 as u64, 1).is_err() {
        return Ok(());
    }
    let who = if name.is_empty() { key.0.id.clone() } else { name };
    app.submit(Body::Looked { person, who, what: what.into() }).await.map(drop)
}

pub type Params = Query<BTreeMap<String, String>>;

pub const PAGE_QUERY: &[(&str, &str)] = &[
    ("cursor", "Where the page before ended: its `next`"),
    ("limit", "Items of a page: 50 if not given, at most 500"),
];

/// One row with what most of them share.
pub fn row(
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    about: &'static str,
    handler: MethodRouter<App>,
) -> Route {
    Route {
        method,
        path,
        who: Who::SecretKey,
        tag,
        summary,
        about,
        query: &[],
        body: Json::Null,
        answer: (200, json!({ "type": "object" })),
        problems: if matches!(method, "put" | "post") { &["invalid", "bad_json"] } else { &[] },
        handler,
    }
}

/// The answer of a list, for its row.
pub fn list_answer(item: Json) -> (u16, Json) {
    let example = json!({ "items": [item], "next": null });
    (
        200,
        json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": { "type": "object" } },
                "next": { "type": ["string", "null"] },
            },
            "example": example,
        }),
    )
}

/// An object by its example, for a row.
pub fn object(example: Json) -> Json {
    json!({ "type": "object", "example": example })
}

pub fn answer(status: StatusCode, body: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The same with a body that is JSON already.
pub fn ok_text(body: String) -> Response {
    let mut response = Response::new(body.into());
    // Room for what every answer gets.
    response.headers_mut().reserve(8);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

pub fn ok(body: &Json) -> Response {
    answer(StatusCode::OK, body)
}

/// What a page of a list is asked for with.
pub struct Page {
    pub cursor: Option<String>,
    pub limit: usize,
}

pub fn page(params: &Params) -> Result<Page, Problem> {
    let limit = match params.get("limit") {
        None => limits::PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| *limit >= 1)
            .ok_or_else(|| invalid("limit", "it is not a whole number from 1 on"))?,
    };
    let cursor = params.get("cursor").filter(|text| !text.is_empty()).cloned();
    Ok(Page { cursor, limit: limit.min(limits::PAGE_MAX) })
}

impl Page {
    /// A cursor that is a place in the log: what comes is older.
    pub fn before(&self) -> Result<Option<Seq>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad_cursor())
    }
}

pub fn bad_cursor() -> Problem {
    invalid("cursor", "this is not a cursor of this list; take the `next` of the page before")
}

/// `items` may hold one more than the page: then there is a next one, after the last shown.
pub fn listed<T>(
    page: &Page,
    mut items: Vec<T>,
    cursor: impl Fn(&T) -> String,
    show: impl FnMut(&T) -> Json,
) -> Json {
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(cursor);
    json!({ "items": items.iter().map(show).collect::<Json>(), "next": next })
}

/// One page of what is in order of its text.
pub fn listed_after<'a, T: 'a>(
    page: &Page,
    all: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> String,
    show: impl Fn(&T) -> Json,
) -> Json {
    let after = |item: &&T| page.cursor.as_ref().is_none_or(|cursor| key(item) > *cursor);
    let items: Vec<&T> = all.filter(after).take(page.limit + 1).collect();
    listed(page, items, |item| key(item), |item| show(item))
}

/// A mistake in the request, with the place.
pub fn invalid(path: &str, detail: impl Into<String>) -> Problem {
    Problem::new("invalid", detail).at(json!({ "path": path }))
}

pub fn gtin(text: &str) -> Result<Gtin, Problem> {
    text.parse().map_err(|error| invalid("gtin", format!("{error}")))
}

pub fn unit(gtin_text: &str, serial: &str) -> Result<Subject, Problem> {
    let serial = Serial::new(serial).map_err(|error| invalid("serial", format!("{error}")))?;
    Ok(Subject::unit(gtin(gtin_text)?, serial))
}

/// `p12`, or an alias such as `user:u1`.
pub fn person(app: &App, named: &str) -> Result<PersonId, Problem> {
    app.find_person(named).ok_or_else(no_such_person)
}

pub fn no_such_person() -> Problem {
    Problem::new("no_such_person", "nobody is known by this id; write p12 or user:u1")
        .at(json!({ "path": "person" }))
}

/// Entries of the log, read on a thread that may wait for the disk.
pub async fn entries(app: &App, seqs: Vec<Seq>) -> Vec<Entry> {
    if seqs.is_empty() {
        return Vec::new();
    }
    let app = app.clone();
    blocking(move || entries_now(&app, &seqs)).await
}

/// The same, for a thread that may wait.
pub fn entries_now(app: &App, seqs: &[Seq]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(seqs.len());
    let history = runtime::LogHistory(app.engine.reader().clone());
    history.entries(seqs, &mut |entry| entries.push(entry));
    entries
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Does `work` once for each `Idempotency-Key` of a credential; a repeat gets the same answer. A
/// call that failed may be tried again with the same key.
pub async fn once<F>(
    app: &App,
    key: &KeyUse,
    call: &str,
    headers: &HeaderMap,
    body: &[u8],
    work: F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<(StatusCode, Json), Problem>>,
{
    let Some(given) = headers.get("idempotency-key") else {
        return work.await.map(|(status, body)| answer(status, &body));
    };
    let name = [b"once", key.id.as_bytes(), call.as_bytes(), given.as_bytes()];
    let (name, sent) = (Digest::of(&name), Digest::of(&[body]));
    match app.memory.begin_answer(name) {
        None => {}
        Some(Answer::Running) => {
            return Err(Problem::new("conflict", "a call with this Idempotency-Key is at work"));
        }
        Some(Answer::Done(own, ..)) if own != sent => {
            let detail = "this Idempotency-Key came with another body before";
            return Err(Problem::new("conflict", detail));
        }
        Some(Answer::Done(_, status, body)) => {
            let status = StatusCode::from_u16(status).expect("it was one when it was kept");
            return Ok(answer(status, &body));
        }
    }
    // If the caller goes away in the middle, the key is free again.
    let mut ending = Ending { app, name, answer: None };
    let (status, body) = work.await?;
    ending.answer = Some(Answer::Done(sent, status.as_u16(), body.clone()));
    Ok(answer(status, &body))
}

struct Ending<'a> {
    app: &'a App,
    name: Digest,
    answer: Option<Answer>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.app.memory.end_answer(self.name, self.answer.take());
    }
}
