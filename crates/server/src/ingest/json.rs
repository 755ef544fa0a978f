//! JSON as it comes: texts stay borrowed from the body, numbers keep whether they are whole, and
//! an item with a mistake is found with its line and column while its neighbours are read.
//!
//! A body is first cut into items, which checks the grammar only, and then each item is read into
//! a [`Node`]. So one refused item keeps its own bytes, and the two passes together cost less than
//! one that copies every text.
//!
//! Kept true: no `Node` is deeper than `DEPTH_MAX` plus what a touch itself adds; floats are
//! finite.

use std::borrow::Cow;
use std::fmt;

use model::id::Time;
use model::limits;
use model::value::{DEPTH_MAX, Map, Value};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Bad, Problem};

/// The item itself, its `context` or `properties`, and one for the list that it may stand in.
const DEPTH_READ: usize = DEPTH_MAX + 3;

/// One value, its texts borrowed where they hold no escapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Node<'a> {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Fields<'a>),
}

/// In the order they came; a name may come twice, the later one counts.
pub type Fields<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

/// The value of the last field of this name.
pub fn get<'n, 'a>(fields: &'n [(Cow<'a, str>, Node<'a>)], name: &str) -> Option<&'n Node<'a>> {
    fields.iter().rev().find(|(own, _)| own == name).map(|(_, node)| node)
}

impl<'a> Node<'a> {
    pub fn is_null(&self) -> bool {
        matches!(self, Node::Null)
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Node::Int(int) => Some(*int as f64),
            Node::Float(float) => Some(*float),
            _ => None,
        }
    }

    pub fn fields(&self) -> Option<&[(Cow<'a, str>, Node<'a>)]> {
        match self {
            Node::Map(fields) => Some(fields),
            _ => None,
        }
    }

    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        get(self.fields()?, name)
    }

    /// An id, which clients send as a text or as a whole number.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        match self {
            Node::Text(text) => Some(Cow::Borrowed(text)),
            Node::Int(int) => Some(Cow::Owned(int.to_string())),
            _ => None,
        }
    }

    /// What it is, for a sentence.
    pub fn type_name(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "true or false",
            Node::Int(_) | Node::Float(_) => "a number",
            Node::Text(_) => "a text",
            Node::List(_) => "a list",
            Node::Map(_) => "an object",
        }
    }

    /// `at` is where it stands, for the error; `depth` is 0 for a value of a top-level map.
    pub fn into_value(self, at: &str, depth: usize) -> Result<Value, Bad> {
        if depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        Ok(match self {
            Node::Null => Value::Null,
            Node::Bool(bool) => Value::Bool(bool),
            Node::Int(int) => Value::Int(int),
            Node::Float(float) => Value::from(float),
            Node::Text(text) => Value::Text(text.into()),
            Node::List(list) => {
                let values: Result<Box<[Value]>, Bad> =
                    list.into_iter().map(|node| node.into_value(at, depth + 1)).collect();
                Value::List(values?)
            }
            Node::Map(fields) => Value::Map(into_map(fields, at, depth + 1)?),
        })
    }
}

/// A map of values at `depth`, with the limits on names and their number.
pub fn into_map(fields: Fields<'_>, at: &str, depth: usize) -> Result<Map, Bad> {
    if fields.len() > limits::PROPERTIES {
        return Err(Bad::new(
            "too_many_properties",
            at,
            format!("{} fields, {} are allowed", fields.len(), limits::PROPERTIES),
            "put what belongs together into objects or lists",
        ));
    }
    let mut pairs = Vec::with_capacity(fields.len());
    for (name, node) in fields {
        if name.len() > limits::PROPERTY_KEY_BYTES {
            return Err(Bad::new(
                "property_name_too_long",
                at,
                format!("a field's name has {} bytes", name.len()),
                format!("names have at most {} bytes", limits::PROPERTY_KEY_BYTES),
            ));
        }
        let value = node.into_value(at, depth)?;
        pairs.push((Box::<str>::from(name), value));
    }
    Ok(pairs.into_iter().collect())
}

