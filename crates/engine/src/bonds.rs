//! Bonds: the relation of one person and one product; its journey, stage and steps.
//!
//! A bond begins with a model (somebody looks at it) and is tied to a unit when the company says
//! so (a trusted touch that names person and unit) or when the person claims it. It then moves to
//! the unit with its history. Whoever merely scans a unit keeps a bond with the model.

use std::cell::OnceCell;
use std::sync::Arc;

use model::context::Context;
use model::gs1::Subject;
use model::id::{PersonId, Time};
use model::kind::Kind;
use model::limits;
use model::outcome::Refusal;
use model::touch::Touch;

use crate::condition::Condition;
use crate::facts::{Here, View};
use crate::fold::{Change, Cx};
use crate::identity;
use crate::journey::{self, Journey, StageNo, matches_kind};
use crate::record::{Bond, Moved, Product, Role};
use crate::state::State;
use crate::timers;

/// Moves that a bond remembers; the log has all of them.
const MOVES_KEPT: usize = 64;
/// Wrong claim codes within a day, after which a unit takes no more until the day is over.
pub const CLAIM_FAILURES: u32 = 10;

/// Trusted touches that say that this unit is (to be) this person's.
const TIES: [&str; 8] = [
    "order.placed",
    "product.bought",
    "product.claimed",
    "product.shipped",
    "parcel.scanned",
    "parcel.delivered",
    "product.installed",
    "order.updated",
];

/// Touches by which a bond ends.
const PARTINGS: [&str; 3] = ["product.resold", "product.returned", "product.recycled"];

/// About buying, so for an owner they are about another unit.
const COMMERCE: [&str; 7] =
    ["campaign.", "cart.", "checkout.", "order.", "wishlist.", "coupon.", "payment."];

/// Refuses what only a true owner may do.
pub(crate) fn check(
    state: &mut State,
    touch: &Touch,
    person: Option<PersonId>,
    cx: &mut Cx<'_>,
) -> Result<(), Refusal> {
    let kind = touch.kind.as_str();
    if kind == "product.claimed" {
        return check_claim(state, touch, person, cx);
    }
    if PARTINGS.contains(&kind) && !touch.trusted {
        let owns = !identity::is_hearsay(touch)
            && touch.products.iter().all(|subject| {
                let owner = state.product(*subject).and_then(|product| product.owner);
                owner.is_some() && owner == person
            });
        if !owns {
            return Err(refusal("not_owner", "only the owner of a product can part from it"));
        }
    }
    Ok(())
}

fn refusal(code: &'static str, detail: &str) -> Refusal {
    Refusal { code, detail: detail.into() }
}

fn check_claim(
    state: &mut State,
    touch: &Touch,
    person: Option<PersonId>,
    cx: &mut Cx<'_>,
) -> Result<(), Refusal> {
    let [subject] = touch.products[..] else {
        return Err(refusal("claim_one_product", "a claim names exactly one product"));
    };
    let Some(person) = person else {
        return Err(refusal("claim_no_person", "a claim needs somebody who claims"));
    };
    let Some(product) = state.products.get_mut(&subject).filter(|p| p.registered.is_some()) else {
        return Err(refusal("no_such_product", "no product with this number is registered"));
    };
    if product.owner.is_some_and(|owner| owner != person) {
        return Err(refusal("already_owned", "this product already has an owner"));
    }
    if touch.trusted {
        return Ok(());
    }
    if cx.now.since(product.claim_failed) >= Time::DAY_MS {
        product.claim_failures = 0;
    }
    if product.claim_failures >= CLAIM_FAILURES {
        return Err(refusal("claim_locked", "too many wrong codes today; try again tomorrow"));
    }
    let Some(claim) = product.claim else {
        return Err(refusal("claim_not_offered", "this product has no code to claim it with"));
    };
    let given =
        touch.properties.text("code_sha256").and_then(|hex| u128::from_str_radix(hex, 16).ok());
    if given == Some(claim) {
        return Ok(());
    }
    product.claim_failures += 1;
    product.claim_failed = cx.now;
    Err(refusal("claim_code_wrong", "the code is not the one from this product's box"))
}

