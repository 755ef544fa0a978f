//! Invented lives of customers, each a step at a time: the ad, the visit, the order, the parcel,
//! the first use, trouble, help, a recommendation, and that somebody else buys the thing one day.
//! Which one takes its step, and what it is, follows from a seed. Nobody in it is real.

use serde_json::{Value, json};

use super::demo::company::{CAMPAIGN, GTIN, SHOPS, serial};
use super::demo::story::model_link;

/// SplitMix64: enough for this, and the same for the same seed everywhere.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }

    /// From 0 to just below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How many there are, and what they can buy.
pub struct Town {
    pub lives: usize,
    /// The first unit that they buy, and the last there is.
    pub units: (u32, u32),
    /// Whether some take far more steps than others, as customers do: a fifth of them take well
    /// over half of all steps.
    pub skewed: bool,
}

#[derive(Clone, Default)]
struct Life {
    number: u32,
    /// Through which they see the ad.
    channel: &'static str,
    step: u32,
    unit: Option<u32>,
    trouble: Trouble,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Trouble {
    #[default]
    None,
    Error,
    /// They have asked somebody.
    Asked,
}

pub struct Lives {
    lives: Vec<Life>,
    dice: Dice,
    next_unit: u32,
    last_unit: u32,
    /// Units that were sold on and wait for the next owner.
    second_hand: Vec<u32>,
    skewed: bool,
    run: String,
    born: u32,
}

/// The step after the order.
const ORDERED: u32 = 10;
/// The step of an owner whose product is in use.
const SETTLED: u32 = 16;

const FIRST: [&str; 12] = [
    "Jörg", "Käthe", "Zoë", "Björn", "Anna", "Mehmet", "Lukas", "Söhnke", "Marie", "Günther",
    "Aylin", "Tim",
];
const LAST: [&str; 12] = [
    "Müller",
    "Weiß",
    "Özdemir",
    "Schröder",
    "Jäger",
    "Lange",
    "Groß",
    "Kühn",
    "Vogel",
    "Böhm",
    "Nowak",
    "Fuchs",
];
const CITIES: [&str; 6] = ["München", "Köln", "Berlin", "Düsseldorf", "Zürich", "Graz"];

impl Lives {
    pub fn new(seed: u64, town: &Town) -> Lives {
        let run = format!("{:x}", seed & 0xffff_ffff);
        let mut lives = Lives {
            lives: Vec::with_capacity(town.lives),
            dice: Dice(seed),
            next_unit: town.units.0,
            last_unit: town.units.1,
            second_hand: Vec::new(),
            skewed: town.skewed,
            run,
            born: 0,
        };
        for _ in 0..town.lives {
            let life = lives.born();
            lives.lives.push(life);
        }
        lives
    }

    fn born(&mut self) -> Life {
        self.born += 1;
        let channel = self.one_of(["web", "email", "app"]);
        Life { channel, number: self.born, ..Life::default() }
    }

    /// Makes `share` percent of them owners already, as far as the units go: the touches that say
    /// so, at most `count` of them, beginning with life number `from`; and where to go on.
    pub fn owners(&mut self, share: u64, from: usize, count: usize) -> (Vec<Value>, usize) {
        let mut touches = Vec::with_capacity(count);
        let mut at = from;
        while at < self.lives.len() && touches.len() < count {
            if self.dice.percent(share)
                && let Some(unit) = self.buys()
            {
                let mut life = std::mem::take(&mut self.lives[at]);
                life.unit = Some(unit);
                life.step = SETTLED + self.dice.below(200) as u32;
                touches.push(json!({
                    "kind": "product.bought", "products": [unit_link(unit)], "channel": "shop",
                    "aliases": self.names(&life), "traits": self.traits(&life),
                }));
                self.lives[at] = life;
            }
            at += 1;
        }
        (touches, at)
    }

