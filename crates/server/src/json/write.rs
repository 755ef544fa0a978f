//! Writes JSON straight into one text, for the answers that are asked for most: a tree of
//! `serde_json::Value` costs an allocation for every name in it, and is thrown away once written.
//!
//! Kept true: what is written is one valid value if each `key` is followed by one value, in an
//! `object` only; names are our own and need no escapes. That texts and numbers come out as
//! `serde_json` reads them is tested against it.

use std::cell::OnceCell;
use std::fmt::{self, Write as _};
use std::ops::Range;

use model::decision::Told;
use model::id::Time;
use model::value::{Map, Value};

/// One value while it is written.
pub struct Out {
    text: String,
    /// Something stands before the next value, in the same object or list.
    comma: bool,
}

/// A text within, while it is written in parts.
pub struct Text<'o>(&'o mut String);

impl Out {
    pub fn with_room(bytes: usize) -> Out {
        Out { text: String::with_capacity(bytes), comma: false }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// Bytes so far.
    pub fn written(&self) -> usize {
        self.text.len()
    }

    pub fn object(&mut self, fill: impl FnOnce(&mut Out)) {
        self.around('{', '}', fill);
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut Out)) {
        self.around('[', ']', fill);
    }

    /// The name of the next value.
    pub fn key(&mut self, name: &'static str) -> &mut Out {
        self.text.push_str(if self.comma { ",\"" } else { "\"" });
        self.text.push_str(name);
        self.text.push_str("\":");
        self.comma = false;
        self
    }

    /// A value, or the fields of an object, that are JSON already.
    pub fn ready(&mut self, json: &str) {
        self.begin();
        self.text.push_str(json);
    }

    /// JSON that is no whole value: the caller writes what belongs to it, with its commas, and so
    /// no other is put before what comes next.
    pub fn raw(&mut self, json: &str) -> &mut Out {
        self.text.push_str(json);
        self.comma = false;
        self
    }

    /// A value that the caller writes in pieces: this is its beginning. [`Out::close`] ends it.
    pub fn open(&mut self, json: &str) -> &mut Out {
        self.begin();
        self.raw(json)
    }

    /// As `raw`, and with it a value ends.
    pub fn close(&mut self, json: &str) {
        self.text.push_str(json);
        self.comma = true;
    }

    /// What was written before, once more, up to the end of a value or of a field.
    pub fn repeat(&mut self, range: Range<usize>) {
        self.text.extend_from_within(range);
        self.comma = true;
    }

    /// The inside of a text, after `raw` has opened it and before it closes it.
    pub fn inside(&mut self) -> Text<'_> {
        Text(&mut self.text)
    }

    pub fn text(&mut self, text: &str) {
        self.text_of(|out| out.push(text));
    }

    pub fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// A text in parts.
    pub fn text_of(&mut self, fill: impl FnOnce(&mut Text<'_>)) {
        self.begin();
        self.text.push('"');
        fill(&mut Text(&mut self.text));
        self.text.push('"');
    }

    pub fn int(&mut self, int: i64) {
        self.begin();
        self.text.push_str(if int < 0 { "-" } else { "" });
        self.text.push_str(digits(int.unsigned_abs(), &mut [0; 20]));
    }

    /// What is no number is `null`, as in `serde_json`.
    pub fn float(&mut self, float: f64) {
        self.begin();
        if float.is_finite() {
            write!(self.text, "{float:?}").expect("a String takes everything");
        } else {
            self.text.push_str("null");
        }
    }

    pub fn bool(&mut self, bool: bool) {
        self.begin();
        self.text.push_str(if bool { "true" } else { "false" });
    }

    pub fn null(&mut self) {
        self.begin();
        self.text.push_str("null");
    }

    pub fn time(&mut self, time: Time) {
        self.text_of(|out| super::write_time(out, time));
    }

    pub fn map(&mut self, map: &Map) {
        self.around('{', '}', |out| {
            for (name, value) in map.iter() {
                out.text(name);
                out.text.push(':');
                out.comma = false;
                out.value(value);
            }
        });
    }

    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Bool(bool) => self.bool(*bool),
            Value::Int(int) => self.int(*int),
            Value::Float(float) => self.float(*float),
            Value::Text(text) => self.text(text),
            Value::List(list) => self.list(|out| list.iter().for_each(|own| out.value(own))),
            Value::Map(map) => self.map(map),
        }
    }

    pub fn told(&mut self, told: &Told<'_>) {
        match told {
            Told::Null => self.null(),
            Told::Bool(bool) => self.bool(*bool),
            Told::Int(int) => self.int(*int),
            Told::Float(float) => self.float(*float),
            Told::Text(text) => self.text(text),
            Told::Whole(value) => self.value(value),
        }
    }

    fn around(&mut self, open: char, close: char, fill: impl FnOnce(&mut Out)) {
        self.begin();
        self.text.push(open);
        self.comma = false;
        fill(self);
        self.text.push(close);
        self.comma = true;
    }

    fn begin(&mut self) {
        if self.comma {
            self.text.push(',');
        }
        self.comma = true;
    }
}