fn too_deep(at: &str) -> Bad {
    Bad::new(
        "too_deep",
        at,
        format!("nested deeper than {DEPTH_MAX}"),
        "send it flatter, or as a text",
    )
}

/// Reads one item. Lone surrogates, which scripts make when they cut a text inside an emoji, become
/// U+FFFD rather than costing the touch.
pub fn read(item: &str) -> Result<Node<'_>, Bad> {
    match read_strict(item) {
        Ok(node) => Ok(node),
        Err(error) => match without_lone_surrogates(item) {
            Some(mended) => read_strict(&mended).map(Node::into_owned).map_err(|e| bad_json(&e)),
            None => Err(bad_json(&error)),
        },
    }
}

fn read_strict(item: &str) -> Result<Node<'_>, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_str(item);
    let node = NodeSeed { room: DEPTH_READ }.deserialize(&mut input)?;
    input.end()?;
    Ok(node)
}

fn bad_json(error: &serde_json::Error) -> Bad {
    let sentence = sentence(error);
    if sentence == TOO_DEEP {
        return Bad { line: error.line(), column: error.column(), ..too_deep("") };
    }
    let mut bad = Bad::new("bad_json", "", sentence, "mend the JSON of this item");
    (bad.line, bad.column) = (error.line(), error.column());
    bad
}

/// The error without the place at its end, which is said apart.
pub fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(sentence, _)| sentence.to_owned())
}

/// Writes fields as JSON again, for an item that is kept with what stood around it.
pub fn write_fields(out: &mut String, fields: &[(Cow<'_, str>, Node<'_>)]) {
    out.push('{');
    for (at, (name, node)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_node(out, node);
    }
    out.push('}');
}

fn write_node(out: &mut String, node: &Node<'_>) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Node::Int(int) => out.push_str(&int.to_string()),
        Node::Float(float) => out.push_str(&format!("{float:?}")),
        Node::Text(text) => write_text(out, text),
        Node::List(list) => {
            out.push('[');
            for (at, node) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_node(out, node);
            }
            out.push(']');
        }
        Node::Map(fields) => write_fields(out, fields),
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a text is always JSON"));
}

impl Node<'_> {
    /// The same, of a body that may be gone.
    pub fn to_owned_node<'b>(&self) -> Node<'b> {
        self.clone().into_owned()
    }

    fn into_owned<'b>(self) -> Node<'b> {
        match self {
            Node::Null => Node::Null,
            Node::Bool(bool) => Node::Bool(bool),
            Node::Int(int) => Node::Int(int),
            Node::Float(float) => Node::Float(float),
            Node::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Node::List(list) => Node::List(list.into_iter().map(Node::into_owned).collect()),
            Node::Map(fields) => Node::Map(
                fields
                    .into_iter()
                    .map(|(name, node)| (Cow::Owned(name.into_owned()), node.into_owned()))
                    .collect(),
            ),
        }
    }
}

/// `None` if there is none.
fn without_lone_surrogates(item: &str) -> Option<String> {
    let bytes = item.as_bytes();
    let unit = |at: usize| -> Option<u16> {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::new();
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => {
                out.push_str(&item[copied..at]);
                out.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            Some(_) => at += 6,
            None => at += 2,
        }
    }
    (copied > 0).then(|| out + &item[copied..])
}

const TOO_DEEP: &str = "nested too deep";

#[derive(Clone, Copy)]
struct NodeSeed {
    room: usize,
}

impl<'de> DeserializeSeed<'de> for NodeSeed {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Node<'de>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: de::Error>(self, bool: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(bool))
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Node<'de>, E> {
        Ok(Node::Int(int))
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(int).map_or(Node::Float(int as f64), Node::Int))
    }

    fn visit_f64<E: de::Error>(self, float: f64) -> Result<Node<'de>, E> {
        Ok(Node::Float(float))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Node<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(node) = input.next_element_seed(inner)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Node<'de>, A::Error> {
        let inner = self.deeper()?;
        // What an object usually has; growing from four doubles the cost of reading it.
        let mut fields = Vec::with_capacity(8);
        while let Some(Name(name)) = input.next_key()? {
            fields.push((name, input.next_value_seed(inner)?));
        }
        Ok(Node::Map(fields))
    }
}

