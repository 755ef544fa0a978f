//! Campaigns: an identity for an ad or mailing, tied to models or units.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use engine::{Entity, Topic};
use model::entry::Body;
use model::gs1::Subject;
use model::id::Time;
use model::things::Campaign;
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::{self, Form};
use super::graph::{self, Node};
use super::timeline;
use crate::app::App;
use crate::ingest::parts;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Campaigns";
const SUBJECTS: usize = 1_000;
const WINDOW_DAYS: std::ops::RangeInclusive<i64> = 0..=3_650;
const FIELDS: &[&str] = &[
    "id",
    "url",
    "name",
    "models",
    "products",
    "stage",
    "starts",
    "ends",
    "cost",
    "target",
    "window_days",
];

pub fn routes() -> Vec<Route> {
    vec![
        Route {
            body: object(example()),
            answer: (200, object(example())),
            ..row(
                "put",
                "/v1/campaigns/{id}",
                TAG,
                "Register a campaign",
                "Replaces what was there. `stage` is where a click brings somebody who has no \
                 stage yet; an order within `window_days` of a click is its conversion.",
                put(register),
            )
        },
        Route {
            answer: (200, object(example())),
            problems: &["not_found"],
            ..row("get", "/v1/campaigns/{id}", TAG, "One campaign", "", get(one))
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(example()),
            ..row("get", "/v1/campaigns", TAG, "All campaigns", "In order of id.", get(list))
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(timeline::example()),
            problems: &["not_found"],
            ..row(
                "get",
                "/v1/campaigns/{id}/timeline",
                TAG,
                "What came from a campaign",
                "Newest first.",
                get(its_timeline),
            )
        },
        Route {
            query: graph::QUERY,
            answer: (200, graph::example()),
            problems: &["not_found"],
            ..row(
                "get",
                "/v1/campaigns/{id}/graph",
                TAG,
                "What a campaign is connected with",
                "Up to 500 nodes.",
                get(its_graph),
            )
        },
    ]
}

fn example() -> Json {
    json!({ "id": "autumn", "name": "Autumn mailing", "models": ["09506000134352"],
        "products": [], "stage": "interested", "starts": "2026-10-01T00:00:00.000Z", "ends": null,
        "cost": { "amount": "1200.00", "currency": "EUR" }, "target": null, "window_days": 30 })
}

async fn register(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let campaign = read(&id, &body)?;
    let shown = campaign_json(&app, &campaign);
    app.submit(Body::PutCampaign(campaign)).await?;
    Ok(call::ok(&shown))
}

fn read(id: &str, body: &[u8]) -> Result<Campaign, Problem> {
    let mut form = Form::read(body, FIELDS)?;
    if form.text("id")?.is_some_and(|own| *own != *id) {
        return Err(invalid("id", "it is not the one in the address"));
    }
    form.take("url");
    let models = form.gtins("models", SUBJECTS)?;
    let mut subjects: Vec<Subject> = models.into_iter().map(Subject::model).collect();
    for (index, link) in form.words("products", SUBJECTS)?.iter().enumerate() {
        let at = format!("products[{index}]");
        subjects.push(parts::subject_of_link(link, &at).map_err(form::problem)?);
    }
    subjects.sort_unstable();
    subjects.dedup();
    let (starts, ends) = (form.time("starts")?, form.time("ends")?);
    if starts.zip(ends).is_some_and(|(starts, ends)| ends <= starts) {
        return Err(invalid("ends", "it ends before it starts"));
    }
    let window = form.whole("window_days")?;
    if window.is_some_and(|days| !WINDOW_DAYS.contains(&days)) {
        return Err(invalid("window_days", "it is not between 0 and 3650 days"));
    }
    let target = form.text("target")?;
    if target.as_deref().is_some_and(|target| !is_target(target)) {
        let detail = "it is neither an http(s) address nor a path of this server such as /01/…";
        return Err(invalid("target", detail));
    }
    let stage = form.text("stage")?;
    if stage.as_deref().is_some_and(|stage| stage.len() > model::limits::NAME_BYTES) {
        return Err(invalid("stage", "the name of a stage has at most 64 bytes"));
    }
    Ok(Campaign {
        id: form::id(id)?,
        name: form.word("name")?,
        subjects,
        stage,
        starts,
        ends,
        cost: form.money("cost")?,
        target,
        window_ms: window.map_or(Campaign::WINDOW_MS, |days| days * Time::DAY_MS),
    })
}

/// No other scheme, and no path that browsers read as another host.
fn is_target(target: &str) -> bool {
    let web = ["https://", "http://"].iter().any(|scheme| target.starts_with(scheme));
    let path = target.starts_with('/') && !target.starts_with("//") && !target.contains('\\');
    (web || path) && !target.contains(|c: char| c.is_control() || c == ' ')
}

async fn one(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let state = app.engine.state();
    let campaign = state.campaign(&id).ok_or_else(none)?;
    Ok(call::ok(&campaign_json(&app, campaign)))
}

pub fn none() -> Problem {
    Problem::new("not_found", "no campaign has this id")
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let state = app.engine.state();
    let key = |campaign: &Campaign| campaign.id.to_string();
    let show = |campaign: &Campaign| campaign_json(&app, campaign);
    Ok(call::ok(&call::listed_after(&page, state.campaigns(), key, show)))
}

fn campaign_json(app: &App, campaign: &Campaign) -> Json {
    let of = |unit: bool| campaign.subjects.iter().filter(move |own| own.is_unit() == unit);
    json!({
        "id": campaign.id,
        "url": format!("{}/c/{}", app.settings.public_url, campaign.id),
        "name": campaign.name,
        "models": of(false).map(|subject| subject.gtin.to_string()).collect::<Json>(),
        "products": of(true).map(|subject| subject.path()).collect::<Json>(),
        "stage": campaign.stage,
        "starts": json::time_or_null(campaign.starts),
        "ends": json::time_or_null(campaign.ends),
        "cost": json::money_or_null(campaign.cost),
        "target": campaign.target,
        "window_days": campaign.window_ms / Time::DAY_MS,
    })
}

async fn its_timeline(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = app.engine.state().campaign(&id).ok_or_else(none)?.id.clone();
    timeline::answer(&app, Entity::Topic(Topic::Campaign(id)), &params, false).await
}

async fn its_graph(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = app.engine.state().campaign(&id).ok_or_else(none)?.id.clone();
    graph::answer(&app, Node::Campaign(id), &params).await
}
