//! The one way in which a decision is asked for and recorded, for the companion's page and for
//! the server API: decide, write down what is new, give the codes that are offered, and say why
//! in words.
//!
//! A decision that shows nothing new is not written to the log: it would say what the log says
//! already. It can still be asked why for an hour, from memory.

mod prepared;
mod words;

use std::ops::Range;
use std::sync::Arc;

use engine::journey::Journey;
use engine::record::Person;
use engine::{History, State, held};
use model::alias::Alias;
use model::context::Context;
use model::decision::{Decision, Entry, Item, Told, Used, What, Why};
use model::entry::Body;
use model::gs1::Subject;
use model::id::{PersonId, Time};
use model::outcome::Grant;
use serde_json::Value as Json;

use crate::app::{App, now, parse_alias, random_u64};
use crate::json::{self, write::Out};
use crate::problem::Problem;
pub use prepared::Prepared;
use prepared::Sheet;
use words::Reasons;

/// Bytes of the answer about one item, so that the answer is seldom moved while it grows.
const ITEM_BYTES: usize = 256;

/// Whom a decision is for.
#[derive(Debug, PartialEq)]
pub enum Asker {
    /// The caller looked already: the person, and the name that they know them by.
    Known(Option<Alias>, Option<PersonId>),
    /// `p12`, or an alias such as `user:u1`.
    Named(Box<str>),
}

/// A decision with the codes of the offers that it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub decision: Decision,
    /// Whom it is for; nobody for a stranger.
    pub person: Option<PersonId>,
    pub grants: Vec<Grant>,
}

/// What a look at the state gives, before anything is written.
struct Look {
    decided: Decided,
    by: Option<Alias>,
    /// Something is shown that this person has not seen in this stage, and no preview.
    fresh: bool,
    /// Offers that are shown and have no code yet.
    wants_codes: bool,
}

/// Decides for a person, or for a stranger, and records what was shown. A `preview` counts as
/// nothing and gives no code. What `show` makes of it is the answer; then every offer that is shown
/// (but in a preview) has its code. Usually nothing is new: then the state is locked once in all.
pub async fn decide_and_record<T>(
    app: &App,
    asker: Asker,
    subject: Subject,
    context: Context,
    preview: bool,
    show: impl FnOnce(&State, &Decided) -> T,
) -> Result<T, Problem> {
    let (mut decided, by, wants_codes) = {
        let state = app.engine.state();
        let look = look(&state, asker, subject, context, preview)?;
        let Look { decided, by, fresh, wants_codes } = look;
        let (Some(person), false) = (decided.person, preview) else {
            return Ok(show(&state, &decided));
        };
        let by = by.filter(|_| fresh || wants_codes).or_else(|| {
            let named = |record: &Person| record.aliases.first().map(|known| known.alias.clone());
            state.person(person).filter(|_| fresh || wants_codes).and_then(|own| named(&own))
        });
        let Some(by) = by else {
            app.memory.keep_decision(decided.person, &decided.decision);
            return Ok(show(&state, &decided));
        };
        (decided, by, wants_codes)
    };
    let decision = decided.decision.clone();
    let body = Body::Decided { decision, by, seed: random_u64() };
    if wants_codes {
        let (_, accepted) = app.submit(body).await?;
        decided.grants.extend(accepted.grants);
    } else {
        app.engine.submit_and_forget(vec![body])?;
    }
    let state = app.engine.state();
    if wants_codes {
        hide_without_code(&state, &mut decided);
    }
    app.memory.keep_decision(decided.person, &decided.decision);
    Ok(show(&state, &decided))
}

impl Asker {
    fn find(self, state: &State) -> Result<(Option<Alias>, Option<PersonId>), Problem> {
        let name = match self {
            Asker::Known(by, person) => {
                let named = || state.person_by_alias(by.as_ref()?);
                let person = person.filter(|id| state.has_person(*id)).or_else(named);
                return Ok((by, person));
            }
            Asker::Named(name) => name,
        };
        let (by, person) = match name.parse::<PersonId>() {
            Ok(id) => (None, Some(id).filter(|id| state.has_person(*id))),
            Err(()) => {
                let by = parse_alias(&name);
                let person = by.as_ref().and_then(|alias| state.person_by_alias(alias));
                (by, person)
            }
        };
        if person.is_none() {
            return Err(crate::api::no_such_person());
        }
        Ok((by, person))
    }
}

