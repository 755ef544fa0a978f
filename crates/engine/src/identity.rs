//! Identity: which person a touch belongs to, and when two persons turn out to be one.
//!
//! A person is a set of aliases. A touch belongs to the strongest alias it came with; the others
//! are joined to it. Two persons are joined when a touch carries names of both, unless each has a
//! customer number of its own (two people share a browser), or staff said that they are apart.
//! The older person stays, and its history is folded anew with both timelines in order, so the
//! result is what it would have been had the join been known from the start.
//!
//! Kept true: a browser's id alone never makes one of two people who are both known. And what
//! comes with a write key is *hearsay*: the key may be public, so anybody can say it. It may tell
//! which browser is whose, name somebody who was not known before, and add weaker names to a
//! customer number that has neither session nor unit. It never joins two known people, never
//! gives what is known of one to another's session, and never speaks of sessions at all.

use model::alias::{Alias, AliasKind};
use model::entry::Seq;
use model::gs1::Subject;
use model::id::PersonId;
use model::kind::Kinds;
use model::limits;
use model::outcome::{Accepted, Outcome, Refusal};
use model::touch::{Source, Touch};

use crate::aliases::name_of;
use crate::fold::{Change, Cx};
use crate::record::{Because, Consent, Known, Merged, Person};
use crate::split;
use crate::state::State;
use crate::timeline::Topic;

/// What [`fold_consent`] is for.
pub(crate) const CONSENTS: Kinds = Kinds::of(&["consent.given", "consent.withdrawn"]);

/// Whose touch it is; makes the person if nobody is known by any of the aliases.
/// `code_person`: the touch carries a code that was given to this person.
pub(crate) fn resolve(
    state: &mut State,
    touch: &Touch,
    code_person: Option<PersonId>,
    cx: &mut Cx<'_>,
) -> Option<PersonId> {
    // Nearly every touch comes with names that are all one person's already.
    let first = touch.aliases.first().and_then(|alias| state.person_by_alias(alias));
    if let Some(owner) = first
        && touch.aliases[1..].iter().all(|alias| state.person_by_alias(alias) == Some(owner))
    {
        return Some(owner);
    }
    let mut owner = owner_of(state, touch, code_person, cx)?;
    // Asked before this touch gives names, and only if one of them is new.
    let mut open = None;
    for alias in &touch.aliases {
        match state.person_by_alias(alias) {
            None => {
                let open = *open.get_or_insert_with(|| is_browser_only(state, owner));
                if may_name(state, touch, owner, alias, open) {
                    attach(state, owner, alias, touch, cx);
                } else {
                    mention(state, std::slice::from_ref(alias), cx.seq);
                }
            }
            Some(other) if other == owner => {}
            Some(other)
                if may_join(state, owner, other)
                    && is_reason_enough(state, touch, alias, owner, other) =>
            {
                let because = Because::With(strongest(touch).clone());
                owner = merge(state, owner, other, because, cx);
            }
            Some(other) => state.note(Topic::Mention(other), cx.seq),
        }
    }
    Some(owner)
}

fn strongest(touch: &Touch) -> &Alias {
    touch.aliases.first().expect("only touches with aliases join anybody")
}

/// Anybody may have said it: it came with a write key, which may be public.
pub(crate) fn is_hearsay(touch: &Touch) -> bool {
    !touch.trusted && touch.source != Source::Companion
}

fn names_only_browsers(touch: &Touch) -> bool {
    touch.aliases.iter().all(|alias| alias.kind == AliasKind::Anonymous)
}

/// Nobody but a session itself and the company may say whose a session is.
pub(crate) fn check_sessions(touch: &Touch) -> Result<(), Refusal> {
    let device = |alias: &Alias| alias.kind == AliasKind::Device;
    if is_hearsay(touch) && touch.aliases.iter().any(device) {
        let detail = "a name of the kind device comes with a secret key only".into();
        return Err(Refusal { code: "device_needs_secret_key", detail });
    }
    Ok(())
}

fn is_known(state: &State, id: PersonId) -> bool {
    state.person(id).is_some_and(|person| person.is_known())
}

/// Nothing but browsers, and no unit: whoever is joined with it gains nothing of anybody.
fn is_browser_only(state: &State, id: PersonId) -> bool {
    let browsers = |person: &Person| {
        person.aliases.iter().all(|known| known.alias.kind == AliasKind::Anonymous)
    };
    state.person(id).is_some_and(|person| browsers(&person)) && !owns_a_unit(state, id)
}

fn owns_a_unit(state: &State, id: PersonId) -> bool {
    let owned = |subject: &Subject| {
        subject.is_unit() && state.products.get(subject).is_some_and(|own| own.owner == Some(id))
    };
    state.person(id).is_some_and(|person| person.subjects().any(|own| owned(&own)))
}

