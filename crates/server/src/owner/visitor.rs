//! Whoever calls from a phone: the session behind the cookie, the language, the product that a
//! call names. The person is always the session's; no call takes another.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use model::gs1::{Gtin, Serial, Subject};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::auth::{self, Session};
use crate::problem::Problem;

pub type Params = HashMap<String, String>;
pub type Sent = Result<Bytes, BytesRejection>;

const LOCALE_BYTES: usize = 35;

/// The session of a call that only looks, if it has one.
pub fn look(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    auth::session(app, &Method::GET, headers)
}

/// The session of a call that changes something. Also without one the call must come from our own
/// page: a session that another site could make would be one whose owner did not ask for it.
pub fn change(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    if !headers.contains_key(auth::CSRF_HEADER) {
        return Err(Problem::new("csrf", "a call that changes something needs this header"));
    }
    auth::session(app, &Method::POST, headers)
}

/// A session is needed.
pub fn known(session: Option<Session>) -> Result<Session, Problem> {
    session.ok_or_else(|| Problem::new("no_key", "this call needs the companion's session"))
}

/// A number for the limiter that stands for a session.
pub fn limited(app: &App, what: &'static str, who: &[u8], per_minute: u32) -> Result<(), Problem> {
    let who = model::id::Digest::of(&[b"limit", who]).0 as u64;
    app.limiter.take(what, who, per_minute).map_err(|seconds| {
        Problem::new("too_many", "this was asked for too often").retry_after(seconds)
    })
}

/// `?locale=`, else the language that the browser likes best, else English.
pub fn locale(params: &Params, headers: &HeaderMap) -> String {
    let asked = params.get("locale").and_then(|text| clean(text));
    let liked = || headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok().and_then(best);
    asked.or_else(liked).unwrap_or_else(|| "en".into())
}

fn best(header: &str) -> Option<String> {
    let weighted = header.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let tag = clean(parts.next()?)?;
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight: f64 = weight.map_or(Ok(1.0), str::parse).ok()?;
        (weight > 0.0).then_some((tag, weight))
    });
    // Of equal weights the first wins.
    let first = weighted.fold(None, |best: Option<(String, f64)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    });
    first.map(|(tag, _)| tag)
}

fn clean(tag: &str) -> Option<String> {
    let tag = tag.trim().replace('_', "-").to_ascii_lowercase();
    let good = (2..=LOCALE_BYTES).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    good.then_some(tag)
}

/// From `gtin` and `serial`, as a query or a body has them.
pub fn subject(gtin: Option<&str>, serial: Option<&str>) -> Result<Subject, Problem> {
    let Some(gtin) = gtin else {
        return Err(Problem::new("invalid", "the GTIN is missing").at(json!({ "path": "gtin" })));
    };
    let gtin: Gtin = gtin.trim().parse().map_err(|error: model::gs1::KeyError| {
        Problem::new("invalid", error.to_string()).at(json!({ "path": "gtin" }))
    })?;
    match serial.filter(|serial| !serial.is_empty()) {
        None => Ok(Subject::model(gtin)),
        Some(serial) => {
            let serial = Serial::new(serial).map_err(|error| {
                Problem::new("invalid", error.to_string()).at(json!({ "path": "serial" }))
            })?;
            Ok(Subject::unit(gtin, serial))
        }
    }
}

pub fn subject_of_query(params: &Params) -> Result<Subject, Problem> {
    let text = |name: &str| params.get(name).map(String::as_str);
    subject(text("gtin"), text("serial"))
}

pub fn subject_of_body(body: &Json) -> Result<Subject, Problem> {
    subject(text(body, "gtin")?, text(body, "serial")?)
}

/// `?gtin=…&serial=…`, the serial encoded.
pub fn query_of(subject: Subject) -> String {
    let path = subject.path();
    match path.split_once("/21/") {
        Some((_, serial)) => format!("?gtin={}&serial={serial}", subject.gtin),
        None => format!("?gtin={}", subject.gtin),
    }
}

pub fn bytes(sent: Sent) -> Result<Bytes, Problem> {
    sent.map_err(|rejection| match rejection.into_response().status().as_u16() {
        413 => Problem::new("too_large", "the body is longer than this call takes"),
        _ => Problem::new("bad_request", "the body broke off"),
    })
}

/// The body as a JSON object.
pub fn body(sent: Sent) -> Result<Json, Problem> {
    let bytes = bytes(sent)?;
    let body: Json = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new("bad_json", crate::ingest::json::sentence(&error))
            .at(json!({ "line": error.line(), "column": error.column() }))
    })?;
    if body.is_object() {
        return Ok(body);
    }
    Err(Problem::new("bad_json", "the body is not an object"))
}

/// A field that is a text or not there.
pub fn text<'a>(body: &'a Json, name: &str) -> Result<Option<&'a str>, Problem> {
    match &body[name] {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        _ => Err(Problem::new("invalid", "it is not a text").at(json!({ "path": name }))),
    }
}

/// An answer that no cache may keep: it is one person's.
pub fn private(body: Json, cookie: Option<String>) -> Response {
    let mut response = axum::response::Response::new(body.to_string().into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Cookie, Accept-Language"));
    set_cookie(&mut response, cookie);
    response
}

pub fn set_cookie(response: &mut Response, cookie: Option<String>) {
    if let Some(cookie) = cookie {
        let value = HeaderValue::try_from(cookie).expect("a cookie is made of plain letters");
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best_is_taken() {
        let none = Params::new();
        let mut headers = HeaderMap::new();
        assert_eq!(locale(&none, &headers), "en");
        let value = HeaderValue::from_static("fr;q=0.2, de-AT, en;q=0.9");
        headers.insert(header::ACCEPT_LANGUAGE, value);
        assert_eq!(locale(&none, &headers), "de-at");
        let asked = Params::from([("locale".to_owned(), "EN_us".to_owned())]);
        assert_eq!(locale(&asked, &headers), "en-us");
        let odd = Params::from([("locale".to_owned(), "<b>".to_owned())]);
        assert_eq!(locale(&odd, &headers), "de-at");
    }

    #[test]
    fn a_serial_is_encoded_in_a_query() {
        let unit = subject(Some("09506000134352"), Some("A/1")).expect("valid");
        assert_eq!(query_of(unit), "?gtin=09506000134352&serial=A%2F1");
        assert!(subject(Some("09506000134353"), None).is_err());
        assert!(subject(None, Some("A1")).is_err());
    }
}
