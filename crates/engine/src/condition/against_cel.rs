//! The `cel` crate as judge: random expressions over random facts have the same answer there.
//! What is left out of the generator, because the crate departs from the language's specification
//! or ours does on purpose, is said where it is left out.

// The crate's values are made of these; nothing here goes into a result.
#![allow(clippy::disallowed_types)]

use std::cell::RefCell;
use std::collections::HashMap;

use cel::{Context, Program};
use chrono::{DateTime, FixedOffset};
use model::decision::{What, Why as Reason};
use proptest::prelude::*;

use super::*;

/// Choices made from random bytes; when they run out, always the first and simplest, so that
/// shrinking the bytes shrinks the expression.
struct Dice<'b> {
    bytes: &'b [u8],
    at: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Want {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Ints,
    Texts,
    Time,
    Duration,
    /// Anything, by a path whose type is not known.
    Any,
}

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(byte) % sides
    }

    fn one_of(&mut self, texts: &[&str]) -> String {
        texts[self.roll(texts.len())].to_string()
    }

    fn value(&mut self) -> Value {
        match self.roll(7) {
            0 => Value::Int(self.roll(9) as i64 - 3),
            1 => Value::Float((self.roll(9) as f64 - 3.0) / 2.0),
            2 => Value::from(self.one_of(WORDS).as_str()),
            3 => Value::Bool(self.roll(2) == 0),
            4 => Value::Null,
            5 => Value::List((0..self.roll(4)).map(|_| self.value_flat()).collect()),
            _ => Value::Map((0..self.roll(3)).map(|at| (KEYS[at], self.value_flat())).collect()),
        }
    }

    fn value_flat(&mut self) -> Value {
        match self.roll(3) {
            0 => Value::Int(self.roll(9) as i64 - 3),
            1 => Value::from(self.one_of(WORDS).as_str()),
            _ => Value::Float((self.roll(9) as f64 - 3.0) / 2.0),
        }
    }

    fn expr(&mut self, want: Want, depth: usize) -> String {
        if depth == 0 {
            return self.leaf(want);
        }
        match want {
            Want::Bool => self.boolean(depth - 1),
            Want::Int => self.int(depth - 1),
            Want::Uint => match self.roll(3) {
                0 => self.leaf(want),
                1 => format!("uint({})", self.expr(Want::Int, depth - 1)),
                _ => self.binary(Want::Uint, &["+", "*", "/", "%", "-"], depth - 1),
            },
            // Nothing that could be no number (0.0 / 0.0): the specification orders it nowhere, so
            // `<` is false; the crate makes it an error.
            Want::Double => match self.roll(5) {
                0 => self.leaf(want),
                1 => format!("double({})", self.expr(Want::Int, depth - 1)),
                2 => format!("-({})", self.expr(Want::Double, depth - 1)),
                3 => format!("({} / 4.0)", self.expr(Want::Double, depth - 1)),
                _ => self.binary(Want::Double, &["+", "*", "-"], depth - 1),
            },
            Want::Text => match self.roll(4) {
                0 => self.leaf(want),
                1 => format!("string({})", self.expr(Want::Int, depth - 1)),
                2 => self.choice(want, depth - 1),
                _ => self.binary(Want::Text, &["+"], depth - 1),
            },
            Want::Ints => match self.roll(4) {
                0 => self.leaf(want),
                1 => format!("[{}]", self.expr(Want::Int, depth - 1)),
                2 => format!("{}.map(i, i + 1)", self.expr(Want::Ints, depth - 1)),
                _ => self.binary(Want::Ints, &["+"], depth - 1),
            },
            Want::Texts => match self.roll(3) {
                0 => self.leaf(want),
                1 => format!("[{}]", self.expr(Want::Text, depth - 1)),
                _ => format!("{}.filter(t, t.contains('a'))", self.expr(Want::Texts, depth - 1)),
            },
            Want::Time => match self.roll(3) {
                0 => self.leaf(want),
                1 => self.pair(Want::Time, "+", Want::Duration, depth - 1),
                _ => self.pair(Want::Time, "-", Want::Duration, depth - 1),
            },
            Want::Duration => match self.roll(3) {
                0 => self.leaf(want),
                1 => self.pair(Want::Time, "-", Want::Time, depth - 1),
                _ => self.binary(Want::Duration, &["+", "-"], depth - 1),
            },
            Want::Any => self.leaf(want),
        }
    }

    fn leaf(&mut self, want: Want) -> String {
        match want {
            Want::Bool => self.one_of(&["true", "false", "bond.referred", "person.known"]),
            Want::Int => self.one_of(&["1", "0", "2", "-3", "7", "person.points", "bond.touches"]),
            Want::Uint => self.one_of(&["1u", "0u", "3u"]),
            Want::Double => self.one_of(&["1.0", "0.5", "-2.5", "3.0", "context.place.distance_m"]),
            Want::Text => {
                let word = self.one_of(WORDS);
                let quoted = format!("'{word}'");
                self.one_of(&[&quoted, "touch.kind", "bond.stage", "r'a\\b'", "\"\\u00e4\""])
            }
            Want::Ints => self.one_of(&["[1, 2]", "[]", "[0, 1, 2, 3]", "product.state.ints"]),
            Want::Texts => self.one_of(&["['a', 'ab']", "bond.steps_done", "[]"]),
            // In UTC only: the crate's parts of a time are in the zone that the text was written
            // in, the specification's in UTC.
            Want::Time => self.one_of(&[
                "context.time",
                "timestamp('2024-02-29T12:30:45Z')",
                "timestamp('2025-12-31T23:59:59.999Z')",
            ]),
            Want::Duration => self.one_of(&["duration('1h')", "duration('90m')", "duration('2s')"]),
            // One that is never there, and one that hangs below something else.
            Want::Any => self.one_of(&[
                "product.state.a",
                "product.state.b",
                "touch.properties.c",
                "product.state.never",
                "product.state.a.x",
                "product.state.ints[1]",
            ]),
        }
    }

    fn binary(&mut self, want: Want, signs: &[&str], depth: usize) -> String {
        let sign = self.one_of(signs);
        self.pair(want, &sign, want, depth)
    }

    fn pair(&mut self, left: Want, sign: &str, right: Want, depth: usize) -> String {
        let left = self.expr(left, depth);
        let right = self.expr(right, depth);
        format!("({left} {sign} {right})")
    }

    fn choice(&mut self, want: Want, depth: usize) -> String {
        let condition = self.expr(Want::Bool, depth);
        let (yes, no) = (self.expr(want, depth), self.expr(want, depth));
        format!("({condition} ? {yes} : {no})")
    }

    fn int(&mut self, depth: usize) -> String {
        match self.roll(8) {
            0 => self.leaf(Want::Int),
            1 => format!("size({})", self.expr(Want::Text, depth)),
            2 => format!("size({})", self.expr(Want::Ints, depth)),
            3 => format!("int({})", self.expr(Want::Double, depth)),
            4 => self.choice(Want::Int, depth),
            5 => {
                let time = self.expr(Want::Time, depth);
                let part = self.one_of(PARTS);
                format!("{time}.{part}()")
            }
            6 => {
                let list = self.expr(Want::Ints, depth);
                format!("{list}[{}]", self.roll(3))
            }
            _ => self.binary(Want::Int, &["+", "-", "*", "/", "%"], depth),
        }
    }

    fn boolean(&mut self, depth: usize) -> String {
        const SIGNS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
        match self.roll(16) {
            0 => self.leaf(Want::Bool),
            1 => self.binary(Want::Int, SIGNS, depth),
            2 => self.binary(Want::Text, SIGNS, depth),
            3 => self.binary(Want::Double, SIGNS, depth),
            4 => {
                let sign = self.one_of(SIGNS);
                self.pair(Want::Int, &sign, Want::Double, depth)
            }
            5 => self.binary(Want::Bool, &["&&", "||", "==", "!="], depth),
            6 => self.binary(Want::Bool, &["&&", "||"], depth),
            7 => format!("!({})", self.expr(Want::Bool, depth)),
            8 => {
                let sign = self.one_of(&["==", "!="]);
                let other = [Want::Int, Want::Text, Want::Double, Want::Any][self.roll(4)];
                self.pair(Want::Any, &sign, other, depth)
            }
            9 => {
                let sign = self.one_of(SIGNS);
                self.pair(Want::Any, &sign, Want::Int, depth)
            }
            10 => self.pair(Want::Text, "in", Want::Texts, depth),
            11 => self.pair(Want::Int, "in", Want::Ints, depth),
            12 => {
                let function = self.one_of(&["contains", "startsWith", "endsWith"]);
                let text = self.expr(Want::Text, depth);
                format!("{text}.{function}({})", self.expr(Want::Text, depth))
            }
            13 => {
                let list = self.expr(Want::Ints, depth);
                let kind = self.one_of(&["all", "exists", "exists_one"]);
                let other = self.expr(Want::Int, depth);
                let sign = self.one_of(SIGNS);
                let body = self.one_of(&["v", "4 / v", "v % 2"]);
                format!("{list}.{kind}(v, {body} {sign} {other})")
            }
            14 => self.one_of(&[
                "has(product.state.a)",
                "has(product.state.never)",
                "'a' in product.state",
                "'never' in product.state",
                "touch.kind.matches('^a+b?')",
            ]),
            _ => {
                let want = [Want::Uint, Want::Time, Want::Duration, Want::Ints][self.roll(4)];
                self.binary(want, if want == Want::Ints { &["==", "!="] } else { SIGNS }, depth)
            }
        }
    }
}