impl Text<'_> {
    /// One of our own texts, of which nothing has to be escaped.
    pub fn plain(&mut self, text: &'static str) {
        debug_assert_eq!(first_escaped(text.as_bytes()), None, "{text}");
        self.0.push_str(text);
    }

    /// What `fill` writes, which is put together the first time only.
    pub fn again(&mut self, kept: &OnceCell<String>, fill: impl FnOnce(&mut Text<'_>)) {
        self.0.push_str(kept.get_or_init(|| {
            let mut text = String::with_capacity(96);
            fill(&mut Text(&mut text));
            text
        }));
    }

    pub fn push(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = first_escaped(rest.as_bytes()) {
            self.0.push_str(&rest[..at]);
            match rest.as_bytes()[at] {
                b'"' => self.0.push_str("\\\""),
                b'\\' => self.0.push_str("\\\\"),
                b'\n' => self.0.push_str("\\n"),
                b'\r' => self.0.push_str("\\r"),
                b'\t' => self.0.push_str("\\t"),
                0x08 => self.0.push_str("\\b"),
                0x0c => self.0.push_str("\\f"),
                control => {
                    write!(self.0, "\\u{control:04x}").expect("a String takes everything");
                }
            }
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// The number as text, without the machinery of formats.
pub fn digits(number: u64, room: &mut [u8; 20]) -> &str {
    let (mut rest, mut from) = (number, room.len());
    loop {
        from -= 1;
        room[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    std::str::from_utf8(&room[from..]).expect("digits are text")
}

/// The first byte that cannot stand in a JSON text as it is. Eight are looked at at once.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // The top bit of each byte that is zero; bytes above such a one may be marked wrongly, which
    // only costs a second look.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let below_space = |word: u64| word.wrapping_sub(ONES * 0x20) & !word & TOPS;
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    let found = |word: u64| {
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        (quote | backslash | below_space(word)) != 0
    };
    let within = |piece: &[u8]| piece.iter().position(|byte| !plain(byte));
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if found(u64::from_le_bytes(*word))
            && let Some(within) = within(word)
        {
            return Some(8 * at + within);
        }
    }
    // The rest together with bytes before it that were looked at already.
    let is_plain = bytes.last_chunk().is_some_and(|last| !found(u64::from_le_bytes(*last)));
    if is_plain { None } else { within(rest).map(|within| 8 * words.len() + within) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn written(fill: impl FnOnce(&mut Out)) -> String {
        let mut out = Out::with_room(0);
        fill(&mut out);
        out.into_text()
    }

    /// Every character below U+0800 at every place of a text that spans several words, and some
    /// beyond: the same bytes as `serde_json` writes.
    #[test]
    fn texts_are_escaped_as_serde_json_does() {
        let beyond = ["\u{2028}", "\u{ffff}", "😀", "\u{7f}"].map(str::to_owned);
        let chars = (0..0x800).filter_map(char::from_u32).map(String::from).chain(beyond);
        for part in chars {
            for before in [0, 1, 6, 7, 8, 15] {
                let text = format!("{}{part}{part}end of it", "a".repeat(before));
                let theirs = serde_json::to_string(&text).expect("a text is JSON");
                assert_eq!(written(|out| out.text(&text)), theirs);
                let parts = written(|out| {
                    out.text_of(|own| {
                        own.push(&text[..before]);
                        own.push(&text[before..]);
                    });
                });
                assert_eq!(parts, theirs);
            }
        }
    }

    /// Random bits as numbers: `serde_json` takes them, and they are read back bit by bit. Read
    /// back by Rust: without `float_roundtrip`, `serde_json` rounds the last digit of some.
    #[test]
    fn numbers_come_back_as_they_were() {
        let mut seed = 7_u64;
        let edges = [0.0, -0.0, 1.0, 1e16, 1e17, 1e300, 5e-324, f64::MAX, f64::NAN, f64::INFINITY];
        let random = (0..20_000).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            f64::from_bits(seed ^ (seed >> 31))
        });
        for float in random.chain(edges) {
            let text = written(|out| out.float(float));
            let read: Json = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!((read.is_f64(), read.is_null()), (float.is_finite(), !float.is_finite()));
            if float.is_finite() {
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(float.to_bits()));
            }
        }
        for int in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(written(|out| out.int(int)), int.to_string());
        }
    }

    #[test]
    fn values_of_every_kind_are_those_of_the_other_way() {
        let inner: Map = [("b\"", Value::Int(-7)), ("a", Value::Float(1.5))].into_iter().collect();
        let list = Value::List(vec![Value::Null, Value::Bool(true), Value::from("ü")].into());
        let pairs = [("list", list), ("none", Value::List([].into())), ("in", Value::Map(inner))];
        let value = Value::Map(pairs.into_iter().collect());
        let text = written(|out| {
            out.object(|out| {
                out.key("first").value(&value);
                out.key("empty").object(|_| {});
                out.key("all").list(|out| {
                    out.null();
                    out.bool(false);
                    out.text_or_null(None);
                    out.time(Time(1));
                    out.told(&Told::Text("t"));
                });
            });
        });
        let read: Json = serde_json::from_str(&text).expect("it is JSON");
        let all = json!([null, false, null, "1970-01-01T00:00:00.001Z", "t"]);
        assert_eq!(read, json!({ "first": super::super::value(&value), "empty": {}, "all": all }));
    }
}
