//! The two numbers, click-through rate and conversion rate, with money: per campaign, offer and
//! menu item, in all, by stage and by channel.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use engine::State as Folded;
use engine::record::{Counts, TallyOf, add_money};
use model::things::Campaign;
use model::touch::Money;
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::campaigns;
use crate::app::App;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Results";
const OF_QUERY: &[(&str, &str)] = &[
    ("of", "`campaigns`, `offers` or `menu`; campaigns if not given"),
    ("cursor", "Where the page before ended: its `next`"),
    ("limit", "Items of a page: 50 if not given, at most 500"),
];

pub fn routes() -> Vec<Route> {
    let total = json!({ "impressions": 1000, "clicks": 120, "conversions": 6, "ctr": 0.12,
        "cvr": 0.05, "money": [{ "amount": "1794.00", "currency": "USD" }] });
    let example = json!({ "id": "autumn", "name": "Autumn mailing", "total": total,
        "by_stage": [], "by_channel": [], "by_stage_and_channel": [] });
    vec![
        Route {
            answer: (200, object(example.clone())),
            problems: &["not_found"],
            ..row(
                "get",
                "/v1/campaigns/{id}/results",
                TAG,
                "What a campaign brought",
                "Exact and live. `ctr` is clicks by impressions, `cvr` conversions by clicks; \
                 null where nothing was counted.",
                get(of_campaign),
            )
        },
        Route {
            query: OF_QUERY,
            answer: call::list_answer(example),
            ..row(
                "get",
                "/v1/results",
                TAG,
                "What all of them brought",
                "Offers and menu items are named `journey/item`. An offer's conversions are its \
                 codes redeemed.",
                get(of_all),
            )
        },
    ]
}

async fn of_campaign(
    State(app): State<App>,
    _: Secret,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let state = app.engine.state();
    let campaign = state.campaign(&id).ok_or_else(campaigns::none)?;
    let mut sums = Sums::default();
    for (key, counts) in state.tallies() {
        if key.what == TallyOf::Campaign && key.id == campaign.id {
            sums.add(&key.stage, key.channel.map(|channel| channel.name()), counts);
        }
    }
    let mut shown = sums.to_json(TallyOf::Campaign, campaign.cost);
    about_campaign(&mut shown, campaign);
    Ok(call::ok(&shown))
}

fn about_campaign(shown: &mut Json, campaign: &Campaign) {
    shown["id"] = json!(campaign.id);
    shown["name"] = json!(campaign.name);
    shown["cost"] = json::money_or_null(campaign.cost);
    shown["window_days"] = (campaign.window_ms / model::id::Time::DAY_MS).into();
}

async fn of_all(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let what = match params.get("of").map(String::as_str) {
        None | Some("campaigns") => TallyOf::Campaign,
        Some("offers") => TallyOf::Offer,
        Some("menu") => TallyOf::Menu,
        Some(_) => return Err(invalid("of", "it is campaigns, offers or menu")),
    };
    let page = call::page(&params)?;
    let state = app.engine.state();
    let mut all: BTreeMap<String, Sums> = BTreeMap::new();
    if what == TallyOf::Campaign {
        // A campaign that brought nothing yet is a result as well.
        all.extend(state.campaigns().map(|own| (own.id.to_string(), Sums::default())));
    }
    for (key, counts) in state.tallies().filter(|(key, _)| key.what == what) {
        let sums = all.entry(key.id.to_string()).or_default();
        sums.add(&key.stage, key.channel.map(|channel| channel.name()), counts);
    }
    let all: Vec<(String, Sums)> = all.into_iter().collect();
    let show = |(id, sums): &(String, Sums)| shown(&state, what, id, sums);
    Ok(call::ok(&call::listed_after(&page, all.iter(), |(id, _)| id.clone(), show)))
}

