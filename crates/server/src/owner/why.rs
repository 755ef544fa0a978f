//! 'Why do I see this?': every item of a decision, shown or not, with the reason in words, the
//! data it rests on, and the permissions that would take it away.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::visitor::{self, Params};
use crate::app::App;
use crate::deciding;
use crate::json;
use crate::problem::Problem;

pub async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visitor::look(&app, &headers)?;
    let locale = visitor::locale(&params, &headers);
    let unknown = || Problem::new("not_found", "this decision is not known, or it is not yours");
    let id = deciding::decision_named(&name).ok_or_else(unknown)?;
    let reading = app.clone();
    let found = tokio::task::spawn_blocking(move || deciding::find_decision(&reading, id)).await;
    let found = found.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let (person, decision) = found.ok_or_else(unknown)?;
    let own = session.and_then(|session| session.person);
    if person.is_none() || person != own {
        return Err(unknown());
    }
    let state = app.engine.state();
    let mut items = deciding::why_json(&app, &state, &decision, &locale);
    let journey = deciding::journey_of(&state, &decision);
    for item in items.as_array_mut().into_iter().flatten() {
        let mut off = purposes(&item["used"]);
        let offer = journey.and_then(|journey| {
            let id = item["id"].as_str().filter(|_| item["what"] == "offer")?;
            journey.offer(id)?.needs_consent.clone()
        });
        off.extend(offer);
        off.retain(|purpose| {
            journey.is_some_and(|own| own.permissions.iter().any(|one| one.purpose == *purpose))
        });
        off.sort();
        off.dedup();
        item["switch_off"] = json!(off);
        item["kind"] = item["what"].clone();
        item["data"] = item["used"].clone();
    }
    drop(state);
    let body = json!({ "decision": name, "time": json::time(decision.time()), "items": items });
    Ok(visitor::private(body, None))
}

/// The permissions without which this data would not be known.
fn purposes(used: &Json) -> Vec<String> {
    let names = used.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
    let purposes = names.filter_map(|name| {
        if let Some(purpose) = name.strip_prefix("person.consents.") {
            return Some(purpose.to_owned());
        }
        let place = name.starts_with("context.place") || name.starts_with("context.location");
        place.then(|| "location".to_owned())
    });
    purposes.collect()
}