const WORDS: &[&str] = &["a", "b", "ab", "order.placed", "", "äö"];
const KEYS: &[&str] = &["x", "y", "z"];
const PARTS: &[&str] = &[
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfYear",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// Facts for both sides.
struct Records {
    maps: Vec<(Field, Value)>,
    plain: Vec<(Field, Value)>,
    time_ms: i64,
}

impl Records {
    fn of(dice: &mut Dice<'_>) -> Records {
        let ints = |dice: &mut Dice<'_>| {
            Value::List((0..dice.roll(4)).map(|_| Value::Int(dice.roll(5) as i64)).collect())
        };
        let mut state = vec![("ints", ints(dice)), ("a", dice.value())];
        if dice.roll(3) > 0 {
            state.push(("b", dice.value()));
        }
        let steps = (0..dice.roll(3)).map(|_| Value::from(dice.one_of(WORDS).as_str())).collect();
        Records {
            maps: vec![
                (Field::ProductState, Value::Map(state.into_iter().collect())),
                (Field::TouchProperties, Value::Map([("c", dice.value())].into_iter().collect())),
            ],
            plain: vec![
                (Field::TouchKind, dice.one_of(WORDS).as_str().into()),
                (Field::BondStage, dice.one_of(WORDS).as_str().into()),
                (Field::BondTouches, Value::Int(dice.roll(6) as i64 - 2)),
                (Field::PersonPoints, Value::Int(dice.roll(6) as i64 * 1_000_000_007)),
                (Field::PersonKnown, Value::Bool(dice.roll(2) == 0)),
                (Field::BondReferred, Value::Bool(dice.roll(2) == 0)),
                (Field::BondStepsDone, Value::List(steps)),
                (Field::ContextPlaceDistanceM, Value::Float(dice.roll(9) as f64 / 4.0)),
            ],
            time_ms: 1_700_000_000_000 + dice.roll(256) as i64 * 86_461_007,
        }
    }

    fn judge(&self) -> Context<'static, 'static> {
        let mut roots: HashMap<&str, HashMap<String, cel::Value>> = HashMap::new();
        for (field, value) in self.maps.iter().chain(&self.plain) {
            let row = field.row();
            let root = roots.entry(row.root.name()).or_default();
            match row.name.split_once('.') {
                None => drop(root.insert(row.name.to_string(), judged(value))),
                Some((group, name)) => {
                    let inner: HashMap<String, cel::Value> =
                        [(name.to_string(), judged(value))].into_iter().collect();
                    root.insert(group.to_string(), inner.into());
                }
            }
        }
        let time: DateTime<FixedOffset> =
            DateTime::from_timestamp_millis(self.time_ms).expect("in range").into();
        let context = roots.entry("context").or_default();
        context.insert("time".to_string(), cel::Value::Timestamp(time));
        let mut all = Context::default();
        for (name, fields) in roots {
            all.add_variable_from_value(name, fields);
        }
        all
    }
}

