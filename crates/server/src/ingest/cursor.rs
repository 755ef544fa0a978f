//! A cursor over JSON that is written as nearly all senders write it. It knows only two answers:
//! the value, or `None`, which means 'let the careful reader look at it', not 'this is wrong'.
//! So there are no messages and no places here; those come from `json`, for the item in question.
//!
//! Kept true: what it reads, `json::read` reads too and to the same result. It takes on less: no
//! nesting beyond `DEPTH`, no whole numbers of more than 18 digits, no lone surrogates.

use std::borrow::Cow;

use model::limits;
use model::value::{Map, Value};
use serde::Deserialize as _;
use serde_json::value::RawValue;

use super::json::{Fields, Name, Node};

/// Objects and lists within a field of an item. Less than what is allowed, so that no limit on
/// depth is met here.
const DEPTH: u8 = 8;

/// Powers of ten that a float holds exactly, as far as they are needed.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// A second cursor, behind the last such byte of the whole text.
    pub fn behind_last(&self, byte: u8) -> Option<Cursor<'a>> {
        let at = memchr::memrchr(byte, self.text.as_bytes())? + 1;
        Some(Cursor { text: self.text, at })
    }

    /// Whether the last such byte of the whole text was the last that was read.
    pub fn is_behind_last(&self, byte: u8) -> bool {
        self.behind_last(byte).is_some_and(|other| other.at == self.at)
    }

    /// Reads an item of at most `TOUCH_BYTES`, or leaves the cursor before it.
    pub fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.skip_space();
        let start = self.at;
        let found = read(self).filter(|_| self.at - start <= limits::TOUCH_BYTES);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// The value that comes next as it stands, if it is JSON, and what `read` makes of it, if it is
    /// no longer than an item may be.
    pub fn with_raw<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<(&'a str, Option<T>)> {
        self.skip_space();
        let start = self.at;
        match self.attempt(read) {
            Some(found) => Some((&self.text[start..self.at], Some(found))),
            None => Some((self.raw()?, None)),
        }
    }

    /// Reads the items of one request's list, up to its end and that of the text. `item` gets each
    /// one's index, and about how many are still to come.
    pub fn items(
        &mut self,
        mut item: impl FnMut(&mut Cursor<'a>, usize, usize) -> Option<()>,
    ) -> Option<()> {
        let mut index = 0;
        self.list(|cursor| {
            if index == limits::BATCH_TOUCHES {
                return None;
            }
            let left = cursor.text.len() - cursor.at;
            let more = left * index / cursor.at.max(1);
            item(cursor, index, more.min(limits::BATCH_TOUCHES))?;
            index += 1;
            Some(())
        })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether nothing but space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    /// Takes this byte, after space, if it is the next.
    pub fn take(&mut self, byte: u8) -> bool {
        if self.peek() != Some(byte) {
            self.skip_space();
        }
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub fn need(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Takes `null`, if that is next.
    pub fn take_null(&mut self) -> bool {
        self.skip_space();
        self.peek() == Some(b'n') && self.word("null").is_some()
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    /// The first byte of the value that comes next.
    pub fn next_is(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.peek() == Some(byte)
    }

    /// Reads an object; `field` reads each value.
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Cursor<'a>, Cow<'a, str>) -> Option<()>,
    ) -> Option<()> {
        self.need(b'{')?;
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let name = self.text()?;
            self.need(b':')?;
            field(self, name)?;
            if !self.take(b',') {
                return self.need(b'}');
            }
        }
    }

    /// Reads a list; `item` reads each.
    pub fn list(&mut self, mut item: impl FnMut(&mut Cursor<'a>) -> Option<()>) -> Option<()> {
        self.need(b'[')?;
        if self.take(b']') {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.take(b',') {
                return self.need(b']');
            }
        }
    }

    /// A text, copied only if it holds escapes.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        self.need(b'"')?;
        let start = self.at;
        let end = start + plain_len(&self.text.as_bytes()[start..]);
        match *self.text.as_bytes().get(end)? {
            b'"' => {
                self.at = end + 1;
                Some(Cow::Borrowed(&self.text[start..end]))
            }
            b'\\' => self.escaped(start - 1, end),
            _ => None,
        }
    }

    /// `quote` is where the text began, `at` its first escape.
    fn escaped(&mut self, quote: usize, mut at: usize) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1 + plain_len(bytes.get(at + 1..)?),
            }
        }
        self.at = at + 1;
        let Name(text) = serde_json::from_str(self.text.get(quote..self.at)?).ok()?;
        Some(text)
    }

    /// A text without escapes.
    pub fn plain(&mut self) -> Option<&'a str> {
        match self.text()? {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    /// Anything but an object or a list.
    pub fn scalar(&mut self) -> Option<Node<'a>> {
        self.skip_space();
        match self.peek()? {
            b'"' => self.text().map(Node::Text),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true").map(|()| Node::Bool(true)),
            b'f' => self.word("false").map(|()| Node::Bool(false)),
            b'n' => self.word("null").map(|()| Node::Null),
            _ => None,
        }
    }

    fn digits(&mut self, number: &mut u64) -> usize {
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            *number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Option<Node<'a>> {
        let start = self.at;
        let below_zero = self.peek() == Some(b'-');
        self.at += usize::from(below_zero);
        let leading_zero = self.peek() == Some(b'0');
        let mut number = 0;
        let whole = self.digits(&mut number);
        if whole == 0 || whole > 18 || (leading_zero && whole > 1) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            let decimals = self.digits(&mut number);
            // Both fit a float exactly, so that one division rounds right, whoever does it.
            if (1..=15).contains(&(whole + decimals)) && decimals > 0 && !self.is_exponent() {
                let size = number as f64 / POWERS[decimals];
                return Some(Node::Float(if below_zero { -size } else { size }));
            }
            return self.careful_number(start);
        }
        if self.is_exponent() || (below_zero && number == 0) {
            return self.careful_number(start);
        }
        let number = i64::try_from(number).ok()?;
        Some(Node::Int(if below_zero { -number } else { number }))
    }

    fn is_exponent(&self) -> bool {
        matches!(self.peek(), Some(b'e' | b'E'))
    }

    /// Floats that are not read at a glance.
    fn careful_number(&mut self, start: usize) -> Option<Node<'a>> {
        while let Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        serde_json::from_str(&self.text[start..self.at]).ok().map(Node::Float)
    }

    /// Any value.
    pub fn node(&mut self) -> Option<Node<'a>> {
        self.node_within(DEPTH)
    }

    fn node_within(&mut self, room: u8) -> Option<Node<'a>> {
        self.skip_space();
        match self.peek()? {
            b'{' => self.fields_within(room).map(Node::Map),
            b'[' => {
                let room = room.checked_sub(1)?;
                let mut list = Vec::new();
                self.list(|cursor| {
                    list.push(cursor.node_within(room)?);
                    Some(())
                })?;
                Some(Node::List(list))
            }
            _ => self.scalar(),
        }
    }

    fn fields_within(&mut self, room: u8) -> Option<Fields<'a>> {
        let room = room.checked_sub(1)?;
        let mut fields = Vec::with_capacity(8);
        self.object(|cursor, name| {
            fields.push((name, cursor.node_within(room)?));
            Some(())
        })?;
        Some(fields)
    }

    /// An object as the touch keeps it, within all limits.
    pub fn map(&mut self) -> Option<Map> {
        self.map_within(DEPTH)
    }

    fn map_within(&mut self, room: u8) -> Option<Map> {
        let room = room.checked_sub(1)?;
        let mut pairs: Vec<(Cow<'a, str>, Value)> = Vec::with_capacity(8);
        self.object(|cursor, name| {
            if name.len() > limits::PROPERTY_KEY_BYTES {
                return None;
            }
            pairs.push((name, cursor.value_within(room)?));
            Some(())
        })?;
        (pairs.len() <= limits::PROPERTIES).then(|| Map::of_pairs(pairs))
    }

    fn value_within(&mut self, room: u8) -> Option<Value> {
        self.skip_space();
        match self.peek()? {
            b'{' => self.map_within(room).map(Value::Map),
            b'[' => {
                let room = room.checked_sub(1)?;
                let mut list = Vec::new();
                self.list(|cursor| {
                    list.push(cursor.value_within(room)?);
                    Some(())
                })?;
                Some(Value::List(list.into()))
            }
            _ => Some(match self.scalar()? {
                Node::Bool(bool) => Value::Bool(bool),
                Node::Int(int) => Value::Int(int),
                Node::Float(float) => Value::from(float),
                Node::Text(text) => Value::Text(text.into()),
                _ => Value::Null,
            }),
        }
    }

    /// The next value as it stands, if it is JSON.
    pub fn raw(&mut self) -> Option<&'a str> {
        self.skip_space();
        let mut input = serde_json::Deserializer::from_str(&self.text[self.at..]);
        let raw = <&'a RawValue>::deserialize(&mut input).ok()?.get();
        self.at += raw.len();
        Some(raw)
    }
}

