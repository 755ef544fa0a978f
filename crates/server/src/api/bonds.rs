//! Bonds: the relation of one person and one product.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use engine::State as Folded;
use engine::record::Bond;
use model::gs1::Subject;
use model::id::PersonId;
use serde_json::{Value as Json, json};

use super::call::{self, Secret, object, row};
use super::persons::product_brief;
use crate::app::App;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Bonds";

pub fn routes() -> Vec<Route> {
    let example = || {
        object(json!({ "person": "p3", "product": { "gtin": "09506000134352",
        "serial": "A1", "link": "/01/09506000134352/21/A1", "name": "Photo printer" },
        "journey": "printer", "version": 1, "stage": "support", "role": "owner", "moves": [],
        "steps_done": [], "messages": [] }))
    };
    vec![
        Route {
            answer: (200, example()),
            problems: &["no_such_person", "not_found"],
            ..row(
                "get",
                "/v1/bonds/{person}/{gtin}/{serial}",
                TAG,
                "A person's bond with a unit",
                "Its stage as the journey in force has it, and how it came there.",
                get(with_unit),
            )
        },
        Route {
            answer: (200, example()),
            problems: &["no_such_person", "not_found"],
            ..row(
                "get",
                "/v1/bonds/{person}/{gtin}",
                TAG,
                "A person's bond with a model",
                "Before there is a unit.",
                get(with_model),
            )
        },
    ]
}

async fn with_unit(
    State(app): State<App>,
    key: Secret,
    Path((person, gtin, serial)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    shown(&app, &key, &person, call::unit(&gtin, &serial)?).await
}

async fn with_model(
    State(app): State<App>,
    key: Secret,
    Path((person, gtin)): Path<(String, String)>,
) -> Result<Response, Problem> {
    shown(&app, &key, &person, Subject::model(call::gtin(&gtin)?)).await
}

async fn shown(
    app: &App,
    key: &Secret,
    person: &str,
    subject: Subject,
) -> Result<Response, Problem> {
    let person = call::person(app, person)?;
    call::looked(app, key, person, "bond").await?;
    let state = app.engine.state();
    let bond = state.bond(person, subject);
    let bond =
        bond.ok_or_else(|| Problem::new("not_found", "they have no bond with this product"))?;
    Ok(call::ok(&whole(&state, person, subject, &bond)))
}

/// A bond in the list of a person's.
pub fn summary(state: &Folded, person: PersonId, subject: Subject) -> Json {
    let mut shown = json!({ "product": product_brief(state, subject) });
    let Some(bond) = state.bond(person, subject) else { return shown };
    shown["journey"] = state.text(bond.journey).into();
    shown["stage"] = stage(state, person, subject);
    shown["role"] = bond.role.name().into();
    shown["since"] = json::time(bond.since);
    shown["begun"] = json::time(bond.begun);
    shown["touches"] = bond.touches.into();
    shown
}

/// The stage as the journey in force has it; `none` before one.
fn stage(state: &Folded, person: PersonId, subject: Subject) -> Json {
    let standing = engine::journey_and_stage(state, person, subject);
    let stage = standing.map(|(_, stage)| stage).filter(|stage| !stage.is_empty());
    Json::from(stage.unwrap_or(engine::journey::NONE))
}

fn whole(state: &Folded, person: PersonId, subject: Subject, bond: &Bond) -> Json {
    let moves = bond.moves.iter().map(|own| {
        let (stage, time) = (state.text(own.stage), json::time(own.time));
        json!({ "stage": stage, "time": time, "by": own.by, "seq": own.seq })
    });
    let timers = bond
        .timers
        .iter()
        .map(|(due, id)| json!({ "id": state.text(*id), "due": json::time(*due) }));
    let messages = bond.messages.iter().map(
        |own| json!({ "id": state.text(own.id), "time": json::time(own.time), "read": own.read }),
    );
    let mut shown = summary(state, person, subject);
    shown["person"] = person.to_string().into();
    shown["version"] = bond.version.into();
    shown["campaign"] = json!(bond.campaign);
    shown["referred"] = json!(bond.referred);
    let steps_done = bond.steps_done.iter().map(|step| state.text(*step));
    shown["steps_done"] = steps_done.collect();
    shown["moves"] = moves.collect();
    shown["timers"] = timers.collect();
    shown["messages"] = messages.collect();
    shown
}
