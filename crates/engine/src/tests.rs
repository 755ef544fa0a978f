//! The fold by scripts: touches in, what they lead to out. The scripts name no internals, so they
//! survive redesigns.
//!
//! A line: `[+3d] names | kind key=value …`. Names are aliases (`user:u1 anonymous:a`), `-` for
//! none, with `!` before them for a trusted source; a `device:` alone speaks from its session.
//! `of=unit` names the product (`model`, `A1`).

mod hostile;
mod lives;
mod persons;

use std::collections::BTreeMap;

use model::alias::{Alias, AliasKind};
use model::bytes::Writer;
use model::context::Context;
use model::decision::What;
use model::entry::{Body, Entry, Seq, SplitWhat};
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, PersonId, Time};
use model::kind::Kind;
use model::outcome::Outcome;
use model::things::{Area, Campaign, Model, Place, Product};
use model::touch::{Channel, Location, Money, Source, Touch};
use model::value::{Map, Value};

use crate::{Effects, EntryRef, History, State, apply};

const GTIN: &str = "09506000134352";

/// The log in memory, in its byte form, so that every test also reads what it wrote.
#[derive(Default)]
struct Tape {
    records: Vec<(Time, u8, Vec<u8>, Vec<u8>)>,
}

impl Tape {
    fn entry(&self, seq: Seq) -> Entry {
        let (time, tag, common, personal) = &self.records[seq as usize - 1];
        let body = Body::read(*time, *tag, common, personal).expect("it was written here");
        Entry { seq, time: *time, body }
    }
}

impl History for Tape {
    fn entries(&self, seqs: &[Seq], each: &mut dyn FnMut(Entry)) {
        seqs.iter().for_each(|seq| each(self.entry(*seq)));
    }
}

struct World {
    state: State,
    tape: Tape,
    now: Time,
    told: String,
    names: u64,
}

fn subject(name: &str) -> Subject {
    let gtin: Gtin = GTIN.parse().unwrap();
    match name {
        "model" => Subject::model(gtin),
        serial => Subject::unit(gtin, Serial::new(serial).unwrap()),
    }
}

fn alias(text: &str) -> Alias {
    let (kind, value) = text.split_once(':').unwrap();
    Alias::new(AliasKind::named(kind).unwrap(), value).unwrap()
}

impl World {
    fn new(journey: &str) -> World {
        let start = Time(1_767_258_000_000); // 2026-01-01T09:00:00Z
        let state = State::open(None);
        let mut world =
            World { state, tape: Tape::default(), now: start, told: String::new(), names: 0 };
        world.put(Body::PutModel(Model {
            gtin: GTIN.parse().unwrap(),
            name: model::texts::Texts::en("Thing"),
            brand: "Everthing".into(),
            image: None,
            price: Some(Money { minor: 29_900, currency: *b"USD" }),
            attributes: Map::EMPTY,
            content: Map::EMPTY,
            links: Vec::new(),
        }));
        for unit in ["A1", "A2"] {
            world.put(Body::PutProduct(Product {
                subject: subject(unit),
                made: None,
                claim: Some(Digest::of(&[unit.as_bytes()])),
                attributes: Map::EMPTY,
            }));
        }
        world.put(Body::PutCampaign(Campaign {
            id: "spring".into(),
            name: "Spring".into(),
            subjects: vec![subject("model")],
            stage: Some("interested".into()),
            starts: None,
            ends: None,
            cost: None,
            target: None,
            window_ms: Campaign::WINDOW_MS,
        }));
        world.put(Body::PutPlace(Place {
            id: "mitte".into(),
            name: "Fotohaus Mitte".into(),
            kind: "shop".into(),
            area: Area::Circle { center: here(0.0), radius_m: 30 },
            zone: Some("Europe/Berlin".into()),
            hours: Vec::new(),
            beacons: Vec::new(),
            models: Vec::new(),
        }));
        let outcome = world.put(Body::PutJourney { source: journey.into() });
        assert_eq!(outcome, Outcome::accepted());
        world
    }

    fn put(&mut self, body: Body) -> Outcome {
        let (mut common, mut personal) = (Writer::new(), Writer::new());
        let tag = body.write(self.now, &mut common, &mut personal);
        self.tape.records.push((self.now, tag, common.into_bytes(), personal.into_bytes()));
        let entry = self.tape.entry(self.tape.records.len() as Seq);
        assert_eq!(entry.body, body);
        let mut effects = Effects::default();
        let outcome = apply(&mut self.state, EntryRef::of(&entry), &self.tape, &mut effects);
        for send in effects.sends {
            self.told += &format!("  sends {} about {}\n", send.message, short(send.subject));
        }
        outcome
    }

