//! Decisions: what to show to whom, here and now, and why.

use std::cell::RefCell;
use std::pin::Pin;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use model::context::Context;
use model::gs1::Subject;
use model::id::PersonId;
use model::limits;
use model::touch::{CHANNELS, Channel, Location};
use serde_json::json;

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::{self, Form};
use crate::app::{App, now};
use crate::auth;
use crate::deciding::{self, Asker, Decided, Telling};
use crate::ingest::cursor::Cursor;
use crate::ingest::json::{Node, time_of};
use crate::ingest::parts;
use crate::ingest::routes::read_body;
use crate::json::write::{Out, digits};
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Decisions";
pub const DECISIONS: &str = "/v1/decisions";
const CONTEXT: &[&str] = &[
    "time",
    "lat",
    "lon",
    "place",
    "setting",
    "channel",
    "locale",
    "tz",
    "weather",
    "role",
    "near_product",
    "campaign",
];

pub fn routes() -> Vec<Route> {
    let reason = json!({ "code": "stage", "text": "Because of where you are now: Yours." });
    let example = json!({
        "id": "d_9f86d081884c7d65", "person": "p3", "product": "/01/09506000134352/21/A1",
        "journey": "printer", "version": 1, "stage": "support",
        "menu": [{ "id": "guides", "title": "How to", "text": "", "icon": null, "open": "/guides",
            "rank": 0, "reason": reason }],
        "offers": [], "steps": [], "not_shown": [] });
    vec![
        Route {
            body: object(json!({ "person": "user:u1", "product": "/01/09506000134352/21/A1",
                "context": { "lat": 52.52, "lon": 13.405, "channel": "app", "locale": "de" } })),
            answer: (200, object(example.clone())),
            problems: &["invalid", "bad_json", "no_such_person", "too_large"],
            ..row(
                "post",
                DECISIONS,
                TAG,
                "Decide what to show",
                "Menu, offers and steps for a person (or nobody), a product and a context, each \
                 with the reason. What is new to the person counts as shown, and offers get \
                 their codes, unless `preview` is true.",
                post(decisions),
            )
        },
        Route {
            query: &[("locale", "The language of texts and reasons; that of the decision else")],
            answer: (
                200,
                object(json!({ "id": "d_9f86d081884c7d65", "items": [{
                "what": "offer", "id": "shop-50", "title": "50 off", "shown": false,
                "reason": { "code": "cap_day", "text": "Today's are all gone." },
                "used": [{ "name": "context.place.distance_m", "value": 118.2 }] }] })),
            ),
            problems: &["not_found"],
            ..row(
                "get",
                "/v1/decisions/{id}",
                TAG,
                "Why a decision was as it was",
                "Every item that was looked at, shown or not, with the reason and the data. What \
                 showed nothing new is known for an hour while there is room, everything else for \
                 good.",
                get(one),
            )
        },
    ]
}

/// Answers a POST to `DECISIONS`.
pub fn decide(app: App, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
    Box::pin(async move { decisions(State(app), request).await.into_response() })
}

#[derive(Debug, PartialEq)]
struct Asked {
    asker: Asker,
    subject: Subject,
    context: Context,
    preview: bool,
}

async fn decisions(State(app): State<App>, request: Request) -> Result<Response, Response> {
    auth::secret(&app, request.headers()).map_err(Problem::into_response)?;
    let body = body_of(request).await?;
    answer(&app, &body).await.map_err(Problem::into_response)
}

/// What is small and says so needs no limit put around it.
async fn body_of(mut request: Request) -> Result<Bytes, Response> {
    let said = request.headers().get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok());
    if said.and_then(|len| len.parse().ok()).is_some_and(|len: usize| len <= limits::TOUCH_BYTES) {
        let (parts, body) = request.into_parts();
        return read_body(&parts.headers, body).await.map_err(Problem::into_response);
    }
    DefaultBodyLimit::max(limits::BODY_BYTES).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(IntoResponse::into_response)
}

async fn answer(app: &App, body: &[u8]) -> Result<Response, Problem> {
    let Asked { asker, subject, context, preview } = read(body)?;
    let show = |state: &engine::State, decided: &Decided| shown(app, state, decided, preview);
    let shown = deciding::decide_and_record(app, asker, subject, context, preview, show).await?;
    Ok(call::ok_text(shown))
}

fn shown(app: &App, state: &engine::State, decided: &Decided, preview: bool) -> String {
    let decision = &decided.decision;
    let locale = decision.context.locale.as_deref().unwrap_or("en");
    let telling = Telling::new(app, state, decision, &decided.grants, locale);
    let mut out = telling.out();
    out.object(|out| {
        telling.write_shown(out);
        write_person(decided.person, out);
        telling.write_standing(out);
        telling.write_why(true, out.key("not_shown"));
        out.key("preview").bool(preview);
    });
    out.into_text()
}

fn write_person(person: Option<PersonId>, out: &mut Out) {
    match person {
        None => out.key("person").null(),
        Some(person) => out.key("person").text_of(|out| {
            out.plain("p");
            out.push(digits(person.0, &mut [0; 20]));
        }),
    }
}

