//! Products: the units, each with its own identity and the code that makes somebody its owner.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post, put};
use engine::{Entity, State as Folded};
use model::entry::Body;
use model::gs1::Subject;
use model::limits;
use model::outcome::Outcome;
use model::things::Product;
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::{self, Form};
use super::graph::{self, Node};
use super::timeline;
use crate::app::App;
use crate::claim::claim_digest;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Products";
const FIELDS: &[&str] = &["gtin", "serial", "made", "claim_code", "attributes"];
/// Shorter ones could be guessed within the tries that a unit allows.
const CODE_CHARS: std::ops::RangeInclusive<usize> = 6..=100;
const LIST_QUERY: &[(&str, &str)] = &[
    ("gtin", "Only units of this model"),
    ("cursor", "Where the page before ended: its `next`"),
    ("limit", "Items of a page: 50 if not given, at most 500"),
];

pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route {
            body: object(json!({ "made": "2026-10-01T08:00:00.000Z", "claim_code": "7KQ2-M9XD",
                "attributes": { "colour": "white" } })),
            answer: (200, object(example())),
            ..row(
                "put",
                "/v1/products/{gtin}/{serial}",
                TAG,
                "Register a unit",
                "Lays the attributes over what was there. Only a hash of the claim code is kept; \
                 a new code replaces the old one.",
                put(register),
            )
        },
        Route {
            answer: (200, object(example())),
            problems: &["no_such_product"],
            ..row("get", "/v1/products/{gtin}/{serial}", TAG, "One unit", "", get(one))
        },
        Route {
            query: LIST_QUERY,
            answer: call::list_answer(example()),
            ..row("get", "/v1/products", TAG, "Units", "In order of GTIN and serial.", get(list))
        },
        Route {
            body: json!({ "type": "string", "format": "NDJSON", "example":
                "{\"gtin\":\"09506000134352\",\"serial\":\"A1\",\"claim_code\":\"7KQ2-M9XD\"}\n" }),
            answer: (
                200,
                object(json!({ "registered": 1, "refused": 0,
                "results": [{ "line": 1, "status": "registered", "link": "/01/…/21/A1" }] })),
            ),
            problems: &["too_large", "bad_encoding"],
            ..row(
                "post",
                "/v1/products",
                TAG,
                "Register many units",
                "One object a line, or a list; up to 10,000 in 4 MiB, plain or packed. Each is \
                 answered; a bad one does not spoil the others.",
                post(register_many),
            )
        },
    ];
    routes.extend(history_routes());
    routes
}

fn history_routes() -> [Route; 2] {
    [
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(timeline::example()),
            problems: &["no_such_product"],
            ..row(
                "get",
                "/v1/products/{gtin}/{serial}/timeline",
                TAG,
                "What happened to a unit",
                "Newest first. What is a person's own stays with the person's timeline.",
                get(unit_timeline),
            )
        },
        Route {
            query: graph::QUERY,
            answer: (200, graph::example()),
            problems: &["no_such_product"],
            ..row(
                "get",
                "/v1/products/{gtin}/{serial}/graph",
                TAG,
                "What a unit is connected with",
                "Up to 500 nodes.",
                get(unit_graph),
            )
        },
    ]
}

fn example() -> Json {
    json!({ "gtin": "09506000134352", "serial": "A1", "link": "/01/09506000134352/21/A1",
        "name": "Photo printer", "registered": "2026-11-22T10:00:00.000Z", "made": null,
        "claimable": true, "attributes": {}, "state": {}, "owner": null, "owned_since": null,
        "stage": null, "first_seen": null, "last_seen": null, "touches": 0 })
}

