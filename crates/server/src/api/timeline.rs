//! Timelines: what happened to a person, a unit, in a campaign, at a place; newest first, read
//! from the log.

use axum::response::Response;
use engine::{Entity, State as Folded};
use model::decision::What;
use model::entry::{Body, Entry};
use model::touch::Touch;
use serde_json::{Value as Json, json};

use super::call::{self, Params};
use crate::app::App;
use crate::deciding::decision_name;
use crate::json;
use crate::problem::Problem;

pub fn example() -> Json {
    json!({ "seq": 12, "time": "2026-11-22T10:00:00.000Z", "kind": "order.placed",
        "text": "an order was placed and is binding", "channel": "web", "place": null,
        "campaign": null, "person": "p3", "products": ["/01/09506000134352/21/A1"],
        "money": { "amount": "299.00", "currency": "USD" }, "state": {} })
}

/// A page of an entity's timeline; with what is `personal` in it only for the person's own.
pub async fn answer(
    app: &App,
    entity: Entity,
    params: &Params,
    personal: bool,
) -> Result<Response, Problem> {
    let page = call::page(params)?;
    let before = page.before()?;
    let mut seqs = app.engine.state().timeline(&entity, before, page.limit + 1);
    let next = (seqs.len() > page.limit).then(|| {
        seqs.truncate(page.limit);
        seqs.last().map(ToString::to_string)
    });
    let entries = call::entries(app, seqs).await;
    let state = app.engine.state();
    let items: Json =
        entries.iter().filter_map(|entry| entry_json(&state, entry, personal)).collect();
    Ok(call::ok(&json!({ "items": items, "next": next.flatten() })))
}

/// What a kind means, in words; the kind itself if it is the company's own.
pub fn kind_text(kind: &str) -> &str {
    let row = model::kind::STANDARD.iter().find(|(_, own, _)| *own == kind);
    row.map_or(kind, |(_, _, text)| text)
}

/// One entry; `None` for what says nothing any more.
fn entry_json(state: &Folded, entry: &Entry, personal: bool) -> Option<Json> {
    match &entry.body {
        Body::Touch(touch) => Some(touch_json(state, entry, touch, personal)),
        Body::Decided { decision, .. } if personal => {
            let names = |what| decision.shown(what).map(|item| item.id).collect::<Json>();
            Some(json!({
                "seq": entry.seq,
                "time": json::time(entry.time),
                "kind": "decision.shown",
                "text": "a menu and offers were shown",
                "channel": decision.context.channel.map(|channel| channel.name()),
                "place": decision.context.place,
                "campaign": decision.context.campaign,
                "products": [decision.subject.path()],
                "decision": decision_name(decision.id),
                "journey": decision.journey,
                "stage": decision.stage,
                "menu": names(What::Menu),
                "offers": names(What::Offer),
            }))
        }
        Body::PutProduct(product) => Some(json!({
            "seq": entry.seq,
            "time": json::time(entry.time),
            "kind": "product.registered",
            "text": "the unit was registered",
            "products": [product.subject.path()],
        })),
        _ => None,
    }
}

fn touch_json(state: &Folded, entry: &Entry, touch: &Touch, personal: bool) -> Json {
    let person = touch.aliases.iter().find_map(|alias| state.person_by_alias(alias));
    let products: Json = touch.products.iter().map(|subject| subject.path()).collect();
    let mut shown = json!({
        "seq": entry.seq,
        "time": json::time(touch.time),
        "recorded": json::time(entry.time),
        "kind": touch.kind.as_str(),
        "text": kind_text(touch.kind.as_str()),
        "source": touch.source.name(),
        "trusted": touch.trusted,
        "channel": touch.channel.map(|channel| channel.name()),
        "person": person.map(|person| person.to_string()),
        "products": products,
        "place": touch.place,
        "campaign": touch.campaign,
        "money": json::money_or_null(touch.money),
        "state": json::map(&touch.state),
    });
    if personal {
        shown["aliases"] = touch.aliases.iter().map(ToString::to_string).collect();
        shown["location"] = touch.location.map_or(Json::Null, json::location);
        shown["properties"] = json::map(&touch.properties);
        shown["traits"] = json::map(&touch.traits);
    }
    shown
}