fn read(body: &[u8]) -> Result<Asked, Problem> {
    at_a_glance(body).map_or_else(|| carefully(body), Ok)
}

/// What is written in an ordinary way, in one pass; the careful reader has the words for mistakes.
fn at_a_glance(body: &[u8]) -> Option<Asked> {
    let body = Some(body).filter(|body| body.len() <= limits::TOUCH_BYTES)?;
    let mut cursor = Cursor::new(form::text_of(body).ok()?);
    let (mut asker, mut subject, mut context, mut preview) = (None, None, None, false);
    cursor.object(|cursor, name| {
        match &*name {
            "person" => asker = word(cursor)?,
            "product" => {
                subject = Some(parts::subject_of_link(&cursor.text()?, "product").ok()?);
            }
            "context" => context = Some(context_at_a_glance(cursor)?),
            "preview" => preview = bool(cursor)?.unwrap_or(false),
            _ => return None,
        }
        Some(())
    })?;
    cursor.is_at_end().then_some(())?;
    let asker = asker.map_or(Asker::Known(None, None), Asker::Named);
    let context = context.unwrap_or_else(|| Context { time: now(), ..Context::default() });
    Some(Asked { asker, subject: subject?, context, preview })
}

fn context_at_a_glance(cursor: &mut Cursor<'_>) -> Option<Context> {
    let mut context = Context::default();
    let (mut time, mut lat, mut lon) = (None, None, None);
    cursor.object(|cursor, name| {
        match &*name {
            "time" => time = Some(time_of(&cursor.scalar()?)?),
            "lat" => lat = Some(cursor.scalar()?.number()?),
            "lon" => lon = Some(cursor.scalar()?.number()?),
            "place" => context.place = word(cursor)?,
            "setting" => {
                let known = |own: &str| engine::condition::SETTINGS.contains(&own);
                context.setting = Some(word(cursor)?.filter(|own| known(own))?);
            }
            "channel" => context.channel = Some(Channel::named(&word(cursor)??)?),
            "locale" => {
                context.locale = word(cursor)?;
                if let Some(locale) = &mut context.locale {
                    locale.make_ascii_lowercase();
                }
            }
            "tz" => context.zone = Some(word(cursor)?.filter(|own| is_zone(own))?),
            "weather" => context.weather = cursor.map()?,
            "role" => context.role = word(cursor)?,
            "near_product" => context.near_product = bool(cursor)?,
            "campaign" => context.campaign = word(cursor)?,
            _ => return None,
        }
        Some(())
    })?;
    context.location = match (lat, lon) {
        (None, None) => None,
        (lat, lon) => Some(Location::degrees(lat?, lon?)?),
    };
    context.time = time.unwrap_or_else(now);
    Some(context)
}

/// A text as a form reads it: nothing if it is empty or `null`.
fn word(cursor: &mut Cursor<'_>) -> Option<Option<Box<str>>> {
    let node = cursor.scalar()?;
    form::text_node(&node, String::new).ok()
}

fn bool(cursor: &mut Cursor<'_>) -> Option<Option<bool>> {
    match cursor.scalar()? {
        Node::Null => Some(None),
        Node::Bool(bool) => Some(Some(bool)),
        _ => None,
    }
}

/// Whether conditions know the zone, not this machine's files. Which thread asks for the same one
/// again need not look for it.
fn is_zone(name: &str) -> bool {
    thread_local! {
        static LAST: RefCell<String> = const { RefCell::new(String::new()) };
    }
    LAST.with_borrow_mut(|last| {
        let known = || engine::condition::zone(name).is_some_and(|own| own.iana_name().is_some());
        let is_zone = *last == *name || known();
        if is_zone && *last != *name {
            name.clone_into(last);
        }
        is_zone
    })
}

fn carefully(body: &[u8]) -> Result<Asked, Problem> {
    let mut form = Form::read_small(body, &["person", "product", "context", "preview"])?;
    let subject = product(form.take("product"))?;
    let asker = form.text("person")?.map_or(Asker::Known(None, None), Asker::Named);
    let context = match form.take("context") {
        Node::Null => Context { time: now(), ..Context::default() },
        node => context(Form::of(node, "context", CONTEXT)?)?,
    };
    Ok(Asked { asker, subject, context, preview: form.bool("preview")?.unwrap_or(false) })
}

/// `/01/…`, or `{"gtin","serial"}`.
fn product(node: Node<'_>) -> Result<Subject, Problem> {
    match &node {
        Node::Text(link) => parts::subject_of_link(link, "product").map_err(form::problem),
        Node::Map(_) => {
            let field = |name| node.get(name).cloned().unwrap_or_default();
            let pair = parts::subject_of_pair(&field("gtin"), &field("serial"), "product");
            pair.map_err(form::problem)
        }
        _ => Err(invalid("product", "name the product: /01/GTIN or /01/GTIN/21/SERIAL")),
    }
}