fn judged(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(bool) => cel::Value::Bool(*bool),
        Value::Int(int) => cel::Value::Int(*int),
        Value::Float(float) => cel::Value::Float(*float),
        Value::Text(text) => cel::Value::from(&**text),
        Value::List(list) => cel::Value::from(list.iter().map(judged).collect::<Vec<_>>()),
        Value::Map(map) => {
            let pairs = map.iter().map(|(key, value)| (key.to_string(), judged(value)));
            cel::Value::from(pairs.collect::<HashMap<String, cel::Value>>())
        }
    }
}

impl Facts for Records {
    fn fact(&self, path: &Path) -> Fact<'_> {
        if path.field == Field::ContextTime {
            return Fact::Time(self.time_ms);
        }
        if let Some((_, Value::Map(map))) = self.maps.iter().find(|(own, _)| *own == path.field) {
            return Fact::at(map, &path.rest);
        }
        let plain = self.plain.iter().find(|(own, _)| *own == path.field);
        plain.map_or(Fact::Missing, |(_, value)| Fact::Value(value))
    }
}

#[derive(Debug, PartialEq)]
enum Answer {
    Yes,
    No,
    Unknown,
}

/// Facts that remember what was read of them and was there, in order, each path once.
struct Watched<'a> {
    records: &'a Records,
    read: RefCell<Vec<(String, Value)>>,
}

