//! The ways in over HTTP: native touches, Segment's tracking API under its own names and the short
//! ones of its browser SDK, and the settings that this SDK asks for first.
//!
//! What can be read is answered with 200, whatever became of each item: SDKs send a batch again
//! and again if one of its items makes it fail. Refused items go to the log as they came.

use std::borrow::Cow;
use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use model::entry::{Body, KeyScope, Seq};
use model::id::Digest;
use model::limits;
use model::outcome::Outcome;
use model::touch::Source;
use serde_json::{Value as Json, json};

use super::native::{self, Defaults};
use super::segment::{self, Call};
use super::{Bad, Parsed, body};
use crate::app::{App, now};
use crate::auth;
use crate::problem::Problem;
use crate::route::{Route, Who};

/// Path, call, what it does.
const SEGMENT_PATHS: [(&str, Call, &str); 15] = [
    ("/v1/identify", Call::Identify, "Say who somebody is"),
    ("/v1/track", Call::Track, "Say what somebody did"),
    ("/v1/page", Call::Page, "Say which page was viewed"),
    ("/v1/screen", Call::Screen, "Say which screen of an app was viewed"),
    ("/v1/group", Call::Group, "Say which account somebody belongs to"),
    ("/v1/alias", Call::Alias, "Say that two ids are one person's"),
    ("/v1/batch", Call::Batch, "Several of these calls at once"),
    ("/v1/import", Call::Import, "Several of these calls from the past, times as they are"),
    ("/v1/i", Call::Identify, "The browser SDK's short form of identify"),
    ("/v1/t", Call::Track, "The browser SDK's short form of track"),
    ("/v1/p", Call::Page, "The browser SDK's short form of page"),
    ("/v1/s", Call::Screen, "The browser SDK's short form of screen"),
    ("/v1/g", Call::Group, "The browser SDK's short form of group"),
    ("/v1/a", Call::Alias, "The browser SDK's short form of alias"),
    ("/v1/b", Call::Batch, "The browser SDK's short form of batch"),
];

pub const TOUCHES: &str = "/v1/touches";
const PROBLEMS: &[&str] =
    &["bad_json", "bad_encoding", "too_large", "busy", "disk_full", "stopping"];
const KEY_QUERY: (&str, &str) = ("writeKey", "the key, where a header cannot be set");

pub fn routes() -> Vec<Route> {
    let mut routes = vec![touches_route(), settings_route()];
    for (path, call, summary) in SEGMENT_PATHS {
        let handler = post(move |State(app): State<App>, request: Request| async move {
            segment_call(&app, call, request).await
        });
        routes.push(Route {
            method: "post",
            path,
            who: Who::WriteKey,
            tag: "Segment's tracking API",
            summary,
            about: "As Segment's specification has it; the SDKs of Segment and RudderStack work \
                    unchanged. An item that is not understood does not fail the call: it is kept \
                    and listed under /v1/refused.",
            query: &[KEY_QUERY],
            body: segment_body(call),
            answer: (200, json!({"type": "object", "example": {"success": true}})),
            problems: PROBLEMS,
            handler,
        });
    }
    routes
}

fn touches_route() -> Route {
    let example = json!({"kind": "product.used", "id": "0b1f…", "aliases": {"user": "u1"},
        "products": ["/01/09506000134352/21/A1"], "properties": {"pages": 12}});
    let answer = json!({"accepted": 1, "duplicates": 0, "refused": 1, "results": [
        {"status": "accepted", "seq": 12},
        {"status": "refused", "seq": 13, "code": "bad_kind", "at": "touches[1].kind",
         "detail": "the kind is missing", "hint": "…", "line": 1, "column": 80}]});
    Route {
        method: "post",
        path: TOUCHES,
        who: Who::WriteKey,
        tag: "Touches",
        summary: "Send touches",
        about: "One object, a list, or NDJSON; plain or packed with gzip, zstd or deflate; at \
                most 10,000 touches of 32 KiB and 4 MiB in all. Each is answered in its order. A \
                touch with an `id` is counted once however often it is sent; without ids, an \
                Idempotency-Key does the same for the request.",
        query: &[KEY_QUERY],
        body: json!({"type": "object", "required": ["kind"], "example": example}),
        answer: (200, json!({"type": "object", "example": answer})),
        problems: PROBLEMS,
        handler: post(|State(app): State<App>, request: Request| take(app, request)),
    }
}

