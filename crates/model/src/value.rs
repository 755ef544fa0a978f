//! A dynamic value: what `properties`, traits, attributes and a product's state are made of.
//! It is JSON's data model with integers kept apart from floats, and maps in key order, so that
//! the same content always has the same bytes. It is not `Serialize`: the edges convert.

use crate::bytes::{Corrupt, Reader, Writer};
use crate::{names, prose};

/// One value. Floats are finite: the edge turns NaN and infinities into `Null`.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    List(Box<[Value]>),
    Map(Map),
}

/// A value that is read where it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// A list or a map.
    Nested,
}

impl<'a> Written<'a> {
    /// Of what is nested only the tag is read.
    fn read(input: &mut Reader<'a>) -> Result<Written<'a>, Corrupt> {
        Ok(match input.u8()? {
            tag::NULL => Written::Null,
            tag::FALSE => Written::Bool(false),
            tag::TRUE => Written::Bool(true),
            tag::INT => Written::Int(input.int()?),
            tag::FLOAT => Written::Float(input.f64()?),
            tag::TEXT => Written::Text(input.text()?),
            tag::LIST | tag::MAP => Written::Nested,
            byte @ tag::DECIMAL..tag::SHORT_TEXT => {
                let scale = SCALES[usize::from(byte - tag::DECIMAL)];
                Written::Float(input.int()? as f64 / scale)
            }
            byte @ tag::SHORT_TEXT..tag::SMALL_INT => {
                Written::Text(input.text_of(usize::from(byte - tag::SHORT_TEXT))?)
            }
            tag::PACKED_TEXT => return Err(Corrupt("a packed text stands outside the log")),
            byte => Written::Int(i64::from(byte - tag::SMALL_INT) + SMALL_INT_MIN),
        })
    }
}

/// String keys to values, sorted by key, each key once.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Map {
    entries: Vec<(Name, Value)>,
}

/// A key. One that has a stored number is always held as that number, so equal keys are equal here.
#[derive(Clone, PartialEq)]
enum Name {
    Known(u8),
    Own(Box<str>),
}

impl Name {
    fn new(name: impl Into<Box<str>> + AsRef<str>) -> Name {
        names::number(name.as_ref()).map_or_else(|| Name::Own(name.into()), Name::Known)
    }

    fn as_str(&self) -> &str {
        self.by_ref().as_str()
    }

