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
use crate::journey::{self, Journey, matches_kind};
use crate::record::{Bond, Moved, Product, Role};
use crate::state::{Force, State};
use crate::terms::Term;
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
    let opened = (kind == "message.opened").then(|| touch.properties.text("message"));
    let opened = opened.flatten().and_then(|id| state.term(id));
    let bond = state.bond_mut(person, subject).expect("bond_for made it");
    bond.touches += 1;
    if kind == "campaign.clicked" {
        bond.campaign = touch.campaign.clone();
    }
    if kind == "order.placed" && bond.role == Role::Prospect {
        bond.role = Role::Buyer;
    }
    if let Some(id) = opened {
        bond.messages.iter_mut().filter(|own| own.id == id).for_each(|own| own.read = true);
    }
    fold_steps(state, person, subject, touch, cx);
    if let Some((force, to)) = target(state, person, subject, touch, cx.now) {
        enter(state, person, subject, &force, Moving { to, by: kind, time: touch.time }, cx);
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
    let kind = touch.kind.as_str();
    let record = state.persons.get(&person)?;
    if subject.is_unit() {
        let role = record.bond(subject).map(|bond| bond.role);
        drop(record);
        let ties = (touch.trusted && TIES.contains(&kind)) || kind == "product.claimed";
        return match role {
            Some(role) if role == Role::Owner || !ties => Some(subject),
            _ if ties => {
                tie(state, person, subject, touch, cx);
                Some(subject)
            }
            _ => model_bond(state, person, subject.to_model(), touch),
        };
    }
    if !COMMERCE.iter().any(|prefix| kind.starts_with(prefix)) {
        let unit = record.bonds.iter().rev().find(|own| {
            own.subject.is_unit() && own.subject.gtin == subject.gtin && own.role == Role::Owner
        });
        if let Some(unit) = unit {
            return Some(unit.subject);
        }
    }
    drop(record);
    model_bond(state, person, subject, touch)
}

fn model_bond(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
) -> Option<Subject> {
    if state.bond(person, subject).is_none() {
        begin(state, person, subject, touch)?;
    }
    Some(subject)
}

fn begin(state: &mut State, person: PersonId, subject: Subject, touch: &Touch) -> Option<()> {
    let mut bond = Bond::new(subject, touch.time);
    if let Some(force) = state.force(subject.gtin) {
        (bond.journey, bond.version) = (force.name, force.version);
    }
    let record = state.persons.get_mut(&person)?;
    if record.bonds.len() >= limits::BONDS_PER_PERSON {
        return None;
    }
    let code = record.referred_by.iter().find(|(gtin, _)| *gtin == subject.gtin);
    if let Some((_, code)) = code {
        bond.referred = Some(code.clone());
    }
    record.bonds.push(bond);
    Some(())
}

