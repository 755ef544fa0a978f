//! Places: shops, homes, depots; where they are and when they are open.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use engine::{Entity, Topic};
use model::entry::Body;
use model::limits;
use model::things::{Area, Hours, Place};
use model::touch::Location;
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::{self, Form};
use super::graph::{self, Node};
use super::timeline;
use crate::app::App;
use crate::ingest::json::Node as Source;
use crate::ingest::parts;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Places";
const MODELS: usize = 1_000;
const BEACONS: usize = 64;
const RADIUS_M: std::ops::RangeInclusive<f64> = 1.0..=50_000.0;
const DAY_MIN: u16 = 1_440;
const FIELDS: &[&str] =
    &["id", "name", "kind", "circle", "polygon", "zone", "hours", "beacons", "models"];

pub fn routes() -> Vec<Route> {
    vec![
        Route {
            body: object(example()),
            answer: (200, object(example())),
            ..row(
                "put",
                "/v1/places/{id}",
                TAG,
                "Register a place",
                "Replaces what was there. A circle or a polygon (at most 512 corners) in degrees; \
                 hours in local time of `zone`, past midnight where `to` is before `from`.",
                put(register),
            )
        },
        Route {
            answer: (200, object(example())),
            problems: &["not_found"],
            ..row("get", "/v1/places/{id}", TAG, "One place", "", get(one))
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(example()),
            ..row("get", "/v1/places", TAG, "All places", "In order of id.", get(list))
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(timeline::example()),
            problems: &["not_found"],
            ..row(
                "get",
                "/v1/places/{id}/timeline",
                TAG,
                "What happened at a place",
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
                "/v1/places/{id}/graph",
                TAG,
                "What a place is connected with",
                "Up to 500 nodes.",
                get(its_graph),
            )
        },
    ]
}

fn example() -> Json {
    json!({ "id": "mitte", "name": "Fotohaus Mitte", "kind": "shop",
        "circle": { "lat": 52.52, "lon": 13.405, "radius_m": 50 }, "zone": "Europe/Berlin",
        "hours": [{ "days": [1, 2, 3, 4, 5], "from": "09:00", "to": "18:00" }],
        "beacons": [], "models": ["09506000134352"] })
}

async fn register(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let place = read(&id, &body)?;
    let shown = place_json(&place);
    app.submit(Body::PutPlace(place)).await?;
    Ok(call::ok(&shown))
}

fn read(id: &str, body: &[u8]) -> Result<Place, Problem> {
    let mut form = Form::read(body, FIELDS)?;
    if form.text("id")?.is_some_and(|own| *own != *id) {
        return Err(invalid("id", "it is not the one in the address"));
    }
    let zone = form.text("zone")?;
    if zone.as_deref().is_some_and(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
        return Err(invalid("zone", "this is no IANA time zone, such as Europe/Berlin"));
    }
    let mut models = form.gtins("models", MODELS)?;
    models.sort_unstable();
    models.dedup();
    Ok(Place {
        id: form::id(id)?,
        name: form.word("name")?,
        kind: form.text("kind")?.unwrap_or_else(|| "shop".into()),
        area: area(&mut form)?,
        zone,
        hours: hours(&mut form)?,
        beacons: form.words("beacons", BEACONS)?,
        models,
    })
}

fn area(form: &mut Form<'_>) -> Result<Area, Problem> {
    let (circle, polygon) = (form.take("circle"), form.take("polygon"));
    match (circle.is_null(), polygon.is_null()) {
        (true, true) => Ok(Area::Nowhere),
        (false, false) => Err(invalid("polygon", "give a circle or a polygon, not both")),
        (false, true) => {
            let center = parts::location_of(&circle, ["lat", "lon"], "circle");
            let center = center.map_err(form::problem)?;
            let mut form = Form::of(circle, "circle", &["lat", "lon", "radius_m"])?;
            let radius_m = form.number("radius_m")?.unwrap_or(100.0);
            if !RADIUS_M.contains(&radius_m) {
                return Err(invalid("circle.radius_m", "it is not between 1 and 50000 metres"));
            }
            Ok(Area::Circle { center, radius_m: radius_m.round() as u32 })
        }
        (true, false) => corners(&polygon).map(Area::Polygon),
    }
}