/// The products that a touch is about: its own, else the one its campaign is tied to.
pub(crate) fn subjects_of(state: &State, touch: &Touch) -> Vec<Subject> {
    if touch.kind.as_str().starts_with("products.") {
        return Vec::new();
    }
    if touch.products.is_empty() && touch.kind.as_str() == "campaign.clicked" {
        let campaign = touch.campaign.as_deref().and_then(|id| state.campaign(id));
        return match campaign.map(|campaign| &campaign.subjects[..]) {
            Some([only]) => vec![*only],
            _ => Vec::new(),
        };
    }
    let mut subjects: Vec<Subject> = Vec::with_capacity(touch.products.len());
    for subject in &touch.products {
        if !subjects.contains(subject) {
            subjects.push(*subject);
        }
    }
    subjects
}

/// Folds a touch into the person's bond with `subject`.
pub(crate) fn fold(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
    cx: &mut Cx<'_>,
) {
    let Some(subject) = bond_for(state, person, subject, touch, cx) else { return };
    carry_over(state, person, subject, touch.time, cx);
    let kind = touch.kind.as_str();
    let bond = state.bonds.get_mut(&(person, subject)).expect("bond_for made it");
    bond.touches += 1;
    if kind == "campaign.clicked" {
        bond.campaign = touch.campaign.clone();
    }
    if kind == "order.placed" && bond.role == Role::Prospect {
        bond.role = Role::Buyer;
    }
    if kind == "message.opened" {
        let id = touch.properties.text("message");
        bond.messages.iter_mut().filter(|own| Some(&*own.id) == id).for_each(|m| m.read = true);
    }
    fold_steps(state, person, subject, touch, cx);
    let target = target(state, person, subject, touch, cx.now);
    if let Some((journey, stage)) = target {
        enter(state, person, subject, &journey, &stage, kind, touch.time, cx);
    }
    if PARTINGS.contains(&kind) {
        part(state, person, subject, cx);
    }
}

/// Which bond it is about, made or tied to the unit if need be.
fn bond_for(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
    cx: &mut Cx<'_>,
) -> Option<Subject> {
    if subject.is_unit() {
        let bond = state.bonds.get(&(person, subject)).map(|bond| bond.role);
        let ties = (touch.trusted && TIES.contains(&touch.kind.as_str()))
            || touch.kind.as_str() == "product.claimed";
        return match bond {
            Some(role) if role == Role::Owner || !ties => Some(subject),
            _ if ties => {
                tie(state, person, subject, touch, cx);
                Some(subject)
            }
            _ => model_bond(state, person, subject.to_model(), touch),
        };
    }
    let kind = touch.kind.as_str();
    if !COMMERCE.iter().any(|prefix| kind.starts_with(prefix)) {
        let record = state.persons.get(&person)?;
        let unit = record.bonds.iter().rev().find(|own| {
            own.is_unit()
                && own.gtin == subject.gtin
                && state.bonds.get(&(person, **own)).is_some_and(|b| b.role == Role::Owner)
        });
        if let Some(unit) = unit {
            return Some(*unit);
        }
    }
    model_bond(state, person, subject, touch)
}

fn model_bond(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
) -> Option<Subject> {
    if !state.bonds.contains(&(person, subject)) {
        begin(state, person, subject, touch)?;
    }
    Some(subject)
}

fn begin(state: &mut State, person: PersonId, subject: Subject, touch: &Touch) -> Option<()> {
    let mut bond = Bond::new(touch.time);
    if let Some((version, journey)) = state.journey_for(subject.gtin) {
        bond.journey = journey.name.as_str().into();
        bond.version = version;
    }
    let record = state.persons.get_mut(&person)?;
    if record.bonds.len() >= limits::BONDS_PER_PERSON {
        return None;
    }
    record.bonds.push(subject);
    let code = record.referred_by.iter().find(|(gtin, _)| *gtin == subject.gtin);
    bond.referred = code.map(|(_, code)| code.clone());
    state.bonds.insert((person, subject), bond);
    Some(())
}