fn look(
    state: &State,
    asker: Asker,
    subject: Subject,
    mut context: Context,
    preview: bool,
) -> Result<Look, Problem> {
    let (by, person) = asker.find(state)?;
    if context.place.is_none() {
        context.place = engine::nearest_place(state, &context, subject).map(|(id, _)| id);
    }
    let looked = engine::look_and_decide(state, person, subject, context, random_u64());
    let fresh = !preview && looked.shows_new(state);
    let (decision, record) = (looked.decision, looked.person);
    let mut decided = Decided { decision, person, grants: Vec::new() };
    let offered = decided.decision.shown(What::Offer).count();
    if (offered > 0 || fresh)
        && let Some(record) = record
    {
        decided.grants = grants_of(&record, &decided.decision, now());
        let wants_codes = offered > decided.grants.len();
        let by = by.filter(|alias| !preview && record.alias(alias).is_some());
        return Ok(Look { decided, by, fresh, wants_codes });
    }
    Ok(Look { decided, by: None, fresh: false, wants_codes: false })
}

/// The codes that a person holds for what is shown.
fn grants_of(person: &Person, decision: &Decision, now: Time) -> Vec<Grant> {
    let shown = decision.shown(What::Offer);
    let code = |item: Item<'_>| {
        let (subject, journey) = (decision.subject, &decision.journey);
        let grant = held(&person.grants, subject, journey, item.id, now)?;
        let (offer, code) = (grant.offer.clone(), grant.code.clone());
        Some(Grant { offer, code, until: grant.until })
    };
    shown.filter_map(code).collect()
}

/// Between looking and writing others may have had the last one: such an offer is not shown.
fn hide_without_code(state: &State, decided: &mut Decided) {
    let Decided { decision, person, grants } = decided;
    let is_given = |item: &Item<'_>| grants.iter().any(|grant| *grant.offer == *item.id);
    if decision.shown(What::Offer).all(|item| is_given(&item)) {
        return;
    }
    let (subject, context) = (decision.subject, decision.context.clone());
    let after = engine::decide(state, *person, subject, context, decision.id);
    decision.items = decision.items.with_reasons(|item| {
        if item.what != What::Offer || !item.why.is_shown() || is_given(item) {
            return None;
        }
        let same = after.items.iter().find(|own| own.what == item.what && own.id == item.id);
        let why = same.map(|own| own.why).filter(|why| !why.is_shown());
        Some(why.unwrap_or(Why::CapTotal))
    });
}

/// A decision that was made, and whose it is; `None` if it is not known (any more).
pub fn find_decision(app: &App, id: u64) -> Option<(Option<PersonId>, Decision)> {
    let seq = app.engine.state().decision_seq(id);
    let Some(seq) = seq else {
        let (person, decision) = app.memory.decision(id)?;
        // A person who is gone took their decisions along.
        let is_there = person.is_none_or(|person| app.engine.state().has_person(person));
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
    let mut name = String::with_capacity(18);
    write_name(&mut name, id);
    name
}

fn write_name(out: &mut impl std::fmt::Write, id: u64) {
    let mut name = *b"d_0000000000000000";
    for (at, digit) in name[2..].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(id >> (60 - 4 * at)) as usize & 15];
    }
    let name = std::str::from_utf8(&name).expect("hex digits are text");
    out.write_str(name).expect("texts take everything");
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

/// A decision while it is written as an answer.
pub struct Telling<'a> {
    decision: &'a Decision,
    grants: &'a [Grant],
    journey: Option<&'a Journey>,
    prepared: Option<Arc<Sheet>>,
    /// The items are those of the journey, each at its place.
    in_place: bool,
    reasons: Option<Reasons<'a>>,
}

/// Where in the answer something stands that is said of many items, once it was said.
struct Said<'a> {
    facts: Vec<Option<Range<usize>>>,
    /// Reasons that need nothing filled in, by their numbers below.
    reasons: [Option<Range<usize>>; 3],
    /// Most of what is not shown is of another stage, and all that is said of it after its title is
    /// the same, if it rests on the same facts.
    elsewhere: Option<(&'a [u32], Range<usize>)>,
}