/// How many bytes come before the end of a text, an escape or a byte that no text may hold.
fn plain_len(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // Marks the first byte that is zero; bytes behind it may be marked as well.
    let zero = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let mut chunks = bytes.chunks_exact(8);
    let mut len = 0;
    for chunk in chunks.by_ref() {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk has 8 bytes"));
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let quote = zero(word ^ (LOW * u64::from(b'"')));
        let escape = zero(word ^ (LOW * u64::from(b'\\')));
        let found = control | quote | escape;
        if found != 0 {
            return len + found.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let rest = chunks.remainder();
    len + rest.iter().position(ends).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn what_it_reads_the_careful_reader_reads_too() {
        let same = |text: &str| {
            let mut cursor = Cursor::new(text);
            let node = cursor.node().filter(|_| cursor.is_at_end());
            assert_eq!(node, json::read(text).ok(), "{text}");
        };
        for text in [
            r#"{"a":"plain","b":"es\"caped \u00e4 \/","c":-7,"d":2.0,"e":[],"f":{},"g":[1,"x",null]}"#,
            " { \"a\" : [ true , false ] , \"a\" : 2 } ",
            "0",
            "-0",
            "-0.0",
            "0.1",
            "1.50",
            "-12.25",
            "1e3",
            "1.5E-7",
            "123456789012345678",
            "52.520006599999999",
            "0.000000000000001",
            "\"\"",
            "\"ä€😀 and more than eight\"",
            "\"exactly8\"",
            "\"\u{7f}\u{80}\"",
        ] {
            same(text);
        }
        for text in [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "1.5.2",
            "nul",
            "{\"a\":1,}",
            "[1,]",
            "[,]",
            "{\"a\" 1}",
            "{a:1}",
            "\"open",
            "\"a\nb\"",
            "\"\\x\"",
            "\"\\",
            "\"\\\"",
            "\"\\u12\"",
            "[1",
            "{\"a\":1",
            "tru",
            "--1",
            "1 2",
        ] {
            same(text);
        }
    }

    #[test]
    fn what_is_not_ordinary_is_left_to_the_careful_reader() {
        for text in ["1234567890123456789", "\"\\ud83d\"", &("[".repeat(9) + &"]".repeat(9))] {
            assert!(Cursor::new(text).node().is_none(), "{text}");
            assert!(json::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn texts_end_where_they_end() {
        for len in 0..40 {
            for end in ["\"", "\\", "\n", ""] {
                let text = format!("{}{end}{}", "x".repeat(len), "y\"".repeat(9 * end.len()));
                assert_eq!(plain_len(text.as_bytes()), len, "{text:?}");
            }
            assert_eq!(plain_len("é".repeat(len).as_bytes()), 2 * len);
        }
    }
}
