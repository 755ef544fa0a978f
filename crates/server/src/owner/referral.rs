//! The personal link: made once for a person and a model, and what came of it.

use axum::extract::{Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use engine::State;
use engine::record::Person;
use model::entry::Body;
use model::gs1::Gtin;
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use serde_json::{Value as Json, json};

use super::page::standing;
use super::visitor::{self, Params, Sent};
use super::words::Language;
use crate::app::{App, now};
use crate::problem::Problem;

const PER_MINUTE: u32 = 30;

pub async fn post(
    Shared(app): Shared<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let session = visitor::known(visitor::change(&app, &headers)?)?;
    visitor::limited(&app, "referral", session.alias.value.as_bytes(), PER_MINUTE)?;
    let subject = visitor::subject_of_body(&visitor::body(sent)?)?;
    let locale = visitor::locale(&params, &headers);
    let find = || {
        let state = app.engine.state();
        let person = state.person_by_alias(&session.alias).and_then(|id| state.person(id))?;
        let found = referral_json(&app, &state, &person, subject.gtin, &locale);
        (!found.is_null()).then_some(found)
    };
    if let Some(found) = find() {
        return Ok(visitor::private(found, None));
    }
    let about = {
        let state = app.engine.state();
        if state.model(subject.gtin).is_none() {
            return Err(Problem::new("no_such_model", "nothing is registered with this GTIN"));
        }
        standing(&state, session.person, subject).about
    };
    let mut touch = Touch::new(Kind::of("product.recommended"), now(), Source::Companion);
    touch.channel = Some(Channel::Companion);
    touch.products = vec![about];
    touch.aliases = vec![session.alias.clone()];
    app.submit(Body::Touch(touch)).await?;
    let made = find().ok_or_else(|| Problem::new("internal", "the link was not made"))?;
    Ok(visitor::private(made, None))
}

/// `Null` while the person has no link for the model.
pub fn referral_json(app: &App, state: &State, person: &Person, gtin: Gtin, locale: &str) -> Json {
    let Some(link) = person.links.iter().find(|link| link.gtin == gtin) else { return Json::Null };
    let node = state.referral(&link.code);
    let (visits, orders) = node.map_or((0, 0), |node| (node.visits, node.orders));
    json!({
        "url": link_url(app, &link.code),
        "qr": format!("/v1/me/referral.svg?gtin={gtin}"),
        "visits": visits,
        "orders": orders,
        "thanks": thanks(orders, Language::named(locale)),
    })
}

pub fn link_url(app: &App, code: &str) -> String {
    format!("{}/r/{code}", app.settings.public_url)
}

fn thanks(orders: u64, language: Language) -> Option<String> {
    match (orders, language) {
        (0, _) => None,
        (1, Language::English) => Some("Thank you! A friend has bought because of you.".into()),
        (1, Language::German) => Some("Danke! Deinetwegen hat jemand gekauft.".into()),
        (n, Language::English) => {
            Some(format!("Thank you! {n} friends have bought because of you."))
        }
        (n, Language::German) => Some(format!("Danke! Deinetwegen haben {n} Leute gekauft.")),
    }
}