fn settings_route() -> Route {
    Route {
        method: "get",
        path: "/v1/projects/{key}/settings",
        who: Who::Public,
        tag: "Segment's tracking API",
        summary: "What Segment's browser SDK asks for before it sends",
        about: "Give this server's address to the SDK as `cdnURL`; it then sends here.",
        query: &[],
        body: Json::Null,
        answer: (
            200,
            json!({"type": "object", "example": settings_of("wk_1", "https://e.example")}),
        ),
        problems: &["bad_key"],
        handler: get(settings),
    }
}

fn segment_body(call: Call) -> Json {
    let example = match call {
        Call::Identify => json!({"userId": "u1", "traits": {"email": "ann@example.com"}}),
        Call::Track => json!({"userId": "u1", "event": "Order Completed",
            "properties": {"total": 49.9, "currency": "EUR"}}),
        Call::Page | Call::Screen => json!({"anonymousId": "a1", "name": "Home"}),
        Call::Group => json!({"userId": "u1", "groupId": "acct-1"}),
        Call::Alias => json!({"userId": "u1", "previousId": "a1"}),
        Call::Batch | Call::Import => json!({"batch": [
            {"type": "track", "userId": "u1", "event": "Order Completed"}]}),
    };
    json!({"type": "object", "example": example})
}

async fn segment_call(app: &App, call: Call, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut key = presented_key(&parts.headers, parts.uri.query()).map(|text| known(app, &text));
    if let Some(Err(problem)) = key {
        return Err(problem);
    }
    let bytes = read_body(&parts.headers, body).await?;
    let bytes = unpacked(&parts.headers, &bytes)?;
    let settled = app.settled();
    let mapping = settled.mapping.as_ref();
    let mapping = mapping.map_err(|bad| Problem::new("internal", bad.detail.clone()))?;
    let parsed = segment::parse(call, &bytes, now(), mapping)?;
    if key.is_none() {
        key = parsed.write_key.as_deref().map(|text| known(app, text));
    }
    let scope = key.unwrap_or_else(|| Err(no_key()))?;
    submit(app, parsed, Source::Segment, scope).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], "{\"success\":true}").into_response())
}

/// Answers a POST to `TOUCHES`.
pub fn take(app: App, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    Box::pin(async move { touches(&app, request).await.into_response() })
}

async fn touches(app: &App, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let key = presented_key(&parts.headers, parts.uri.query()).ok_or_else(no_key)?;
    let scope = known(app, &key)?;
    let bytes = read_body(&parts.headers, body).await?;
    let bytes = unpacked(&parts.headers, &bytes)?;
    let defaults = Defaults {
        trusted: scope == KeyScope::Secret,
        idempotency_key: text(&parts.headers, "idempotency-key"),
        ..Defaults::of(Source::Native)
    };
    let parsed = native::parse(&bytes, text(&parts.headers, "content-type"), now(), &defaults)?;
    let results = submit(app, parsed, Source::Native, scope).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer_of(&results)).into_response())
}

async fn settings(State(app): State<App>, Path(key): Path<String>) -> Result<Response, Problem> {
    known(&app, &key)?;
    Ok(json_response(&settings_of(&key, &app.settings.public_url)))
}

