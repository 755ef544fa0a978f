//! What happens in a simulated company: a few products, some dozens of people, and every kind of
//! touch and command, in an order that the dice choose.

use model::alias::{Alias, AliasKind};
use model::context::Context;
use model::entry::{Body, Key, KeyScope, SplitWhat};
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, PersonId, Time};
use model::kind::Kind;
use model::texts::Texts;
use model::things::{Area, Campaign, Model, Place, Product};
use model::touch::{Channel, Location, Money, Source, Touch};
use model::value::{Map, Value};

use engine::{Entity, State, Topic};

use crate::dice::Dice;

pub const JOURNEY: &str = include_str!("../journey.yaml");
/// As the journey file says.
pub const CAP_PER_DAY: u64 = 3;
const GTINS: [u64; 2] = [9_506_000_134_352, 4_006_381_333_931];
const UNITS: usize = 12;

pub struct Workload {
    pub dice: Dice,
    messages: u64,
    /// Every message sent so far, some of which are sent again.
    sent: Vec<Touch>,
    people: Vec<Vec<Alias>>,
    lives: u64,
}

impl Workload {
    pub fn new(seed: u64) -> Workload {
        let mut load = Workload {
            dice: Dice::new(seed),
            messages: 0,
            sent: Vec::new(),
            people: Vec::new(),
            lives: 0,
        };
        for _ in 0..24 {
            let person = load.somebody();
            load.people.push(person);
        }
        load
    }

    /// Names that occur nowhere else, so that they can be looked for after a wipe.
    fn somebody(&mut self) -> Vec<Alias> {
        self.lives += 1;
        let mark = format!("{:012x}", self.dice.next() & 0xffff_ffff_ffff);
        let name = |kind, text: String| Alias::new(kind, &text).expect("made to be valid");
        vec![
            name(AliasKind::User, format!("user{}-{mark}", self.lives)),
            name(AliasKind::Email, format!("mail{}-{mark}@example.com", self.lives)),
            name(AliasKind::Device, format!("device{}-{mark}", self.lives)),
            name(AliasKind::Anonymous, format!("visit{}-{mark}", self.lives)),
        ]
    }

    /// What a company registers before anything happens.
    pub fn foundation(&self) -> Vec<Body> {
        let mut bodies = vec![Body::PutJourney { source: JOURNEY.into() }];
        for number in GTINS {
            let gtin = gtin(number);
            bodies.push(Body::PutModel(Model {
                gtin,
                name: Texts::en("Thing"),
                brand: "Everthing".into(),
                image: None,
                price: Some(Money { minor: 29_900, currency: *b"EUR" }),
                attributes: Map::EMPTY,
                content: Map::EMPTY,
                links: Vec::new(),
            }));
            for unit in 0..UNITS {
                bodies.push(Body::PutProduct(Product {
                    subject: unit_of(number, unit),
                    made: None,
                    claim: Some(claim(unit)),
                    attributes: Map::EMPTY,
                }));
            }
        }
        bodies.push(Body::PutCampaign(Campaign {
            id: "spring".into(),
            name: "Spring".into(),
            subjects: vec![Subject::model(gtin(GTINS[0]))],
            stage: Some("interested".into()),
            starts: None,
            ends: None,
            cost: None,
            target: None,
            window_ms: Campaign::WINDOW_MS,
        }));
        bodies.push(Body::PutPlace(Place {
            id: "shop".into(),
            name: "The shop".into(),
            kind: "shop".into(),
            area: Area::Circle { center: shop(), radius_m: 50 },
            zone: Some("Europe/Berlin".into()),
            hours: Vec::new(),
            beacons: Vec::new(),
            models: Vec::new(),
        }));
        bodies
    }

    /// The next thing that happens. `state` is what a server would read before it writes.
    pub fn next(&mut self, state: &State, now: Time) -> Body {
        match self.dice.below(100) {
            0..70 => self.touch(now),
            70..75 => self.again(),
            75..90 => self.decision(state, now),
            90..92 => Body::Tick,
            92..94 => self.merge(state),
            94..96 => self.split(state),
            96 => self.wipe(state),
            97 => self.key(now),
            98 => Body::Refused {
                source: Source::Native,
                code: "bad_kind".into(),
                reason: "it was not understood".into(),
                raw: self.person()[0].value.as_bytes().into(),
            },
            99 if self.dice.once_in(2) => {
                match state.timeline(&Entity::Topic(Topic::Refused), None, 3).pop() {
                    Some(seq) => Body::RefusedDone { seq },
                    None => Body::Tick,
                }
            }
            _ => Body::PutMapping { pairs: vec![("Coffee".into(), "product.used".into())] },
        }
    }

    fn person(&mut self) -> Vec<Alias> {
        let at = self.dice.below(self.people.len());
        self.people[at].clone()
    }