    /// Lets `count` lives take a step.
    pub fn touches(&mut self, count: usize) -> Vec<Value> {
        let mut touches = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.whose();
            let mut life = std::mem::take(&mut self.lives[at]);
            touches.push(self.touch_of(&mut life));
            // Some lose interest on the way; somebody new comes instead.
            let leaves = life.unit.is_none() && life.step > 3 && self.dice.percent(10);
            self.lives[at] = if leaves { self.born() } else { life };
        }
        touches
    }

    fn whose(&mut self) -> usize {
        let all = self.lives.len();
        if !self.skewed {
            return self.dice.below(all);
        }
        let rank = self.dice.share().powi(3) * all as f64;
        (rank as usize).min(all - 1)
    }

    fn one_of<const N: usize>(&mut self, words: [&'static str; N]) -> &'static str {
        words[self.dice.below(N)]
    }

    /// A new unit, or one that somebody has sold on.
    fn buys(&mut self) -> Option<u32> {
        if self.next_unit <= self.last_unit {
            self.next_unit += 1;
            return Some(self.next_unit - 1);
        }
        self.second_hand.pop()
    }

    fn user(&self, life: &Life) -> String {
        format!("{}-{}", self.run, life.number)
    }

    /// All names that a shop knows at an order; some people have more of them than others.
    fn names(&self, life: &Life) -> Value {
        let user = self.user(life);
        let mut names = json!({
            "user": user, "anonymous": format!("web-{user}"), "email": format!("{user}@example.com"),
        });
        if life.number.is_multiple_of(3) {
            names["phone"] = format!("+4930{:08}", life.number).into();
        }
        if life.number.is_multiple_of(4) {
            names["loyalty"] = format!("L-{user}").into();
        }
        names
    }

    fn traits(&self, life: &Life) -> Value {
        let pick =
            |words: &[&str], by: u32| words[(life.number / by) as usize % words.len()].to_owned();
        json!({
            "first_name": pick(&FIRST, 1), "last_name": pick(&LAST, 12), "city": pick(&CITIES, 5),
        })
    }

    fn touch_of(&mut self, life: &mut Life) -> Value {
        life.step += 1;
        if let Some(unit) = life.unit {
            return self.owner_touch(life, unit);
        }
        let visitor = json!({"anonymous": format!("web-{}", self.user(life))});
        let model = [model_link()];
        let ad = |kind: &str| {
            json!({
                "kind": kind, "campaign": CAMPAIGN, "aliases": visitor, "channel": life.channel,
            })
        };
        match life.step {
            1 => ad("campaign.shown"),
            // Most look away; they see it again some other time.
            2 if self.dice.percent(55) => {
                life.step = 1;
                ad("campaign.shown")
            }
            2 => ad("campaign.clicked"),
            3 => json!({"kind": "product.viewed", "products": model, "aliases": visitor}),
            4 => json!({
                "kind": "page.viewed", "products": model, "aliases": visitor,
                "properties": {"kind": if self.dice.percent(60) { "fan" } else { "about" }},
            }),
            _ if self.dice.percent(30)
                && let Some(unit) = self.buys() =>
            {
                life.unit = Some(unit);
                life.step = ORDERED;
                json!({
                    "kind": "order.placed", "products": model, "channel": "web",
                    "money": {"amount": "299.00", "currency": "USD"},
                    "aliases": self.names(life), "traits": self.traits(life),
                })
            }
            _ if self.dice.percent(40) => json!({
                "kind": "place.entered", "place": self.one_of(SHOPS.map(|shop| shop.0)),
                "products": model, "aliases": visitor,
            }),
            _ => json!({"kind": "product.viewed", "products": model, "aliases": visitor}),
        }
    }

    fn owner_touch(&mut self, life: &mut Life, unit: u32) -> Value {
        let link = [unit_link(unit)];
        let known = json!({"user": self.user(life)});
        let own = |kind: &str, said: Value| {
            let mut touch = json!({"kind": kind, "products": link, "aliases": known});
            touch["properties"] = said;
            touch
        };
        let parcel =
            |kind: &str, place: &str| own(kind, json!({"carrier": "Tern", "place": place}));
        let device = |kind: &str, state: Value| {
            let mut touch = json!({"kind": kind, "products": link, "channel": "device"});
            touch["state"] = state;
            touch
        };
        match life.step {
            11 => parcel("product.shipped", "Leipzig, warehouse"),
            12 => parcel("parcel.scanned", "Berlin, delivery base"),
            13 => parcel("parcel.delivered", "at the door"),
            14 => device("product.powered_on", json!({"power": "on", "ink_percent": 100})),
            15 => device("product.connected", json!({"wifi": "ok"})),
            SETTLED => device("product.installed", json!({"firmware": "4.1.0"})),
            _ if life.trouble == Trouble::Error && self.dice.percent(15) => {
                life.trouble = Trouble::Asked;
                own("help.asked", json!({"text": "Er druckt nicht. Was heißt das Licht?"}))
            }
            _ if life.trouble != Trouble::None => {
                life.trouble = Trouble::None;
                device("product.fixed", json!({"error": ""}))
            }
            _ if self.dice.percent(6) => {
                life.trouble = Trouble::Error;
                let error = self.one_of(["paper_jam", "paper_jam", "ink_empty"]);
                device("product.failed", json!({"error": error}))
            }
            _ if self.dice.percent(5) => own("product.recommended", json!({})),
            _ if self.dice.percent(5) => {
                own("product.reviewed", json!({"rating": 3 + self.dice.below(3)}))
            }
            step if step > 100 && self.dice.percent(1) => {
                life.unit = None;
                life.step = 3;
                self.second_hand.push(unit);
                own("product.resold", json!({}))
            }
            step => {
                let ink = 100 - (step - SETTLED) % 100;
                device("product.used", json!({"pages": step * 3, "ink_percent": ink}))
            }
        }
    }
}

fn unit_link(unit: u32) -> String {
    format!("/01/{GTIN}/21/{}", serial(unit))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn town(skewed: bool) -> Town {
        Town { lives: 1_000, units: (1, 800), skewed }
    }

    #[test]
    fn the_same_seed_gives_the_same_lives() {
        let of = |seed| {
            let mut lives = Lives::new(seed, &town(true));
            (lives.owners(50, 0, 2_000), lives.touches(5_000))
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn lives_go_from_the_ad_to_the_next_owner() {
        let mut lives = Lives::new(1, &town(false));
        let (owners, end) = lives.owners(50, 0, 2_000);
        assert_eq!(end, 1_000);
        assert!((400..600).contains(&owners.len()), "{}", owners.len());
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for touch in lives.touches(200_000) {
            *kinds.entry(touch["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        for kind in [
            "campaign.shown",
            "campaign.clicked",
            "product.viewed",
            "order.placed",
            "product.shipped",
            "product.installed",
            "product.used",
            "product.failed",
            "help.asked",
            "product.fixed",
            "product.recommended",
            "product.resold",
        ] {
            assert!(kinds.contains_key(kind), "{kind}: {kinds:?}");
        }
        assert!(kinds["product.used"] > kinds["product.failed"]);
    }

    #[test]
    fn a_unit_has_one_owner_at_a_time() {
        let mut lives = Lives::new(3, &town(true));
        lives.owners(50, 0, 2_000);
        lives.touches(100_000);
        let mut units: Vec<u32> = lives.lives.iter().filter_map(|life| life.unit).collect();
        let owned = units.len();
        units.sort_unstable();
        units.dedup();
        assert_eq!(units.len(), owned);
        assert!(owned + lives.second_hand.len() <= 800);
    }

    #[test]
    fn a_fifth_takes_over_half_of_the_steps() {
        let mut lives = Lives::new(5, &town(true));
        let first = (0..10_000).filter(|_| lives.whose() < 200).count();
        assert!((5_400..6_300).contains(&first), "{first}");
    }
}