/// What became of one item.
pub enum Became {
    Accepted(Seq),
    Duplicate,
    /// Refused by the fold, which knows the state.
    RefusedByFold(Seq, &'static str, String),
    /// Not understood; kept under this place in the log.
    Bad(Seq, Box<Bad>),
}

/// Brings what was read to the log, refused items too, and says of each what became of it.
pub async fn submit(
    app: &App,
    parsed: Parsed,
    source: Source,
    scope: KeyScope,
) -> Result<Vec<Became>, Problem> {
    if parsed.items.is_empty() {
        return Ok(Vec::new());
    }
    // With its place in the request; mostly there is none.
    let mut bads: Vec<(usize, Box<Bad>)> = Vec::new();
    let mut bodies = Vec::with_capacity(parsed.items.len());
    for item in parsed.items {
        match item {
            Ok(mut touch) => {
                touch.trusted = scope == KeyScope::Secret;
                if touch.trusted && touch.id != Digest(0) {
                    // Whoever has the public key must not use up the ids of the company's own
                    // messages, such as the number of an order.
                    touch.id = touch.id.apart();
                }
                bodies.push(Body::Touch(touch));
            }
            Err(mut bad) => {
                let raw = std::mem::take(&mut bad.raw);
                let (code, reason) = (bad.code.into(), bad.reason().into());
                bads.push((bodies.len(), Box::new(bad)));
                bodies.push(Body::Refused { source, code, reason, raw });
            }
        }
    }
    let answers = app.engine.submit(bodies).await?;
    let mut bads = bads.into_iter().peekable();
    let became = answers.into_iter().enumerate().map(|(place, (seq, outcome))| {
        if let Some((_, bad)) = bads.next_if(|(own, _)| *own == place) {
            return Became::Bad(seq, bad);
        }
        match outcome {
            Outcome::Accepted(_) => Became::Accepted(seq),
            Outcome::Duplicate => Became::Duplicate,
            Outcome::Refused(refusal) => Became::RefusedByFold(seq, refusal.code, refusal.detail),
        }
    });
    Ok(became.collect())
}

/// The answer to native touches, as JSON. Written as text: of a hundred touches nearly all have the
/// same short answer, and a tree of values costs more than the reading of them.
pub fn answer_of(results: &[Became]) -> String {
    let count = |is: fn(&Became) -> bool| results.iter().filter(|became| is(became)).count();
    let accepted = count(|became| matches!(became, Became::Accepted(_)));
    let duplicates = count(|became| matches!(became, Became::Duplicate));
    let refused = results.len() - accepted - duplicates;
    let mut out = String::with_capacity(128 + results.len() * 48);
    out.push_str("{\"accepted\":");
    push_number(&mut out, accepted as u64);
    out.push_str(",\"duplicates\":");
    push_number(&mut out, duplicates as u64);
    out.push_str(",\"refused\":");
    push_number(&mut out, refused as u64);
    out.push_str(",\"results\":[");
    for (at, became) in results.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match became {
            Became::Accepted(seq) => {
                out.push_str("{\"seq\":");
                push_number(&mut out, *seq);
                out.push_str(",\"status\":\"accepted\"}");
            }
            Became::Duplicate => out.push_str("{\"status\":\"duplicate\"}"),
            Became::RefusedByFold(seq, code, detail) => {
                let refusal = json!({"status": "refused", "seq": seq, "code": code,
                    "detail": detail});
                out.push_str(&refusal.to_string());
            }
            Became::Bad(seq, bad) => {
                let refusal = json!({"status": "refused", "seq": seq, "code": bad.code,
                    "detail": bad.detail, "at": bad.at, "hint": bad.hint, "line": bad.line,
                    "column": bad.column});
                out.push_str(&refusal.to_string());
            }
        }
    }
    out.push_str("]}");
    out
}

fn push_number(out: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while at == digits.len() || number > 0 {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

/// As the browser SDK reads it: where to send, and that it shall measure nothing for others.
fn settings_of(key: &str, public_url: &str) -> Json {
    let (protocol, host) = public_url.split_once("://").unwrap_or(("http", public_url));
    let all = json!({"__default": {"enabled": true, "integrations": {}}});
    json!({
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": format!("{host}/v1"),
                "protocol": protocol,
                "addBundledMetadata": true,
                "unbundledIntegrations": [],
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": all, "identify": all, "group": all},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "edgeFunction": {},
    })
}

/// `Authorization`, Basic or Bearer, or `?writeKey=`.
fn presented_key<'r>(headers: &'r HeaderMap, query: Option<&'r str>) -> Option<Cow<'r, str>> {
    let in_query = || {
        let mut pairs = query?.split('&');
        let value = pairs.find_map(|pair| pair.strip_prefix("writeKey="))?;
        Some(value.into())
    };
    auth::key_text(headers).filter(|text| !text.is_empty()).or_else(in_query)
}

fn known(app: &App, text: &str) -> Result<KeyScope, Problem> {
    let key = auth::check_key(app, text.trim());
    key.map(|key| key.scope).ok_or_else(|| Problem::new("bad_key", "this write key is not known"))
}

fn no_key() -> Problem {
    Problem::new("no_key", "send the write key as the user of Basic, as Bearer or as ?writeKey=")
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What is read and thrown away of a body that is too large, so that its sender is still there to
/// hear that it is: who writes on is not listening, and sees only a broken connection.
const DISCARDED_BYTES: usize = 4 * limits::BODY_BYTES;

pub async fn read_body(headers: &HeaderMap, mut body: axum::body::Body) -> Result<Bytes, Problem> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let said: Option<usize> = said.and_then(|text| text.parse().ok());
    let fits = said.is_none_or(|len| len <= limits::BODY_BYTES);
    let mut bytes = Vec::new();
    let mut len = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::new("bad_request", "the body broke off before its end"))?;
        let Ok(data) = frame.into_data() else { continue };
        len += data.len();
        if fits && len <= limits::BODY_BYTES {
            if said == Some(len) && bytes.is_empty() {
                // All of it came at once.
                return Ok(data);
            }
            bytes.reserve(said.unwrap_or(0).saturating_sub(bytes.len()));
            bytes.extend_from_slice(&data);
        } else if len > DISCARDED_BYTES {
            break;
        }
    }
    if len > limits::BODY_BYTES || !fits {
        let problem = body::too_large(said.unwrap_or(len).max(len));
        return Err(problem.into());
    }
    Ok(bytes.into())
}

