//! The decision: menu, offers and steps for a person, a product and a context, each item with the
//! reason and the data it rests on. It only reads; what was shown comes back as an entry.

use std::cell::OnceCell;
use std::sync::Arc;

use model::context::Context;
use model::decision::{Decision, Item, What, Why};
use model::gs1::Subject;
use model::id::PersonId;
use model::value::Value;

use crate::bonds;
use crate::condition::{Condition, Verdict};
use crate::facts::{Here, View};
use crate::grants::{self, Capped};
use crate::journey::{self, Journey, MenuItem, Offer, StageNo, Step};
use crate::record::Person;
use crate::state::State;

/// Decides. Without a person it is what a stranger sees; then no offer is given. `id` names the
/// decision from here on.
pub fn decide(
    state: &State,
    person: Option<PersonId>,
    subject: Subject,
    context: Context,
    id: u64,
) -> Decision {
    let subject = person.map_or(subject, |person| bond_subject(state, person, subject));
    let Some((journey, version, stage)) = standing(state, person, subject) else {
        return Decision {
            id,
            subject,
            journey: "".into(),
            version: 0,
            stage: "".into(),
            context,
            items: Vec::new(),
        };
    };
    let items = items(state, person, subject, &context, &journey, &stage);
    Decision { id, subject, journey: journey.name.as_str().into(), version, stage, context, items }
}

/// The bond that a question about `subject` is about: the unit's, else the model's.
pub fn bond_subject(state: &State, person: PersonId, subject: Subject) -> Subject {
    if subject.is_unit() && state.bond(person, subject).is_none() {
        let model = subject.to_model();
        if state.bond(person, model).is_some() {
            return model;
        }
    }
    subject
}

/// The place that a context is at or near, and how far in metres, as conditions see it.
pub fn nearest_place(
    state: &State,
    context: &Context,
    subject: Subject,
) -> Option<(Box<str>, Option<f64>)> {
    let near = Here::find(state, context, subject).place?;
    Some((near.place.id.clone(), near.distance_m))
}

fn standing(
    state: &State,
    person: Option<PersonId>,
    subject: Subject,
) -> Option<(Arc<Journey>, u32, Box<str>)> {
    let (version, journey) = state.journey_for(subject.gtin)?;
    let bond = person.and_then(|person| bonds::journey_and_stage(state, person, subject));
    let stage = bond.map_or_else(|| "".into(), |(_, stage)| stage.into());
    Some((journey.clone(), version, stage))
}

fn items(
    state: &State,
    id: Option<PersonId>,
    subject: Subject,
    context: &Context,
    journey: &Journey,
    stage: &str,
) -> Vec<Item> {
    let here = Here::find(state, context, subject);
    let record = id.and_then(|id| state.person(id));
    let bond = id.and_then(|id| state.bond(id, subject));
    let product = state.product(subject);
    let view = View {
        state,
        subject,
        person: record.as_deref(),
        product: product.as_deref(),
        model: state.model(subject.gtin),
        bond: bond.as_deref(),
        stage,
        journey: &journey.name,
        now: context.time,
        touch: None,
        here: &here,
        consents: OnceCell::new(),
        steps_done: OnceCell::new(),
    };
    let no = journey.stage_no(stage);
    let mut items = menu(&view, journey, no);
    items.extend(offers(&view, journey, no));
    items.extend(steps(&view, journey, no));
    items
}

fn menu(view: &View<'_>, journey: &Journey, stage: Option<StageNo>) -> Vec<Item> {
    let mut order: Vec<&MenuItem> = journey.menu.iter().collect();
    // Equal ranks keep the file's order.
    order.sort_by_key(|item| std::cmp::Reverse(item.rank));
    order.into_iter().map(|item| menu_item(view, item, stage)).collect()
}

fn menu_item(view: &View<'_>, item: &MenuItem, stage: Option<StageNo>) -> Item {
    let mut used = Vec::new();
    let role = view.here.context.role.as_deref();
    let role = role.or_else(|| view.bond.map(|bond| bond.role.name())).unwrap_or("public");
    let why = if !item.role.is_empty() && !item.role.iter().any(|own| own == role) {
        used.push(("bond.role".into(), Value::from(role)));
        Why::OtherRole
    } else if item.always {
        Why::Always
    } else {
        in_stage_and_when(view, &item.in_stages, stage, item.when.as_ref(), &mut used)
    };
    Item { what: What::Menu, id: item.id.as_str().into(), why, used }
}

type Used = Vec<(Box<str>, Value)>;

fn in_stage_and_when(
    view: &View<'_>,
    in_stages: &[StageNo],
    stage: Option<StageNo>,
    when: Option<&Condition>,
    used: &mut Used,
) -> Why {
    let fits = in_stages.is_empty() || stage.is_some_and(|stage| in_stages.contains(&stage));
    if !in_stages.is_empty() {
        let name = if view.stage.is_empty() { journey::NONE } else { view.stage };
        used.push(("bond.stage".into(), Value::from(name)));
    }
    if !fits {
        return Why::OtherStage;
    }
    match when {
        None => Why::Stage,
        Some(when) => ask(view, when, used).err().unwrap_or(Why::Condition),
    }
}

