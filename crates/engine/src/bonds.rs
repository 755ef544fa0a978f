//! Bonds: the relation of one person and one product; its journey, stage and steps.
//!
//! A bond begins with a model (somebody looks at it) and is tied to a unit when the company says
//! so (a trusted touch that names person and unit) or when the person claims it. It then moves to
//! the unit with its history. Whoever merely scans a unit keeps a bond with the model.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use model::context::Context;
use model::gs1::Subject;
use model::id::{PersonId, Time};
use model::kind::{Kind, Kinds};
use model::limits;
use model::outcome::Refusal;
use model::touch::Touch;

use crate::condition::Condition;
use crate::facts::{Here, View};
use crate::fold::{Change, Cx};
use crate::identity;
use crate::journey::{self, Journey, matches_kind};
use crate::moves::By;
use crate::record::{Bond, Person, Product, Role, TimerKey};
use crate::state::{Force, OnKind, State};
use crate::table::Spot;
use crate::terms::Term;
use crate::timers;

/// Wrong claim codes within a day, after which a unit takes no more until the day is over.
pub const CLAIM_FAILURES: u32 = 10;

/// Trusted touches that say that this unit is (to be) this person's.
const TIES: Kinds = Kinds::of(&[
    "order.placed",
    "product.bought",
    "product.claimed",
    "product.shipped",
    "parcel.scanned",
    "parcel.delivered",
    "product.installed",
    "order.updated",
]);

/// Touches by which a bond ends.
const PARTINGS: Kinds = Kinds::of(&["product.resold", "product.returned", "product.recycled"]);

const CLICKED: Kinds = Kinds::of(&["campaign.clicked"]);
const ORDERED: Kinds = Kinds::of(&["order.placed"]);
const CLAIMED: Kinds = Kinds::of(&["product.claimed"]);
const OPENED: Kinds = Kinds::of(&["message.opened"]);
const NOTED: Kinds = CLICKED.and(ORDERED).and(OPENED);
const DONE: Kinds = Kinds::of(&["step.done"]);

/// About buying, so for an owner they are about another unit.
const COMMERCE: [&str; 7] =
    ["campaign.", "cart.", "checkout.", "order.", "wishlist.", "coupon.", "payment."];

/// What [`check`] is for.
pub(crate) const CHECKED: Kinds = CLAIMED.and(PARTINGS);

/// Refuses what only a true owner may do.
pub(crate) fn check(
    state: &mut State,
    touch: &Touch,
    person: Option<PersonId>,
    cx: &mut Cx<'_>,
) -> Result<(), Refusal> {
    if CLAIMED.have(&touch.kind) {
        return check_claim(state, touch, person, cx);
    }
    if PARTINGS.have(&touch.kind) && !touch.trusted {
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
pub(crate) fn subjects_of<'a>(state: &State, touch: &'a Touch) -> Cow<'a, [Subject]> {
    if touch.kind.as_str().starts_with("products.") {
        return Cow::default();
    }
    if touch.products.is_empty() && CLICKED.have(&touch.kind) {
        let campaign = touch.campaign.as_deref().and_then(|id| state.campaign(id));
        return match campaign.map(|campaign| &campaign.subjects[..]) {
            Some([only]) => vec![*only].into(),
            _ => Cow::default(),
        };
    }
    if touch.products.len() <= 1 {
        return touch.products[..].into();
    }
    let mut subjects: Vec<Subject> = Vec::with_capacity(touch.products.len());
    for subject in &touch.products {
        if !subjects.contains(subject) {
            subjects.push(*subject);
        }
    }
    subjects.into()
}

/// Where a bond stands in memory while one entry is folded in.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    pub person: PersonId,
    pub subject: Subject,
    spot: Spot,
    /// Its place among the person's bonds.
    at: usize,
}

impl Standing {
    pub fn of(state: &mut State, person: PersonId, subject: Subject) -> Option<Standing> {
        let spot = state.persons.open(&person)?;
        let at = place_of(state.persons.here(spot), subject)?;
        Some(Standing { person, subject, spot, at })
    }

    fn bond(self, state: &State) -> &Bond {
        &state.persons.here(self.spot).bonds[self.at]
    }

    pub fn bond_mut(self, state: &mut State) -> &mut Bond {
        &mut state.persons.here_mut(self.spot).bonds[self.at]
    }
}

fn place_of(person: &Person, subject: Subject) -> Option<usize> {
    person.bonds.iter().position(|bond| bond.subject == subject)
}

/// Folds a touch into the person's bond with `subject`.
pub(crate) fn fold(
    state: &mut State,
    person: PersonId,
    subject: Subject,
    touch: &Touch,
    cx: &mut Cx<'_>,
) {
    if let Some(spot) = state.persons.open(&person) {
        fold_at(state, (person, spot), subject, touch, cx);
    }
}