fn unpacked<'b>(headers: &HeaderMap, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, Problem> {
    Ok(body::unpack(bytes, text(headers, "content-encoding"))?)
}

fn json_response(body: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

impl From<super::Problem> for Problem {
    fn from(problem: super::Problem) -> Problem {
        let code = match problem.status {
            413 => "too_large",
            415 => "bad_encoding",
            422 => "invalid",
            _ if problem.code == "bad_json" || problem.code == "bad_text" => "bad_json",
            _ => "bad_request",
        };
        let answer = Problem::new(code, format!("{}; {}", problem.detail, problem.hint));
        match problem.place {
            Some((line, column)) => answer.at(json!({"line": line, "column": column})),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, StatusCode};

    use super::super::mapping::Mapping;
    use super::*;

    #[test]
    fn each_call_has_its_long_and_its_short_path() {
        for (call, long, short) in segment::CALLS {
            for name in [long, short] {
                let path = format!("/v1/{name}");
                let row = SEGMENT_PATHS.iter().find(|row| row.0 == path);
                assert_eq!(row.map(|row| row.1), Some(call), "{path}");
            }
        }
    }

    #[test]
    fn the_browser_is_sent_to_this_server() {
        let settings = settings_of("wk_1", "https://everbond.example:8443");
        let segment = &settings["integrations"]["Segment.io"];
        assert_eq!(segment["apiHost"], "everbond.example:8443/v1");
        assert_eq!((&segment["protocol"], &segment["apiKey"]), (&json!("https"), &json!("wk_1")));
    }

    #[test]
    fn keys_are_found_in_headers_and_queries() {
        let mut headers = HeaderMap::new();
        assert_eq!(presented_key(&headers, None), None);
        let query = Some("a=b&writeKey=wk_1_x");
        assert_eq!(presented_key(&headers, query).as_deref(), Some("wk_1_x"));
        // "wk_2_y:" as user and empty password
        let basic = HeaderValue::from_static("Basic d2tfMl95Og==");
        headers.insert(header::AUTHORIZATION, basic);
        assert_eq!(presented_key(&headers, query).as_deref(), Some("wk_2_y"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer wk_3_z"));
        assert_eq!(presented_key(&headers, None).as_deref(), Some("wk_3_z"));
    }

    #[test]
    fn answers_count_and_keep_the_order() {
        let bad = Bad::new("bad_kind", "touches[2].kind", "the kind is missing", "name it");
        let mut results =
            vec![Became::Accepted(12), Became::Duplicate, Became::Bad(14, Box::new(bad))];
        results.extend([Became::Accepted(0), Became::Accepted(u64::MAX)]);
        let answer: Json = serde_json::from_str(&answer_of(&results)).expect("it is JSON");
        assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(3), &json!(1)));
        assert_eq!(answer["results"][3]["seq"], 0);
        assert_eq!(answer["results"][4]["seq"], u64::MAX);
        assert_eq!(answer["duplicates"], 1);
        assert_eq!(answer["results"][0], json!({"status": "accepted", "seq": 12}));
        assert_eq!(answer["results"][2]["at"], "touches[2].kind");
    }

    #[test]
    fn problems_keep_their_status_and_place() {
        let body = b"{\"batch\":[\n,]}";
        let problem = segment::parse(Call::Batch, body, now(), &Mapping::default());
        let answer = Problem::from(problem.expect_err("no JSON"));
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let json = answer.to_json();
        assert_eq!((&json["code"], &json["at"]["line"]), (&json!("bad_json"), &json!(2)));
        assert!(json["message"].is_string());
        let large = Problem::from(body::too_large(9));
        assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
