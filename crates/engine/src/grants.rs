//! Offers given to persons: a decision that shows an offer for the first time grants it, with a
//! code. The fold grants one after the other, so caps are exact however many ask at once.

use model::alias::Alias;
use model::decision::{Decision, What};
use model::gs1::Subject;
use model::id::{Digest, PersonId, Time};
use model::kind::Kinds;
use model::outcome::{self, Accepted, Outcome};
use model::touch::Touch;

use crate::fold::{Change, Cx};
use crate::identity;
use crate::journey::{Journey, OFFER_VALID_MS, Offer};
use crate::record::{Grant, TallyOf};
use crate::state::State;
use crate::tally;
use crate::terms::Term;
use crate::timeline::Topic;

/// Touches that may bring an offer's code.
const REDEEMING: Kinds = Kinds::of(&["offer.redeemed", "order.placed", "coupon.applied"]);

/// Letters and digits that are hard to confuse (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Why an offer cannot be given now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capped {
    Person,
    Day,
    Total,
}

/// A code of eight letters, 40 bits, drawn from the entry's own seed: `7KQ2-M9XD`.
pub fn code_of(seed: u64, what: &str) -> Box<str> {
    let bits = Digest::of(&[b"code", &seed.to_be_bytes(), what.as_bytes()]).0;
    let mut code = String::with_capacity(9);
    for place in 0..8 {
        if place == 4 {
            code.push('-');
        }
        code.push(char::from(LETTERS[(bits >> (place * 5)) as usize & 31]));
    }
    code.into()
}

/// As typed by a person or scanned by a till: case, spaces and look-alikes do not matter.
pub fn normal_code(typed: &str) -> String {
    let mut code = String::with_capacity(9);
    for c in typed.chars().filter(|c| c.is_ascii_alphanumeric()).take(8) {
        if code.len() == 4 {
            code.push('-');
        }
        code.push(match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        });
    }
    code
}

/// The grant that a person has and that still holds at `now`.
pub fn held<'a>(
    grants: &'a [Grant],
    subject: Subject,
    journey: &str,
    offer: &str,
    now: Time,
) -> Option<&'a Grant> {
    grants.iter().rev().find(|grant| {
        grant.subject == subject
            && &*grant.journey == journey
            && &*grant.offer == offer
            && grant.redeemed.is_none()
            && grant.until > now
    })
}

/// Whether the caps leave room for one more.
pub(crate) fn capped(
    state: &State,
    grants: &[Grant],
    journey: &Journey,
    offer: &Offer,
    now: Time,
) -> Option<Capped> {
    if let Some(most) = offer.cap.per_person {
        let had = grants
            .iter()
            .filter(|grant| *grant.journey == *journey.name && *grant.offer == *offer.id)
            .count();
        if had >= most as usize {
            return Some(Capped::Person);
        }
    }
    let given = |stage: String| {
        let key = crate::record::TallyKey {
            what: TallyOf::OfferDay,
            id: format!("{}/{}", journey.name, offer.id).into(),
            stage: stage.into(),
            channel: None,
        };
        state.tallies.get(&key).map_or(0, |counts| counts.grants)
    };
    if offer.cap.per_day.is_some_and(|most| given(now.day().to_string()) >= u64::from(most)) {
        return Some(Capped::Day);
    }
    if offer.cap.total.is_some_and(|most| given("total".into()) >= u64::from(most)) {
        return Some(Capped::Total);
    }
    None
}

/// A decision was shown: counts what was seen for the first time, grants what it offers.
pub(crate) fn decided(
    state: &mut State,
    decision: &Decision,
    by: &Alias,
    seed: u64,
    cx: &mut Cx<'_>,
) -> Outcome {
    let Some(id) = state.person_by_alias(by) else {
        identity::mention(state, std::slice::from_ref(by), cx.seq);
        return Outcome::refused("no_such_person", "nobody is known by this name any more");
    };
    state.note_person(id, cx.seq);
    state.decisions.insert(decision.id, cx.seq);
    count_impressions(state, id, decision);
    let mut granted = Vec::new();
    let version = state.journey(&decision.journey).map(|(_, journey)| journey.clone());
    let Some(journey) = version else {
        return Outcome::Accepted(Accepted { person: Some(id), grants: granted });
    };
    for item in decision.shown(What::Offer) {
        let Some(offer) = journey.offers.iter().find(|offer| *offer.id == *item.id) else {
            continue;
        };
        let Some(person) = state.persons.get(&id) else { break };
        let now = cx.now;
        if held(&person.grants, decision.subject, &journey.name, &offer.id, now).is_some()
            || capped(state, &person.grants, &journey, offer, now).is_some()
        {
            continue;
        }
        drop(person);
        granted.push(grant(state, id, decision, &journey, offer, seed, cx));
    }
    Outcome::Accepted(Accepted { person: Some(id), grants: granted })
}