impl NodeSeed {
    fn deeper<E: de::Error>(self) -> Result<NodeSeed, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| E::custom(TOO_DEEP))?;
        Ok(NodeSeed { room })
    }
}

/// So that a body's `context` can be read by the visitor of its envelope.
impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Node<'de>, D::Error> {
        NodeSeed { room: DEPTH_READ }.deserialize(input)
    }
}

/// A field's name. `Cow` of serde itself always copies.
pub struct Name<'a>(pub Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Name<'de>, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
        }
        input.deserialize_str(NameVisitor)
    }
}

/// The items of a list, each still as text.
pub struct Items<'a>(pub Vec<&'a str>);

pub const TOO_MANY: &str = "more items than one request may have";

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Items<'de>, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of touches")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = input.next_element::<&'de RawValue>()? {
                    if items.len() == limits::BATCH_TOUCHES {
                        return Err(de::Error::custom(TOO_MANY));
                    }
                    items.push(item.get());
                }
                Ok(Items(items))
            }
        }
        input.deserialize_seq(ItemsVisitor)
    }
}

/// The body as text, without a byte order mark.
pub fn utf8(body: &[u8]) -> Result<&str, Problem> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| Problem {
        place: Some(Place::new(body).of(error.valid_up_to())),
        ..Problem::new(400, "bad_text", "the body is not UTF-8", "send the JSON as UTF-8")
    })
}

/// The whole body is no JSON, or not of the form that was asked for.
pub fn unreadable(error: &serde_json::Error) -> Problem {
    let sentence = sentence(error);
    if sentence == TOO_MANY {
        let limit = limits::BATCH_TOUCHES;
        let detail = format!("more than {limit} touches in one request");
        return Problem::new(413, "batch_too_large", detail, "send them in several requests");
    }
    Problem {
        place: Some((error.line(), error.column())),
        ..Problem::new(400, "bad_json", sentence, "mend the JSON; nothing of it was taken")
    }
}

/// Finds lines and columns of growing offsets without starting over each time.
pub struct Place<'a> {
    body: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Place<'a> {
    pub fn new(body: &'a [u8]) -> Place<'a> {
        Place { body, at: 0, line: 1, line_start: 0 }
    }

    /// Line and column of a byte offset, both from 1. Offsets must not go back.
    pub fn of(&mut self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.body.len());
        while self.at < offset {
            if self.body[self.at] == b'\n' {
                self.line += 1;
                self.line_start = self.at + 1;
            }
            self.at += 1;
        }
        (self.line, offset - self.line_start + 1)
    }

    /// Completes the place of a refused item that stands in this body: what was counted from the
    /// item's start is then counted from the body's.
    pub fn complete(&mut self, bad: &mut Bad, item: &str) {
        let start = (item.as_ptr() as usize).checked_sub(self.body.as_ptr() as usize);
        let (line, column) = self.of(start.expect("an item is a part of its body"));
        (bad.line, bad.column) = match (bad.line, bad.column) {
            (0, _) => (line, column),
            (1, inner) => (line, column + inner.max(1) - 1),
            (inner_line, inner) => (line + inner_line - 1, inner),
        };
    }
}

