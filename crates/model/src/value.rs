//! A dynamic value: what `properties`, traits, attributes and a product's state are made of.
//! It is JSON's data model with integers kept apart from floats, and maps in key order, so that
//! the same content always has the same bytes. It is not `Serialize`: the edges convert.

use crate::bytes::{Corrupt, Reader, Writer};

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

/// String keys to values, sorted by key, each key once.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Map {
    entries: Vec<(Box<str>, Value)>,
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
        match self {
            Value::Null => out.u8(0),
            Value::Bool(false) => out.u8(1),
            Value::Bool(true) => out.u8(2),
            Value::Int(int) => {
                out.u8(3);
                out.int(*int);
            }
            Value::Float(float) => {
                out.u8(4);
                out.f64(*float);
            }
            Value::Text(text) => {
                out.u8(5);
                out.text(text);
            }
            Value::List(list) => {
                out.u8(6);
                out.uint(list.len() as u64);
                list.iter().for_each(|value| value.write(out));
            }
            Value::Map(map) => {
                out.u8(7);
                map.write(out);
            }
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Value, Corrupt> {
        Value::read_at(input, 0)
    }

    fn read_at(input: &mut Reader<'_>, depth: usize) -> Result<Value, Corrupt> {
        if depth > DEPTH_MAX {
            return Err(Corrupt("a value is nested too deep"));
        }
        Ok(match input.u8()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Int(input.int()?),
            4 => Value::Float(input.f64()?),
            5 => Value::Text(input.text()?.into()),
            6 => {
                let len = input.len()?;
                let mut list = Vec::with_capacity(len.min(64));
                for _ in 0..len {
                    list.push(Value::read_at(input, depth + 1)?);
                }
                Value::List(list.into())
            }
            7 => Value::Map(Map::read_at(input, depth + 1)?),
            _ => return Err(Corrupt("a value has an unknown type number")),
        })
    }
}

impl Map {
    pub const EMPTY: Map = Map { entries: Vec::new() };

    /// Later keys win over earlier ones.
    pub fn of_pairs(mut entries: Vec<(Box<str>, Value)>) -> Map {
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Map { entries };
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
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
                self.entries.insert(at, (key, value));
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

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> + ExactSizeIterator {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    pub fn write(&self, out: &mut Writer) {
        out.uint(self.entries.len() as u64);
        for (key, value) in &self.entries {
            out.text(key);
            value.write(out);
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Map, Corrupt> {
        Map::read_at(input, 0)
    }

    fn read_at(input: &mut Reader<'_>, depth: usize) -> Result<Map, Corrupt> {
        let len = input.len()?;
        let mut entries: Vec<(Box<str>, Value)> = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            let key: Box<str> = input.text()?.into();
            if entries.last().is_some_and(|(last, _)| *last >= key) {
                return Err(Corrupt("the keys of a map are out of order"));
            }
            entries.push((key, Value::read_at(input, depth)?));
        }
        Ok(Map { entries })
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(own, _)| (**own).cmp(key))
    }
}

/// Later keys win over earlier ones.
impl<K: Into<Box<str>>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Map {
        Map::of_pairs(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
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