impl<'a> Telling<'a> {
    pub fn new(
        app: &App,
        state: &'a State,
        decision: &'a Decision,
        grants: &'a [Grant],
        locale: &'a str,
    ) -> Telling<'a> {
        let journey = journey_of(state, decision);
        let prepared = journey.map(|journey| app.prepared.of(journey, locale));
        let journey = journey.map(|journey| &**journey);
        let in_place = journey.is_some_and(|own| decision.items.are_over(&own.blank));
        let reasons = journey.zip(prepared.as_deref());
        let reasons = reasons
            .map(|(journey, prepared)| Reasons::new(decision, journey, state, prepared, locale));
        Telling { decision, grants, journey, prepared, in_place, reasons }
    }

    /// Room for an answer with all of it.
    pub fn out(&self) -> Out {
        Out::with_room(1_024 + self.decision.items.len() * ITEM_BYTES)
    }

    /// What the person sees, into the object that is being written: `"id"`, `"menu"`, `"offers"`,
    /// `"steps"`.
    pub fn write_shown(&self, out: &mut Out) {
        out.key("id").text_of(|out| write_name(out, self.decision.id));
        out.key("menu").list(|out| self.each(What::Menu, out));
        out.key("offers").list(|out| self.each(What::Offer, out));
        out.key("steps").list(|out| self.each(What::Step, out));
    }

    fn each(&self, what: What, out: &mut Out) {
        let Some(prepared) = &self.prepared else { return };
        for (place, entry) in self.decision.items.of(what).enumerate() {
            let step = if what == What::Step { step_state(entry.why()) } else { None };
            if step.is_none() && (what == What::Step || !entry.is_shown()) {
                continue;
            }
            let Some(ready) = prepared.ready(entry, place, self.in_place) else { continue };
            out.open(&ready.shown);
            match what {
                What::Menu => {}
                What::Offer => self.write_code(entry.id(), out),
                What::Step => {
                    out.raw(",\"state\":\"").raw(step.unwrap_or_default()).raw("\"");
                }
            }
            self.write_reason(entry, out);
            out.close("}");
        }
    }

    fn write_code(&self, offer: &str, out: &mut Out) {
        match self.grants.iter().find(|grant| *grant.offer == *offer) {
            None => drop(out.raw(",\"code\":null,\"qr\":null,\"until\":null")),
            Some(grant) => {
                out.raw(",\"code\":").text(&grant.code);
                out.raw(",\"qr\":").text_of(|out| {
                    out.push("/v1/me/offers/");
                    out.push(&grant.code);
                    out.push(".svg");
                });
                out.raw(",\"until\":").time(grant.until);
            }
        }
        out.raw(",\"redeemed\":false");
    }

    /// It is never the first field of its object.
    fn write_reason(&self, entry: Entry<'a>, out: &mut Out) {
        let why = entry.why();
        out.raw(",\"reason\":{\"code\":\"").raw(why.code()).raw("\",\"text\":\"");
        if let Some(reasons) = &self.reasons {
            reasons.write(&mut out.inside(), why, entry.used());
        }
        out.raw("\"}");
    }

    /// Every item, shown or not, or those that are not shown, with the reason in words and the data
    /// that it rests on.
    pub fn write_why(&self, hidden_only: bool, out: &mut Out) {
        out.list(|out| {
            let facts = vec![None; self.decision.items.facts().len()];
            let mut said = Said { facts, reasons: [None, None, None], elsewhere: None };
            for what in [What::Menu, What::Offer, What::Step] {
                for (place, entry) in self.decision.items.of(what).enumerate() {
                    if !(hidden_only && entry.is_shown()) {
                        self.write_item(entry, place, &mut said, out);
                    }
                }
            }
        });
    }

    fn write_item(&self, entry: Entry<'a>, place: usize, said: &mut Said<'a>, out: &mut Out) {
        let prepared = self.prepared.as_ref();
        match prepared.and_then(|prepared| prepared.ready(entry, place, self.in_place)) {
            Some(ready) => drop(out.open(&ready.looked_at)),
            None => {
                out.open("{\"what\":").text(prepared::name_of(entry.what()));
                out.raw(",\"id\":").text(entry.id());
                out.raw(",\"title\":").text(entry.id());
            }
        }
        let (why, used) = (entry.why(), entry.used());
        match &said.elsewhere {
            Some((same, range)) if why == Why::OtherStage && same.iter().eq(used.places()) => {
                return out.repeat(range.clone());
            }
            _ => {}
        }
        let from = out.written();
        let reason = match why {
            Why::OtherStage => said.reasons.get_mut(0),
            Why::ConditionFails => said.reasons.get_mut(1),
            Why::ConditionUnknown(_) => said.reasons.get_mut(2),
            _ => None,
        };
        match reason {
            Some(Some(range)) => out.repeat(range.clone()),
            reason => {
                out.raw(if entry.is_shown() { ",\"shown\":true" } else { ",\"shown\":false" });
                self.write_reason(entry, out);
                if let Some(reason) = reason {
                    *reason = Some(from..out.written());
                }
            }
        }
        self.write_used(used, said, out);
        if why == Why::OtherStage {
            said.elsewhere = Some((used.places(), from..out.written()));
        }
    }

    fn write_used(&self, used: Used<'a>, said: &mut Said<'a>, out: &mut Out) {
        out.raw(",\"used\":[");
        for (at, place) in used.places().iter().enumerate() {
            out.raw(if at == 0 { "" } else { "," });
            match &mut said.facts[*place as usize] {
                Some(range) => out.repeat(range.clone()),
                place => {
                    let from = out.written();
                    self.write_fact(used.fact(at), out);
                    *place = Some(from..out.written());
                }
            }
        }
        match self.journey {
            None => out.close("],\"switch_off\":null}"),
            Some(journey) if journey.permissions.is_empty() => out.close("],\"switch_off\":[]}"),
            Some(journey) => {
                out.raw("],\"switch_off\":");
                out.list(|out| switches(journey, used).for_each(|purpose| out.text(purpose)));
                out.close("}");
            }
        }
    }

    fn write_fact(&self, (number, name, told): (usize, &str, Told<'_>), out: &mut Out) {
        match self.prepared.as_ref().and_then(|prepared| prepared.fact(number, name)) {
            Some(ready) => drop(out.raw(&ready.opening)),
            None => {
                out.raw("{\"name\":").text(name);
                out.raw(",\"value\":");
            }
        }
        out.told(&told);
        out.raw("}");
    }

    /// What the decision is about, into the object that is being written.
    pub fn write_standing(&self, out: &mut Out) {
        let decision = self.decision;
        out.key("product").text_of(|out| {
            decision.subject.write_path(out).expect("a text takes everything");
        });
        out.raw(",\"journey\":").text(&decision.journey);
        out.raw(",\"version\":").int(decision.version.into());
        let none = decision.stage.is_empty();
        let stage = if none { engine::journey::NONE } else { &decision.stage };
        out.raw(",\"stage\":").text(stage);
        json::write_context(out.raw(",\"context\":"), &decision.context);
    }
}

