//! The whole page of a product in one answer: what it is, how the person stands to it, and what
//! is offered here and now. Asking for it is asking for the decision.
//!
//! Kept true: while a unit has an owner, nobody else gets anything of it: no state, no attributes,
//! no history. Strangers and prospects are answered about the model.

use axum::extract::{Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use engine::journey::{Journey, NONE, SERVICE};
use engine::record::{Bond, Person};
use engine::{State, consents_to, journey_and_stage};
use model::context::Context;
use model::gs1::Subject;
use model::id::{PersonId, Time};
use model::touch::{Channel, Location};
use model::value::{Map, Value};
use serde_json::{Value as Json, json};

use super::past::{self, Past};
use super::visitor::{self, Params};
use super::words::Language;
use super::{content, parcel, referral};
use crate::app::{App, now};
use crate::auth::Session;
use crate::deciding::{self, Asker, Decided};
use crate::json;
use crate::problem::Problem;

/// How far back the page looks for the parcel and for answers.
const DEPTH: usize = 300;
/// A used code is shown as used for so long.
const REDEEMED_SHOWN_MS: i64 = 14 * Time::DAY_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    Prospect,
    Owner,
}

impl Access {
    fn name(self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Prospect => "prospect",
            Access::Owner => "owner",
        }
    }
}

/// How somebody stands to a product.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub access: Access,
    pub person: Option<PersonId>,
    /// What they are answered about: the unit only if it is theirs.
    pub about: Subject,
}

pub fn standing(state: &State, person: Option<PersonId>, subject: Subject) -> Standing {
    let model = subject.to_model();
    let Some(id) = person.filter(|id| state.person(*id).is_some()) else {
        return Standing { access: Access::Public, person: None, about: model };
    };
    let owner = state.product(subject).and_then(|product| product.owner);
    if subject.is_unit() && owner == Some(id) {
        return Standing { access: Access::Owner, person: Some(id), about: subject };
    }
    // Somebody who parted still has their bond; once the unit is another's they see the model.
    let parted = subject.is_unit() && owner.is_none() && state.bond(id, subject).is_some();
    let about = if parted { subject } else { model };
    let access = if state.bond(id, about).is_some() { Access::Prospect } else { Access::Public };
    Standing { access, person: Some(id), about }
}

pub async fn get(
    Shared(app): Shared<App>,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = visitor::look(&app, &headers)?;
    let subject = visitor::subject_of_query(&params)?;
    let locale = visitor::locale(&params, &headers);
    let context = context_of(&params, &locale, now())?;
    let page = build(&app, session.as_ref(), subject, context, &locale).await?;
    Ok(visitor::private(page, None))
}

/// The context that the phone tells.
fn context_of(params: &Params, locale: &str, time: Time) -> Result<Context, Problem> {
    let text = |name: &str| -> Option<Box<str>> {
        let text = params.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())?;
        Some(text.chars().take(model::limits::NAME_BYTES).collect::<String>().into())
    };
    let number = |name: &str| match params.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text
            .parse::<f64>()
            .map(Some)
            .map_err(|_| Problem::new("invalid", "it is not a number").at(json!({ "path": name }))),
    };
    let location = match (number("lat")?, number("lon")?) {
        (Some(lat), Some(lon)) => Some(Location::degrees(lat, lon).ok_or_else(|| {
            Problem::new("invalid", "this is not a place on Earth").at(json!({ "path": "lat" }))
        })?),
        _ => None,
    };
    let channel = match params.get("channel") {
        None => Channel::Companion,
        Some(name) => Channel::named(name).ok_or_else(|| {
            Problem::new("invalid", "this is not a channel").at(json!({ "path": "channel" }))
        })?,
    };
    let mut weather = Map::EMPTY;
    if let Some(condition) = text("weather") {
        weather.insert("condition", Value::Text(condition));
    }
    if let Some(temperature) = number("temp_c")? {
        weather.insert("temp_c", Value::from(temperature));
    }
    Ok(Context {
        time,
        place: text("place"),
        location,
        channel: Some(channel),
        setting: text("setting"),
        locale: Some(locale.into()),
        zone: text("tz"),
        weather,
        role: None,
        near_product: params.get("near_product").map(|text| text == "true"),
        campaign: text("campaign"),
    })
}