/// RFC 3339 and what clients make of it: a space for the T, no seconds, no zone (then UTC), digits
/// below the millisecond (cut), a date alone (its midnight in UTC), `+0200`.
pub fn time_of_text(text: &str) -> Option<Time> {
    let mut input = Digits { rest: text.trim().as_bytes() };
    let year = input.number(4)?;
    input.one_of(b"-")?;
    let month = input.number(2)?;
    input.one_of(b"-")?;
    let day = input.number(2)?;
    let days = days_since_1970(year, month, day)?;
    if input.rest.is_empty() {
        return Some(Time(days * Time::DAY_MS));
    }
    input.one_of(b"Tt ")?;
    let ms = input.clock()?;
    let offset_min = input.zone()?;
    input.rest.is_empty().then(|| Time(days * Time::DAY_MS + ms - offset_min * 60_000))
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size: as
/// seconds it would be after the year 5138, and so on.
pub fn time_of_number(number: f64) -> Option<Time> {
    let size = number.abs();
    let ms = match size {
        _ if size < 1e11 => number * 1e3,
        _ if size < 1e14 => number,
        _ if size < 1e17 => number / 1e3,
        _ if size < 1e20 => number / 1e6,
        _ => return None,
    };
    Some(Time(ms.round() as i64))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; `None` if there is no such day.
pub fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_of_month).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let year = year - i64::from(month <= 2);
    let month = (month + 9) % 12;
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468)
}

/// Reads a time of day and its parts from the front.
pub struct Digits<'a> {
    pub rest: &'a [u8],
}

impl Digits<'_> {
    /// Exactly this many digits.
    pub fn number(&mut self, len: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(len)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.rest = rest;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    pub fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        if !bytes.contains(first) {
            return None;
        }
        self.rest = rest;
        Some(*first)
    }

    /// `HH:MM`, `HH:MM:SS` or with a fraction, in milliseconds.
    pub fn clock(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.one_of(b":")?;
        let minute = self.number(2)?;
        let mut ms = (hour * 60 + minute) * 60_000;
        let mut second = 0;
        if self.one_of(b":").is_some() {
            second = self.number(2)?;
            ms += second * 1000;
            if self.one_of(b".,").is_some() {
                ms += self.fraction()?;
            }
        }
        // 60 is a leap second: it counts as the next one.
        (hour <= 23 && minute <= 59 && second <= 60).then_some(ms)
    }

    fn fraction(&mut self) -> Option<i64> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        let digit = |at: usize| digits.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        (1..=18).contains(&len).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
    }

    /// Minutes east of UTC; none said means UTC.
    fn zone(&mut self) -> Option<i64> {
        if self.rest.is_empty() || self.one_of(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hour = self.number(2)?;
        self.one_of(b":");
        let minute = if self.rest.is_empty() { 0 } else { self.number(2)? };
        (hour <= 23 && minute <= 59).then_some(sign * (hour * 60 + minute))
    }
}

