//! A company's own names for kinds of touches.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, put};
use model::entry::Body;
use serde_json::{Value as Json, json};

use super::call::{self, Secret, invalid, object, row};
use super::form;
use crate::app::App;
use crate::ingest::json::{self as source, Node};
use crate::ingest::mapping::Mapping;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Touches";
const PAIRS: usize = 10_000;
const NAME_BYTES: usize = 256;

pub fn routes() -> Vec<Route> {
    let example = || object(json!({ "Coffee Brewed": "product.used" }));
    vec![
        Route {
            body: example(),
            answer: (200, example()),
            ..row(
                "put",
                "/v1/mappings",
                TAG,
                "Name your own events",
                "From an event's name, as your SDK sends it, to a kind of touch. Adds to what is \
                 there and wins over the standard names; null takes a name away.",
                put(add),
            )
        },
        Route {
            answer: (200, example()),
            ..row("get", "/v1/mappings", TAG, "Your own names of events", "", get(all))
        },
    ]
}

async fn add(State(app): State<App>, _: Secret, body: Bytes) -> Result<Response, Problem> {
    let pairs = read(&body)?;
    let kept = app.engine.state().mapping().count();
    if kept + pairs.len() > PAIRS {
        return Err(invalid("", format!("there are at most {PAIRS} names")));
    }
    if !pairs.is_empty() {
        app.submit(Body::PutMapping { pairs }).await?;
    }
    Ok(call::ok(&shown(&app)))
}

async fn all(State(app): State<App>, _: Secret) -> Response {
    call::ok(&shown(&app))
}

fn shown(app: &App) -> Json {
    let state = app.engine.state();
    state.mapping().map(|(name, kind)| (name.to_owned(), Json::from(kind))).collect()
}

/// An event's name and a kind; an empty kind takes the name away.
type Pair = (Box<str>, Box<str>);

fn read(body: &[u8]) -> Result<Vec<Pair>, Problem> {
    let node = source::read(form::text_of(body)?).map_err(form::problem)?;
    let Node::Map(fields) = node else {
        let detail = format!("it is {}, not an object", node.type_name());
        return Err(invalid("", detail));
    };
    let mut pairs: Vec<Pair> = Vec::with_capacity(fields.len());
    for (name, node) in &fields {
        let at: String = name.chars().take(40).collect();
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(invalid(&at, format!("a name has 1 to {NAME_BYTES} bytes")));
        }
        let kind = match node {
            Node::Null => "",
            Node::Text(kind) => kind.trim(),
            other => return Err(invalid(&at, format!("it is {}, not a text", other.type_name()))),
        };
        if !kind.is_empty() {
            Mapping::new([(&**name, kind)]).map_err(form::problem)?;
        }
        pairs.push((name.as_ref().into(), kind.into()));
    }
    Ok(pairs)
}