    fn by_ref(&self) -> NameRef<'_> {
        match self {
            Name::Known(number) => NameRef::Known(*number),
            Name::Own(name) => NameRef::Own(name),
        }
    }

    fn is_before(&self, other: &Name) -> bool {
        self.by_ref().is_before(other.by_ref())
    }

    /// One byte for a known name. Of others, up to 31 bytes have their length in that byte, longer
    /// ones a 0 and then their length.
    fn write(&self, out: &mut Writer) {
        match self {
            Name::Known(number) => out.u8(NAMES_FROM + number),
            Name::Own(name) if (1..usize::from(NAMES_FROM)).contains(&name.len()) => {
                out.u8(name.len() as u8);
                out.raw(name.as_bytes());
            }
            Name::Own(name) => {
                out.u8(0);
                out.text(name);
            }
        }
    }

    /// Reads a key; whether it is this one.
    fn is_next(&self, input: &mut Reader<'_>) -> Result<bool, Corrupt> {
        match self {
            Name::Known(number) if input.left().first() == Some(&(NAMES_FROM + number)) => {
                input.u8().map(|_| true)
            }
            _ => Ok(NameRef::read(input)? == self.by_ref()),
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Name, Corrupt> {
        Ok(match NameRef::read(input)? {
            NameRef::Known(number) => Name::Known(number),
            NameRef::Own(name) => Name::Own(name.into()),
        })
    }
}

/// A key that is not copied.
#[derive(Clone, Copy, PartialEq)]
enum NameRef<'a> {
    Known(u8),
    Own(&'a str),
}

impl<'a> NameRef<'a> {
    fn as_str(self) -> &'a str {
        match self {
            NameRef::Known(number) => names::name(number).expect("only numbers of names are made"),
            NameRef::Own(name) => name,
        }
    }

    fn is_before(self, other: NameRef<'_>) -> bool {
        match (self, other) {
            (NameRef::Known(one), NameRef::Known(two)) => names::is_before(one, two),
            _ => self.as_str() < other.as_str(),
        }
    }

    fn read(input: &mut Reader<'a>) -> Result<NameRef<'a>, Corrupt> {
        let of = |name: &'a str| names::number(name).map_or(NameRef::Own(name), NameRef::Known);
        Ok(match input.u8()? {
            0 => of(input.text()?),
            len @ 1..NAMES_FROM => of(input.text_of(usize::from(len))?),
            byte => {
                let number = byte - NAMES_FROM;
                names::name(number).ok_or(Corrupt("a key has an unknown number"))?;
                NameRef::Known(number)
            }
        })
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// From this byte on a key is a number of a known name.
const NAMES_FROM: u8 = 32;

/// The byte before a value. 0 to 7 are the types, with all that follows; the others hold a type and
/// a part of the value.
///
/// ```text
///   0 null   1 false   2 true   3 integer (zigzag varint)   4 float (8 bytes)
///   5 text (length, bytes)   6 list (count, values)   7 map
///   8 to 15   a float that is a decimal with 0 to 7 digits behind the point: the integer that is
///             left without the point, as a zigzag varint
///  16 to 63   text of 0 to 47 bytes
///  64 to 254  integer from -16 to 174
///  255        text, packed (length, bytes): only in the log
/// ```
mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const TEXT: u8 = 5;
    pub const LIST: u8 = 6;
    pub const MAP: u8 = 7;
    pub const DECIMAL: u8 = 8;
    pub const SHORT_TEXT: u8 = 16;
    pub const SMALL_INT: u8 = 64;
    pub const PACKED_TEXT: u8 = 255;
}

const SMALL_INT_MIN: i64 = -16;
const SMALL_INT_MAX: i64 = SMALL_INT_MIN + (tag::PACKED_TEXT - 1 - tag::SMALL_INT) as i64;
const SHORT_TEXT_LEN: usize = (tag::SMALL_INT - tag::SHORT_TEXT) as usize;
/// Texts that are shorter stay as they are: little is won, and whoever looks at the bytes of a log
/// finds them.
const PACKED_FROM: usize = 12;
const SCALES: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// The float as an integer and how many of its digits are behind the point, the fewest that give
/// exactly this float again; `None` when the eight bytes of the float are as short. Both numbers
/// are exact and a division rounds correctly, so every machine comes to the same.
fn decimal(float: f64) -> Option<(u8, i64)> {
    const LIMIT: f64 = (1_u64 << 48) as f64;
    for (digits, scale) in SCALES.iter().enumerate() {
        let scaled = float * scale;
        if scaled.abs() >= LIMIT {
            return None;
        }
        let int = (scaled + 0.5_f64.copysign(scaled)) as i64;
        if (int as f64 / scale).to_bits() == float.to_bits() {
            return Some((digits as u8, int));
        }
    }
    None
}

/// The deepest nesting that a value may have; deeper input is refused at the edge.
pub const DEPTH_MAX: usize = 16;

impl Value {
    pub fn text(text: impl Into<Box<str>>) -> Value {
        Value::Text(text.into())
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            Value::Float(float) if *float == libm::trunc(*float) && float.abs() < 9.0e15 => {
                Some(*float as i64)
            }
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn write(&self, out: &mut Writer) {
        self.write_with(out, false);
    }

    /// With `pack`, longer texts are packed. What is written so can only be read as a whole.
    fn write_with(&self, out: &mut Writer, pack: bool) {
        match self {
            Value::Null => out.u8(tag::NULL),
            Value::Bool(false) => out.u8(tag::FALSE),
            Value::Bool(true) => out.u8(tag::TRUE),
            Value::Int(int @ SMALL_INT_MIN..=SMALL_INT_MAX) => {
                out.u8(tag::SMALL_INT + (int - SMALL_INT_MIN) as u8);
            }
            Value::Int(int) => {
                out.u8(tag::INT);
                out.int(*int);
            }
            Value::Float(float) => match decimal(*float) {
                Some((digits, int)) => {
                    out.u8(tag::DECIMAL + digits);
                    out.int(int);
                }
                None => {
                    out.u8(tag::FLOAT);
                    out.f64(*float);
                }
            },
            Value::Text(text) if pack && text.len() >= PACKED_FROM => match prose::pack(text) {
                Some(packed) => {
                    out.u8(tag::PACKED_TEXT);
                    out.blob(&packed);
                }
                None => Value::write_text(out, text),
            },
            Value::Text(text) => Value::write_text(out, text),
            Value::List(list) => {
                out.u8(tag::LIST);
                out.uint(list.len() as u64);
                list.iter().for_each(|value| value.write_with(out, pack));
            }
            Value::Map(map) => {
                out.u8(tag::MAP);
                map.write_with(out, pack);
            }
        }
    }

    /// A text as a value, without making one.
    pub fn write_text(out: &mut Writer, text: &str) {
        if text.len() < SHORT_TEXT_LEN {
            out.u8(tag::SHORT_TEXT + text.len() as u8);
            out.raw(text.as_bytes());
        } else {
            out.u8(tag::TEXT);
            out.text(text);
        }
    }

    /// The value if it is a text; otherwise nothing is read.
    pub fn read_text<'a>(input: &mut Reader<'a>) -> Result<Option<&'a str>, Corrupt> {
        let len = match input.left().first() {
            Some(&tag::TEXT) => None,
            Some(byte @ tag::SHORT_TEXT..tag::SMALL_INT) => Some(byte - tag::SHORT_TEXT),
            _ => return Ok(None),
        };
        input.u8()?;
        match len {
            Some(len) => input.text_of(usize::from(len)).map(Some),
            None => input.text().map(Some),
        }
    }

    fn has_text(&self, part: &str) -> bool {
        match self {
            Value::Text(text) => text.contains(part),
            Value::List(list) => list.iter().any(|value| value.has_text(part)),
            Value::Map(map) => map.has_text(part),
            _ => false,
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Value, Corrupt> {
        Value::read_at(input, 0)
    }

    /// Whether certainly this value comes next; if so it is read. Asked for what is short.
    fn is_next(&self, input: &mut Reader<'_>) -> Result<bool, Corrupt> {
        let byte = input.u8()?;
        Ok(match self {
            Value::Bool(bool) => byte == if *bool { tag::TRUE } else { tag::FALSE },
            Value::Int(int @ SMALL_INT_MIN..=SMALL_INT_MAX) => {
                byte == tag::SMALL_INT + (int - SMALL_INT_MIN) as u8
            }
            Value::Int(int) => byte == tag::INT && input.int()? == *int,
            Value::Text(text) if text.len() < SHORT_TEXT_LEN => {
                byte == tag::SHORT_TEXT + text.len() as u8
                    && input.raw(text.len())? == text.as_bytes()
            }
            _ => false,
        })
    }

    /// Reads past a value.
    fn skip(input: &mut Reader<'_>, depth: usize) -> Result<(), Corrupt> {
        if depth > DEPTH_MAX {
            return Err(Corrupt("a value is nested too deep"));
        }
        match input.u8()? {
            tag::PACKED_TEXT => return Err(Corrupt("a packed text stands outside the log")),
            tag::NULL | tag::FALSE | tag::TRUE | tag::SMALL_INT.. => {}
            tag::INT | tag::DECIMAL..tag::SHORT_TEXT => {
                input.uint()?;
            }
            tag::FLOAT => {
                input.raw(8)?;
            }
            tag::TEXT => {
                input.blob()?;
            }
            tag::LIST => {
                for _ in 0..input.len()? {
                    Value::skip(input, depth + 1)?;
                }
            }
            tag::MAP => {
                for _ in 0..input.len()? {
                    NameRef::read(input)?;
                    Value::skip(input, depth + 1)?;
                }
            }
            byte @ tag::SHORT_TEXT..tag::SMALL_INT => {
                input.raw(usize::from(byte - tag::SHORT_TEXT))?;
            }
        }
        Ok(())
    }

    fn read_at(input: &mut Reader<'_>, depth: usize) -> Result<Value, Corrupt> {
        if depth > DEPTH_MAX {
            return Err(Corrupt("a value is nested too deep"));
        }
        let is_map = input.left().first() == Some(&tag::MAP);
        if input.left().first() == Some(&tag::PACKED_TEXT) {
            input.u8()?;
            return Ok(Value::text(prose::unpack(input.blob()?)?));
        }
        Ok(match Written::read(input)? {
            Written::Null => Value::Null,
            Written::Bool(bool) => Value::Bool(bool),
            Written::Int(int) => Value::Int(int),
            Written::Float(float) => Value::Float(float),
            Written::Text(text) => Value::Text(text.into()),
            Written::Nested if is_map => Value::Map(Map::read_at(input, depth + 1)?),
            Written::Nested => {
                let len = input.len()?;
                let mut list = Vec::with_capacity(len.min(64));
                for _ in 0..len {
                    list.push(Value::read_at(input, depth + 1)?);
                }
                Value::List(list.into())
            }
        })
    }
}

impl Map {
    pub const EMPTY: Map = Map { entries: Vec::new() };

    /// A number without meaning: to compute it brings the map near the processor.
    pub fn near(&self) -> u64 {
        let first = |value: &Value| match value {
            Value::Text(text) => text.as_bytes().first().copied().map_or(0, u64::from),
            _ => 0,
        };
        self.entries.iter().map(|(_, value)| first(value)).sum()
    }

    /// Later keys win over earlier ones. A key that has a number is not copied.
    pub fn of_pairs<K: Into<Box<str>> + AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, Value)>,
    ) -> Map {
        let pairs = pairs.into_iter().map(|(key, value)| (Name::new(key), value));
        let mut entries: Vec<(Name, Value)> = pairs.collect();
        if entries.is_sorted_by(|a, b| a.0.is_before(&b.0)) {
            return Map { entries };
        }
        entries.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Map { entries }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).ok().map(|at| &self.entries[at].1)
    }

    /// The value at a dotted way through nested maps: `["address", "city"]`.
    pub fn get_in<'a, 'k>(&'a self, way: impl IntoIterator<Item = &'k str>) -> Option<&'a Value> {
        let mut way = way.into_iter();
        let mut value = self.get(way.next()?)?;
        for key in way {
            value = value.as_map()?.get(key)?;
        }
        Some(value)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    pub fn insert(&mut self, key: impl Into<Box<str>>, value: Value) -> Option<Value> {
        let key = key.into();
        match self.position(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (Name::new(key), value));
                None
            }
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.position(key).ok().map(|at| self.entries.remove(at).1)
    }

    /// Lays `over` on top: its keys win, a `Null` in it removes the key.
    pub fn merge(&mut self, over: &Map) {
        for (key, value) in over.iter() {
            if value.is_null() {
                self.remove(key);
            } else {
                self.insert(key, value.clone());
            }
        }
    }

    /// The same, but new keys only while there are fewer than `most`, for what many senders write.
    pub fn merge_within(&mut self, over: &Map, most: usize) {
        for (key, value) in over.iter() {
            if value.is_null() {
                self.remove(key);
            } else if self.len() < most || self.get(key).is_some() {
                self.insert(key, value.clone());
            }
        }
    }

    /// What a key has in a map in its byte form; no bytes at all stand for the empty map.
    pub fn find_written<'a>(bytes: &'a [u8], key: &str) -> Result<Option<Written<'a>>, Corrupt> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let key = names::number(key).map_or(NameRef::Own(key), NameRef::Known);
        let mut input = Reader::new(bytes);
        for _ in 0..input.len()? {
            if NameRef::read(&mut input)? == key {
                return Written::read(&mut input).map(Some);
            }
            Value::skip(&mut input, 0)?;
        }
        Ok(None)
    }

    /// Whether `merge_written` has certainly nothing to do: all of `over` is there as it is.
    fn is_written(bytes: &[u8], over: &Map) -> Result<bool, Corrupt> {
        let mut over = over.entries.iter();
        let Some(mut next) = over.next() else { return Ok(true) };
        if bytes.is_empty() {
            return Ok(false);
        }
        let mut input = Reader::new(bytes);
        for _ in 0..input.len()? {
            if !next.0.is_next(&mut input)? {
                Value::skip(&mut input, 0)?;
            } else if !next.1.is_next(&mut input)? {
                return Ok(false);
            } else {
                let Some(entry) = over.next() else { return Ok(true) };
                next = entry;
            }
        }
        Ok(false)
    }

    /// The same with a map in its byte form; no bytes at all stand for the empty map. False if that
    /// changes nothing. `scratch` is only used in between.
    pub fn merge_written(
        bytes: &mut Vec<u8>,
        over: &Map,
        most: usize,
        scratch: &mut Writer,
    ) -> Result<bool, Corrupt> {
        if Map::is_written(bytes, over)? {
            return Ok(false);
        }
        scratch.clear();
        let mut input = Reader::new(bytes);
        let had = if bytes.is_empty() { 0 } else { input.len()? };
        let (mut len, mut changed) = (had, false);
        let mut over = over.entries.iter().peekable();
        let add = |(key, value): &(Name, Value), len: &mut usize, out: &mut Writer| {
            let fits = *len < most && !value.is_null();
            if fits {
                key.write(out);
                value.write(out);
                *len += 1;
            }
            fits
        };
        for _ in 0..had {
            let entry = input.left();
            let key = NameRef::read(&mut input)?;
            while let Some(new) = over.next_if(|(own, _)| own.by_ref().is_before(key)) {
                changed |= add(new, &mut len, scratch);
            }
            Value::skip(&mut input, 0)?;
            let entry = &entry[..entry.len() - input.left().len()];
            match over.next_if(|(own, _)| own.by_ref() == key) {
                Some((_, Value::Null)) => {
                    len -= 1;
                    changed = true;
                }
                Some((key, value)) => {
                    let at = scratch.as_bytes().len();
                    key.write(scratch);
                    value.write(scratch);
                    changed |= scratch.as_bytes()[at..] != *entry;
                }
                None => scratch.raw(entry),
            }
        }
        over.for_each(|new| changed |= add(new, &mut len, scratch));
        if changed {
            let mut out = Writer::onto(std::mem::take(bytes));
            out.clear();
            if len > 0 {
                out.uint(len as u64);
                out.raw(scratch.as_bytes());
            }
            *bytes = out.into_bytes();
        }
        Ok(changed)
    }

    /// Whether one of its texts, however deep, has `part` in it.
    pub fn has_text(&self, part: &str) -> bool {
        self.entries.iter().any(|(_, value)| value.has_text(part))
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> + ExactSizeIterator {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub fn write(&self, out: &mut Writer) {
        self.write_with(out, false);
    }

    /// With longer texts packed: for the log, where a map is read as a whole or not at all.
    pub fn write_packed(&self, out: &mut Writer) {
        self.write_with(out, true);
    }

    fn write_with(&self, out: &mut Writer, pack: bool) {
        out.uint(self.entries.len() as u64);
        for (key, value) in &self.entries {
            key.write(out);
            value.write_with(out, pack);
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Map, Corrupt> {
        Map::read_at(input, 0)
    }

    fn read_at(input: &mut Reader<'_>, depth: usize) -> Result<Map, Corrupt> {
        let len = input.len()?;
        let mut entries: Vec<(Name, Value)> = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            let key = Name::read(input)?;
            if entries.last().is_some_and(|(last, _)| !last.is_before(&key)) {
                return Err(Corrupt("the keys of a map are out of order"));
            }
            entries.push((key, Value::read_at(input, depth)?));
        }
        Ok(Map { entries })
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(own, _)| own.as_str().cmp(key))
    }
}

/// Later keys win over earlier ones.
impl<K: Into<Box<str>>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Map {
        Map::of_pairs(pairs.into_iter().map(|(key, value)| (key.into(), value)))
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Value {
        Value::Bool(bool)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int)
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Value {
        if float.is_finite() { Value::Float(float) } else { Value::Null }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        let inner: Map = [("b", Value::Int(-7)), ("a", Value::Float(1.5))].into_iter().collect();
        let list = Value::List(vec![Value::Null, Value::Bool(true), Value::from("ü")].into());
        Value::Map([("list", list), ("inner", Value::Map(inner))].into_iter().collect())
    }

    #[test]
    fn bytes_go_there_and_back() {
        let mut out = Writer::new();
        sample().write(&mut out);
        let bytes = out.into_bytes();
        let mut input = Reader::new(&bytes);
        assert_eq!(Value::read(&mut input), Ok(sample()));
        assert!(input.is_empty());
    }

    fn there_and_back(value: &Value) -> usize {
        let mut out = Writer::new();
        value.write(&mut out);
        let mut input = Reader::new(out.as_bytes());
        let back = Value::read(&mut input).expect("it was written here");
        assert!(input.is_empty());
        // `==` takes 0.0 and -0.0 for the same.
        if let (Value::Float(one), Value::Float(two)) = (value, &back) {
            assert_eq!(one.to_bits(), two.to_bits(), "{one}");
        }
        assert_eq!(*value, back);
        out.as_bytes().len()
    }

    #[test]
    fn every_float_comes_back_bit_for_bit_and_short_decimals_are_short() {
        let mut bits: u64 = 88_172_645_463_325_252;
        let mut next = move || {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            bits
        };
        for _ in 0..100_000 {
            let any = f64::from_bits(next());
            if any.is_finite() {
                assert!(there_and_back(&Value::Float(any)) <= 9);
            }
            // What a source writes as a decimal, as a parser of JSON understands it.
            let text = format!("{}.{:03}", 1 + next() % 100_000, next() % 1000);
            let float: f64 = text.parse().expect("a number");
            assert!(there_and_back(&Value::Float(float)) <= 5, "{text}");
            let near = f64::from_bits(float.to_bits() ^ 1);
            assert_eq!(there_and_back(&Value::Float(near)), 9, "{near}");
        }
        for (float, len) in [
            (0.0, 2),
            (-0.0, 9),
            (0.913, 3),
            (41.5, 3),
            (-41.5, 3),
            (1e-7, 2),
            (0.1 + 0.2, 9),
            ((1_u64 << 47) as f64, 8),
            ((1_u64 << 48) as f64, 9),
            (f64::MAX, 9),
            (f64::MIN_POSITIVE, 9),
        ] {
            assert_eq!(there_and_back(&Value::Float(float)), len, "{float}");
        }
    }

    #[test]
    fn small_values_are_short() {
        for (int, len) in [(0, 1), (-16, 1), (-17, 2), (174, 1), (175, 3), (i64::MIN, 11)] {
            assert_eq!(there_and_back(&Value::Int(int)), len, "{int}");
        }
        for len in [0, 1, 47, 48, 200] {
            let more = if len < 48 { 1 } else { 2 + len / 128 };
            assert_eq!(there_and_back(&Value::text("x".repeat(len))), len + more);
        }
    }

    #[test]
    fn longer_texts_are_packed_where_that_is_asked_for() {
        let text = "The door of the machine does not close any more.";
        let list = Value::List(vec![Value::text(text), Value::text("short")].into());
        let map: Map = [("note", Value::text(text)), ("list", list)].into_iter().collect();
        let written = |pack| {
            let mut out = Writer::new();
            if pack {
                map.write_packed(&mut out)
            } else {
                map.write(&mut out)
            }
            out.into_bytes()
        };
        let (plain, packed) = (written(false), written(true));
        assert!(packed.len() * 3 < plain.len() * 2, "{} of {}", packed.len(), plain.len());
        for bytes in [&plain, &packed] {
            assert_eq!(Map::read(&mut Reader::new(bytes)).as_ref(), Ok(&map));
        }
        assert!(Map::find_written(&packed, "note").is_err());
        assert!(Map::find_written(&packed, "year").is_err());
        assert!(matches!(Map::find_written(&plain, "note"), Ok(Some(Written::Text(_)))));
    }

    #[test]
    fn keys_with_a_number_take_one_byte_and_others_their_length() {
        let long = "k".repeat(40);
        for (key, len) in [("temp", 1), ("own", 4), ("", 2), (&"k".repeat(31), 32), (&long, 42)] {
            let map: Map = [(key, Value::Null)].into_iter().collect();
            assert_eq!(there_and_back(&Value::Map(map)), 1 + 1 + len + 1, "{key}");
        }
        let mut map = Map::EMPTY;
        for key in ["year", "own", "action", "b"] {
            map.insert(key, Value::Null);
        }
        let keys: Vec<&str> = map.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["action", "b", "own", "year"]);
        there_and_back(&Value::Map(map));
    }

    #[test]
    fn the_later_of_two_equal_keys_wins() {
        let map: Map = [("k", Value::Int(1)), ("k", Value::Int(2))].into_iter().collect();
        assert_eq!(map.get("k"), Some(&Value::Int(2)));
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn merge_lays_over_and_null_removes() {
        let mut map: Map = [("a", Value::Int(1)), ("b", Value::Int(2))].into_iter().collect();
        map.merge(&[("a", Value::Null), ("c", Value::Int(3))].into_iter().collect());
        let keys: Vec<&str> = map.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["b", "c"]);
    }

    #[test]
    fn a_full_map_takes_no_new_keys_but_new_values() {
        let mut map: Map = [("a", Value::Int(1)), ("b", Value::Int(2))].into_iter().collect();
        let over = [("a", Value::Int(3)), ("c", Value::Int(4))].into_iter().collect();
        map.merge_within(&over, 2);
        assert_eq!((map.len(), map.get("a"), map.get("c")), (2, Some(&Value::Int(3)), None));
    }

    /// By chance: nulls, new keys and old ones, nested values, full maps.
    #[test]
    fn a_merge_of_bytes_is_the_merge_of_the_maps() {
        let mut dice: u64 = 88_172_645_463_325_252;
        let mut roll = move |most: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % most
        };
        const KEYS: [&str; 9] = ["year", "own", "action", "b", "", "name", "zz", "temp", "é"];
        let mut scratch = Writer::new();
        for _ in 0..5_000 {
            let mut map = |most: u64, with_null: bool| {
                let mut map = Map::EMPTY;
                for _ in 0..roll(most) {
                    let value = match roll(8) {
                        0 if with_null => Value::Null,
                        0 | 1 => Value::Int(roll(400) as i64),
                        2 => Value::text("x".repeat(roll(60) as usize)),
                        3 => sample(),
                        4 => Value::Float(0.1 * roll(5) as f64),
                        5 => Value::Float(f64::MAX),
                        _ => Value::Bool(roll(2) == 0),
                    };
                    map.insert(KEYS[roll(KEYS.len() as u64) as usize], value);
                }
                map
            };
            let (mut old, over) = (map(8, false), map(8, true));
            let mut out = Writer::new();
            if !old.is_empty() {
                old.write(&mut out);
            }
            let (mut bytes, most) = (out.into_bytes(), roll(9) as usize);
            let before = old.clone();
            old.merge_within(&over, most);
            let changed = Map::merge_written(&mut bytes, &over, most, &mut scratch);
            assert_eq!(changed, Ok(before != old));
            for key in KEYS {
                let found = Map::find_written(&bytes, key).expect("it was written here");
                let same = match (old.get(key), found) {
                    (None, None)
                    | (Some(Value::Map(_) | Value::List(_)), Some(Written::Nested)) => true,
                    (Some(Value::Int(one)), Some(Written::Int(two))) => *one == two,
                    (Some(Value::Bool(one)), Some(Written::Bool(two))) => *one == two,
                    (Some(Value::Float(one)), Some(Written::Float(two))) => *one == two,
                    (Some(Value::Text(one)), Some(Written::Text(two))) => **one == *two,
                    _ => false,
                };
                assert!(same, "{key}: {found:?}");
            }
            match &bytes[..] {
                [] => assert!(old.is_empty()),
                bytes => assert_eq!(Map::read(&mut Reader::new(bytes)), Ok(old)),
            }
        }
    }

    #[test]
    fn cut_bytes_are_an_error_not_a_panic() {
        let mut out = Writer::new();
        sample().write(&mut out);
        let bytes = out.into_bytes();
        for len in 0..bytes.len() {
            assert!(Value::read(&mut Reader::new(&bytes[..len])).is_err());
        }
    }
}