    fn touch(&mut self, now: Time) -> Body {
        const KINDS: [&str; 20] = [
            "campaign.clicked",
            "page.viewed",
            "product.viewed",
            "product.scanned",
            "cart.added",
            "order.placed",
            "parcel.delivered",
            "product.powered_on",
            "product.installed",
            "product.used",
            "product.failed",
            "product.fixed",
            "product.recommended",
            "product.claimed",
            "product.resold",
            "help.asked",
            "consent.given",
            "consent.withdrawn",
            "person.identified",
            "offer.redeemed",
        ];
        let kind = Kind::of(KINDS[self.dice.below(KINDS.len())]);
        let mut touch = Touch::new(kind, now, Source::Native);
        self.messages += 1;
        // Its stored half, so that it is equal when it is read again.
        let id = Digest::of(&[b"message", &self.messages.to_be_bytes()]);
        touch.id = Digest::of_half(id.half());
        touch.trusted = self.dice.once_in(3);
        touch.channel = self.dice.once_in(2).then_some(Channel::Web);
        let unit = self.dice.below(UNITS);
        let number = GTINS[self.dice.below(2)];
        match self.dice.below(3) {
            0 => touch.products.push(Subject::model(gtin(number))),
            _ => touch.products.push(unit_of(number, unit)),
        }
        let device = touch.kind.as_str() == "product.failed" && self.dice.once_in(2);
        if !device {
            let names = self.person();
            touch.aliases = names.into_iter().filter(|_| self.dice.once_in(2)).collect();
            touch.settle_aliases();
        }
        self.dress(&mut touch, unit);
        self.sent.push(touch.clone());
        Body::Touch(touch)
    }

    fn dress(&mut self, touch: &mut Touch, unit: usize) {
        match touch.kind.as_str() {
            "campaign.clicked" => touch.campaign = Some("spring".into()),
            "page.viewed" => {
                touch.properties.insert("kind", Value::from("fan"));
            }
            "order.placed" => {
                touch.money =
                    Some(Money { minor: 100 + self.dice.below(900) as i64, currency: *b"EUR" });
            }
            "product.failed" => {
                touch.state.insert("error", Value::from("jam"));
            }
            "product.claimed" => {
                let code = if self.dice.once_in(4) { claim(unit + 1) } else { claim(unit) };
                touch.properties.insert("code_sha256", Value::text(format!("{:032x}", code.0)));
            }
            "consent.given" | "consent.withdrawn" => {
                touch.properties.insert("purpose", Value::from("marketing"));
            }
            "person.identified" => {
                if let Some(first) = touch.aliases.first() {
                    touch.traits.insert("name", Value::text(first.value.clone()));
                }
            }
            "help.asked" => touch.place = Some("shop".into()),
            _ => {}
        }
    }

    /// A client sends a message again.
    fn again(&mut self) -> Body {
        match self.sent.len() {
            0 => Body::Tick,
            len => Body::Touch(self.sent[self.dice.below(len)].clone()),
        }
    }

    fn decision(&mut self, state: &State, now: Time) -> Body {
        let names = self.person();
        let by = self.dice.pick(&names).clone();
        let Some(person) = state.person_by_alias(&by) else { return Body::Tick };
        let unit = self.dice.below(UNITS);
        let subject = match self.dice.below(2) {
            0 => Subject::model(gtin(GTINS[0])),
            _ => unit_of(GTINS[0], unit),
        };
        let location = self.dice.once_in(2).then(shop);
        let context = Context {
            time: now,
            location,
            channel: Some(Channel::Companion),
            ..Context::default()
        };
        let decision = engine::decide(state, Some(person), subject, context, self.dice.next());
        Body::Decided { decision, by, seed: self.dice.next() }
    }

    fn known(&mut self, state: &State) -> Option<PersonId> {
        let names = self.person();
        names.iter().find_map(|name| state.person_by_alias(name))
    }

    fn merge(&mut self, state: &State) -> Body {
        match (self.known(state), self.known(state)) {
            (Some(keep), Some(gone)) => Body::Merge { keep, gone, reason: "the same name".into() },
            _ => Body::Tick,
        }
    }

    fn split(&mut self, state: &State) -> Body {
        let Some(person) = self.known(state) else { return Body::Tick };
        let Some(record) = state.person(person) else { return Body::Tick };
        let what = match record.merges.last() {
            Some(merged) if self.dice.once_in(2) => SplitWhat::Merge(merged.seq),
            _ => {
                let known = self.dice.pick(&record.aliases);
                SplitWhat::Aliases(vec![known.alias.clone()])
            }
        };
        Body::Split { person, what, reason: "two people".into() }
    }

    fn wipe(&mut self, state: &State) -> Body {
        match self.known(state) {
            Some(person) => Body::Wipe { person, receipt: self.dice.next() },
            None => Body::Tick,
        }
    }

    /// These names are forgotten: nobody sends them again, and somebody new comes.
    pub fn forget(&mut self, names: &[Alias]) {
        for at in 0..self.people.len() {
            self.people[at].retain(|name| !names.contains(name));
            if self.people[at].is_empty() {
                self.people[at] = self.somebody();
            }
        }
        self.sent.retain(|touch| !touch.aliases.iter().any(|name| names.contains(name)));
    }

    fn key(&mut self, now: Time) -> Body {
        Body::PutKey(Key {
            id: format!("wk_{}", self.dice.below(5)).into(),
            name: "till".into(),
            scope: KeyScope::Write,
            hash: Digest(u128::from(self.dice.next())),
            made: now,
        })
    }
}

fn gtin(number: u64) -> Gtin {
    Gtin::from_u64(number).expect("valid GTINs are listed")
}

fn unit_of(number: u64, unit: usize) -> Subject {
    let serial = Serial::new(&format!("S{unit}")).expect("a valid serial number");
    Subject::unit(gtin(number), serial)
}

fn claim(unit: usize) -> Digest {
    Digest::of(&[b"claim", &unit.to_be_bytes()])
}

fn shop() -> Location {
    Location { lat_e7: 525_200_000, lon_e7: 134_050_000 }
}