/// Ties a unit to the person: the bond with the model, if there is one, goes on with the unit.
fn tie(state: &mut State, person: PersonId, unit: Subject, touch: &Touch, cx: &mut Cx<'_>) {
    let model = unit.to_model();
    if !state.bonds.contains(&(person, unit)) {
        match state.bonds.remove(&(person, model)) {
            Some(mut bond) => {
                timers::cancel_all(state, person, model, &bond);
                for (due, id) in &bond.timers {
                    let key = crate::record::TimerKey {
                        due: *due,
                        person,
                        subject: unit,
                        id: id.clone(),
                    };
                    state.timers.insert(key, ());
                }
                bond.role = Role::Buyer;
                state.bonds.insert((person, unit), bond);
                if let Some(record) = state.persons.get_mut(&person) {
                    record.bonds.iter_mut().filter(|own| **own == model).for_each(|o| *o = unit);
                    let grants = record.grants.iter_mut();
                    grants.filter(|g| g.subject == model).for_each(|grant| grant.subject = unit);
                }
            }
            None if begin(state, person, unit, touch).is_none() => return,
            None => {}
        }
    }
    own(state, person, unit, touch.time);
    cx.changed(Change::Product(unit));
}

/// Makes the person the owner if nobody else is.
fn own(state: &mut State, person: PersonId, unit: Subject, time: Time) {
    let product = state.products.or_insert(&unit, Product::default);
    let mine = match product.owner {
        None => {
            product.owner = Some(person);
            product.owned_since = Some(time);
            true
        }
        Some(owner) => owner == person,
    };
    if let Some(bond) = state.bonds.get_mut(&(person, unit)) {
        bond.role = if mine { Role::Owner } else { Role::Prospect };
    }
}

fn part(state: &mut State, person: PersonId, subject: Subject, cx: &mut Cx<'_>) {
    if let Some(bond) = state.bonds.get_mut(&(person, subject)) {
        bond.role = Role::Former;
    }
    if let Some(product) = state.products.get_mut(&subject)
        && product.owner == Some(person)
    {
        product.owner = None;
        product.owned_since = None;
    }
    timers::cancel(state, person, subject);
    cx.changed(Change::Product(subject));
}

/// The journey in force for a bond and the stage in it, carried over from an older version by
/// the journey's stated rule. An empty name is the stage `none`.
pub fn journey_and_stage(
    state: &State,
    person: PersonId,
    subject: Subject,
) -> Option<(Arc<Journey>, Box<str>)> {
    let bond = state.bonds.get(&(person, subject))?;
    let (version, journey) = state.journey_for(subject.gtin)?;
    Some((journey.clone(), stage_in(version, journey, &bond).into()))
}

/// The stage of a bond in that version of the journey in force.
pub(crate) fn stage_in<'a>(version: u32, journey: &'a Journey, bond: &'a Bond) -> &'a str {
    if *bond.journey == *journey.name && bond.version == version {
        return &bond.stage;
    }
    let no = journey.carry(&bond.stage);
    no.and_then(|no| journey.stage(no)).map_or("", |stage| &stage.name)
}

fn carried(journey: &Journey, bond: &Bond) -> Box<str> {
    journey.carry(&bond.stage).map_or_else(|| "".into(), |no| stage_name(journey, no))
}

fn stage_name(journey: &Journey, no: StageNo) -> Box<str> {
    journey.stages[usize::from(no.0)].name.as_str().into()
}

/// Writes down where a bond of an older version stands in the one in force.
fn carry_over(state: &mut State, person: PersonId, subject: Subject, time: Time, cx: &mut Cx<'_>) {
    let Some((version, journey)) = state.journey_for(subject.gtin) else { return };
    let bond = state.bonds.get(&(person, subject)).expect("the caller found it");
    if *bond.journey == *journey.name && bond.version == version {
        return;
    }
    let (journey, stage) = (journey.clone(), carried(journey, &bond));
    let moved = stage != bond.stage;
    drop(bond);
    let bond = state.bonds.get_mut(&(person, subject)).expect("found above");
    bond.journey = journey.name.as_str().into();
    bond.version = version;
    bond.steps_done.retain(|done| journey.steps.iter().any(|step| *step.id == **done));
    if moved {
        enter(state, person, subject, &journey, &stage, "journey.published", time, cx);
    }
}

/// The stage that this touch moves the bond to, if any.
fn target(
    state: &State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
    recorded: Time,
) -> Option<(Arc<Journey>, Box<str>)> {
    let (journey, stage) = journey_and_stage(state, person, subject)?;
    let from = journey.stage_no(&stage);
    for a_move in journey.moves.iter().filter(|a_move| a_move.fits(from, &touch.kind)) {
        let when = a_move.when.as_ref();
        let about = Some((touch, recorded));
        if when.is_none_or(|when| holds(state, person, subject, when, about, touch.time)) {
            let to = stage_name(&journey, a_move.to);
            return (to != stage).then(|| (journey.clone(), to));
        }
    }
    // A campaign may itself stand for a stage; it brings in whoever has none yet.
    if from.is_none() && touch.kind.as_str() == "campaign.clicked" {
        let campaign = state.campaign(touch.campaign.as_deref()?)?;
        let stage = campaign.stage.clone()?;
        return journey.stage_no(&stage).map(|_| (journey.clone(), stage));
    }
    None
}