fn grant(
    state: &mut State,
    id: PersonId,
    decision: &Decision,
    journey: &Journey,
    offer: &Offer,
    seed: u64,
    cx: &mut Cx<'_>,
) -> outcome::Grant {
    let grant = grant_of(decision, journey, offer, seed, cx.now);
    let key = format!("{}/{}", journey.name, offer.id);
    let day = cx.now.day().to_string();
    tally::count(state, TallyOf::OfferDay, &key, &day, None).grants += 1;
    tally::count(state, TallyOf::OfferDay, &key, "total", None).grants += 1;
    tally::count(state, TallyOf::Offer, &key, &decision.stage, decision.context.channel).grants +=
        1;
    state.codes.insert(grant.code.clone(), id.0);
    let given =
        outcome::Grant { offer: grant.offer.clone(), code: grant.code.clone(), until: grant.until };
    state.persons.get_mut(&id).expect("the caller found it").grants.push(grant);
    cx.changed(Change::Person(id));
    given
}

fn grant_of(decision: &Decision, journey: &Journey, offer: &Offer, seed: u64, now: Time) -> Grant {
    Grant {
        subject: decision.subject,
        journey: journey.name.as_str().into(),
        offer: offer.id.as_str().into(),
        code: code_of(seed, &offer.id),
        time: now,
        until: now.plus(offer.valid_ms.unwrap_or(OFFER_VALID_MS)),
        redeemed: None,
        stage: decision.stage.clone(),
        channel: decision.context.channel,
    }
}

/// An impression is counted once for an item, person and stage: whoever reloads a page sees the
/// same menu, not a second one. Gives what is seen for the first time.
fn note_shown(state: &mut State, id: PersonId, decision: &Decision) -> Vec<(What, Box<str>)> {
    let Some(bond) = state.bond(id, decision.subject) else { return Vec::new() };
    let mut new: Vec<(What, Box<str>)> = Vec::new();
    let mut terms: Vec<(u8, Term)> = Vec::new();
    let shown = decision.items.iter().filter(|item| item.why.is_shown());
    for item in shown.filter(|item| item.what != What::Step) {
        // An item of a journey that was never published here is nobody's.
        let Some(term) = state.term(item.id) else { continue };
        if !bond.shown.contains(&(item.what as u8, term)) {
            terms.push((item.what as u8, term));
            new.push((item.what, item.id.into()));
        }
    }
    drop(bond);
    if !new.is_empty()
        && let Some(bond) = state.bond_mut(id, decision.subject)
    {
        bond.shown.extend(terms);
    }
    new
}

fn count_impressions(state: &mut State, id: PersonId, decision: &Decision) {
    for (what, item) in note_shown(state, id, decision) {
        let of = if what == What::Menu { TallyOf::Menu } else { TallyOf::Offer };
        let name = format!("{}/{item}", decision.journey);
        let channel = decision.context.channel;
        tally::count(state, of, &name, &decision.stage, channel).impressions += 1;
    }
}

/// While a person is folded anew: the codes that this decision gave belong to them.
pub(crate) fn fold_decided_again(
    state: &mut State,
    id: PersonId,
    decision: &Decision,
    seed: u64,
    pool: &[Grant],
) {
    note_shown(state, id, decision);
    let Some(person) = state.persons.get_mut(&id) else { return };
    for item in decision.shown(What::Offer) {
        let code = code_of(seed, item.id);
        let had = pool.iter().find(|grant| grant.code == code && *grant.offer == *item.id);
        if let Some(grant) = had {
            person.grants.push(grant.clone());
        }
    }
}

/// The code that a touch carries: what a till scanned, what a shop's page was given.
/// Only the company is believed.
pub(crate) fn code_in(touch: &Touch) -> Option<String> {
    if !touch.trusted || !REDEEMING.have(&touch.kind) {
        return None;
    }
    let typed = touch.properties.text("code").or_else(|| touch.properties.text("coupon"))?;
    Some(normal_code(typed))
}

/// Redeems the code once, whoever brings it: a friend at the till, or the person themselves. Who
/// brings it again changes nothing. A grant stays redeemed when its person is folded anew.
pub(crate) fn redeem(state: &mut State, code: &str, touch: &Touch, cx: &mut Cx<'_>) {
    let Some(id) = state.person_by_code(code) else { return };
    state.note(Topic::Mention(id), cx.seq);
    let Some(person) = state.persons.get_mut(&id) else { return };
    let grant = person.grants.iter_mut().find(|grant| *grant.code == *code);
    let Some(grant) = grant.filter(|g| g.redeemed.is_none() && touch.time <= g.until) else {
        return;
    };
    grant.redeemed = Some(touch.time);
    let name = format!("{}/{}", grant.journey, grant.offer);
    let (stage, channel) = (grant.stage.clone(), grant.channel);
    tally::redeemed(state, &name, &stage, channel, touch.money);
    cx.changed(Change::Person(id));
}
