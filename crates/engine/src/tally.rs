//! The two numbers, click-through and conversion, per campaign, offer and menu item, by stage and
//! channel, with money. Exact: they are part of the fold.

use model::id::PersonId;
use model::kind::Kinds;
use model::touch::{Channel, Money, Touch};

use crate::bonds;
use crate::record::{Click, Counts, Person, TallyKey, TallyOf, add_money};
use crate::state::State;

/// The kinds that something is counted for.
pub(crate) const COUNTED: Kinds = Kinds::of(&[
    "campaign.shown",
    "campaign.clicked",
    "menu.clicked",
    "offer.clicked",
    "order.placed",
]);
/// Clicks that a person remembers for attribution.
const CLICKS_KEPT: usize = 16;

pub(crate) fn count<'a>(
    state: &'a mut State,
    what: TallyOf,
    id: &str,
    stage: &str,
    channel: Option<Channel>,
) -> &'a mut Counts {
    let key = TallyKey { what, id: id.into(), stage: stage.into(), channel };
    state.tallies.or_insert(key, Counts::default)
}

/// Remembers a click, so that an order can be said to have come from it.
pub(crate) fn fold_click(person: &mut Person, touch: &Touch) {
    if touch.kind.as_str() != "campaign.clicked" {
        return;
    }
    let Some(campaign) = &touch.campaign else { return };
    person.clicks.retain(|click| click.campaign != *campaign);
    if person.clicks.len() >= CLICKS_KEPT {
        person.clicks.remove(0);
    }
    let (campaign, channel) = (campaign.clone(), touch.channel);
    person.clicks.push(Click { campaign, time: touch.time, channel });
}

/// An ad that nobody in particular saw or clicked still counts for its campaign.
pub(crate) fn without_person(state: &mut State, touch: &Touch) {
    seen_or_clicked(state, touch, "");
}

pub(crate) fn with_person(state: &mut State, person: PersonId, touch: &Touch) {
    if !COUNTED.have(&touch.kind) {
        return;
    }
    let stage: Box<str> = bonds::subjects_of(state, touch)
        .first()
        .and_then(|subject| bonds::journey_and_stage(state, person, *subject))
        .map_or("", |(_, stage)| stage)
        .into();
    seen_or_clicked(state, touch, &stage);
    if touch.kind.as_str() == "order.placed" {
        converted(state, person, touch, &stage);
    }
}

/// Only for what is registered: a client cannot make up counters, which are kept for ever.
fn seen_or_clicked(state: &mut State, touch: &Touch, stage: &str) {
    let channel = touch.channel;
    let campaign = touch.campaign.as_ref().filter(|id| state.campaign(id).is_some());
    match touch.kind.as_str() {
        "campaign.shown" => {
            if let Some(id) = campaign {
                count(state, TallyOf::Campaign, id, stage, channel).impressions += 1;
            }
        }
        "campaign.clicked" => {
            if let Some(id) = campaign {
                count(state, TallyOf::Campaign, id, stage, channel).clicks += 1;
            }
        }
        "menu.clicked" | "offer.clicked" => {
            let what =
                if touch.kind.as_str() == "menu.clicked" { TallyOf::Menu } else { TallyOf::Offer };
            let journey = touch
                .products
                .first()
                .and_then(|subject| state.journey_for(subject.gtin))
                .map(|(_, journey)| journey.clone());
            let (Some(journey), Some(item)) = (journey, touch.properties.text("item")) else {
                return;
            };
            let known = match what {
                TallyOf::Menu => journey.menu.iter().any(|own| own.id == item),
                _ => journey.offers.iter().any(|own| own.id == item),
            };
            if known {
                let id = format!("{}/{item}", journey.name);
                count(state, what, &id, stage, channel).clicks += 1;
            }
        }
        _ => {}
    }
}

/// The order counts for the last campaign that the person clicked, if the campaign is about one
/// of the ordered models and its window is not over.
fn converted(state: &mut State, person: PersonId, touch: &Touch, stage: &str) {
    let Some(record) = state.person(person) else { return };
    let mut best: Option<Click> = None;
    for click in record.clicks.iter().rev() {
        let Some(campaign) = state.campaign(&click.campaign) else { continue };
        let about = campaign.subjects.is_empty()
            || campaign
                .subjects
                .iter()
                .any(|subject| touch.products.iter().any(|product| product.gtin == subject.gtin));
        let age = touch.time.since(click.time);
        if about && (0..=campaign.window_ms).contains(&age) {
            best = Some(click.clone());
            break;
        }
    }
    drop(record);
    if let Some(click) = best {
        let counts = count(state, TallyOf::Campaign, &click.campaign, stage, click.channel);
        counts.conversions += 1;
        if let Some(money) = touch.money {
            add_money(&mut counts.money, money);
        }
    }
}

/// What was taken back when an order came through an offer.
pub(crate) fn redeemed(
    state: &mut State,
    offer: &str,
    stage: &str,
    channel: Option<Channel>,
    money: Option<Money>,
) {
    let counts = count(state, TallyOf::Offer, offer, stage, channel);
    counts.conversions += 1;
    if let Some(money) = money {
        add_money(&mut counts.money, money);
    }
}
