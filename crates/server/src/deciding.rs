//! The one way in which a decision is asked for and recorded, for the companion's page and for
//! the server API: decide, write down what is new, give the codes that are offered, and say why
//! in words.
//!
//! A decision that shows nothing new is not written to the log: it would say what the log says
//! already. It can still be asked why for an hour, from memory.

mod words;

use engine::History;
use engine::journey::{Journey, OfferValue};
use engine::record::Person;
use engine::{State, held};
use model::alias::Alias;
use model::context::Context;
use model::decision::{Decision, Item, What, Why};
use model::entry::Body;
use model::gs1::Subject;
use model::id::{PersonId, Time};
use model::outcome::Grant;
use serde_json::{Value as Json, json};

use crate::app::{App, now, random_u64};
use crate::json;
use crate::problem::Problem;

pub use words::reason_text;

/// A decision with the codes of the offers that it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub decision: Decision,
    pub grants: Vec<Grant>,
}

/// What a look at the state gives, before anything is written.
struct Look {
    decision: Decision,
    person: Option<PersonId>,
    by: Option<Alias>,
    /// Something is shown that this person has not seen in this stage.
    fresh: bool,
    /// Offers that are shown and have no code yet.
    wants_codes: bool,
    grants: Vec<Grant>,
}

/// Decides for a person, or for a stranger, and records what was shown. `by` is the name that the
/// caller knows the person by. A `preview` counts as nothing and gives no code. When it returns,
/// every offer that is shown (but in a preview) has its code.
pub async fn decide_and_record(
    app: &App,
    by: Option<Alias>,
    person: Option<PersonId>,
    subject: Subject,
    context: Context,
    preview: bool,
) -> Result<Decided, Problem> {
    let mut look = look(&app.engine.state(), by, person, subject, context);
    let Some(by) = look.by.clone().filter(|_| !preview) else {
        return Ok(Decided { decision: look.decision, grants: look.grants });
    };
    let decided = |look: &Look| Body::Decided {
        decision: look.decision.clone(),
        by: by.clone(),
        seed: random_u64(),
    };
    if look.wants_codes {
        let (_, accepted) = app.submit(decided(&look)).await?;
        look.grants.extend(accepted.grants);
        hide_without_code(&app.engine.state(), &mut look);
    } else if look.fresh {
        app.engine.submit_and_forget(vec![decided(&look)])?;
    }
    app.memory.keep_decision(look.person, &look.decision);
    Ok(Decided { decision: look.decision, grants: look.grants })
}

fn look(
    state: &State,
    by: Option<Alias>,
    person: Option<PersonId>,
    subject: Subject,
    mut context: Context,
) -> Look {
    let named = by.as_ref().and_then(|alias| state.person_by_alias(alias));
    let person = person.filter(|id| state.person(*id).is_some()).or(named);
    if context.place.is_none() {
        context.place = engine::nearest_place(state, &context, subject).map(|(id, _)| id);
    }
    let decision = engine::decide(state, person, subject, context, random_u64());
    let record = person.and_then(|id| state.person(id));
    let Some((id, record)) = person.zip(record) else {
        let (by, person, grants) = (None, None, Vec::new());
        return Look { decision, person, by, fresh: false, wants_codes: false, grants };
    };
    let by = by.filter(|alias| record.alias(alias).is_some());
    let by = by.or_else(|| record.aliases.first().map(|known| known.alias.clone()));
    let grants = grants_of(&record, &decision, now());
    let wants_codes = decision.shown(What::Offer).count() > grants.len();
    let bond = state.bond(id, decision.subject);
    let fresh = bond.is_some_and(|bond| {
        let seen = |item: &Item| {
            let term = state.term(&item.id);
            term.is_some_and(|term| bond.shown.contains(&(item.what as u8, term)))
        };
        let shown = decision.items.iter().filter(|item| item.why.is_shown());
        shown.filter(|item| item.what != What::Step).any(|item| !seen(item))
    });
    Look { decision, person, by, fresh, wants_codes, grants }
}