/// The same when it is known where the person's record is.
pub(crate) fn fold_at(
    state: &mut State,
    person: (PersonId, Spot),
    subject: Subject,
    touch: &Touch,
    cx: &mut Cx<'_>,
) {
    let Some(own) = bond_for(state, person, subject, touch, cx) else { return };
    let bond = own.bond_mut(state);
    bond.touches += 1;
    let (version, mut stage) = ((bond.journey, bond.version), bond.stage);
    if NOTED.have(&touch.kind) {
        note(state, own, touch);
    }
    if let Some(force) = state.force(own.subject.gtin).cloned() {
        if version != (force.name, force.version) {
            carry_over(state, own, &force, touch.time, cx);
            stage = own.bond(state).stage;
        }
        let on_kind = force.on_kind(&touch.kind);
        if on_kind.step || DONE.have(&touch.kind) {
            fold_steps(state, own, &force, touch, cx);
        }
        if let Some(to) = target(state, own, (&force, &on_kind), stage, (touch, cx.now)) {
            let by = By::Kind(&touch.kind);
            enter(state, own, &force, Moving { to, by, time: touch.time }, cx);
        }
    }
    if PARTINGS.have(&touch.kind) {
        part(state, own, cx);
    }
}

/// What a touch says of a bond beside moving it.
fn note(state: &mut State, own: Standing, touch: &Touch) {
    let opened = OPENED.have(&touch.kind).then(|| touch.properties.text("message"));
    let opened = opened.flatten().and_then(|id| state.term(id));
    let bond = own.bond_mut(state);
    if CLICKED.have(&touch.kind) {
        bond.campaign = touch.campaign.clone();
    }
    if ORDERED.have(&touch.kind) && bond.role == Role::Prospect {
        bond.role = Role::Buyer;
    }
    if let Some(id) = opened {
        bond.messages.iter_mut().filter(|own| own.id == id).for_each(|own| own.read = true);
    }
}

/// Which bond it is about, made or tied to the unit if need be.
fn bond_for(
    state: &mut State,
    (person, spot): (PersonId, Spot),
    subject: Subject,
    touch: &Touch,
    cx: &mut Cx<'_>,
) -> Option<Standing> {
    let record = state.persons.here(spot);
    let standing = |at| Standing { person, subject, spot, at };
    if subject.is_unit() {
        let at = place_of(record, subject);
        let role = at.map(|at| record.bonds[at].role);
        let ties = TIES.have(&touch.kind) && (touch.trusted || CLAIMED.have(&touch.kind));
        return match role {
            Some(role) if role == Role::Owner || !ties => at.map(standing),
            _ if ties => {
                tie(state, person, subject, touch, cx);
                place_of(state.persons.here(spot), subject).map(standing)
            }
            _ => model_bond(state, (person, spot), subject.to_model(), touch),
        };
    }
    if !COMMERCE.iter().any(|prefix| touch.kind.as_str().starts_with(prefix)) {
        let at = record.bonds.iter().rposition(|own| {
            own.role == Role::Owner && own.subject.gtin == subject.gtin && own.subject.is_unit()
        });
        if let Some(at) = at {
            return Some(Standing { person, subject: record.bonds[at].subject, spot, at });
        }
    }
    model_bond(state, (person, spot), subject, touch)
}

fn model_bond(
    state: &mut State,
    (person, spot): (PersonId, Spot),
    subject: Subject,
    touch: &Touch,
) -> Option<Standing> {
    let at = match place_of(state.persons.here(spot), subject) {
        Some(at) => at,
        None => {
            begin(state, person, subject, touch)?;
            place_of(state.persons.here(spot), subject)?
        }
    };
    Some(Standing { person, subject, spot, at })
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
        match Standing::of(state, person, model) {
            Some(own) => go_on_with(state, own, unit),
            None if begin(state, person, unit, touch).is_none() => return,
            None => {}
        }
    }
    make_owner(state, person, unit, touch.time);
    cx.changed(Change::Product(unit));
}

/// The bond with a model becomes that with the unit.
fn go_on_with(state: &mut State, own: Standing, unit: Subject) {
    let Standing { person, subject: model, .. } = own;
    for (due, id) in own.bond(state).timers.clone() {
        state.timers.remove(&TimerKey { due, person, subject: model, id });
        state.timers.insert(TimerKey { due, person, subject: unit, id }, ());
    }
    let bond = own.bond_mut(state);
    (bond.role, bond.subject) = (Role::Buyer, unit);
    let record = state.persons.here_mut(own.spot);
    if record.grants.iter().any(|grant| grant.subject == model) {
        let grants = record.grants.iter_mut();
        grants.filter(|g| g.subject == model).for_each(|grant| grant.subject = unit);
    }
}

