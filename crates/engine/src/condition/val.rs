//! A value during evaluation: mostly a loan from the facts or from the condition's constants, so
//! that evaluating seldom allocates. Equality, order and arithmetic follow the language's rules.

use std::cmp::Ordering;
use std::sync::Arc;

use model::value::{self, Value};

use super::schema::Kind;
use super::{Fact, Why};

#[derive(Clone, Debug)]
pub enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    /// Milliseconds since 1970.
    Time(i64),
    /// Milliseconds.
    Duration(i64),
    List(List<'a>),
    Map(Map<'a>),
}

#[derive(Clone, Debug)]
pub enum Text<'a> {
    Lent(&'a str),
    Made(Arc<str>),
}

#[derive(Clone, Debug)]
pub enum List<'a> {
    Values(&'a [Value]),
    Lent(&'a [Val<'a>]),
    Made(Arc<[Val<'a>]>),
}

#[derive(Clone, Debug)]
pub enum Map<'a> {
    Values(&'a value::Map),
    Lent(&'a [(Val<'a>, Val<'a>)]),
    Made(Arc<[(Val<'a>, Val<'a>)]>),
}

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        match self {
            Text::Lent(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            List::Values(values) => values.len(),
            List::Lent(vals) => vals.len(),
            List::Made(vals) => vals.len(),
        }
    }

    pub fn get(&self, at: usize) -> Option<Val<'a>> {
        match self {
            List::Values(values) => values.get(at).map(Val::of),
            List::Lent(vals) => vals.get(at).cloned(),
            List::Made(vals) => vals.get(at).cloned(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).map_while(|at| self.get(at))
    }
}

impl<'a> Map<'a> {
    pub fn len(&self) -> usize {
        match self {
            Map::Values(map) => map.len(),
            Map::Lent(pairs) => pairs.len(),
            Map::Made(pairs) => pairs.len(),
        }
    }

    pub fn get(&self, key: &Val<'_>) -> Option<Val<'a>> {
        let find = |pairs: &[(Val<'a>, Val<'a>)]| {
            pairs.iter().find(|(own, _)| own.equals(key)).map(|(_, val)| val.clone())
        };
        match (self, key) {
            (Map::Values(map), Val::Text(key)) => map.get(key.as_str()).map(Val::of),
            (Map::Values(_), _) => None,
            (Map::Lent(pairs), _) => find(pairs),
            (Map::Made(pairs), _) => find(pairs),
        }
    }

    pub fn pairs(&self) -> Vec<(Val<'a>, Val<'a>)> {
        match self {
            Map::Values(map) => {
                let pair = |(key, value)| (Val::Text(Text::Lent(key)), Val::of(value));
                map.iter().map(pair).collect()
            }
            Map::Lent(pairs) => pairs.to_vec(),
            Map::Made(pairs) => pairs.to_vec(),
        }
    }
}

impl<'a> Val<'a> {
    pub fn of(value: &'a Value) -> Val<'a> {
        match value {
            Value::Null => Val::Null,
            Value::Bool(bool) => Val::Bool(*bool),
            Value::Int(int) => Val::Int(*int),
            Value::Float(float) => Val::Double(*float),
            Value::Text(text) => Val::Text(Text::Lent(text)),
            Value::List(list) => Val::List(List::Values(list)),
            Value::Map(map) => Val::Map(Map::Values(map)),
        }
    }

    /// `None` if the fact is missing.
    pub fn of_fact(fact: Fact<'a>) -> Option<Val<'a>> {
        Some(match fact {
            Fact::Missing => return None,
            Fact::Null => Val::Null,
            Fact::Bool(bool) => Val::Bool(bool),
            Fact::Int(int) => Val::Int(int),
            Fact::Float(float) => Val::Double(float),
            Fact::Text(text) => Val::Text(Text::Lent(text)),
            Fact::Time(ms) => Val::Time(ms),
            Fact::Duration(ms) => Val::Duration(ms),
            Fact::Value(value) => Val::of(value),
            Fact::Map(map) => Val::Map(Map::Values(map)),
            Fact::List(list) => Val::List(List::Values(list)),
        })
    }

    pub fn text(text: impl Into<Arc<str>>) -> Val<'a> {
        Val::Text(Text::Made(text.into()))
    }

    pub fn list(vals: Vec<Val<'a>>) -> Val<'a> {
        Val::List(List::Made(vals.into()))
    }

    /// A loan of a constant: no counter is touched, which matters when threads share it.
    pub fn lend(constant: &'a Val<'static>) -> Val<'a> {
        match constant {
            Val::Text(text) => Val::Text(Text::Lent(text.as_str())),
            Val::List(List::Made(vals)) => Val::List(List::Lent(vals)),
            Val::Map(Map::Made(pairs)) => Val::Map(Map::Lent(pairs)),
            other => other.clone(),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Val::Null => Kind::Null,
            Val::Bool(_) => Kind::Bool,
            Val::Int(_) => Kind::Int,
            Val::Uint(_) => Kind::Uint,
            Val::Double(_) => Kind::Double,
            Val::Text(_) => Kind::Text,
            Val::Time(_) => Kind::Time,
            Val::Duration(_) => Kind::Duration,
            Val::List(_) => Kind::List,
            Val::Map(_) => Kind::Map,
        }
    }

    /// What it costs to walk through it, beyond the one step of having it.
    pub fn weight(&self) -> u32 {
        let weight = match self {
            Val::Text(text) => text.as_str().len() / 16,
            Val::List(list) => list.len(),
            Val::Map(map) => map.len(),
            _ => 0,
        };
        weight.min(u32::MAX as usize) as u32
    }

    pub fn key_text(&self) -> String {
        match self {
            Val::Text(text) => text.as_str().to_string(),
            Val::Int(int) => int.to_string(),
            Val::Uint(int) => int.to_string(),
            Val::Bool(bool) => bool.to_string(),
            other => other.kind().name().to_string(),
        }
    }

    /// Different kinds are unequal, but numbers are equal across theirs.
    pub fn equals(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            (Val::Null, Val::Null) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Text(a), Val::Text(b)) => a.as_str() == b.as_str(),
            (Val::Time(a), Val::Time(b)) | (Val::Duration(a), Val::Duration(b)) => a == b,
            (Val::List(a), Val::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(&b))
            }
            (Val::Map(a), Val::Map(b)) => {
                let same = |(key, val): (Val<'_>, Val<'_>)| {
                    b.get(&key).is_some_and(|other| val.equals(&other))
                };
                a.len() == b.len() && a.pairs().into_iter().all(same)
            }
            _ => compare_numbers(self, other) == Some(Ordering::Equal),
        }
    }

    /// `Ok(None)` where a number is not one (NaN).
    pub fn compare(
        &self,
        other: &Val<'_>,
        operation: &'static str,
    ) -> Result<Option<Ordering>, Why> {
        Ok(match (self, other) {
            (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Val::Text(a), Val::Text(b)) => Some(a.as_str().cmp(b.as_str())),
            (Val::Time(a), Val::Time(b)) | (Val::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
            _ if self.is_number() && other.is_number() => compare_numbers(self, other),
            _ => return Err(wrong(operation, self, other)),
        })
    }

    fn is_number(&self) -> bool {
        matches!(self, Val::Int(_) | Val::Uint(_) | Val::Double(_))
    }
}

pub fn wrong(operation: &'static str, left: &Val<'_>, right: &Val<'_>) -> Why {
    Why::WrongType { operation, left: left.kind(), right: Some(right.kind()) }
}

/// By their mathematical values: no rounding decides.
fn compare_numbers(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    let whole = |val: &Val<'_>| match val {
        Val::Int(int) => Some(i128::from(*int)),
        Val::Uint(int) => Some(i128::from(*int)),
        _ => None,
    };
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
        (Val::Double(double), other) => {
            compare_whole(whole(other)?, *double).map(Ordering::reverse)
        }
        (other, Val::Double(double)) => compare_whole(whole(other)?, *double),
        _ => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

fn compare_whole(int: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Beyond 2^64 no integer reaches it, and within, the cast cuts the fraction off exactly.
    if double.abs() >= 2.0e19 {
        return Some(if double > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = double as i128;
    let fraction = double - whole as f64;
    Some(int.cmp(&whole).then(0.0_f64.partial_cmp(&fraction)?))
}

pub fn add<'a>(a: &Val<'a>, b: &Val<'a>) -> Result<Val<'a>, Why> {
    Ok(match (a, b) {
        (Val::Int(a), Val::Int(b)) => Val::Int(a.checked_add(*b).ok_or(Why::Overflow)?),
        (Val::Uint(a), Val::Uint(b)) => Val::Uint(a.checked_add(*b).ok_or(Why::Overflow)?),
        (Val::Double(a), Val::Double(b)) => Val::Double(a + b),
        (Val::Text(a), Val::Text(b)) => Val::text([a.as_str(), b.as_str()].concat()),
        (Val::List(a), Val::List(b)) => Val::list(a.iter().chain(b.iter()).collect()),
        (Val::Time(a), Val::Duration(b)) | (Val::Duration(a), Val::Time(b)) => time(a, b, true)?,
        (Val::Duration(a), Val::Duration(b)) => {
            Val::Duration(a.checked_add(*b).ok_or(Why::Overflow)?)
        }
        _ => return Err(wrong("+", a, b)),
    })
}

pub fn subtract<'a>(a: &Val<'a>, b: &Val<'a>) -> Result<Val<'a>, Why> {
    Ok(match (a, b) {
        (Val::Int(a), Val::Int(b)) => Val::Int(a.checked_sub(*b).ok_or(Why::Overflow)?),
        (Val::Uint(a), Val::Uint(b)) => Val::Uint(a.checked_sub(*b).ok_or(Why::Overflow)?),
        (Val::Double(a), Val::Double(b)) => Val::Double(a - b),
        (Val::Time(a), Val::Duration(b)) => time(a, b, false)?,
        (Val::Time(a), Val::Time(b)) | (Val::Duration(a), Val::Duration(b)) => {
            Val::Duration(a.checked_sub(*b).ok_or(Why::Overflow)?)
        }
        _ => return Err(wrong("-", a, b)),
    })
}

fn time<'a>(a: &i64, b: &i64, plus: bool) -> Result<Val<'a>, Why> {
    let sum = if plus { a.checked_add(*b) } else { a.checked_sub(*b) };
    let good = sum.filter(|ms| super::time::in_range(*ms));
    good.map(Val::Time).ok_or(Why::Overflow)
}

/// `*`, `/` and `%`.
pub fn multiply<'a>(sign: &'static str, a: &Val<'a>, b: &Val<'a>) -> Result<Val<'a>, Why> {
    match (sign, a, b) {
        ("*", Val::Int(a), Val::Int(b)) => a.checked_mul(*b).map(Val::Int),
        ("*", Val::Uint(a), Val::Uint(b)) => a.checked_mul(*b).map(Val::Uint),
        ("*", Val::Double(a), Val::Double(b)) => Some(Val::Double(a * b)),
        ("/", Val::Double(a), Val::Double(b)) => Some(Val::Double(a / b)),
        ("/" | "%", Val::Int(_), Val::Int(0)) => return Err(Why::DivisionByZero),
        ("/" | "%", Val::Uint(_), Val::Uint(0)) => return Err(Why::DivisionByZero),
        ("/", Val::Int(a), Val::Int(b)) => a.checked_div(*b).map(Val::Int),
        ("/", Val::Uint(a), Val::Uint(b)) => a.checked_div(*b).map(Val::Uint),
        ("%", Val::Int(a), Val::Int(b)) => a.checked_rem(*b).map(Val::Int),
        ("%", Val::Uint(a), Val::Uint(b)) => a.checked_rem(*b).map(Val::Uint),
        _ => return Err(wrong(sign, a, b)),
    }
    .ok_or(Why::Overflow)
}

pub fn negate<'a>(val: &Val<'a>) -> Result<Val<'a>, Why> {
    match val {
        Val::Int(int) => int.checked_neg().map(Val::Int).ok_or(Why::Overflow),
        Val::Double(double) => Ok(Val::Double(-double)),
        Val::Duration(ms) => ms.checked_neg().map(Val::Duration).ok_or(Why::Overflow),
        _ => Err(Why::WrongType { operation: "-", left: val.kind(), right: None }),
    }
}