/// The codes that a person holds for what is shown.
fn grants_of(person: &Person, decision: &Decision, now: Time) -> Vec<Grant> {
    let shown = decision.shown(What::Offer);
    let code = |item: &Item| {
        let (subject, journey) = (decision.subject, &decision.journey);
        let grant = held(&person.grants, subject, journey, &item.id, now)?;
        let (offer, code) = (grant.offer.clone(), grant.code.clone());
        Some(Grant { offer, code, until: grant.until })
    };
    shown.filter_map(code).collect()
}

/// Between looking and writing others may have had the last one: such an offer is not shown.
fn hide_without_code(state: &State, look: &mut Look) {
    let (subject, context) = (look.decision.subject, look.decision.context.clone());
    let after = engine::decide(state, look.person, subject, context, look.decision.id);
    for item in &mut look.decision.items {
        let is_given = look.grants.iter().any(|grant| grant.offer == item.id);
        if item.what != What::Offer || !item.why.is_shown() || is_given {
            continue;
        }
        let same = |own: &&Item| own.what == item.what && own.id == item.id;
        let why = after.items.iter().find(same).map(|own| own.why.clone());
        item.why = why.filter(|why| !why.is_shown()).unwrap_or(Why::CapTotal);
    }
}

/// A decision that was made, and whose it is; `None` if it is not known (any more).
pub fn find_decision(app: &App, id: u64) -> Option<(Option<PersonId>, Decision)> {
    let seq = app.engine.state().decision_seq(id);
    let Some(seq) = seq else {
        let (person, decision) = app.memory.decision(id)?;
        // A person who is gone took their decisions along.
        let is_there = person.is_none_or(|person| app.engine.state().person(person).is_some());
        return is_there.then_some((person, decision));
    };
    let mut found = None;
    let history = runtime::LogHistory(app.engine.reader().clone());
    history.entries(&[seq], &mut |entry| {
        if let Body::Decided { decision, by, .. } = entry.body {
            found = Some((by, decision));
        }
    });
    let (by, decision) = found?;
    Some((app.engine.state().person_by_alias(&by), decision))
}

/// `d_` and 16 hex digits.
pub fn decision_name(id: u64) -> String {
    format!("d_{id:016x}")
}

pub fn decision_named(name: &str) -> Option<u64> {
    let hex = name.strip_prefix("d_").filter(|hex| hex.len() == 16)?;
    u64::from_str_radix(hex, 16).ok()
}

/// The journey that a decision was made with; the one in force if that version is not kept.
pub fn journey_of<'a>(
    state: &'a State,
    decision: &Decision,
) -> Option<&'a std::sync::Arc<Journey>> {
    state.journey(&decision.journey).map(|(_, journey)| journey)
}

/// What the person sees: `{"id","menu":[…],"offers":[…],"steps":[…]}`, texts in `locale`.
pub fn decision_json(state: &State, decided: &Decided, locale: &str) -> Json {
    let decision = &decided.decision;
    let mut body = json!({
        "id": decision_name(decision.id),
        "menu": [],
        "offers": [],
        "steps": [],
    });
    let Some(journey) = journey_of(state, decision) else { return body };
    let reason = |item: &Item| {
        json!({
            "code": item.why.code(),
            "text": reason_text(decision, item, journey, state, locale),
        })
    };
    let menu = decision.shown(What::Menu).filter_map(|item| {
        let own = journey.menu_item(&item.id)?;
        Some(json!({
            "id": own.id,
            "title": own.title.get(locale),
            "text": own.text.get(locale),
            "icon": own.icon,
            "open": own.open,
            "rank": own.rank,
            "reason": reason(item),
        }))
    });
    body["menu"] = menu.collect();
    let offers = decision.shown(What::Offer);
    let offers = offers.filter_map(|item| offer_json(decided, journey, item, locale, reason(item)));
    body["offers"] = offers.collect();
    let steps = decision.items.iter().filter(|item| item.what == What::Step);
    let steps = steps.filter_map(|item| {
        let state = step_state(&item.why)?;
        let own = journey.steps.iter().find(|own| *own.id == *item.id)?;
        Some(json!({
            "id": own.id,
            "title": own.title.get(locale),
            "text": own.text.get(locale),
            "open": own.open,
            "state": state,
            "reason": reason(item),
        }))
    });
    body["steps"] = steps.collect();
    body
}