fn shown(state: &Folded, what: TallyOf, id: &str, sums: &Sums) -> Json {
    if what == TallyOf::Campaign {
        let campaign = state.campaign(id);
        let mut shown = sums.to_json(what, campaign.and_then(|campaign| campaign.cost));
        shown["id"] = id.into();
        shown["name"] = id.into();
        if let Some(campaign) = campaign {
            about_campaign(&mut shown, campaign);
        }
        return shown;
    }
    let mut shown = sums.to_json(what, None);
    let (journey, item) = id.split_once('/').unwrap_or(("", id));
    let found = state.journey(journey).map(|(_, found)| found);
    let title = found.and_then(|found| match what {
        TallyOf::Offer => found.offer(item).map(|own| &own.title),
        _ => found.menu_item(item).map(|own| &own.title),
    });
    let title = title.map(|title| title.get("en")).filter(|title| !title.is_empty());
    shown["id"] = id.into();
    shown["journey"] = journey.into();
    shown["item"] = item.into();
    shown["name"] = title.unwrap_or(item).into();
    shown
}

#[derive(Default)]
struct Sums {
    total: Counts,
    cells: BTreeMap<(String, &'static str), Counts>,
}

impl Sums {
    fn add(&mut self, stage: &str, channel: Option<&'static str>, counts: &Counts) {
        let stage = if stage.is_empty() { engine::journey::NONE } else { stage };
        let cell = (stage.to_owned(), channel.unwrap_or("unknown"));
        add(&mut self.total, counts);
        add(self.cells.entry(cell).or_default(), counts);
    }

    fn to_json(&self, what: TallyOf, cost: Option<Money>) -> Json {
        let (mut stages, mut channels) = (BTreeMap::new(), BTreeMap::new());
        for ((stage, channel), counts) in &self.cells {
            add(stages.entry(stage.as_str()).or_default(), counts);
            add(channels.entry(*channel).or_default(), counts);
        }
        let by = |name: &str, sums: &BTreeMap<&str, Counts>| {
            let rows = sums.iter().map(|(key, counts)| {
                let mut row = counts_json(what, counts);
                row[name] = (*key).into();
                row
            });
            rows.collect::<Json>()
        };
        let cells = self.cells.iter().map(|((stage, channel), counts)| {
            let mut row = counts_json(what, counts);
            row["stage"] = stage.as_str().into();
            row["channel"] = (*channel).into();
            row
        });
        let mut total = counts_json(what, &self.total);
        if let Some(cost) = cost {
            total["cost"] = json::money(cost);
            total["cost_per_conversion"] = per(cost, self.total.conversions);
            total["cost_per_click"] = per(cost, self.total.clicks);
        }
        json!({
            "total": total,
            "by_stage": by("stage", &stages),
            "by_channel": by("channel", &channels),
            "by_stage_and_channel": cells.collect::<Json>(),
        })
    }
}

fn add(sum: &mut Counts, counts: &Counts) {
    sum.impressions += counts.impressions;
    sum.clicks += counts.clicks;
    sum.conversions += counts.conversions;
    sum.grants += counts.grants;
    for money in &counts.money {
        add_money(&mut sum.money, *money);
    }
}

fn per(cost: Money, count: u64) -> Json {
    let each = i64::try_from(count).ok().and_then(|count| cost.minor.checked_div(count));
    each.map_or(Json::Null, |minor| json::money(Money { minor, ..cost }))
}

fn counts_json(what: TallyOf, counts: &Counts) -> Json {
    let mut shown = json!({
        "impressions": counts.impressions,
        "clicks": counts.clicks,
        "conversions": counts.conversions,
        "ctr": rate(counts.clicks, counts.impressions),
        "cvr": rate(counts.conversions, counts.clicks),
        "money": json::monies(&counts.money),
    });
    if what == TallyOf::Offer {
        shown["grants"] = counts.grants.into();
        shown["redeemed"] = counts.conversions.into();
        shown["redeem_rate"] = rate(counts.conversions, counts.grants);
    }
    shown
}

fn rate(part: u64, whole: u64) -> Json {
    if whole == 0 { Json::Null } else { Json::from(part as f64 / whole as f64) }
}