/// The page, for a call that has everything.
pub async fn build(
    app: &App,
    session: Option<&Session>,
    subject: Subject,
    context: Context,
    locale: &str,
) -> Result<Json, Problem> {
    let standing = {
        let state = app.engine.state();
        if state.model(subject.gtin).is_none() {
            return Err(Problem::new("no_such_model", "nothing is registered with this GTIN"));
        }
        let person = session.and_then(|session| state.person_by_alias(&session.alias));
        standing(&state, person, subject)
    };
    let by = session.map(|session| session.alias.clone());
    let time = context.time;
    let about = standing.about;
    let asker = Asker::Known(by, standing.person);
    let show = |_: &State, decided: &Decided| decided.clone();
    let decided = deciding::decide_and_record(app, asker, about, context, false, show).await?;
    let past = match standing.person {
        Some(person) if standing.access != Access::Public => {
            past::touches(app, person, subject, DEPTH).await
        }
        _ => Vec::new(),
    };
    let state = app.engine.state();
    Ok(page_json(app, &state, subject, standing, &decided, &past, time, locale))
}

#[allow(clippy::too_many_arguments)]
fn page_json(
    app: &App,
    state: &State,
    subject: Subject,
    standing: Standing,
    decided: &Decided,
    past: &[Past],
    time: Time,
    locale: &str,
) -> Json {
    let Standing { access, about, .. } = standing;
    let person = standing.person.and_then(|id| state.person(id));
    let person = person.as_deref();
    let bond = standing.person.and_then(|id| state.bond(id, about));
    let journey = state.journey_for(subject.gtin).map(|(_, journey)| &**journey);
    let model = state.model(subject.gtin);
    let mut decision = deciding::decision_json(app, state, decided, locale);
    if let (Some(person), Some(journey), Some(offers)) =
        (person, journey, decision["offers"].as_array_mut())
    {
        offers.extend(redeemed(person, about, journey, time, locale));
    }
    let permissions =
        journey.map_or_else(|| json!([]), |journey| permissions_json(person, journey, locale));
    json!({
        "access": access.name(),
        "product": product_json(state, subject, access, locale),
        "bond": bond.as_deref().map(|bond| {
            let id = standing.person.expect("a bond is a person's");
            bond_json(state, id, about, bond, locale)
        }),
        "decision": decision,
        "content": model.map_or(Json::Null, |model| content::content_json(&model.content, locale)),
        "parcel": parcel::parcel_json(state, past, time, Language::named(locale)),
        "messages": messages(state, person, bond.as_deref(), journey, past, locale),
        "referral": person.map_or(Json::Null, |person| {
            referral::referral_json(app, state, person, subject.gtin, locale)
        }),
        "permissions": permissions,
        "live": format!("/v1/live{}", visitor::query_of(subject)),
        "yours": yours(state, standing, person, subject),
    })
}

/// The path of the person's own unit, for whoever looks at the model and has a bond with the unit
/// only: a page that was open before the unit was theirs goes on there.
fn yours(state: &State, standing: Standing, person: Option<&Person>, asked: Subject) -> Json {
    let (Some(id), Some(person)) = (standing.person, person) else { return Json::Null };
    if asked.is_unit() || standing.access != Access::Public {
        return Json::Null;
    }
    let owned = |own: &Subject| {
        own.gtin == asked.gtin && state.product(*own).is_some_and(|unit| unit.owner == Some(id))
    };
    person.subjects().rev().find(owned).map_or(Json::Null, |own| own.path().into())
}

fn product_json(state: &State, subject: Subject, access: Access, locale: &str) -> Json {
    let model = state.model(subject.gtin).expect("the caller found it");
    let product = if subject.is_unit() { state.product(subject) } else { None };
    let own = product.as_deref().filter(|_| access == Access::Owner);
    let mut attributes = model.attributes.clone();
    if let Some(own) = own {
        attributes.merge(&own.attributes);
    }
    let claimable = product.as_deref().is_some_and(|product| {
        product.registered.is_some() && product.claim.is_some() && product.owner.is_none()
    });
    json!({
        "gtin": subject.gtin.to_string(),
        "serial": json::serial(subject),
        "name": model.name.get(locale),
        "brand": model.brand,
        "image": model.image,
        "state": own.map(|own| json::map(&own.state)),
        "attributes": json::map(&attributes),
        "price": json::money_or_null(model.price),
        "claimable": claimable,
    })
}

fn bond_json(state: &State, id: PersonId, about: Subject, bond: &Bond, locale: &str) -> Json {
    let Some((journey, stage)) = journey_and_stage(state, id, about) else {
        return json!({
            "journey": "", "version": 0, "kind": "ad_hoc",
            "stage": { "id": NONE, "title": "", "text": null },
            "since": json::time(bond.since), "role": bond.role.name(), "stages": [],
        });
    };
    let version = state.journey(&journey.name).map_or(0, |(version, _)| version);
    json!({
        "journey": journey.name,
        "version": version,
        "kind": journey.kind.name(),
        "stage": stage_json(journey, stage, locale),
        "since": json::time(bond.since),
        "role": bond.role.name(),
        "stages": stages(journey, stage, locale),
    })
}