impl Facts for Watched<'_> {
    fn fact(&self, path: &Path) -> Fact<'_> {
        let fact = self.records.fact(path);
        let mut read = self.read.borrow_mut();
        let name = path.to_string();
        let value = match &fact {
            Fact::Missing => return fact,
            Fact::Value(value) => (*value).clone(),
            Fact::Map(map) => Value::Map((*map).clone()),
            Fact::Time(ms) => Value::text(time::time_text(*ms)),
            other => panic!("the records have no {other:?}"),
        };
        if !read.iter().any(|(own, _)| *own == name) {
            read.push((name, value));
        }
        fact
    }
}

/// Noting what is read changes no answer, and what is noted is what was read, no more, no less;
/// what was noted before it stays and is not noted again.
fn check_notes(condition: &Condition, records: &Records, verdict: &Verdict) {
    let source = condition.source();
    let watched = Watched { records, read: RefCell::default() };
    assert_eq!(condition.holds(&watched, None), *verdict, "{source}");
    let mut read = watched.read.take();
    let noted = |sheet: &Sheet| {
        let used = sheet.noted().iter();
        used.map(|(name, told)| (name.to_string(), told.to_value())).collect::<Vec<_>>()
    };
    let mut notes = Notes::default();
    assert_eq!(condition.holds(records, Some(&mut notes)), *verdict, "{source}");
    assert_eq!(noted(&notes.sheet), read, "{source}");
    let mut again = condition.clone();
    again.number_among(&mut vec!["bond.stage".into(), "another".into()]);
    let before = ("bond.stage".to_string(), Value::from("before"));
    let mut notes = Notes::default();
    notes.sheet.note(0, "bond.stage", Told::of(&before.1));
    assert_eq!(again.holds(records, Some(&mut notes)), *verdict, "{source}");
    read.retain(|(name, _)| *name != before.0);
    read.insert(0, before);
    assert_eq!(noted(&notes.sheet), read, "{source}");
    // For another item the same is noted, and nothing is told twice.
    notes.sheet.push(What::Menu, "first", Reason::Condition);
    notes.sheet.note(0, "bond.stage", Told::Null);
    assert_eq!(again.holds(records, Some(&mut notes)), *verdict, "{source}");
    assert_eq!(noted(&notes.sheet), read, "{source}");
    assert_eq!(notes.sheet.into_items().facts().len(), read.len(), "{source}");
}