fn has_kind(state: &State, id: PersonId, kind: AliasKind) -> bool {
    let has = |person: &Person| person.aliases.iter().any(|known| known.alias.kind == kind);
    state.person(id).is_some_and(|person| has(&person))
}

/// Whether a touch that came with `alias` of `other` says enough to make them one with `owner`.
fn is_reason_enough(
    state: &State,
    touch: &Touch,
    alias: &Alias,
    owner: PersonId,
    other: PersonId,
) -> bool {
    if is_hearsay(touch) {
        return is_browser_only(state, owner) || is_browser_only(state, other);
    }
    alias.kind != AliasKind::Anonymous || !is_known(state, owner) || !is_known(state, other)
}

/// Whether whoever has `alias`, a name of this touch, is not the one whom its strongest name is of.
fn is_somebody_else(state: &State, touch: &Touch, alias: &Alias, person: PersonId) -> bool {
    let first = strongest(touch);
    if alias == first || !first.kind.is_known() {
        return false;
    }
    if is_hearsay(touch) {
        return !is_browser_only(state, person);
    }
    alias.kind == AliasKind::Anonymous && is_known(state, person)
}

/// Whether the touch may give this person a name that nobody has yet. `open`: nobody knew them
/// before this touch.
fn may_name(state: &State, touch: &Touch, owner: PersonId, alias: &Alias, open: bool) -> bool {
    if open || !is_hearsay(touch) || !alias.kind.is_known() {
        return true;
    }
    alias.kind != AliasKind::User
        && has_kind(state, owner, AliasKind::User)
        && !has_kind(state, owner, AliasKind::Device)
        && !owns_a_unit(state, owner)
}

fn owner_of(
    state: &mut State,
    touch: &Touch,
    code_person: Option<PersonId>,
    cx: &mut Cx<'_>,
) -> Option<PersonId> {
    if touch.aliases.is_empty() {
        return code_person;
    }
    let explicit = touch.kind.as_str() == "person.aliased";
    let user = touch.aliases.iter().find(|alias| alias.kind == AliasKind::User);
    for alias in &touch.aliases {
        let Some(person) = state.person_by_alias(alias) else { continue };
        if is_somebody_else(state, touch, alias, person) {
            continue;
        }
        let taken = || user.is_some_and(|user| has_other_user(state, person, user));
        if explicit || alias.kind == AliasKind::User || !taken() {
            return Some(person);
        }
    }
    let person = PersonId(cx.seq);
    let fresh = Person { first_seen: touch.time, last_seen: touch.time, ..Person::default() };
    state.persons.insert(person, fresh);
    state.meta.persons += 1;
    Some(person)
}

fn has_other_user(state: &State, person: PersonId, user: &Alias) -> bool {
    state.person(person).is_some_and(|person| {
        let mut users =
            person.aliases.iter().filter(|known| known.alias.kind == AliasKind::User).peekable();
        users.peek().is_some() && users.all(|known| known.alias != *user)
    })
}

fn attach(state: &mut State, owner: PersonId, alias: &Alias, touch: &Touch, cx: &mut Cx<'_>) {
    let explicit = touch.kind.as_str() == "person.aliased";
    let taken = alias.kind == AliasKind::User && !explicit && has_other_user(state, owner, alias);
    let person = state.persons.get_mut(&owner).expect("the owner is there");
    if taken || person.aliases.len() >= limits::ALIASES_PER_PERSON {
        mention(state, std::slice::from_ref(alias), cx.seq);
        return;
    }
    // Only a name of the same person is a reason: another's would outlive that person's wipe.
    let with = touch.aliases.iter().find(|other| person.alias(other).is_some());
    let because = with.map_or(Because::First, |with| Because::With(with.clone()));
    let known = Known { alias: alias.clone(), seq: cx.seq, since: touch.time, because };
    person.aliases.push(known);
    state.aliases.insert(name_of(alias), owner);
    if let Some(loose) = state.loose.remove(&alias.digest().0) {
        let mut seqs = state.topic(Topic::Mention(owner));
        seqs.extend(loose.seqs);
        seqs.sort_unstable();
        seqs.dedup();
        state.set_topic(Topic::Mention(owner), &seqs);
    }
}

/// This log record holds these names without being in the timeline of whoever has them. The wipe
/// of whoever has them now, or gets them later, must find it.
pub(crate) fn mention(state: &mut State, names: &[Alias], seq: Seq) {
    for name in names {
        match state.person_by_alias(name) {
            Some(person) => state.note(Topic::Mention(person), seq),
            None => {
                let loose = state.loose.or_insert(&name.digest().0, Default::default);
                if loose.seqs.last() != Some(&seq) {
                    loose.seqs.push(seq);
                }
            }
        }
    }
}