    /// Runs a script and says after each line where the person stands.
    fn play(&mut self, script: &str) -> String {
        self.told.clear();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line = self.advance(line);
            self.told += &format!("{line}\n");
            if line == "tick" {
                self.put(Body::Tick);
                continue;
            }
            let touch = self.touch(&line);
            let first = touch.aliases.first().cloned();
            match self.put(Body::Touch(touch)) {
                Outcome::Accepted(accepted) => {
                    if let Some(person) = accepted.person {
                        self.tell_bonds(person);
                    }
                }
                Outcome::Duplicate => self.told += "  duplicate\n",
                Outcome::Refused(refusal) => self.told += &format!("  {}\n", refusal.code),
            }
            drop(first);
        }
        std::mem::take(&mut self.told)
    }

    fn advance(&mut self, line: &str) -> String {
        let Some(rest) = line.strip_prefix('+') else { return line.to_owned() };
        let (amount, rest) = rest.split_once(' ').unwrap();
        let (number, unit) = amount.split_at(amount.len() - 1);
        let unit = match unit {
            "d" => Time::DAY_MS,
            "h" => 3_600_000,
            _ => 60_000,
        };
        self.now = self.now.plus(number.parse::<i64>().unwrap() * unit);
        rest.trim().to_owned()
    }

    fn touch(&mut self, line: &str) -> Touch {
        let (names, what) = line.split_once('|').unwrap();
        let mut words = what.split_whitespace();
        let kind = Kind::new(words.next().unwrap()).unwrap();
        let mut touch = Touch::new(kind, self.now, Source::Native);
        self.names += 1;
        touch.id = Digest::of_half(self.names);
        touch.trusted = names.starts_with('!');
        let names = names.trim().trim_start_matches('!');
        if names != "-" {
            touch.aliases = names.split_whitespace().map(alias).collect();
            touch.settle_aliases();
        }
        // Only a phone speaks for its session alone.
        if !touch.aliases.is_empty() && touch.aliases.iter().all(|a| a.kind == AliasKind::Device) {
            touch.source = Source::Companion;
        }
        for word in words {
            let (key, value) = word.split_once('=').unwrap();
            match key {
                "of" => touch.products.push(subject(value)),
                "campaign" => touch.campaign = Some(value.into()),
                "place" => touch.place = Some(value.into()),
                "channel" => touch.channel = Channel::named(value),
                "money" => touch.money = Money::from_major(value.parse().unwrap(), "USD"),
                "id" => touch.id = Digest::of_half(Digest::of(&[value.as_bytes()]).half()),
                "code_of" => {
                    let digest = Digest::of(&[value.as_bytes()]).0;
                    touch.properties.insert("code_sha256", Value::text(format!("{digest:032x}")));
                }
                _ if key.starts_with("state.") => {
                    touch.state.insert(&key[6..], Value::from(value));
                }
                _ if key.starts_with("traits.") => {
                    touch.traits.insert(&key[7..], Value::from(value));
                }
                _ => {
                    touch.properties.insert(key, Value::from(value));
                }
            }
        }
        touch
    }

    fn tell_bonds(&mut self, person: PersonId) {
        let record = self.state.person(person).unwrap();
        for bond in &record.bonds {
            let subject = bond.subject;
            let stage = self.state.text(bond.stage);
            let stage = if stage.is_empty() { "none" } else { stage };
            self.told += &format!("  {person} {} {} {stage}\n", short(subject), bond.role.name());
        }
    }

    fn person(&self, name: &str) -> PersonId {
        self.state.person_by_alias(&alias(name)).unwrap()
    }

    /// What somebody sees, and for what is hidden the reason.
    fn sees(&mut self, name: &str, product: &str, context: Context) -> String {
        let person = self.state.person_by_alias(&alias(name));
        let context = Context { time: self.now, ..context };
        let id = self.tape.records.len() as u64;
        let decision = crate::decide(&self.state, person, subject(product), context, id);
        let mut lines: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        for item in &decision.items {
            let mark = if item.why.is_shown() { "+" } else { "-" };
            let detail = item.why.detail().map_or(String::new(), |text| format!(" ({text})"));
            let line = format!("{mark} {} {}{detail}", item.id, item.why.code());
            lines.entry(item.what as u8).or_default().push(line);
        }
        let mut text = String::new();
        for (what, of) in [(What::Menu, "menu"), (What::Offer, "offers"), (What::Step, "steps")] {
            for line in lines.get(&(what as u8)).into_iter().flatten() {
                text += &format!("{of} {line}\n");
            }
        }
        let body = Body::Decided { decision, by: alias(name), seed: 7 + id };
        if let Outcome::Accepted(accepted) = self.put(body) {
            for grant in accepted.grants {
                text += &format!("gets {}\n", grant.offer);
            }
        }
        text
    }

    fn tallies(&self) -> String {
        let mut text = String::new();
        for (key, counts) in self.state.tallies() {
            let money: Vec<String> = counts.money.iter().map(ToString::to_string).collect();
            text += &format!(
                "{:?} {} {} {}: {} seen, {} clicked, {} converted, {} given {}\n",
                key.what,
                key.id,
                key.stage,
                key.channel.map_or("-", Channel::name),
                counts.impressions,
                counts.clicks,
                counts.conversions,
                counts.grants,
                money.join(" ")
            );
        }
        text
    }

    /// Folds the whole tape again from nothing.
    fn replayed(&self) -> State {
        let mut state = State::open(None);
        for seq in 1..=self.tape.records.len() as Seq {
            let entry = self.tape.entry(seq);
            apply(&mut state, EntryRef::of(&entry), &self.tape, &mut Effects::default());
        }
        state
    }
}

fn short(subject: Subject) -> String {
    if subject.is_unit() { subject.serial.as_str().to_owned() } else { "model".to_owned() }
}

/// A point this many metres north of the shop's middle.
fn here(metres: f64) -> Location {
    Location::degrees(52.52 + metres / 111_195.0, 13.405).unwrap()
}

fn split_merge(world: &mut World, person: PersonId, merge: Seq) -> Outcome {
    let what = SplitWhat::Merge(merge);
    world.put(Body::Split { person, what, reason: "two people".into() })
}
