//! The others: some hundred lives that go on beside the story, each a step at a time, at a steady
//! rate. Which one takes its step, and what it is, follows from a seed. Nobody in it is real.

use serde_json::{Value, json};

use super::super::Failed;
use super::super::http::Client;
use super::company::{CAMPAIGN, GTIN, OTHERS_FROM, SHOPS, UNITS, serial};
use super::story::{model_link, taken};

const LIVES: usize = 400;

/// SplitMix64: enough for a demo, and the same for the same seed everywhere.
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
}

#[derive(Clone, Default)]
struct Life {
    user: String,
    name: String,
    /// Through which they see the ad.
    channel: &'static str,
    step: u32,
    unit: Option<u32>,
    error: bool,
}

pub struct Lives {
    lives: Vec<Life>,
    dice: Dice,
    next_unit: u32,
    run: String,
    born: u32,
}

impl Lives {
    pub fn new(seed: u64) -> Lives {
        let run = format!("{:x}", seed & 0xffff_ffff);
        let mut lives =
            Lives { lives: Vec::new(), dice: Dice(seed), next_unit: OTHERS_FROM, run, born: 0 };
        for _ in 0..LIVES {
            let life = lives.born();
            lives.lives.push(life);
        }
        lives
    }

    fn born(&mut self) -> Life {
        const FIRST: [&str; 8] = ["Al", "Be", "Do", "Ka", "Li", "Mo", "Ra", "Su"];
        const LAST: [&str; 8] = ["vin", "na", "ro", "lia", "mir", "tta", "bel", "no"];
        self.born += 1;
        let name = [FIRST[self.dice.below(8)], LAST[self.dice.below(8)]].concat();
        let channel = self.one_of(["web", "email", "app"]);
        Life { channel, user: format!("{}-{}", self.run, self.born), name, ..Life::default() }
    }

    /// Lets `count` lives take a step, in one call.
    pub async fn step(&mut self, api: &mut Client, count: usize) -> Result<(), Failed> {
        let mut touches = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.dice.below(LIVES);
            let mut life = std::mem::take(&mut self.lives[at]);
            touches.push(self.touch_of(&mut life));
            // Some lose interest on the way; somebody new comes instead.
            let leaves = life.unit.is_none() && life.step > 3 && self.dice.percent(10);
            self.lives[at] = if leaves { self.born() } else { life };
        }
        taken(api.send("POST", "/v1/touches", &Value::from(touches)).await?.success()?)
    }

    fn one_of<const N: usize>(&mut self, words: [&'static str; N]) -> &'static str {
        words[self.dice.below(N)]
    }

    fn touch_of(&mut self, life: &mut Life) -> Value {
        life.step += 1;
        let visitor = json!({"anonymous": format!("web-{}", life.user)});
        let known = json!({"user": life.user});
        let model = [model_link()];
        let ad = |kind: &str| {
            json!({
                "kind": kind, "campaign": CAMPAIGN, "aliases": visitor, "channel": life.channel,
            })
        };
        match (life.step, life.unit) {
            (1, _) => ad("campaign.shown"),
            // Most look away; they see it again some other time.
            (2, _) if self.dice.percent(55) => {
                life.step = 1;
                ad("campaign.shown")
            }
            (2, _) => ad("campaign.clicked"),
            (3, _) => json!({"kind": "product.viewed", "products": model, "aliases": visitor}),
            (4, None) => json!({
                "kind": "page.viewed", "products": model, "aliases": visitor,
                "properties": {"kind": if self.dice.percent(60) { "fan" } else { "about" }},
            }),
            (_, None) if self.next_unit <= UNITS && self.dice.percent(30) => {
                life.unit = Some(self.next_unit);
                self.next_unit += 1;
                life.step = 10;
                json!({
                    "kind": "order.placed", "products": model, "channel": "web",
                    "money": {"amount": "299.00", "currency": "USD"},
                    "aliases": {
                        "user": life.user, "anonymous": format!("web-{}", life.user),
                        "email": format!("{}@example.com", life.user),
                    },
                    "traits": {"first_name": life.name},
                })
            }
            (_, None) if self.dice.percent(40) => json!({
                "kind": "place.entered", "place": self.one_of(SHOPS.map(|shop| shop.0)),
                "products": model, "aliases": visitor,
            }),
            (_, None) => json!({"kind": "product.viewed", "products": model, "aliases": visitor}),
            (step, Some(unit)) => self.owner_touch(life, step, unit, known),
        }
    }

    fn owner_touch(&mut self, life: &mut Life, step: u32, unit: u32, known: Value) -> Value {
        let unit = [format!("/01/{GTIN}/21/{}", serial(unit))];
        let parcel = |kind: &str, place: &str| {
            json!({
                "kind": kind, "products": unit, "aliases": known,
                "properties": {"carrier": "Tern", "place": place},
            })
        };
        let device = |kind: &str, state: Value| {
            let mut touch = json!({"kind": kind, "products": unit, "channel": "device"});
            touch["state"] = state;
            touch
        };
        match step {
            11 => parcel("product.shipped", "Leipzig, warehouse"),
            12 => parcel("parcel.scanned", "Berlin, delivery base"),
            13 => parcel("parcel.delivered", "at the door"),
            14 => device("product.powered_on", json!({"power": "on", "ink_percent": 100})),
            15 => device("product.connected", json!({"wifi": "ok"})),
            16 => device("product.installed", json!({"firmware": "4.1.0"})),
            _ if life.error => {
                life.error = false;
                device("product.fixed", json!({"error": ""}))
            }
            _ if self.dice.percent(6) => {
                life.error = true;
                let error = self.one_of(["paper_jam", "paper_jam", "ink_empty"]);
                device("product.failed", json!({"error": error}))
            }
            _ if self.dice.percent(5) => {
                json!({"kind": "product.recommended", "products": unit, "aliases": known})
            }
            _ if self.dice.percent(5) => json!({
                "kind": "product.reviewed", "products": unit, "aliases": known,
                "properties": {"rating": 3 + self.dice.below(3)},
            }),
            _ => {
                let ink = 100_u32.saturating_sub(step - 16);
                device("product.used", json!({"pages": step * 3, "ink_percent": ink}))
            }
        }
    }
}
