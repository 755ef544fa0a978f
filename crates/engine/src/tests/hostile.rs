//! What comes from outside must never stop the fold: an entry that panics is in the log, and would
//! stop every start after it. Random bodies with the most awkward content that the types allow, far
//! beyond what the edges let through, go through their bytes into the state.

use model::alias::{Alias, AliasKind};
use model::bytes::Writer;
use model::context::Context;
use model::decision::{Decision, Sheet, Told, What, Why};
use model::entry::{Body, Key, KeyScope, SplitWhat};
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, PersonId, Time};
use model::kind::{Kind, STANDARD};
use model::things::{Area, Campaign, Place, Product};
use model::touch::{CHANNELS, Location, Money, Source, Touch};
use model::value::{Map, Value};

use super::{World, subject};

const JOURNEYS: [&str; 2] =
    [include_str!("../../tests/guided.yaml"), include_str!("../../tests/prescribed.yaml")];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn time(&mut self, now: Time) -> Time {
        match self.below(8) {
            0 => Time(i64::MIN),
            1 => Time(i64::MAX),
            2 => Time(0),
            3 => Time(self.next() as i64),
            _ => now,
        }
    }

    fn number(&mut self) -> i64 {
        let any = self.next() as i64;
        self.pick(&[i64::MIN, i64::MAX, -1, 0, 1, any])
    }

    fn text(&mut self) -> Box<str> {
        let long = "ß".repeat(200);
        let all = ["", "a", "model", "spring", "mitte", "thing", "loc", "marketing", "shop-50"];
        let odd = ["🦀\u{202e}é", "\0", "timer:x", "human", "engaged", "{{7*7}}", "%00", &long];
        let more = ["7KQ2-M9XD", "Europe/Berlin", "No/Where", "power", "install", "a@x.org"];
        self.pick(&[&all[..], &odd[..], &more[..]].concat()).into()
    }

    fn alias(&mut self) -> Alias {
        let kinds = ["anonymous", "device", "phone", "email", "loyalty", "user"];
        let kind = AliasKind::named(self.pick(&kinds)).unwrap();
        let value = format!("+1234{}", self.below(4));
        Alias::new(kind, &value).unwrap()
    }

    fn subject(&mut self) -> Subject {
        let gtins = ["09506000134352", "00000000000000", "09506000134369"];
        let gtin: Gtin = self.pick(&gtins).parse().unwrap_or_else(|_| "96385074".parse().unwrap());
        let serials = ["A1", "A2", "%&'()*+,-./:;<=>?_!\"", "0", "ZZZZZZZZZZZZZZZZZZZZ"];
        match self.below(3) {
            0 => Subject::model(gtin),
            _ => Subject::unit(gtin, Serial::new(self.pick(&serials)).unwrap()),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 3 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Int(self.number()),
            3 => Value::Float(self.pick(&[f64::MAX, f64::MIN, -0.0, 1e-300, 1.5])),
            4 => Value::Text(self.text()),
            5 => Value::List((0..self.below(4)).map(|_| self.value(depth + 1)).collect()),
            _ => Value::Map(self.map(depth + 1)),
        }
    }

    fn map(&mut self, depth: usize) -> Map {
        let names = ["code", "coupon", "item", "step", "message", "purpose", "code_sha256", "kind"];
        let mut map = Map::EMPTY;
        for _ in 0..self.below(5) {
            let name = if self.below(4) == 0 { self.text() } else { self.pick(&names).into() };
            let value = self.value(depth);
            map.insert(name, value);
        }
        map
    }

    fn location(&mut self) -> Location {
        let mut axis = || self.number() as i32;
        Location { lat_e7: axis(), lon_e7: axis() }
    }

    fn context(&mut self, now: Time) -> Context {
        let mut text = || (self.below(2) == 0).then(|| self.text());
        let (place, setting, locale, zone) = (text(), text(), text(), text());
        let (role, campaign) = (text(), text());
        Context {
            time: self.time(now),
            place,
            location: (self.below(2) == 0).then(|| self.location()),
            channel: Some(self.pick(&CHANNELS).0),
            setting,
            locale,
            zone,
            weather: self.map(0),
            role,
            near_product: Some(true),
            campaign,
        }
    }

    fn touch(&mut self, now: Time) -> Touch {
        let kind = match self.below(10) {
            0 => Kind::new("coffee.brewed").unwrap(),
            _ => Kind::of(self.pick(STANDARD).1),
        };
        let sources = [Source::Native, Source::Segment, Source::File, Source::Companion];
        let mut touch = Touch::new(kind, self.time(now), self.pick(&sources));
        touch.id = Digest(u128::from(self.next() % 500) << 64);
        touch.trusted = self.below(2) == 0;
        touch.channel = (self.below(2) == 0).then(|| self.pick(&CHANNELS).0);
        let products = self.pick(&[0, 1, 1, 1, 2, 3, 1_000]);
        touch.products = (0..products).map(|_| self.subject()).collect();
        touch.place = (self.below(3) == 0).then(|| self.text());
        touch.campaign = (self.below(3) == 0).then(|| self.text());
        let minor = self.number();
        touch.money = (self.below(3) == 0).then_some(Money { minor, currency: *b"USD" });
        touch.state = self.map(0);
        touch.aliases = (0..self.below(5)).map(|_| self.alias()).collect();
        touch.settle_aliases();
        touch.location = (self.below(3) == 0).then(|| self.location());
        touch.properties = self.map(0);
        touch.traits = self.map(0);
        touch
    }

    fn decision(&mut self, world: &World) -> Body {
        let by = self.alias();
        let (id, about) = (self.next() % 50, self.subject());
        let context = self.context(world.now);
        let person = world.state.person_by_alias(&by);
        let mut decision = crate::decide(&world.state, person, about, context, id);
        if self.below(3) == 0 {
            let (journey, stage) = (self.text(), self.text());
            let mut sheet = Sheet::default();
            for _ in 0..self.below(6) {
                let what = self.pick(&[What::Menu, What::Offer, What::Step]);
                let why = self.pick(&[Why::Always, Why::Stage, Why::CapDay, Why::Locked("x")]);
                let (id, name, value) = (self.text(), self.text(), self.value(0));
                sheet.note(self.below(3), &name, Told::of(&value));
                sheet.push(what, &id, why);
            }
            let items = sheet.into_items();
            let version = u32::MAX;
            decision = Decision { journey, stage, items, version, ..decision };
        }
        Body::Decided { decision, by, seed: self.next() }
    }

    fn person(&mut self, world: &World) -> PersonId {
        let known = world.state.person_by_alias(&self.alias());
        let nobody = PersonId(self.pick(&[0, 1, u64::MAX]));
        if self.below(4) == 0 { nobody } else { known.unwrap_or(nobody) }
    }

    fn thing(&mut self, now: Time) -> Body {
        match self.below(5) {
            0 => Body::PutCampaign(Campaign {
                id: self.text(),
                name: self.text(),
                subjects: (0..self.below(3)).map(|_| self.subject()).collect(),
                stage: Some(self.text()),
                starts: Some(self.time(now)),
                ends: Some(self.time(now)),
                cost: Some(Money { minor: self.number(), currency: *b"JPY" }),
                target: None,
                window_ms: self.number(),
            }),
            1 => Body::PutPlace(Place {
                id: self.text(),
                name: self.text(),
                kind: self.text(),
                area: match self.below(3) {
                    0 => Area::Nowhere,
                    1 => Area::Circle { center: self.location(), radius_m: u32::MAX },
                    _ => Area::Polygon((0..self.below(5)).map(|_| self.location()).collect()),
                },
                zone: Some(self.text()),
                hours: Vec::new(),
                beacons: Vec::new(),
                models: Vec::new(),
            }),
            2 => Body::PutProduct(Product {
                subject: self.subject(),
                made: Some(self.time(now)),
                claim: Some(Digest(u128::from(self.next()))),
                attributes: self.map(0),
            }),
            3 => Body::PutMapping { pairs: vec![(self.text(), self.text())] },
            _ => Body::PutKey(Key {
                id: self.text(),
                name: self.text(),
                scope: KeyScope::Write,
                hash: Digest(0),
                made: self.time(now),
            }),
        }
    }

    fn body(&mut self, world: &World) -> Body {
        let now = world.now;
        match self.below(40) {
            0..24 => Body::Touch(self.touch(now)),
            24..29 => self.decision(world),
            29 => Body::Tick,
            30 => Body::Merge {
                keep: self.person(world),
                gone: self.person(world),
                reason: self.text(),
            },
            31 => {
                let person = self.person(world);
                let merge = world.state.person(person).and_then(|own| own.merges.last().cloned());
                let what = match merge {
                    Some(merge) if self.below(2) == 0 => SplitWhat::Merge(merge.seq),
                    _ => SplitWhat::Aliases((0..self.below(4)).map(|_| self.alias()).collect()),
                };
                Body::Split { person, what, reason: self.text() }
            }
            32 => Body::Wipe { person: self.person(world), receipt: self.next() % 3 },
            33 => Body::Purged { receipt: self.next() % 3, records: u64::MAX },
            34 => Body::Refused {
                source: Source::Native,
                code: self.text(),
                reason: self.text(),
                raw: self.pick(&[&b"\\u12\\ud800+12340"[..], b"\xff\\", b"\\u", b""]).into(),
            },
            35 => Body::RefusedDone { seq: self.next() % 3_000 },
            36 => Body::Looked { person: self.person(world), who: self.text(), what: self.text() },
            37 => Body::PutJourney { source: self.text() },
            38 => Body::DropKey { id: self.text() },
            _ => self.thing(now),
        }
    }
}

