//! The decision: menu, offers and steps for a person, a product and a context, each item with the
//! reason and the data it rests on. It only reads; what was shown comes back as an entry.

use std::cell::OnceCell;

use model::context::Context;
use model::decision::{Decision, Entry, Items, Sheet, Told, What, Why};
use model::gs1::Subject;
use model::id::PersonId;

use crate::bonds;
use crate::condition::{self, Condition, Notes, Verdict};
use crate::facts::{Here, View};
use crate::grants::{self, Capped};
use crate::journey::{self, Journey, MenuItem, Offer, StageNo, Step, facts};
use crate::record::{Bond, Person};
use crate::state::State;
use crate::table::Found;
use crate::terms::Term;

/// A decision, with the record of the person, so that nobody has to open it again.
pub struct Looked<'s> {
    pub decision: Decision,
    pub person: Option<Found<'s, Person>>,
}

/// Decides. Without a person it is what a stranger sees; then no offer is given. `id` names the
/// decision from here on.
pub fn decide(
    state: &State,
    person: Option<PersonId>,
    subject: Subject,
    context: Context,
    id: u64,
) -> Decision {
    look_and_decide(state, person, subject, context, id).decision
}

/// The same, for whoever goes on with the person's record.
pub fn look_and_decide(
    state: &State,
    person: Option<PersonId>,
    subject: Subject,
    context: Context,
    id: u64,
) -> Looked<'_> {
    let person = person.and_then(|person| state.person(person));
    let record = person.as_deref();
    let mut subject = subject;
    let mut bond = record.and_then(|record| record.bond(subject));
    if bond.is_none() && subject.is_unit() {
        bond = record.and_then(|record| record.bond(subject.to_model()));
        subject = if bond.is_some() { subject.to_model() } else { subject };
    }
    let Some(force) = state.force(subject.gtin) else {
        let (journey, stage, items) = ("".into(), "".into(), Items::default());
        let decision = Decision { id, subject, journey, version: 0, stage, context, items };
        return Looked { decision, person };
    };
    let journey = &force.journey;
    let stage = bond.map_or("", |bond| state.text(bonds::stage_of(state, force, bond)));
    let items = items(state, subject, &context, journey, (record, bond), stage);
    let (name, stage) = (journey.name.as_str().into(), stage.into());
    let version = force.version;
    let decision = Decision { id, subject, journey: name, version, stage, context, items };
    Looked { decision, person }
}

impl Looked<'_> {
    /// Whether it shows a menu item or an offer that the person has not seen in this stage.
    pub fn shows_new(&self, state: &State) -> bool {
        let bond = self.person.as_ref().and_then(|person| person.bond(self.decision.subject));
        bond.is_some_and(|bond| shows_new(state, bond, &self.decision.items))
    }
}

/// What a person sees again comes in the order in which it was seen, so the search goes on where
/// the last one ended.
fn shows_new(state: &State, bond: &Bond, items: &Items) -> bool {
    let mut next = 0;
    let mut is_seen = |item: Entry<'_>| {
        let (before, after) = bond.shown.split_at(next);
        let mut shown = after.iter().chain(before);
        let is_it =
            |(what, id): &(u8, Term)| *what == item.what() as u8 && state.text(*id) == item.id();
        let at = shown.position(is_it);
        at.map(|at| next = (next + at + 1) % bond.shown.len()).is_some()
    };
    let menu_and_offers = items.of(What::Menu).chain(items.of(What::Offer));
    menu_and_offers.filter(|item| item.is_shown()).any(|item| !is_seen(item))
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

fn items(
    state: &State,
    subject: Subject,
    context: &Context,
    journey: &Journey,
    (person, bond): (Option<&Person>, Option<&Bond>),
    stage: &str,
) -> Items {
    let here = Here::find(state, context, subject);
    let product = state.product(subject);
    let view = View {
        state,
        subject,
        person,
        product: product.as_deref(),
        model: state.model(subject.gtin),
        bond,
        stage,
        journey: &journey.name,
        now: context.time,
        touch: None,
        here: &here,
        consents: OnceCell::new(),
        steps_done: OnceCell::new(),
    };
    let name = if stage.is_empty() { journey::NONE } else { stage };
    let sheet = Sheet::over(&journey.blank, name, journey.facts.len());
    let stage = journey.stage_no(stage);
    let mut asking = Asking { view: &view, stage, notes: Notes::new(sheet), unknown: None };
    menu(&mut asking, journey);
    offers(&mut asking, journey);
    steps(&mut asking, journey);
    asking.notes.sheet.into_items()
}

/// What is asked for one item after the other, and what the answer to the present one rests on.
struct Asking<'v> {
    view: &'v View<'v>,
    stage: Option<StageNo>,
    notes: Notes<'v>,
    /// What the last condition that has no answer says.
    unknown: Option<condition::Why>,
}

