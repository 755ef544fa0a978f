//! The copy to take away: everything that is known of the person, as one JSON file. It is written
//! as it is read, so that a long history needs no memory.

use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use engine::record::{Bond, Grant};
use engine::{Entity, History, State};
use model::entry::{Body, Entry, Seq};
use model::id::PersonId;
use model::touch::Touch;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{Sender, channel};

use super::visitor;
use super::words::{self, Language};
use crate::app::{App, now};
use crate::flow::body_of;
use crate::json;
use crate::problem::Problem;

const ENTRIES_AT_ONCE: usize = 256;
const PER_MINUTE: u32 = 5;

pub async fn get(Shared(app): Shared<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let session = visitor::known(visitor::look(&app, &headers)?)?;
    visitor::limited(&app, "copy", session.alias.value.as_bytes(), PER_MINUTE)?;
    let Some(person) = session.person else {
        return Err(Problem::new("no_such_person", "nothing is known of you"));
    };
    let (head, seqs) = {
        let state = app.engine.state();
        let head = head(&app, &state, person)
            .ok_or_else(|| Problem::new("no_such_person", "nothing is known of you"))?;
        (head, state.timeline_all(&Entity::Person(person)))
    };
    let (sender, chunks) = channel(4);
    let reading = app.clone();
    tokio::task::spawn_blocking(move || write(&reading, person, &head, &seqs, &sender));
    let mut response = Response::new(body_of(chunks));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"everbond-my-data.json\""),
    );
    Ok(response)
}

/// The head's fields, then the timeline, oldest first. Ends early when nobody reads any more, or
/// when the person was wiped meanwhile: what is left unread is then no longer theirs to be shown.
fn write(app: &App, person: PersonId, head: &Json, seqs: &[Seq], out: &Sender<Vec<u8>>) {
    let mut text = head.to_string();
    text.pop();
    text.push_str(",\"timeline\":[");
    let history = runtime::LogHistory(app.engine.reader().clone());
    let mut first = true;
    for some in seqs.chunks(ENTRIES_AT_ONCE) {
        if app.engine.state().person(person).is_none() {
            break;
        }
        history.entries(some, &mut |entry| {
            let Some(entry) = entry_json(&entry) else { return };
            if !std::mem::take(&mut first) {
                text.push_str(",\n");
            }
            text.push_str(&entry.to_string());
        });
        if out.blocking_send(std::mem::take(&mut text).into_bytes()).is_err() {
            return;
        }
    }
    text.push_str("]}\n");
    // Whoever no longer reads misses nothing but the end.
    let _ = out.blocking_send(text.into_bytes());
}

fn head(app: &App, state: &State, id: PersonId) -> Option<Json> {
    let person = state.person(id)?;
    let aliases = person.aliases.iter().map(|known| {
        json!({
            "kind": known.alias.kind.name(),
            "value": known.alias.value,
            "since": json::time(known.since),
            "because": words::because(&known.because, Language::English),
        })
    });
    let bonds = person.bonds.iter().map(|bond| bond_json(state, bond));
    let links = person.links.iter().map(|link| {
        let node = state.referral(&link.code);
        json!({
            "gtin": link.gtin.to_string(),
            "code": link.code,
            "visits": node.as_ref().map_or(0, |node| node.visits),
            "orders": node.as_ref().map_or(0, |node| node.orders),
        })
    });
    Some(json!({
        "company": app.settings.company,
        "made": json::time(now()),
        "person": id.to_string(),
        "first_seen": json::time(person.first_seen),
        "last_seen": json::time(person.last_seen),
        "touches": person.touches,
        "aliases": aliases.collect::<Json>(),
        "traits": json::map(&person.traits),
        "permissions": person.consents.iter().map(|consent| json!({
            "purpose": consent.purpose, "given": consent.given, "changed": json::time(consent.time),
        })).collect::<Json>(),
        "bonds": bonds.collect::<Json>(),
        "offers": person.grants.iter().map(grant_json).collect::<Json>(),
        "links": links.collect::<Json>(),
        "came_by": person.referred_by.iter().map(|(gtin, code)| json!({
            "gtin": gtin.to_string(), "code": code,
        })).collect::<Json>(),
        "campaigns": person.clicks.iter().map(|click| json!({
            "campaign": click.campaign,
            "time": json::time(click.time),
            "channel": click.channel.map(|channel| channel.name()),
        })).collect::<Json>(),
        "joined": person.merges.iter().map(|merged| json!({
            "time": json::time(merged.time),
            "aliases": merged.aliases.iter().map(|known| known.alias.to_string()).collect::<Json>(),
            "by_staff": merged.by_staff,
        })).collect::<Json>(),
    }))
}