/// A time as a field of a touch gives it: a text, or a number of seconds or milliseconds.
pub fn time_of(node: &Node<'_>) -> Option<Time> {
    match node {
        Node::Text(text) => time_of_text(text).or_else(|| {
            let number: f64 = text.trim().parse().ok()?;
            if number.is_finite() { time_of_number(number) } else { None }
        }),
        Node::Int(int) => time_of_number(*int as f64),
        Node::Float(float) => time_of_number(*float),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_and_whole_numbers_stay_whole() {
        let node = read(r#"{"a":"plain","b":"es\"caped","c":-7,"d":2.0,"e":18446744073709551615}"#);
        let node = node.unwrap();
        assert!(matches!(node.get("a"), Some(Node::Text(Cow::Borrowed("plain")))));
        assert!(matches!(node.get("b"), Some(Node::Text(Cow::Owned(_)))));
        assert_eq!(node.get("c"), Some(&Node::Int(-7)));
        assert_eq!(node.get("d"), Some(&Node::Float(2.0)));
        assert_eq!(node.get("e"), Some(&Node::Float(18_446_744_073_709_551_615.0)));
    }

    #[test]
    fn the_later_of_two_fields_counts() {
        let node = read(r#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(node.get("a"), Some(&Node::Int(2)));
        let Node::Map(fields) = node else { panic!("an object") };
        assert_eq!(into_map(fields, "", 0).unwrap().get("a"), Some(&Value::Int(2)));
    }

    #[test]
    fn mistakes_have_a_place() {
        let bad = read("{\"a\":1,\n \"b\":}").unwrap_err();
        assert_eq!((bad.code, bad.line, bad.column), ("bad_json", 2, 6));
        assert_eq!(bad.detail, "expected value");
        assert_eq!(read("{\"a\":1e999}").unwrap_err().detail, "number out of range");
        assert!(read("{\"a\":NaN}").is_err());
        assert!(read("{} {}").is_err());
    }

    #[test]
    fn depth_is_limited_without_recursing() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(read(&deep).unwrap_err().code, "too_deep");
        assert_eq!(serde_json::from_str::<Items<'_>>(&format!("[{deep}]")).unwrap().0.len(), 1);
        let nested = |depth: usize| {
            let text = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
            let Node::Map(fields) = read(&text).unwrap() else { panic!("an object") };
            into_map(fields, "properties", 0)
        };
        let allowed = nested(DEPTH_MAX + 1).unwrap();
        let mut out = model::bytes::Writer::new();
        allowed.write(&mut out);
        let bytes = out.into_bytes();
        assert!(Map::read(&mut model::bytes::Reader::new(&bytes)).is_ok());
        let bad = nested(DEPTH_MAX + 2).unwrap_err();
        assert_eq!((bad.code, bad.at.as_str()), ("too_deep", "properties"));
    }

    #[test]
    fn lone_surrogates_do_not_cost_the_touch() {
        let texts = [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\ude00 x""#, "\u{fffd} x"),
            (r#""\ud83d\ude00 \ud83d!""#, "😀 \u{fffd}!"),
            (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}"),
        ];
        for (json, text) in texts {
            assert_eq!(read(json).unwrap().text(), Some(text), "{json}");
        }
        assert!(read(r#""\ud83"#).is_err());
    }

    #[test]
    fn times_in_every_form_that_clients_send() {
        let time = |text: &str| time_of_text(text).map(|time| time.0);
        let noon = 1_795_348_800_000;
        for text in [
            "2026-11-22T12:00:00Z",
            "2026-11-22T12:00:00.000Z",
            "2026-11-22T12:00:00.000999999Z",
            "2026-11-22T12:00:00",
            "2026-11-22t12:00z",
            " 2026-11-22 12:00:00 ",
            "2026-11-22T13:00:00+01:00",
            "2026-11-22T06:30:00.000-0530",
            "2026-11-22T12:00:00+00",
        ] {
            assert_eq!(time(text), Some(noon), "{text}");
        }
        assert_eq!(time("2026-11-22"), Some(noon - 12 * 3_600_000));
        assert_eq!(time("1970-01-01"), Some(0));
        assert_eq!(time("1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!(time("2000-02-29"), Some(951_782_400_000));
        assert_eq!(time("2016-12-31T23:59:60Z"), time("2017-01-01T00:00:00Z"));
        assert_eq!(time("2026-11-22T12:00:00.5Z"), Some(noon + 500));
        for text in [
            "",
            "2026-11",
            "2026-13-01",
            "2026-02-29",
            "1900-02-29",
            "2026-11-22T24:00:00Z",
            "2026-11-22T12:61Z",
            "2026-11-22T12:00:00.Z",
            "2026-11-22T12:00:00+1",
            "2026-11-22T12:00:00Zx",
            "22.11.2026",
            "yesterday",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        for node in [
            Node::Int(1_795_348_800),
            Node::Int(1_795_348_800_000),
            Node::Int(1_795_348_800_000_000),
            Node::Int(1_795_348_800_000_000_000),
            Node::Float(1_795_348_800.0),
            Node::Text("1795348800".into()),
        ] {
            assert_eq!(time_of(&node), Some(Time(noon)), "{node:?}");
        }
        assert_eq!(time_of(&Node::Bool(true)), None);
        assert_eq!(time_of(&Node::Text("inf".into())), None);
    }

    #[test]
    fn places_are_counted_in_the_body() {
        let body = "[1,\n {\"a\": tru}]";
        let item = &body[5..15];
        let mut bad = read(item).unwrap_err();
        Place::new(body.as_bytes()).complete(&mut bad, item);
        assert_eq!((bad.line, bad.column), (2, 11));
        let problem = utf8(b"{\n\xff}").unwrap_err();
        assert_eq!(problem.place, Some((2, 1)));
    }
}