/// Ties a unit to the person: the bond with the model, if there is one, goes on with the unit.
fn tie(state: &mut State, person: PersonId, unit: Subject, touch: &Touch, cx: &mut Cx<'_>) {
    let model = unit.to_model();
    if state.bond(person, unit).is_none() {
        let bond = state.bond(person, model).map(|bond| bond.clone());
        match bond {
            Some(mut bond) => {
                timers::cancel_all(state, person, &bond);
                for (due, id) in &bond.timers {
                    let (due, id) = (*due, *id);
                    let key = crate::record::TimerKey { due, person, subject: unit, id };
                    state.timers.insert(key, ());
                }
                (bond.role, bond.subject) = (Role::Buyer, unit);
                let record = state.persons.get_mut(&person).expect("its bond was found");
                *record.bond_mut(model).expect("found above") = bond;
                if record.grants.iter().any(|grant| grant.subject == model) {
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
    if let Some(bond) = state.bond_mut(person, unit) {
        bond.role = if mine { Role::Owner } else { Role::Prospect };
    }
}

fn part(state: &mut State, person: PersonId, subject: Subject, cx: &mut Cx<'_>) {
    if let Some(bond) = state.bond_mut(person, subject) {
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
) -> Option<(&Arc<Journey>, &str)> {
    let bond = state.bond(person, subject)?;
    let force = state.force(subject.gtin)?;
    Some((&force.journey, state.text(stage_of(state, force, &bond))))
}

pub(crate) fn force_and_stage(
    state: &State,
    person: PersonId,
    subject: Subject,
) -> Option<(Arc<Force>, Term)> {
    let bond = state.bond(person, subject)?;
    let force = state.force(subject.gtin)?;
    Some((force.clone(), stage_of(state, force, &bond)))
}

fn stage_of(state: &State, force: &Force, bond: &Bond) -> Term {
    if bond.journey == force.name && bond.version == force.version {
        return bond.stage;
    }
    force.stage_term(force.journey.carry(state.text(bond.stage)))
}

/// Writes down where a bond of an older version stands in the one in force.
fn carry_over(state: &mut State, person: PersonId, subject: Subject, time: Time, cx: &mut Cx<'_>) {
    let Some(force) = state.force(subject.gtin) else { return };
    let bond = state.bond(person, subject).expect("the caller found it");
    if bond.journey == force.name && bond.version == force.version {
        return;
    }
    let (force, to) = (force.clone(), stage_of(state, force, &bond));
    let moved = to != bond.stage;
    drop(bond);
    let bond = state.bond_mut(person, subject).expect("found above");
    (bond.journey, bond.version) = (force.name, force.version);
    bond.steps_done.retain(|done| force.steps.contains(done));
    if moved {
        let moving = Moving { to, by: "journey.published", time };
        enter(state, person, subject, &force, moving, cx);
    }
}

/// The stage that this touch moves the bond to, if any.
fn target(
    state: &State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
    recorded: Time,
) -> Option<(Arc<Force>, Term)> {
    let (force, stage) = force_and_stage(state, person, subject)?;
    let from = force.stage_no(stage);
    let about = About { person, subject, touch: Some((touch, recorded)), now: touch.time };
    let fits = force.journey.moves.iter().filter(|own| own.fits(from, &touch.kind));
    let conditions = fits.map(|own| (own.when.as_ref(), own.to));
    if let Some(to) = first_that_holds(state, about, conditions) {
        let to = force.stage_term(Some(to));
        return (to != stage).then_some((force, to));
    }
    // A campaign may itself stand for a stage; it brings in whoever has none yet.
    if from.is_none() && touch.kind.as_str() == "campaign.clicked" {
        let campaign = state.campaign(touch.campaign.as_deref()?)?;
        let number = force.journey.stage_no(campaign.stage.as_deref()?)?;
        let to = force.stage_term(Some(number));
        return Some((force, to));
    }
    None
}

/// What a condition of a bond is asked about: a touch with its log time, or a timer.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub person: PersonId,
    pub subject: Subject,
    pub touch: Option<(&'a Touch, Time)>,
    pub now: Time,
}

/// Whether a condition holds for a bond, for a touch or a timer.
pub(crate) fn holds(state: &State, about: About<'_>, when: &Condition) -> bool {
    first_that_holds(state, about, std::iter::once((Some(when), ()))).is_some()
}

/// The first of these whose condition holds, or that has none. What conditions read is put together
/// once for all of them, and only if there is one to ask.
fn first_that_holds<'j, T>(
    state: &State,
    about: About<'_>,
    mut conditions: impl Iterator<Item = (Option<&'j Condition>, T)>,
) -> Option<T> {
    let (first, value) = conditions.next()?;
    let Some(first) = first else { return Some(value) };
    let About { person, subject, touch, now } = about;
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
    let record = state.persons.get(&person)?;
    let bond = record.bond(subject)?;
    let here = Here::find(state, &context, subject);
    let product = state.products.get(&subject);
    let stage = state.force(subject.gtin).map(|force| stage_of(state, force, bond));
    let view = View {
        state,
        subject,
        person: Some(&record),
        product: product.as_deref(),
        model: state.model(subject.gtin),
        stage: state.text(stage.unwrap_or(Term::NONE)),
        journey: state.text(bond.journey),
        bond: Some(bond),
        now,
        touch,
        here: &here,
        consents: OnceCell::new(),
        steps_done: OnceCell::new(),
    };
    let holds = |when: &Condition| when.holds(&view, None).is_yes();
    if holds(first) {
        return Some(value);
    }
    conditions.find(|(when, _)| when.is_none_or(holds)).map(|(_, value)| value)
}

/// To which stage a bond moves, what moved it and when.
pub(crate) struct Moving<'a> {
    pub to: Term,
    pub by: &'a str,
    pub time: Time,
}

/// Enters a stage: its timers begin, those of the stage before end.
pub(crate) fn enter(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    force: &Force,
    moving: Moving<'_>,
    cx: &mut Cx<'_>,
) {
    timers::cancel(state, person, subject);
    let Moving { to, by, time } = moving;
    let Some(bond) = state.bond_mut(person, subject) else { return };
    (bond.stage, bond.since) = (to, time);
    bond.shown.clear();
    if bond.moves.len() >= MOVES_KEPT {
        bond.moves.remove(0);
    }
    bond.moves.push(Moved { stage: to, time, seq: cx.seq, by: by.into() });
    let no = force.stage_no(to);
    let timers = force.journey.timers.iter().zip(&force.timers);
    let begun = timers.filter(|(timer, _)| Some(timer.in_stage) == no);
    let begun: Vec<(Term, i64)> = begun.map(|(timer, id)| (*id, timer.after_ms)).collect();
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
    if let Some((force, to)) = target(state, person, subject, &touch, time) {
        enter(state, person, subject, &force, Moving { to, by: kind.as_str(), time }, cx);
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
    let named = match touch.kind.as_str() {
        "step.done" => touch.properties.text("step"),
        _ => None,
    };
    let Some(force) = state.force(subject.gtin) else { return };
    let steps = &force.journey.steps;
    let does =
        |step: &journey::Step| matches_kind(&step.done_on, &touch.kind) || named == Some(&*step.id);
    if !steps.iter().any(does) {
        return;
    }
    let force = force.clone();
    let about = About { person, subject, touch: Some((touch, cx.now)), now: touch.time };
    for (step, id) in force.journey.steps.iter().zip(&force.steps) {
        let bond = state.bond(person, subject).expect("the caller found it");
        if bond.steps_done.contains(id) {
            continue;
        }
        drop(bond);
        let applies = step.when.as_ref().is_none_or(|when| holds(state, about, when));
        if !applies {
            continue;
        }
        if does(step) {
            let bond = state.bond_mut(person, subject).expect("found above");
            bond.steps_done.push(*id);
        } else if force.journey.kind == journey::Kind::Prescribed {
            break;
        }
    }
}
