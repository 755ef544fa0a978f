//! A workspace of the size that the figures are about: a journey with 20 menu items with
//! conditions, 5 offers and 20 moves, and persons in all its stages. What it does is always the
//! same, so that instructions and allocations can be counted; the test of the allocations reads
//! it too.

use engine::{Effects, EntryRef, History, State, apply, decide};
use model::alias::{Alias, AliasKind};
use model::context::Context;
use model::entry::{Body, Entry, Seq};
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, Time};
use model::kind::Kind;
use model::texts::Texts;
use model::things::{Model, Product};
use model::touch::{Channel, Source, Touch};
use model::value::{Map, Value};

const JOURNEY: &str = include_str!("busy.yaml");
/// Why nothing that is read here can be wrong.
const WRITTEN: &str = "it is written here";
const GTIN: &str = "09506000134352";
const PERSONS: u64 = 512;
/// 2026-01-01T09:00:00Z
const START: Time = Time(1_767_258_000_000);
/// Touches before anything is counted, so that bonds stand in all stages.
const BEFORE: u64 = 6_000;
/// How many different touches there are; they come again with new names and times.
const TOUCHES: u64 = 1_024;

/// No entry here needs another one.
struct NoHistory;

impl History for NoHistory {
    fn entries(&self, _: &[Seq], _: &mut dyn FnMut(Entry)) {}
}

pub struct World {
    state: State,
    seq: Seq,
    touches: Vec<Touch>,
}

impl World {
    pub fn new() -> World {
        let mut world =
            World { state: State::open(None), seq: 0, touches: (0..TOUCHES).map(touch).collect() };
        let gtin: Gtin = GTIN.parse().expect(WRITTEN);
        let attributes = [("color", Value::from("black"))].into_iter().collect();
        world.put(Body::PutModel(Model {
            gtin,
            name: Texts::en("EverPrint 3"),
            brand: "Ever".into(),
            image: None,
            price: None,
            attributes,
            content: Map::EMPTY,
            links: Vec::new(),
        }));
        for person in 0..PERSONS {
            let (subject, attributes) = (unit(person), Map::EMPTY);
            world.put(Body::PutProduct(Product { subject, made: None, claim: None, attributes }));
        }
        world.put(Body::PutJourney { source: JOURNEY.into() });
        world.fold(BEFORE);
        world
    }

    fn put(&mut self, body: Body) {
        self.seq += 1;
        let entry = EntryRef { seq: self.seq, time: START, body: &body, is_new: true };
        let outcome = apply(&mut self.state, entry, &NoHistory, &mut Effects::default());
        assert!(!matches!(outcome, model::outcome::Outcome::Refused(_)), "{outcome:?}");
    }

    /// Folds so many touches, as the log would hand them over; gives how many bonds moved.
    pub fn fold(&mut self, times: u64) -> u64 {
        let mut moved = 0;
        let mut effects = Effects::default();
        for _ in 0..times {
            self.seq += 1;
            let at = (self.seq % TOUCHES) as usize;
            let mut touch = self.touches[at].clone();
            touch.id = Digest(u128::from(self.seq).wrapping_mul(0x9e37_79b9_7f4a_7c15 << 64));
            touch.time = START.plus(self.seq as i64 * 1_000);
            // The way in has computed the digests before.
            touch.digest_aliases();
            let (time, body) = (touch.time, Body::Touch(touch));
            let entry = EntryRef { seq: self.seq, time, body: &body, is_new: true };
            apply(&mut self.state, entry, &NoHistory, &mut effects);
            moved += effects.changes.len() as u64;
            effects.changes.clear();
            effects.sends.clear();
            // As the loop does: after some dozen entries.
            if self.seq.is_multiple_of(64) {
                self.state.close();
            }
        }
        moved
    }

    /// Decides so many times for one person after the other; gives how many items were looked at.
    pub fn decide(&mut self, times: u64) -> u64 {
        let ids = (0..PERSONS).map(|person| self.state.person_by_alias(&user(person)));
        let ids: Vec<_> = ids.collect();
        let mut items = 0;
        for number in 0..times {
            let person = number.wrapping_mul(2_654_435_761) % PERSONS;
            let id = ids[person as usize];
            let context = Context {
                time: START.plus(number as i64 * 60_000),
                channel: Some(Channel::App),
                setting: Some("home".into()),
                locale: Some("de".into()),
                zone: Some("Europe/Berlin".into()),
                ..Context::default()
            };
            let decision = decide(&self.state, id, unit(person), context, number);
            items += decision.items.len() as u64;
        }
        items
    }
}

fn unit(person: u64) -> Subject {
    Subject::unit(GTIN.parse().expect(WRITTEN), Serial::new(&format!("S{person}")).expect(WRITTEN))
}

fn user(person: u64) -> Alias {
    Alias::new(AliasKind::User, &format!("user{person}")).expect(WRITTEN)
}

fn touch(number: u64) -> Touch {
    const KINDS: [&str; 8] = [
        "page.viewed",
        "product.used",
        "guide.viewed",
        "product.reported",
        "cart.added",
        "order.placed",
        "product.unboxed",
        "product.used",
    ];
    let dice = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
    let person = (dice >> 33) % PERSONS;
    let mut touch = Touch::new(
        Kind::new(KINDS[(dice >> 20) as usize % 8]).expect(WRITTEN),
        START,
        Source::Native,
    );
    touch.trusted = true;
    touch.channel = Some(Channel::Web);
    touch.products = vec![unit(person)];
    let visit = Alias::new(AliasKind::Anonymous, &format!("visit{person}")).expect(WRITTEN);
    touch.aliases = vec![user(person), visit];
    touch.settle_aliases();
    touch.properties = [
        ("kind", Value::from(["plain", "fan", "share"][(dice >> 40) as usize % 3])),
        ("seconds", Value::Int((dice >> 45) as i64 % 300)),
    ]
    .into_iter()
    .collect();
    touch.traits =
        [("plan", Value::from("pro")), ("country", Value::from("DE"))].into_iter().collect();
    if touch.kind.as_str() == "product.reported" {
        touch.state = [
            ("ink_percent", Value::Int((dice >> 24) as i64 % 100)),
            ("pages", Value::Int((dice >> 28) as i64 % 400)),
            ("error", Value::from("")),
            ("firmware", Value::from("2.11")),
        ]
        .into_iter()
        .collect();
    }
    touch
}