/// Makes the person the owner if nobody else is.
fn make_owner(state: &mut State, person: PersonId, unit: Subject, time: Time) {
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

fn part(state: &mut State, own: Standing, cx: &mut Cx<'_>) {
    own.bond_mut(state).role = Role::Former;
    if let Some(product) = state.products.get_mut(&own.subject)
        && product.owner == Some(own.person)
    {
        product.owner = None;
        product.owned_since = None;
    }
    timers::cancel(state, own);
    cx.changed(Change::Product(own.subject));
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

pub(crate) fn force_and_stage(state: &State, own: Standing) -> Option<(Arc<Force>, Term)> {
    let force = state.force(own.subject.gtin)?;
    Some((force.clone(), stage_of(state, force, own.bond(state))))
}

pub(crate) fn stage_of(state: &State, force: &Force, bond: &Bond) -> Term {
    if bond.journey == force.name && bond.version == force.version {
        return bond.stage;
    }
    force.stage_term(force.journey.carry(state.text(bond.stage)))
}

/// Writes down where a bond of an older version stands in the one in force.
fn carry_over(state: &mut State, own: Standing, force: &Force, time: Time, cx: &mut Cx<'_>) {
    let bond = own.bond(state);
    let to = stage_of(state, force, bond);
    let moved = to != bond.stage;
    let bond = own.bond_mut(state);
    (bond.journey, bond.version) = (force.name, force.version);
    bond.steps_done.retain(|done| force.steps.contains(done));
    if moved {
        let by = By::Other("journey.published");
        enter(state, own, force, Moving { to, by, time }, cx);
    }
}

/// The stage that this touch moves the bond to, if any. It stands in `stage`.
fn target(
    state: &State,
    own: Standing,
    (force, on_kind): (&Force, &OnKind),
    stage: Term,
    (touch, recorded): (&Touch, Time),
) -> Option<Term> {
    let from = force.stage_no(stage);
    let about = About { own, touch: Some((touch, recorded)), now: touch.time };
    let moves = on_kind.moves.iter().map(|at| &force.journey.moves[usize::from(*at)]);
    let fits = moves.filter(|own| own.starts_at(from));
    let conditions = fits.map(|own| (own.when.as_ref(), own.to));
    if let Some(to) = first_that_holds(state, about, conditions) {
        let to = force.stage_term(Some(to));
        return (to != stage).then_some(to);
    }
    // A campaign may itself stand for a stage; it brings in whoever has none yet.
    if from.is_none() && CLICKED.have(&touch.kind) {
        let campaign = state.campaign(touch.campaign.as_deref()?)?;
        let number = force.journey.stage_no(campaign.stage.as_deref()?)?;
        return Some(force.stage_term(Some(number)));
    }
    None
}

/// What a condition of a bond is asked about: a touch with its log time, or a timer.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub own: Standing,
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
    let About { own, touch, now } = about;
    let subject = own.subject;
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
    let (record, bond) = (state.persons.here(own.spot), own.bond(state));
    let here = Here::find(state, &context, subject);
    let product = state.products.get(&subject);
    let stage = state.force(subject.gtin).map(|force| stage_of(state, force, bond));
    let view = View {
        state,
        subject,
        person: Some(record),
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
    pub by: By<'a>,
    pub time: Time,
}

/// Enters a stage: its timers begin, those of the stage before end.
pub(crate) fn enter(
    state: &mut State,
    own: Standing,
    force: &Force,
    moving: Moving<'_>,
    cx: &mut Cx<'_>,
) {
    timers::cancel(state, own);
    let Moving { to, by, time } = moving;
    let bond = own.bond_mut(state);
    (bond.stage, bond.since) = (to, time);
    bond.shown.clear();
    bond.moves.push(to, time, cx.seq, by);
    let no = force.stage_no(to);
    let timers = force.journey.timers.iter().zip(&force.timers);
    let begun = timers.filter(|(timer, _)| Some(timer.in_stage) == no);
    let begun: Vec<(Term, i64)> = begun.map(|(timer, id)| (*id, timer.after_ms)).collect();
    timers::begin(state, own, &begun, cx.now);
    cx.changed(Change::Person(own.person));
}

/// What a timer that records a kind does: the moves for this kind, without a touch.
pub(crate) fn move_by_kind(
    state: &mut State,
    own: Standing,
    kind: &Kind,
    time: Time,
    cx: &mut Cx<'_>,
) {
    let touch = Touch::new(kind.clone(), time, model::touch::Source::Engine);
    let Some(force) = state.force(own.subject.gtin).cloned() else { return };
    let stage = stage_of(state, &force, own.bond(state));
    if let Some(to) = target(state, own, (&force, &force.on_kind(kind)), stage, (&touch, time)) {
        enter(state, own, &force, Moving { to, by: By::Kind(kind), time }, cx);
    }
}

/// Marks the steps that this touch does. In a prescribed journey a step counts only when all
/// before it are done; done out of order it stays locked and has to be done again.
fn fold_steps(state: &mut State, own: Standing, force: &Force, touch: &Touch, cx: &mut Cx<'_>) {
    let named = if DONE.have(&touch.kind) { touch.properties.text("step") } else { None };
    let does =
        |step: &journey::Step| matches_kind(&step.done_on, &touch.kind) || named == Some(&*step.id);
    let about = About { own, touch: Some((touch, cx.now)), now: touch.time };
    for (step, id) in force.journey.steps.iter().zip(&force.steps) {
        if own.bond(state).steps_done.contains(id) {
            continue;
        }
        let applies = step.when.as_ref().is_none_or(|when| holds(state, about, when));
        if !applies {
            continue;
        }
        if does(step) {
            own.bond_mut(state).steps_done.push(*id);
        } else if force.journey.kind == journey::Kind::Prescribed {
            break;
        }
    }
}