/// Two persons may be one unless both are known by a customer number, or were set apart.
fn may_join(state: &State, a: PersonId, b: PersonId) -> bool {
    let (Some(first), Some(second)) = (state.person(a), state.person(b)) else { return false };
    let both_customers = [a, b].iter().all(|id| has_kind(state, *id, AliasKind::User));
    let fits = first.aliases.len() + second.aliases.len() <= limits::ALIASES_PER_PERSON;
    let apart = first.apart.contains(&b) || second.apart.contains(&a);
    fits && !apart && !both_customers
}

pub(crate) fn merge_by_staff(
    state: &mut State,
    keep: PersonId,
    gone: PersonId,
    cx: &mut Cx<'_>,
) -> Outcome {
    if keep == gone {
        return Outcome::refused("same_person", "both are the same person; nothing to merge");
    }
    let (Some(first), Some(second)) = (state.person(keep), state.person(gone)) else {
        return Outcome::refused("no_such_person", "one of the two persons does not exist");
    };
    if first.aliases.len() + second.aliases.len() > limits::ALIASES_PER_PERSON {
        return Outcome::refused("too_many_aliases", "together they have more than 64 aliases");
    }
    let person = join(state, keep, gone, Because::Merge, cx);
    state.note(Topic::Mention(person), cx.seq);
    Outcome::Accepted(Accepted { person: Some(person), grants: Vec::new() })
}

/// The older person stays.
fn merge(
    state: &mut State,
    a: PersonId,
    b: PersonId,
    because: Because,
    cx: &mut Cx<'_>,
) -> PersonId {
    join(state, a.min(b), a.max(b), because, cx)
}

fn join(
    state: &mut State,
    keep: PersonId,
    gone: PersonId,
    because: Because,
    cx: &mut Cx<'_>,
) -> PersonId {
    let by_staff = because == Because::Merge;
    let pool = split::take_apart(state, &[keep, gone]);
    let mut other = state.persons.remove(&gone).expect("the caller found it");
    state.meta.persons -= 1;
    let mut timeline = other.timeline.all(&state.blocks);
    other.timeline.replace(&[], &mut state.blocks);
    let names = other.aliases.into_inner();
    let other = other.more.into_inner();
    let person = state.persons.get_mut(&keep).expect("the caller found it");
    person.merges.push(Merged {
        seq: cx.seq,
        gone,
        time: cx.now,
        aliases: names.clone(),
        by_staff,
    });
    person.merges.extend(other.merges);
    person.apart.extend(other.apart);
    person.apart.retain(|apart| *apart != gone && *apart != keep);
    person.apart.sort_unstable();
    person.apart.dedup();
    for known in names {
        state.aliases.insert(name_of(&known.alias), keep);
        person.aliases.push(Known { because: because.clone(), seq: cx.seq, ..known });
    }
    timeline.extend(person.timeline.all(&state.blocks));
    timeline.sort_unstable();
    timeline.dedup();
    person.timeline.replace(&timeline, &mut state.blocks);
    for topic in [Topic::Mention as fn(PersonId) -> Topic, Topic::Look] {
        let mut seqs: Vec<Seq> = state.topic(topic(keep));
        seqs.extend(state.topic(topic(gone)));
        seqs.sort_unstable();
        seqs.dedup();
        state.set_topic(topic(gone), &[]);
        state.set_topic(topic(keep), &seqs);
    }
    split::fold_again(state, &[keep], pool, cx);
    cx.changed(Change::Gone(gone));
    cx.changed(Change::Person(keep));
    keep
}

/// A permission that is withdrawn is withdrawn, whoever says so. One that is given is believed from
/// the person's own companion, from the company, and from a browser that names nobody: it cannot
/// know another browser's name, while anybody may know a customer number.
pub(crate) fn fold_consent(person: &mut Person, touch: &Touch, cx: &Cx<'_>) {
    let given = match touch.kind.as_str() {
        "consent.given" if is_hearsay(touch) && !names_only_browsers(touch) => return,
        "consent.given" => true,
        "consent.withdrawn" => false,
        _ => return,
    };
    let Some(purpose) = touch.properties.text("purpose") else { return };
    person.consents.retain(|consent| &*consent.purpose != purpose);
    if person.consents.len() < limits::ALIASES_PER_PERSON {
        let purpose = purpose.into();
        person.consents.push(Consent { purpose, given, time: touch.time, seq: cx.seq });
    }
}
