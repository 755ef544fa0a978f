//! Recommendations: personal links, who came by them, what they bought, as a tree. The tree keeps
//! its sums when a person is wiped; the node then has no name.

use model::id::PersonId;
use model::kind::Kinds;
use model::touch::{Money, Touch};

use crate::bonds;
use crate::fold::{Change, Cx};
use crate::grants::code_of;
use crate::record::{PersonalLink, Referral, add_money};
use crate::state::State;

/// Generations that an order counts for.
const GENERATIONS: usize = 32;

/// What [`fold_visit`] and [`fold_recommend`] are for.
pub(crate) const FOLLOWED: Kinds =
    Kinds::of(&["product.recommended", "referral.visited", "order.placed"]);

/// `product.recommended`: the person gets a personal link for the model, once.
pub(crate) fn fold_recommend(state: &mut State, id: PersonId, touch: &Touch, cx: &mut Cx<'_>) {
    if touch.kind.as_str() != "product.recommended" {
        return;
    }
    for subject in bonds::subjects_of(state, touch).iter() {
        let gtin = subject.gtin;
        let Some(person) = state.persons.get_mut(&id) else { return };
        if person.links.iter().any(|link| link.gtin == gtin) {
            continue;
        }
        let code = code_of(cx.seq, &format!("{gtin}{:016x}", touch.id.half()));
        person.links.push(PersonalLink { gtin, code: code.clone() });
        let parent = person.referred_by.iter().find(|(own, _)| *own == gtin);
        let parent = parent.map(|(_, code)| code.clone());
        match state.referrals.get_mut(&code) {
            // Folded anew: the node is there already, with its sums.
            Some(node) => node.person = Some(id),
            None => {
                let node = Referral {
                    person: Some(id),
                    gtin,
                    parent,
                    made: touch.time,
                    visits: 0,
                    orders: 0,
                    money: Vec::new(),
                    orders_below: 0,
                    money_below: Vec::new(),
                };
                state.referrals.insert(code, node);
            }
        }
    }
}

/// `referral.visited`: somebody came by a personal link. `order.placed`: they bought.
pub(crate) fn fold_visit(state: &mut State, id: PersonId, touch: &Touch, cx: &mut Cx<'_>) {
    match touch.kind.as_str() {
        "referral.visited" => visited(state, id, touch, cx),
        "order.placed" if cx.live => ordered(state, id, touch, cx),
        _ => {}
    }
}

fn visited(state: &mut State, id: PersonId, touch: &Touch, cx: &mut Cx<'_>) {
    let Some(code) = touch.properties.text("code") else { return };
    let code: Box<str> = code.into();
    let Some(node) = state.referrals.get_mut(&code) else { return };
    if node.person == Some(id) {
        return;
    }
    let gtin = node.gtin;
    let recommender = node.person;
    if cx.live {
        node.visits += 1;
    }
    let Some(person) = state.persons.get_mut(&id) else { return };
    if !person.referred_by.iter().any(|(own, _)| *own == gtin) {
        person.referred_by.push((gtin, code.clone()));
    }
    for bond in person.bonds.iter_mut().filter(|own| own.subject.gtin == gtin) {
        bond.referred.get_or_insert_with(|| code.clone());
    }
    if let Some(recommender) = recommender {
        cx.changed(Change::Person(recommender));
    }
}

fn ordered(state: &mut State, id: PersonId, touch: &Touch, cx: &mut Cx<'_>) {
    let Some(person) = state.person(id) else { return };
    let codes: Vec<Box<str>> = person
        .referred_by
        .iter()
        .filter(|(gtin, _)| touch.products.iter().any(|product| product.gtin == *gtin))
        .map(|(_, code)| code.clone())
        .collect();
    drop(person);
    for code in codes {
        credit(state, &code, touch.money, cx);
    }
}

fn credit(state: &mut State, code: &str, money: Option<Money>, cx: &mut Cx<'_>) {
    let mut next: Option<Box<str>> = Some(code.into());
    for generation in 0..GENERATIONS {
        let Some(node) = next.and_then(|code| state.referrals.get_mut(&code)) else { return };
        let (orders, sums) = if generation == 0 {
            (&mut node.orders, &mut node.money)
        } else {
            (&mut node.orders_below, &mut node.money_below)
        };
        *orders += 1;
        if let Some(money) = money {
            add_money(sums, money);
        }
        if let Some(person) = node.person {
            cx.changed(Change::Person(person));
        }
        next = node.parent.clone();
    }
}