fn stage_json(journey: &Journey, stage: &str, locale: &str) -> Json {
    let own = journey.stage_no(stage).and_then(|no| journey.stage(no));
    let id = own.map_or(NONE, |own| own.name.as_str());
    let text = own.map(|own| own.text.get(locale)).filter(|text| !text.is_empty());
    json!({ "id": id, "title": stage_title(journey, stage, locale), "text": text })
}

/// The stage as the person reads it.
pub fn stage_title(journey: &Journey, stage: &str, locale: &str) -> String {
    let Some(own) = journey.stage_no(stage).and_then(|no| journey.stage(no)) else {
        return Language::named(locale).of("New to you", "Neu für dich").to_owned();
    };
    match own.title.get(locale) {
        "" => own.name.replace('_', " "),
        title => title.to_owned(),
    }
}

fn stages(journey: &Journey, stage: &str, locale: &str) -> Json {
    let here = journey.stage_no(stage).map(|no| usize::from(no.0));
    let all = journey.stages.iter().enumerate().map(|(at, own)| {
        let when = match here {
            Some(here) if at < here => "past",
            Some(here) if at == here => "now",
            _ => "ahead",
        };
        json!({ "id": own.name, "title": stage_title(journey, &own.name, locale), "state": when })
    });
    all.collect()
}

/// Codes that were used lately: the person sees that it worked.
fn redeemed(
    person: &Person,
    about: Subject,
    journey: &Journey,
    now: Time,
    locale: &str,
) -> Vec<Json> {
    let used = person.grants.iter().filter(|grant| {
        let lately = |time: Time| now.since(time) <= REDEEMED_SHOWN_MS;
        grant.subject == about
            && *grant.journey == *journey.name
            && grant.redeemed.is_some_and(lately)
    });
    let card = |grant: &engine::record::Grant| {
        let own = journey.offer(&grant.offer)?;
        Some(json!({
            "id": grant.code, "title": own.title.get(locale), "text": own.text.get(locale),
            "value": null, "code": null, "qr": null, "until": json::time(grant.until),
            "redeemed": true, "reason": null,
        }))
    };
    used.filter_map(card).collect()
}

/// Each permission that the journey asks for, with what it gives in return.
pub fn permissions_json(person: Option<&Person>, journey: &Journey, locale: &str) -> Json {
    let all = journey.permissions.iter().map(|own| {
        let consent = person.and_then(|person| person.consent(&own.purpose));
        let given = person.map_or(own.default, |person| consents_to(person, journey, &own.purpose));
        json!({
            "purpose": own.purpose,
            "title": own.title.get(locale),
            "gives": own.gives.get(locale),
            "given": given,
            "changed": json::time_or_null(consent.map(|consent| consent.time)),
        })
    });
    all.collect()
}

/// What timers sent and what people answered; of a message that was sent twice, the later one.
fn messages(
    state: &State,
    person: Option<&Person>,
    bond: Option<&Bond>,
    journey: Option<&Journey>,
    past: &[Past],
    locale: &str,
) -> Json {
    let mut all = Vec::new();
    if let (Some(person), Some(bond), Some(journey)) = (person, bond, journey) {
        for (at, sent) in bond.messages.iter().enumerate() {
            let again = bond.messages[at + 1..].iter().any(|later| later.id == sent.id);
            let id = state.text(sent.id);
            let Some(own) = journey.message(id).filter(|_| !again) else { continue };
            if own.purpose != SERVICE && !consents_to(person, journey, &own.purpose) {
                continue;
            }
            all.push((
                sent.time,
                json!({
                    "id": id, "title": own.title.get(locale), "text": own.text.get(locale),
                    "open": own.open, "time": json::time(sent.time), "read": sent.read,
                }),
            ));
        }
    }
    // The company's own words come with its secret key.
    let answer = |past: &&Past| past.touch.kind.as_str() == "help.answered" && past.touch.trusted;
    for answer in past.iter().filter(answer) {
        let title = Language::named(locale).of("We answered you", "Wir haben dir geantwortet");
        all.push((
            answer.touch.time,
            json!({
                "id": format!("help-{}", answer.seq), "title": title,
                "text": answer.touch.properties.text("text"), "open": "/chat",
                "time": json::time(answer.touch.time), "read": false,
            }),
        ));
    }
    all.sort_by_key(|(time, _)| *time);
    all.into_iter().map(|(_, message)| message).collect()
}