fn corners(polygon: &Source<'_>) -> Result<Vec<Location>, Problem> {
    let Source::List(list) = polygon else {
        return Err(invalid("polygon", "it is a list of corners [lat, lon]"));
    };
    if !(3..=limits::POLYGON_POINTS).contains(&list.len()) {
        let most = limits::POLYGON_POINTS;
        return Err(invalid("polygon", format!("it has 3 to {most} corners")));
    }
    let corner = |(index, node): (usize, &Source<'_>)| {
        let pair = match node {
            Source::List(pair) => match &pair[..] {
                [lat, lon] => parts::amount_of(lat).zip(parts::amount_of(lon)),
                _ => None,
            },
            _ => None,
        };
        let corner = pair.and_then(|(lat, lon)| Location::degrees(lat, lon));
        corner.ok_or_else(|| invalid(&format!("polygon[{index}]"), "a corner is [lat, lon]"))
    };
    list.iter().enumerate().map(corner).collect()
}

fn hours(form: &mut Form<'_>) -> Result<Vec<Hours>, Problem> {
    let mut hours = Vec::new();
    for (index, node) in form.list("hours", 64)?.into_iter().enumerate() {
        let at = format!("hours[{index}]");
        let mut form = Form::of(node, &at, &["days", "from", "to"])?;
        let from_min = minute(&mut form, "from")?;
        let mut to_min = minute(&mut form, "to")?;
        if to_min <= from_min {
            to_min += DAY_MIN;
        }
        let days = form.list("days", 7)?;
        if days.is_empty() {
            return Err(invalid(&form.path("days"), "name at least one day, 1 is Monday"));
        }
        for day in days {
            let Source::Int(weekday @ 1..=7) = day else {
                return Err(invalid(&form.path("days"), "a day is 1 (Monday) to 7 (Sunday)"));
            };
            hours.push(Hours { weekday: weekday as u8, from_min, to_min });
        }
    }
    Ok(hours)
}

/// `09:30`; `24:00` is the day's end.
fn minute(form: &mut Form<'_>, name: &'static str) -> Result<u16, Problem> {
    let text = form.word(name)?;
    let minute = text.split_once(':').and_then(|(hour, minute)| {
        let two = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (hour, minute) = (two(hour)?, two(minute)?);
        (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
    });
    minute.ok_or_else(|| invalid(&form.path(name), "write the time as 09:30"))
}

async fn one(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let state = app.engine.state();
    Ok(call::ok(&place_json(state.place(&id).ok_or_else(none)?)))
}

fn none() -> Problem {
    Problem::new("not_found", "no place has this id")
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let state = app.engine.state();
    let key = |place: &Place| place.id.to_string();
    Ok(call::ok(&call::listed_after(&page, state.places(), key, place_json)))
}

fn place_json(place: &Place) -> Json {
    let mut shown = json!({
        "id": place.id,
        "name": place.name,
        "kind": place.kind,
        "zone": place.zone,
        "hours": hours_json(&place.hours),
        "beacons": place.beacons,
        "models": place.models.iter().map(ToString::to_string).collect::<Json>(),
    });
    match &place.area {
        Area::Nowhere => {}
        Area::Circle { center, radius_m } => {
            let mut circle = json::location(*center);
            circle["radius_m"] = Json::from(*radius_m);
            shown["circle"] = circle;
        }
        Area::Polygon(corners) => {
            shown["polygon"] = corners.iter().map(|own| json!([own.lat(), own.lon()])).collect();
        }
    }
    shown
}

/// Days with the same hours together, as they are written.
fn hours_json(hours: &[Hours]) -> Json {
    let mut days: BTreeMap<(u16, u16), Vec<u8>> = BTreeMap::new();
    for own in hours {
        days.entry((own.from_min, own.to_min)).or_default().push(own.weekday);
    }
    let clock = |minute: u16| {
        let minute = if minute > DAY_MIN { minute - DAY_MIN } else { minute };
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    let rows = days
        .into_iter()
        .map(|((from, to), days)| json!({ "days": days, "from": clock(from), "to": clock(to) }));
    rows.collect()
}

async fn its_timeline(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = app.engine.state().place(&id).ok_or_else(none)?.id.clone();
    timeline::answer(&app, Entity::Topic(Topic::Place(id)), &params, false).await
}

async fn its_graph(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let id = app.engine.state().place(&id).ok_or_else(none)?.id.clone();
    graph::answer(&app, Node::Place(id), &params).await
}