impl<'v> Asking<'v> {
    fn is_in(&self, in_stages: &[StageNo]) -> bool {
        in_stages.is_empty() || self.stage.is_some_and(|stage| in_stages.contains(&stage))
    }

    /// What stage and condition say. Why a condition has no answer is kept in `unknown`.
    fn in_stage_and_when(
        &mut self,
        in_stages: &[StageNo],
        when: Option<&'v Condition>,
    ) -> Why<'static> {
        if !in_stages.is_empty() {
            self.notes.sheet.note_known(facts::STAGE);
            if !self.is_in(in_stages) {
                return Why::OtherStage;
            }
        }
        let Some(when) = when else { return Why::Stage };
        match when.holds(self.view, Some(&mut self.notes)) {
            Verdict::Yes => Why::Condition,
            Verdict::No => Why::ConditionFails,
            Verdict::Unknown(why) => {
                self.unknown = Some(why);
                Why::ConditionUnknown("")
            }
        }
    }

    fn put(&mut self, what: What, id: &str, why: Why<'_>) {
        match (why, &self.unknown) {
            (Why::ConditionUnknown(_), Some(unknown)) => {
                let say = |out: &mut String| unknown.say(out).expect("texts take everything");
                self.notes.sheet.push_unknown(what, id, say);
            }
            _ => self.notes.sheet.push(what, id, why),
        }
    }
}

fn menu<'v>(asking: &mut Asking<'v>, journey: &'v Journey) {
    for place in &journey.menu_by_rank {
        let item = &journey.menu[usize::from(*place)];
        if item.role.is_empty() && !item.always && !asking.is_in(&item.in_stages) {
            asking.notes.sheet.pass();
            continue;
        }
        let why = menu_why(asking, item);
        asking.put(What::Menu, &item.id, why);
    }
}

fn menu_why<'v>(asking: &mut Asking<'v>, item: &'v MenuItem) -> Why<'static> {
    if !item.role.is_empty() {
        let view = asking.view;
        let role = view.here.context.role.as_deref();
        let role = role.or_else(|| view.bond.map(|bond| bond.role.name())).unwrap_or("public");
        if !item.role.iter().any(|own| own == role) {
            asking.notes.sheet.note(facts::ROLE, "bond.role", Told::Text(role));
            return Why::OtherRole;
        }
    }
    if item.always {
        return Why::Always;
    }
    asking.in_stage_and_when(&item.in_stages, item.when.as_ref())
}

fn offers<'v>(asking: &mut Asking<'v>, journey: &'v Journey) {
    let Some(person) = asking.view.person else {
        return asking.notes.sheet.leave_out(journey.offers.len());
    };
    let grants = !person.grants.is_empty();
    for place in &journey.offers_by_rank {
        let offer = &journey.offers[usize::from(*place)];
        let plain = !grants && offer.needs_consent.is_none() && offer.campaign.is_none();
        if plain && !asking.is_in(&offer.in_stages) {
            asking.notes.sheet.pass();
            continue;
        }
        let why = offer_why(asking, person, journey, offer);
        asking.put(What::Offer, &offer.id, why);
    }
}

fn offer_why<'v>(
    asking: &mut Asking<'v>,
    person: &Person,
    journey: &Journey,
    offer: &'v Offer,
) -> Why<'v> {
    let view = asking.view;
    if let (Some(purpose), Some(fact)) = (&offer.needs_consent, offer.consent_fact) {
        let given = consents_to(person, journey, purpose);
        asking.notes.sheet.note(fact, &journey.facts[fact], Told::Bool(given));
        if !given {
            return Why::NoConsent(purpose);
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
    let why = asking.in_stage_and_when(&offer.in_stages, offer.when.as_ref());
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

fn steps<'v>(asking: &mut Asking<'v>, journey: &'v Journey) {
    let prescribed = journey.kind == journey::Kind::Prescribed;
    let guided = journey.kind == journey::Kind::Guided;
    // The first step that is not done: all later ones wait for it, or merely come later.
    let mut first: Option<&Step> = None;
    for step in &journey.steps {
        let done = is_done(asking.view, step);
        let why = match asking.in_stage_and_when(&step.in_stages, step.when.as_ref()) {
            _ if done => Why::Done,
            Why::OtherStage if prescribed && first.is_none() => Why::OtherStage,
            why if !why.is_shown() && !prescribed => why,
            Why::ConditionFails => Why::ConditionFails,
            _ => match first {
                Some(before) if prescribed => Why::Locked(&before.id),
                Some(_) => Why::Later,
                None if guided || prescribed => Why::Suggested,
                None => Why::Later,
            },
        };
        if !done && why != Why::ConditionFails && first.is_none() {
            let here = why.is_shown() || prescribed;
            first = here.then_some(step);
        }
        asking.put(What::Step, &step.id, why);
    }
}

fn is_done(view: &View<'_>, step: &Step) -> bool {
    let done = view.bond.map_or(&[][..], |bond| &bond.steps_done);
    done.iter().any(|done| view.state.text(*done) == step.id)
}