#[test]
fn nothing_that_comes_in_stops_the_fold() {
    for seed in 0..6_u64 {
        let mut dice = Dice(seed);
        let mut world = World::new(JOURNEYS[seed as usize % 2]);
        for _ in 0..1_500 {
            let hours = dice.below(48) as i64;
            world.now = world.now.plus(hours * 3_600_000 * i64::from(dice.below(3) == 0));
            let body = dice.body(&world);
            world.put(body);
        }
        // Every name leads to somebody who has it, and nobody is lost.
        let persons = world.state.persons_after(None, usize::MAX);
        assert_eq!(persons.len() as u64, world.state.meta().persons);
        for id in persons {
            for known in world.state.person(id).unwrap().aliases.iter() {
                assert_eq!(world.state.person_by_alias(&known.alias), Some(id));
            }
        }
        assert_eq!(world.state.hash(), world.replayed().hash(), "seed {seed}");
    }
}

#[test]
fn a_log_time_far_ahead_fires_all_timers_and_ends() {
    let mut world = World::new(JOURNEYS[0]);
    world.play("user:u1 | page.viewed of=model kind=fan");
    world.now = Time(253_402_300_799_999);
    world.put(Body::Tick);
    world.now = Time(0);
    world.play("user:u1 | page.viewed of=model kind=fan");
    assert!(world.state.bond(world.person("user:u1"), subject("model")).is_some());
}

#[test]
fn broken_bytes_are_an_error_and_no_panic() {
    let mut dice = Dice(99);
    let world = World::new(JOURNEYS[0]);
    for _ in 0..3_000 {
        let body = dice.body(&world);
        let (mut common, mut personal) = (Writer::new(), Writer::new());
        let tag = body.write(Time(0), &mut common, &mut personal);
        let (mut common, mut personal) = (common.into_bytes(), personal.into_bytes());
        let part = if dice.below(2) == 0 { &mut common } else { &mut personal };
        if part.is_empty() {
            continue;
        }
        let at = dice.below(part.len());
        match dice.below(2) {
            0 => part[at] ^= 1 << dice.below(8),
            _ => part.truncate(at),
        }
        let tag = if dice.below(10) == 0 { dice.next() as u8 } else { tag };
        // Either it is refused or it reads as something else; it only must come back.
        let _ = Body::read(Time(0), tag, &common, &personal);
    }
}