fn offer_json(
    decided: &Decided,
    journey: &Journey,
    item: &Item,
    locale: &str,
    reason: Json,
) -> Option<Json> {
    let own = journey.offer(&item.id)?;
    let grant = decided.grants.iter().find(|grant| grant.offer == item.id);
    Some(json!({
        "id": own.id,
        "title": own.title.get(locale),
        "text": own.text.get(locale),
        "value": value_json(&own.value, locale),
        "code": grant.map(|grant| &*grant.code),
        "qr": grant.map(|grant| format!("/v1/me/offers/{}.svg", grant.code)),
        "until": json::time_or_null(grant.map(|grant| grant.until)),
        "redeemed": false,
        "reason": reason,
    }))
}

fn value_json(value: &OfferValue, locale: &str) -> Json {
    match value {
        OfferValue::Off(money) => json!({
            "kind": "off",
            "amount": json::amount(*money),
            "currency": money.currency_str(),
        }),
        OfferValue::Percent(percent) => json!({ "kind": "percent", "amount": percent.to_string() }),
        OfferValue::Gift(texts) => json!({ "kind": "gift", "text": texts.get(locale) }),
        OfferValue::Points(points) => json!({ "kind": "points", "amount": points.to_string() }),
    }
}

/// How a step stands; `None` if it is not for this person now.
fn step_state(why: &Why) -> Option<&'static str> {
    match why {
        Why::Done => Some("done"),
        Why::Suggested => Some("next"),
        Why::Locked(_) => Some("locked"),
        why if why.is_shown() => Some("open"),
        _ => None,
    }
}

/// Every item, shown or not, with the reason in words and the data that it rests on.
pub fn why_json(state: &State, decision: &Decision, locale: &str) -> Json {
    let journey = journey_of(state, decision);
    let items = decision.items.iter().map(|item| item_json(state, decision, item, journey, locale));
    items.collect()
}

fn item_json(
    state: &State,
    decision: &Decision,
    item: &Item,
    journey: Option<&std::sync::Arc<Journey>>,
    locale: &str,
) -> Json {
    let title = journey.and_then(|journey| title_of(journey, item)).map(|title| title.get(locale));
    let text = journey.map(|journey| reason_text(decision, item, journey, state, locale));
    let what = match item.what {
        What::Menu => "menu",
        What::Offer => "offer",
        What::Step => "step",
    };
    let used =
        item.used.iter().map(|(path, value)| json!({ "name": path, "value": json::value(value) }));
    json!({
        "what": what,
        "id": item.id,
        "title": title.unwrap_or(&item.id),
        "shown": item.why.is_shown(),
        "reason": { "code": item.why.code(), "text": text.unwrap_or_default() },
        "used": used.collect::<Json>(),
        "switch_off": journey.map(|journey| switches(journey, item)),
    })
}

/// The permissions by which the person can do without this.
fn switches<'a>(journey: &'a Journey, item: &Item) -> Vec<&'a str> {
    let needs = |purpose: &str| {
        item.used.iter().any(|(path, _)| match path.strip_prefix("person.consents.") {
            Some(own) => own == purpose,
            None => {
                let here = path.starts_with("context.place") || path.starts_with("context.loc");
                here && purpose == "location"
            }
        })
    };
    let purposes = journey.permissions.iter().map(|own| own.purpose.as_str());
    purposes.filter(|purpose| needs(purpose)).collect()
}

fn title_of<'a>(journey: &'a Journey, item: &Item) -> Option<&'a model::texts::Texts> {
    match item.what {
        What::Menu => journey.menu_item(&item.id).map(|own| &own.title),
        What::Offer => journey.offer(&item.id).map(|own| &own.title),
        What::Step => journey.steps.iter().find(|own| *own.id == *item.id).map(|own| &own.title),
    }
}