fn context(mut form: Form<'_>) -> Result<Context, Problem> {
    let (lat, lon) = (form.number("lat")?, form.number("lon")?);
    let location = match (lat, lon) {
        (None, None) => None,
        (Some(lat), Some(lon)) => {
            let location = Location::degrees(lat, lon);
            let detail = "lat is -90 to 90 and lon is -180 to 180 degrees";
            Some(location.ok_or_else(|| invalid("context.lat", detail))?)
        }
        _ => return Err(invalid("context.lat", "give both lat and lon")),
    };
    let channel = match form.text("channel")? {
        None => None,
        Some(name) => Some(Channel::named(&name).ok_or_else(|| {
            let names = CHANNELS.map(|(_, name)| name).join(", ");
            invalid("context.channel", format!("it is one of {names}"))
        })?),
    };
    let setting = form.text("setting")?;
    let settings = engine::condition::SETTINGS;
    if setting.as_deref().is_some_and(|own| !settings.contains(&own)) {
        return Err(invalid("context.setting", format!("it is one of {}", settings.join(", "))));
    }
    let zone = form.text("tz")?;
    if zone.as_deref().is_some_and(|name| !is_zone(name)) {
        return Err(invalid("context.tz", "this is no IANA time zone, such as Europe/Berlin"));
    }
    Ok(Context {
        time: form.time("time")?.unwrap_or_else(now),
        place: form.text("place")?,
        location,
        channel,
        setting,
        locale: form.text("locale")?.map(|locale| locale.to_ascii_lowercase().into()),
        zone,
        weather: form.map("weather")?,
        role: form.text("role")?,
        near_product: form.bool("near_product")?,
        campaign: form.text("campaign")?,
    })
}

async fn one(
    State(app): State<App>,
    _: Secret,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let none = || Problem::new("not_found", "this decision is not known (any more)");
    let id = deciding::decision_named(&name).ok_or_else(none)?;
    let reading = app.clone();
    let found = call::blocking(move || deciding::find_decision(&reading, id)).await;
    let (person, decision) = found.ok_or_else(none)?;
    let locale = params.get("locale").cloned();
    let locale = locale.or_else(|| decision.context.locale.as_deref().map(str::to_owned));
    let locale = locale.unwrap_or_else(|| "en".into());
    let state = app.engine.state();
    let telling = Telling::new(&app, &state, &decision, &[], &locale);
    let mut out = telling.out();
    out.object(|out| {
        out.key("id").text(&name);
        out.key("time").time(decision.time());
        write_person(person, out);
        telling.write_standing(out);
        telling.write_why(false, out.key("items"));
    });
    Ok(call::ok_text(out.into_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read at a glance, the careful reader reads to the same result.
    #[test]
    fn both_readers_read_the_same() {
        const PRODUCT: &str = r#""product":"/01/09506000134352/21/A1""#;
        let contexts = [
            r#"{"time":"2026-11-22T10:00:00Z","lat":52.5,"lon":13,"place":" mitte ","role":""}"#,
            r#"{"time":1795348800,"setting":"home","channel":"app","locale":"De-at","role":null}"#,
            r#"{"time":"2026-11-22","tz":"Europe/Berlin","near_product":true,"campaign":"c\u0031"}"#,
            r#"{"time":"2026-11-22","weather":{"condition":"rain","temp_c":-2.5},"tz":"UTC"}"#,
            r#"{"time":"2026-11-22","near_product":null,"locale":null,"place":"a","place":null}"#,
        ];
        for context in contexts {
            for person in ["user:u1", " p12 ", ""] {
                let person = format!(r#""person":"{person}","preview":true"#);
                let body = format!(r#" {{{person},{PRODUCT},"context":{context}}} "#);
                let glance = at_a_glance(body.as_bytes());
                assert_eq!(glance, carefully(body.as_bytes()).ok(), "{body}");
                assert!(glance.is_some(), "{body}");
            }
        }
        let careful = [
            r#"{"lat":52.5}"#,
            r#"{"lat":91,"lon":0}"#,
            r#"{"tz":"Europe/Nowhere"}"#,
            r#"{"tz":"+02:00"}"#,
            r#"{"setting":"moon"}"#,
            r#"{"channel":"smoke"}"#,
            r#"{"time":"yesterday"}"#,
            r#"{"near_product":1}"#,
            r#"{"colour":1}"#,
            "[]",
        ];
        for context in careful {
            let body = format!(r#"{{{PRODUCT},"context":{context}}}"#);
            assert_eq!(at_a_glance(body.as_bytes()), None, "{body}");
            assert!(carefully(body.as_bytes()).is_err(), "{body}");
        }
        for body in [r#"{"person":"user:u1"}"#, r#"{"product":"/01/1"}"#, "{}", "", "{} {}"] {
            assert_eq!(at_a_glance(body.as_bytes()), None, "{body}");
        }
        let long = format!(r#"{{{PRODUCT},"person":"{}"}}"#, "u".repeat(limits::TOUCH_BYTES));
        assert_eq!(at_a_glance(long.as_bytes()), None);
    }
}