/// What the person sees, as a value: `{"id","menu":[…],"offers":[…],"steps":[…]}`.
pub fn decision_json(app: &App, state: &State, decided: &Decided, locale: &str) -> Json {
    let telling = Telling::new(app, state, &decided.decision, &decided.grants, locale);
    let mut out = telling.out();
    out.object(|out| telling.write_shown(out));
    serde_json::from_str(&out.into_text()).expect("it was written as JSON")
}

/// Every item with its reason, as a value.
pub fn why_json(app: &App, state: &State, decision: &Decision, locale: &str) -> Json {
    let telling = Telling::new(app, state, decision, &[], locale);
    let mut out = telling.out();
    telling.write_why(false, &mut out);
    serde_json::from_str(&out.into_text()).expect("it was written as JSON")
}

/// How a step stands; `None` if it is not for this person now.
fn step_state(why: Why<'_>) -> Option<&'static str> {
    match why {
        Why::Done => Some("done"),
        Why::Suggested => Some("next"),
        Why::Locked(_) => Some("locked"),
        why if why.is_shown() => Some("open"),
        _ => None,
    }
}

/// The permissions by which the person can do without this.
fn switches<'j>(journey: &'j Journey, used: Used<'_>) -> impl Iterator<Item = &'j str> {
    let needs = move |purpose: &str| {
        used.iter().any(|(path, _)| match path.strip_prefix("person.consents.") {
            Some(own) => own == purpose,
            None => {
                let here = path.starts_with("context.place") || path.starts_with("context.loc");
                here && purpose == "location"
            }
        })
    };
    let purposes = journey.permissions.iter().map(|own| own.purpose.as_str());
    purposes.filter(move |purpose| needs(purpose))
}