fn bond_json(state: &State, bond: &Bond) -> Json {
    json!({
        "product": json::subject(bond.subject),
        "journey": state.text(bond.journey),
        "stage": state.text(bond.stage),
        "since": json::time(bond.since),
        "begun": json::time(bond.begun),
        "role": bond.role.name(),
        "touches": bond.touches,
        "campaign": bond.campaign,
        "steps_done": bond.steps_done.iter().map(|step| state.text(*step)).collect::<Json>(),
        "moves": bond.moves.iter().map(|moved| json!({
            "stage": state.text(moved.stage), "time": json::time(moved.time), "by": moved.by,
        })).collect::<Json>(),
        "messages": bond.messages.iter().map(|message| json!({
            "id": state.text(message.id), "time": json::time(message.time),
            "read": message.read,
        })).collect::<Json>(),
        "waiting": bond.timers.iter().map(|(due, timer)| json!({
            "timer": state.text(*timer), "due": json::time(*due),
        })).collect::<Json>(),
    })
}

fn grant_json(grant: &Grant) -> Json {
    json!({
        "product": json::subject(grant.subject),
        "journey": grant.journey,
        "offer": grant.offer,
        "code": grant.code,
        "given": json::time(grant.time),
        "until": json::time(grant.until),
        "redeemed": json::time_or_null(grant.redeemed),
        "stage": grant.stage,
        "channel": grant.channel.map(|channel| channel.name()),
    })
}

fn entry_json(entry: &Entry) -> Option<Json> {
    match &entry.body {
        Body::Touch(touch) => Some(touch_json(entry, touch)),
        Body::Decided { decision, .. } => Some(json!({
            "kind": words::DECISION,
            "time": json::time(entry.time),
            "decision": crate::deciding::decision_name(decision.id),
            "product": json::subject(decision.subject),
            "journey": decision.journey,
            "version": decision.version,
            "stage": decision.stage,
            "context": json::context(&decision.context),
            "items": decision.items.iter().map(|item| json!({
                "id": item.id,
                "shown": item.why.is_shown(),
                "reason": item.why.code(),
                "detail": item.why.detail(),
                "used": item.used.iter().map(|(path, value)| json!({
                    "name": path, "value": json::value(&value.to_value()),
                })).collect::<Json>(),
            })).collect::<Json>(),
        })),
        _ => None,
    }
}

fn touch_json(entry: &Entry, touch: &Touch) -> Json {
    json!({
        "kind": touch.kind.as_str(),
        "time": json::time(touch.time),
        "recorded": json::time(entry.time),
        "source": touch.source.name(),
        "channel": touch.channel.map(|channel| channel.name()),
        "products": touch.products.iter().map(|own| json::subject(*own)).collect::<Json>(),
        "place": touch.place,
        "campaign": touch.campaign,
        "money": json::money_or_null(touch.money),
        "state": json::map(&touch.state),
        "aliases": touch.aliases.iter().map(|alias| alias.to_string()).collect::<Json>(),
        "location": touch.location.map(json::location),
        "properties": json::map(&touch.properties),
        "traits": json::map(&touch.traits),
    })
}