/// Both answers; `None` if ours refuses the text beforehand.
fn answers(bytes: &[u8]) -> Option<(String, Answer, Answer)> {
    let mut dice = Dice { bytes, at: 0 };
    let records = Records::of(&mut dice);
    let source = dice.expr(Want::Bool, 4);
    let condition = Condition::compile(&source).ok()?;
    let verdict = condition.holds(&records, None);
    check_notes(&condition, &records, &verdict);
    let ours = match verdict {
        Verdict::Yes => Answer::Yes,
        Verdict::No => Answer::No,
        Verdict::Unknown(_) => Answer::Unknown,
    };
    let program = Program::compile(&source).expect("ours compiles it, so it is the language");
    let judge = match program.execute(&records.judge()) {
        Ok(cel::Value::Bool(true)) => Answer::Yes,
        Ok(cel::Value::Bool(false)) => Answer::No,
        Ok(_) | Err(_) => Answer::Unknown,
    };
    Some((source, ours, judge))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_expressions_have_the_answer_of_the_cel_crate(
        bytes in prop::collection::vec(any::<u8>(), 0..160)
    ) {
        if let Some((source, ours, judge)) = answers(&bytes) {
            prop_assert_eq!(ours, judge, "{}", source);
        }
    }
}
const SOUP: &[&str] = &[
    "touch.kind",
    "product.state",
    ".a",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "'x'",
    "\"",
    "1",
    "2u",
    "-",
    "!",
    "==",
    "<",
    "&&",
    "||",
    "?",
    ":",
    ",",
    "in",
    "has(",
    "size(",
    ".exists(v,",
    "v",
    ".map(",
    "\\",
    "duration('1h')",
    "1.5",
    "null",
    "true",
    " ",
    "+",
    "%",
    "ä",
    "\n",
    "// ",
    ".contains(",
    "r'",
    "0x",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Nothing that somebody may type makes a panic, and what ours takes is the language.
    #[test]
    fn any_text_is_a_condition_or_a_mistake(
        tokens in prop::collection::vec(prop::sample::select(SOUP), 0..24)
    ) {
        let source = tokens.concat();
        match Condition::compile(&source) {
            Ok(condition) => {
                let mut dice = Dice { bytes: source.as_bytes(), at: 0 };
                condition.holds(&Records::of(&mut dice), None);
                prop_assert!(Program::compile(&source).is_ok(), "{}", source);
            }
            Err(mistake) => prop_assert!(mistake.line > 0 && mistake.column > 0),
        }
    }
}

/// The property would hold as well if nearly all expressions were refused or unknown.
#[test]
fn the_expressions_are_various() {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u8
    };
    let mut counts = [0; 4];
    for _ in 0..1_000 {
        let bytes: Vec<u8> = (0..120).map(|_| next()).collect();
        counts[match answers(&bytes) {
            Some((_, Answer::Yes, _)) => 0,
            Some((_, Answer::No, _)) => 1,
            Some((_, Answer::Unknown, _)) => 2,
            None => 3,
        }] += 1;
    }
    let [yes, no, unknown, refused] = counts;
    assert!(yes > 200 && no > 200 && unknown > 100 && refused < 50, "{counts:?}");
}