fn ask(view: &View<'_>, when: &Condition, used: &mut Used) -> Result<(), Why> {
    let mut read = Vec::new();
    let verdict = when.holds(view, Some(&mut read));
    for fact in read {
        if !used.iter().any(|(path, _)| **path == *fact.path) {
            used.push((fact.path.into(), fact.value));
        }
    }
    match verdict {
        Verdict::Yes => Ok(()),
        Verdict::No => Err(Why::ConditionFails),
        Verdict::Unknown(why) => Err(Why::ConditionUnknown(why.to_string().into())),
    }
}

fn offers(view: &View<'_>, journey: &Journey, stage: Option<StageNo>) -> Vec<Item> {
    let Some(person) = view.person else { return Vec::new() };
    let mut order: Vec<&Offer> = journey.offers.iter().collect();
    order.sort_by_key(|offer| std::cmp::Reverse(offer.rank));
    order.into_iter().map(|offer| offer_item(view, person, journey, offer, stage)).collect()
}

fn offer_item(
    view: &View<'_>,
    person: &Person,
    journey: &Journey,
    offer: &Offer,
    stage: Option<StageNo>,
) -> Item {
    let mut used = Vec::new();
    let why = offer_why(view, person, journey, offer, stage, &mut used);
    Item { what: What::Offer, id: offer.id.as_str().into(), why, used }
}

fn offer_why(
    view: &View<'_>,
    person: &Person,
    journey: &Journey,
    offer: &Offer,
    stage: Option<StageNo>,
    used: &mut Used,
) -> Why {
    if let Some(purpose) = &offer.needs_consent {
        let given = consents_to(person, journey, purpose);
        used.push((format!("person.consents.{purpose}").into(), Value::Bool(given)));
        if !given {
            return Why::NoConsent(purpose.as_str().into());
        }
    }
    let now = view.now;
    let held = grants::held(&person.grants, view.subject, &journey.name, &offer.id, now).is_some();
    if let Some(campaign) = offer.campaign.as_deref().and_then(|id| view.state.campaign(id)) {
        let begun = campaign.starts.is_none_or(|starts| starts <= now);
        let over = campaign.ends.is_some_and(|ends| ends <= now);
        if (!begun || over) && !held {
            return Why::CampaignOver;
        }
    }
    let why = in_stage_and_when(view, &offer.in_stages, stage, offer.when.as_ref(), used);
    // A code that was given stays in the hand until it is used or over, also away from the shop.
    if held {
        return if why.is_shown() { why } else { Why::Stage };
    }
    if !why.is_shown() {
        return why;
    }
    match grants::capped(view.state, &person.grants, journey, offer, now) {
        Some(Capped::Person) => Why::CapPerson,
        Some(Capped::Day) => Why::CapDay,
        Some(Capped::Total) => Why::CapTotal,
        None => why,
    }
}

/// Whether a permission is given: by the person, else as the journey states its default.
pub fn consents_to(person: &Person, journey: &Journey, purpose: &str) -> bool {
    match person.consent(purpose) {
        Some(consent) => consent.given,
        None => journey.permissions.iter().any(|own| own.purpose == purpose && own.default),
    }
}

fn steps(view: &View<'_>, journey: &Journey, stage: Option<StageNo>) -> Vec<Item> {
    let prescribed = journey.kind == journey::Kind::Prescribed;
    let guided = journey.kind == journey::Kind::Guided;
    let mut items = Vec::with_capacity(journey.steps.len());
    // The first step that is not done: all later ones wait for it, or merely come later.
    let mut first: Option<&Step> = None;
    for step in &journey.steps {
        let mut used = Vec::new();
        let done = is_done(view, step);
        let why =
            match in_stage_and_when(view, &step.in_stages, stage, step.when.as_ref(), &mut used) {
                _ if done => Why::Done,
                Why::OtherStage if prescribed && first.is_none() => Why::OtherStage,
                why if !why.is_shown() && !prescribed => why,
                why if why == Why::ConditionFails => why,
                _ => match first {
                    Some(before) if prescribed => Why::Locked(before.id.as_str().into()),
                    Some(_) => Why::Later,
                    None if guided || prescribed => Why::Suggested,
                    None => Why::Later,
                },
            };
        if !done && !matches!(why, Why::ConditionFails) && first.is_none() {
            let here = why.is_shown() || prescribed;
            first = here.then_some(step);
        }
        items.push(Item { what: What::Step, id: step.id.as_str().into(), why, used });
    }
    items
}

fn is_done(view: &View<'_>, step: &Step) -> bool {
    let done = view.bond.map_or(&[][..], |bond| &bond.steps_done);
    done.iter().any(|done| view.state.text(*done) == step.id)
}