async fn register(
    State(app): State<App>,
    _: Secret,
    Path((gtin, serial)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Problem> {
    let subject = call::unit(&gtin, &serial)?;
    let mut form = Form::read_small(&body, FIELDS)?;
    if let Some(own) = subject_of(&mut form)?
        && own != subject
    {
        return Err(invalid("gtin", "it is not the product in the address"));
    }
    let product = read(form, subject)?;
    app.submit(Body::PutProduct(product)).await?;
    let shown = product_json(&app.engine.state(), subject);
    Ok(call::ok(&shown.expect("it was just registered")))
}

async fn one(
    State(app): State<App>,
    _: Secret,
    Path((gtin, serial)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let subject = call::unit(&gtin, &serial)?;
    let shown = product_json(&app.engine.state(), subject);
    shown.map(|shown| call::ok(&shown)).ok_or_else(no_such_product)
}

fn no_such_product() -> Problem {
    Problem::new("no_such_product", "no unit with this GTIN and serial number was seen")
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let gtin = params.get("gtin").map(|text| call::gtin(text)).transpose()?;
    let mut after = match &page.cursor {
        None => None,
        Some(cursor) => {
            let (gtin, serial) = cursor.split_once('/').ok_or_else(call::bad_cursor)?;
            Some(call::unit(gtin, serial).map_err(|_| call::bad_cursor())?)
        }
    };
    // A model sorts before its units.
    after = after.max(gtin.map(Subject::model));
    call::blocking(move || {
        let state = app.engine.state();
        let mut subjects = state.products_after(after, page.limit + 1);
        subjects.retain(|subject| gtin.is_none_or(|gtin| subject.gtin == gtin));
        let cursor = |subject: &Subject| format!("{}/{}", subject.gtin, subject.serial);
        let show = |subject: &Subject| product_json(&state, *subject).unwrap_or_default();
        Ok(call::ok(&call::listed(&page, subjects, cursor, show)))
    })
    .await
}

async fn register_many(
    State(app): State<App>,
    _: Secret,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let packed = headers.get("content-encoding").and_then(|value| value.to_str().ok());
    let body = crate::ingest::body::unpack(&body, packed).map_err(Problem::from)?;
    let lines = lines(form::text_of(&body)?)?;
    let mut results: Vec<Json> = Vec::with_capacity(lines.len());
    let (mut bodies, mut places) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        match read_line(line) {
            Ok(product) => {
                let link = product.subject.path();
                results.push(json!({ "line": number, "status": "registered", "link": link }));
                places.push(results.len() - 1);
                bodies.push(Body::PutProduct(product));
            }
            Err(problem) => results.push(refused(number, &problem)),
        }
    }
    let mut registered = 0;
    if !bodies.is_empty() {
        for ((_, outcome), place) in app.engine.submit(bodies).await?.into_iter().zip(places) {
            match outcome {
                Outcome::Refused(refusal) => {
                    let number = results[place]["line"].as_u64().unwrap_or_default() as usize;
                    results[place] = refused(number, &refusal.into());
                }
                _ => registered += 1,
            }
        }
    }
    let refused = results.len() - registered;
    Ok(call::ok(&json!({ "registered": registered, "refused": refused, "results": results })))
}

fn refused(number: usize, problem: &Problem) -> Json {
    let told = problem.to_json();
    json!({
        "line": number,
        "status": "refused",
        "code": told["code"],
        "detail": told["detail"],
        "at": told["at"],
    })
}

/// Each object with its line, or its place in a list, from 1.
fn lines(text: &str) -> Result<Vec<(usize, &str)>, Problem> {
    let text = text.trim_ascii();
    let lines: Vec<(usize, &str)> = if text.starts_with('[') {
        let list: Vec<&serde_json::value::RawValue> = serde_json::from_str(text)
            .map_err(|error| Problem::from(crate::ingest::json::unreadable(&error)))?;
        list.into_iter().enumerate().map(|(at, raw)| (at + 1, raw.get())).collect()
    } else {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_ascii()));
        lines.filter(|(_, line)| !line.is_empty()).collect()
    };
    if lines.is_empty() {
        return Err(invalid("", "there is no product in the body"));
    }
    if lines.len() > limits::BATCH_TOUCHES {
        let most = limits::BATCH_TOUCHES;
        return Err(Problem::new("too_large", format!("more than {most} products")));
    }
    Ok(lines)
}

fn read_line(line: &str) -> Result<Product, Problem> {
    let mut form = Form::read_small(line.as_bytes(), FIELDS)?;
    let subject = subject_of(&mut form)?;
    let subject = subject.ok_or_else(|| invalid("gtin", "gtin and serial are missing"))?;
    read(form, subject)
}

/// The unit that the body itself names.
fn subject_of(form: &mut Form<'_>) -> Result<Option<Subject>, Problem> {
    let (gtin, serial) = (form.take("gtin"), form.take("serial"));
    if gtin.is_null() && serial.is_null() {
        return Ok(None);
    }
    let subject = crate::ingest::parts::subject_of_pair(&gtin, &serial, "");
    let subject = subject.map_err(form::problem)?;
    if !subject.is_unit() {
        return Err(invalid("serial", "a unit needs its serial number"));
    }
    Ok(Some(subject))
}

fn read(mut form: Form<'_>, subject: Subject) -> Result<Product, Problem> {
    let code = form.text("claim_code")?;
    if let Some(code) = &code {
        let len = code.chars().filter(|c| c.is_alphanumeric()).count();
        if !CODE_CHARS.contains(&len) {
            let detail = "a claim code has 6 to 100 letters and digits";
            return Err(invalid(&form.path("claim_code"), detail));
        }
    }
    Ok(Product {
        subject,
        made: form.time("made")?,
        claim: code.map(|code| claim_digest(&code)),
        attributes: form.map("attributes")?,
    })
}

/// A unit as the company sees it; nothing secret is in it.
pub fn product_json(state: &Folded, subject: Subject) -> Option<Json> {
    let product = state.product(subject)?;
    let standing = product.owner.and_then(|owner| engine::journey_and_stage(state, owner, subject));
    let stage = standing.map(|(_, stage)| stage).filter(|stage| !stage.is_empty());
    Some(json!({
        "gtin": subject.gtin.to_string(),
        "serial": subject.serial.as_str(),
        "link": subject.path(),
        "name": name_of(state, subject),
        "registered": json::time_or_null(product.registered),
        "made": json::time_or_null(product.made),
        "claimable": product.claim.is_some() && product.owner.is_none(),
        "attributes": json::map(&product.attributes),
        "state": json::map(&product.state),
        "owner": product.owner.map(|owner| owner.to_string()),
        "owned_since": json::time_or_null(product.owned_since),
        "stage": stage,
        "first_seen": json::time_or_null(product.first_seen),
        "last_seen": json::time_or_null(product.last_seen),
        "touches": product.touches,
    }))
}

/// The model's name for the company's own people.
pub fn name_of(state: &Folded, subject: Subject) -> Json {
    state.model(subject.gtin).map_or(Json::Null, |model| Json::from(model.name.get("en")))
}

async fn unit_timeline(
    State(app): State<App>,
    _: Secret,
    Path((gtin, serial)): Path<(String, String)>,
    params: Params,
) -> Result<Response, Problem> {
    let subject = call::unit(&gtin, &serial)?;
    if app.engine.state().product(subject).is_none() {
        return Err(no_such_product());
    }
    timeline::answer(&app, Entity::Product(subject), &params, false).await
}

async fn unit_graph(
    State(app): State<App>,
    _: Secret,
    Path((gtin, serial)): Path<(String, String)>,
    params: Params,
) -> Result<Response, Problem> {
    let subject = call::unit(&gtin, &serial)?;
    if app.engine.state().product(subject).is_none() {
        return Err(no_such_product());
    }
    graph::answer(&app, Node::Product(subject), &params).await
}
