//! Where the parcel is, read from the person's own touches: there is no parcel beside them.

use engine::State;
use model::id::Time;
use model::touch::Touch;
use serde_json::{Value as Json, json};

use super::past::Past;
use super::words::Language;
use crate::json;

/// After this a parcel that arrived is no news any more.
const SHOWN_AFTER_MS: i64 = 30 * Time::DAY_MS;

/// Kind, and what it means to the person, in English and German.
const EVENTS: [(&str, &str, &str); 6] = [
    ("order.placed", "Ordered", "Bestellt"),
    ("order.updated", "Order changed", "Bestellung geändert"),
    ("order.cancelled", "Cancelled", "Storniert"),
    ("product.shipped", "Handed to the carrier", "An den Paketdienst übergeben"),
    ("parcel.scanned", "On its way", "Unterwegs"),
    ("parcel.delivered", "Delivered", "Zugestellt"),
];

/// `None` when nothing is or was recently on its way. `past` is oldest first.
pub fn parcel_json(state: &State, past: &[Past], now: Time, language: Language) -> Json {
    let mut events: Vec<&Touch> = past.iter().map(|past| &past.touch).filter(is_event).collect();
    events.sort_by_key(|touch| touch.time);
    // What was before the last order was another parcel.
    if let Some(order) = events.iter().rposition(|touch| touch.kind.as_str() == "order.placed") {
        events.drain(..order);
    }
    let Some(last) = events.last() else { return Json::Null };
    if now.since(last.time) > SHOWN_AFTER_MS {
        return Json::Null;
    }
    let newest = |names: &[&str]| {
        let found = events
            .iter()
            .rev()
            .find_map(|touch| names.iter().find_map(|name| touch.properties.text(name)));
        found.map_or(Json::Null, Json::from)
    };
    json!({
        "status": words(last, language),
        "carrier": newest(&["carrier"]),
        "number": newest(&["number", "tracking_number", "tracking"]),
        "eta": newest(&["eta", "expected"]),
        "events": events.iter().map(|touch| json!({
            "time": json::time(touch.time),
            "text": words(touch, language),
            "place": place(state, touch),
        })).collect::<Json>(),
    })
}

fn is_event(touch: &&Touch) -> bool {
    let kind = touch.kind.as_str();
    kind.starts_with("parcel.") || EVENTS.iter().any(|(own, _, _)| *own == kind)
}

/// What the carrier said, else what the kind means.
fn words(touch: &Touch, language: Language) -> String {
    let said = ["status", "text"].iter().find_map(|name| touch.properties.text(name));
    if let Some(said) = said {
        return said.to_owned();
    }
    let row = EVENTS.iter().find(|(kind, _, _)| *kind == touch.kind.as_str());
    row.map_or_else(
        || touch.kind.as_str().trim_start_matches("parcel.").replace('_', " "),
        |(_, en, de)| language.of(en, de).to_owned(),
    )
}

fn place(state: &State, touch: &Touch) -> Json {
    if let Some(said) = touch.properties.text("place") {
        return Json::from(said);
    }
    let Some(id) = touch.place.as_deref() else { return Json::Null };
    Json::from(state.place(id).map_or(id, |place| &place.name))
}