/// Whether a condition holds for a bond, for a touch or a timer.
pub(crate) fn holds(
    state: &State,
    person: PersonId,
    subject: Subject,
    when: &Condition,
    touch: Option<(&Touch, Time)>,
    now: Time,
) -> bool {
    let context = match touch {
        Some((touch, _)) => Context {
            time: now,
            place: touch.place.clone(),
            location: touch.location,
            channel: touch.channel,
            campaign: touch.campaign.clone(),
            ..Context::default()
        },
        None => Context { time: now, ..Context::default() },
    };
    let Some(bond) = state.bonds.get(&(person, subject)) else { return false };
    let here = Here::find(state, &context, subject);
    let (record, product) = (state.persons.get(&person), state.products.get(&subject));
    let stage = journey_and_stage(state, person, subject).map(|(_, stage)| stage);
    let view = View {
        state,
        subject,
        person: record.as_deref(),
        product: product.as_deref(),
        model: state.model(subject.gtin),
        stage: stage.as_deref().unwrap_or_default(),
        journey: &bond.journey,
        bond: Some(&bond),
        now,
        touch,
        here: &here,
        consents: OnceCell::new(),
        steps_done: OnceCell::new(),
    };
    when.holds(&view, None).is_yes()
}

/// Enters a stage: its timers begin, those of the stage before end.
#[allow(clippy::too_many_arguments)]
pub(crate) fn enter(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    journey: &Journey,
    stage: &str,
    by: &str,
    time: Time,
    cx: &mut Cx<'_>,
) {
    timers::cancel(state, person, subject);
    let Some(bond) = state.bonds.get_mut(&(person, subject)) else { return };
    bond.stage = stage.into();
    bond.since = time;
    bond.shown.clear();
    if bond.moves.len() >= MOVES_KEPT {
        bond.moves.remove(0);
    }
    bond.moves.push(Moved { stage: stage.into(), time, seq: cx.seq, by: by.into() });
    let no = journey.stage_no(stage);
    let begun = journey.timers.iter().filter(|timer| Some(timer.in_stage) == no);
    let begun: Vec<(Box<str>, i64)> =
        begun.map(|timer| (timer.id.as_str().into(), timer.after_ms)).collect();
    timers::begin(state, person, subject, &begun, cx.now);
    cx.changed(Change::Person(person));
}

/// What a timer that records a kind does: the moves for this kind, without a touch.
pub(crate) fn move_by_kind(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    kind: &Kind,
    time: Time,
    cx: &mut Cx<'_>,
) {
    let touch = Touch::new(kind.clone(), time, model::touch::Source::Engine);
    if let Some((journey, stage)) = target(state, person, subject, &touch, time) {
        enter(state, person, subject, &journey, &stage, kind.as_str(), time, cx);
    }
}

/// Marks the steps that this touch does. In a prescribed journey a step counts only when all
/// before it are done; done out of order it stays locked and has to be done again.
fn fold_steps(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
    cx: &mut Cx<'_>,
) {
    let Some((journey, _)) = journey_and_stage(state, person, subject) else { return };
    let named = match touch.kind.as_str() {
        "step.done" => touch.properties.text("step"),
        _ => None,
    };
    for step in &journey.steps {
        let bond = state.bonds.get(&(person, subject)).expect("the caller found it");
        if bond.steps_done.iter().any(|done| **done == *step.id) {
            continue;
        }
        drop(bond);
        let about = Some((touch, cx.now));
        let applies = step
            .when
            .as_ref()
            .is_none_or(|when| holds(state, person, subject, when, about, touch.time));
        if !applies {
            continue;
        }
        if matches_kind(&step.done_on, &touch.kind) || named == Some(&*step.id) {
            let bond = state.bonds.get_mut(&(person, subject)).expect("found above");
            bond.steps_done.push(step.id.as_str().into());
        } else if journey.kind == journey::Kind::Prescribed {
            break;
        }
    }
}
