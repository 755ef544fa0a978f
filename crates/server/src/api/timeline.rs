//! Timelines: what happened to a person, a unit, in a campaign, at a place; newest first, read
//! from the log.

use axum::response::Response;
use engine::{Entity, State as Folded};
use model::decision::What;
use model::entry::{Body, Entry};
use model::gs1::Subject;
use model::id::Time;
use model::touch::Touch;
use serde_json::{Value as Json, json};

use super::call::{self, Params};
use crate::app::App;
use crate::deciding::decision_name;
use crate::json::{self, write::Out};
use crate::problem::Problem;

/// About what an entry takes in an answer.
const BYTES_EACH: usize = 512;

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
    let mut out = Out::with_room(BYTES_EACH * (entries.len() + 1));
    out.object(|out| {
        out.key("items").list(|out| {
            entries.iter().for_each(|entry| write_entry(out, &state, entry, personal));
        });
        out.key("next").text_or_null(next.flatten().as_deref());
    });
    Ok(call::ok_text(out.into_text()))
}

/// What a kind means, in words; the kind itself if it is the company's own.
pub fn kind_text(kind: &str) -> &str {
    let row = model::kind::STANDARD.iter().find(|(_, own, _)| *own == kind);
    row.map_or(kind, |(_, _, text)| text)
}

/// One entry; nothing for what says nothing any more.
fn write_entry(out: &mut Out, state: &Folded, entry: &Entry, personal: bool) {
    match &entry.body {
        Body::Touch(touch) => write_touch(out, state, entry, touch, personal),
        Body::Decided { decision, .. } if personal => out.object(|out| {
            let context = &decision.context;
            write_begin(out, entry, entry.time, "decision.shown", "a menu and offers were shown");
            out.key("channel").text_or_null(context.channel.map(|channel| channel.name()));
            out.key("place").text_or_null(context.place.as_deref());
            out.key("campaign").text_or_null(context.campaign.as_deref());
            write_products(out, &[decision.subject]);
            out.key("decision").text(&decision_name(decision.id));
            out.key("journey").text(&decision.journey);
            out.key("stage").text(&decision.stage);
            for (name, what) in [("menu", What::Menu), ("offers", What::Offer)] {
                out.key(name).list(|out| decision.shown(what).for_each(|item| out.text(item.id)));
            }
        }),
        Body::PutProduct(product) => out.object(|out| {
            let (kind, text) = ("product.registered", "the unit was registered");
            write_begin(out, entry, entry.time, kind, text);
            write_products(out, &[product.subject]);
        }),
        _ => {}
    }
}

fn write_begin(out: &mut Out, entry: &Entry, time: Time, kind: &str, text: &str) {
    out.key("seq").int(entry.seq as i64);
    out.key("time").time(time);
    out.key("kind").text(kind);
    out.key("text").text(text);
}

fn write_products(out: &mut Out, products: &[Subject]) {
    out.key("products").list(|out| {
        for subject in products {
            out.text_of(|out| subject.write_path(out).expect("a text takes everything"));
        }
    });
}

fn write_touch(out: &mut Out, state: &Folded, entry: &Entry, touch: &Touch, personal: bool) {
    out.object(|out| {
        let kind = touch.kind.as_str();
        write_begin(out, entry, touch.time, kind, kind_text(kind));
        out.key("recorded").time(entry.time);
        out.key("source").text(touch.source.name());
        out.key("trusted").bool(touch.trusted);
        out.key("channel").text_or_null(touch.channel.map(|channel| channel.name()));
        let person = touch.aliases.iter().find_map(|alias| state.person_by_alias(alias));
        out.key("person").text_or_null(person.map(|person| person.to_string()).as_deref());
        write_products(out, &touch.products);
        out.key("place").text_or_null(touch.place.as_deref());
        out.key("campaign").text_or_null(touch.campaign.as_deref());
        match touch.money {
            None => out.key("money").null(),
            Some(money) => out.key("money").object(|out| {
                out.key("amount").text(&json::amount(money));
                out.key("currency").text(money.currency_str());
            }),
        }
        out.key("state").map(&touch.state);
        if !personal {
            return;
        }
        out.key("aliases").list(|out| {
            touch.aliases.iter().for_each(|alias| out.text(&alias.to_string()));
        });
        match touch.location {
            None => out.key("location").null(),
            Some(location) => out.key("location").object(|out| {
                out.key("lat").float(location.lat());
                out.key("lon").float(location.lon());
            }),
        }
        out.key("properties").map(&touch.properties);
        out.key("traits").map(&touch.traits);
    });
}
