//! A part of a record that is seldom asked for: it stays in its byte form until somebody looks.
//!
//! Kept true: what is read is what was written, whichever form it is in; the default value takes
//! no bytes.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use model::bytes::{Corrupt, Reader, Writer};
use model::fields::Fields;
use model::value::{Map, Written};

use crate::condition::Fact;
use crate::table::Record;

/// What can be such a part.
pub trait Part: Record + Default + PartialEq + 'static {
    /// The default value.
    fn none() -> &'static Self;
}

pub struct Lazy<T> {
    /// The byte form, unless the value is its own.
    bytes: Vec<u8>,
    /// The value counts, because it was made here or may have changed; else it is left from before
    /// and its memory is used again.
    is_own: bool,
    value: Option<Box<T>>,
    /// What the bytes say, for reading.
    read: OnceLock<Box<T>>,
}

impl<T: Part> Lazy<T> {
    pub fn new(value: T) -> Lazy<T> {
        Lazy { is_own: true, value: Some(Box::new(value)), ..Lazy::default() }
    }

    pub fn into_inner(mut self) -> T {
        std::mem::take(&mut *self)
    }

    /// Whether it is the default value.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.get_own().map_or(self.bytes.is_empty(), |own| *own == *T::none())
    }

    /// Its length and its bytes.
    pub fn write(&self, out: &mut Writer) {
        match self.get_own() {
            Some(own) if *own == *T::none() => out.blob(&[]),
            Some(own) => out.blob_of(|out| own.write(out)),
            None => out.blob(&self.bytes),
        }
    }

    /// As [`Lazy::keep`] of what is only written when it is not the default value.
    #[inline]
    pub fn keep_if(&mut self, is_there: bool, input: &mut Fields<'_>) {
        if is_there {
            return self.keep(input);
        }
        self.forget();
    }

    /// What comes next, into the memory that it has.
    #[inline]
    pub fn keep(&mut self, input: &mut Fields<'_>) {
        let bytes = input.blob();
        self.forget();
        self.bytes.extend_from_slice(bytes);
    }

    /// It is the default value from here on.
    #[inline]
    fn forget(&mut self) {
        self.bytes.clear();
        self.is_own = false;
        if self.read.get().is_some() {
            self.read = OnceLock::new();
        }
    }

    /// What `read` makes of the bytes, if they are all there is.
    pub fn written<R>(
        &self,
        read: impl FnOnce(&mut Reader<'_>) -> Result<R, Corrupt>,
    ) -> Option<R> {
        let only = !self.is_own && !self.bytes.is_empty() && self.read.get().is_none();
        only.then(|| decoded(read(&mut Reader::new(&self.bytes))))
    }

    fn get_own(&self) -> Option<&T> {
        if self.is_own { self.value.as_deref() } else { None }
    }

    /// The value to change; from here on it counts, and no bytes do.
    fn own(&mut self) -> &mut T {
        if !self.is_own {
            match (self.read.take(), &mut self.value) {
                (Some(read), value) => *value = Some(read),
                (None, Some(value)) if !self.bytes.is_empty() => {
                    decoded(value.read_again(&mut Reader::new(&self.bytes)));
                }
                (None, value) => *value = Some(decode(&self.bytes)),
            }
            self.bytes.clear();
            self.is_own = true;
        }
        self.value.as_mut().expect("put there above")
    }
}

impl Lazy<Map> {
    /// As [`Fact::at`]; one value of a map in its byte form is read alone.
    pub fn fact(&self, rest: &[Box<str>]) -> Fact<'_> {
        if let ([key], None, None) = (rest, self.get_own(), self.read.get()) {
            match decoded(Map::find_written(&self.bytes, key)) {
                None => return Fact::Missing,
                Some(Written::Null) => return Fact::Null,
                Some(Written::Bool(bool)) => return Fact::Bool(bool),
                Some(Written::Int(int)) => return Fact::Int(int),
                Some(Written::Float(float)) => return Fact::Float(float),
                Some(Written::Text(text)) => return Fact::Text(text),
                Some(Written::Nested) => {}
            }
        }
        Fact::at(self, rest)
    }

    /// Lays `over` on top, as [`Map::merge_within`] does. Bytes stay bytes; `scratch` is only used
    /// in between.
    pub fn lay_over(&mut self, over: &Map, most: usize, scratch: &mut Writer) {
        if self.is_own {
            return self.own().merge_within(over, most);
        }
        if decoded(Map::merge_written(&mut self.bytes, over, most, scratch)) {
            self.read.take();
        }
    }
}

fn decode<T: Part>(bytes: &[u8]) -> Box<T> {
    if bytes.is_empty() {
        return Box::default();
    }
    Box::new(decoded(T::read(&mut Reader::new(bytes))))
}

/// The store verifies its own checksums, so bytes that do not decode are a bug.
fn decoded<T>(result: Result<T, Corrupt>) -> T {
    result.unwrap_or_else(|corrupt| panic!("a part of a stored record: {corrupt}"))
}

impl<T: Part> Deref for Lazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self.get_own() {
            Some(own) => own,
            None if self.bytes.is_empty() => T::none(),
            None => self.read.get_or_init(|| decode(&self.bytes)),
        }
    }
}

impl<T: Part> DerefMut for Lazy<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.own()
    }
}

impl<T> Default for Lazy<T> {
    fn default() -> Lazy<T> {
        Lazy { bytes: Vec::new(), is_own: false, value: None, read: OnceLock::new() }
    }
}

impl<T: Part + Clone> Clone for Lazy<T> {
    fn clone(&self) -> Lazy<T> {
        let value = self.get_own().map(|own| Box::new(own.clone()));
        Lazy { bytes: self.bytes.clone(), is_own: self.is_own, value, read: OnceLock::new() }
    }
}

impl<T: Part> PartialEq for Lazy<T> {
    fn eq(&self, other: &Lazy<T>) -> bool {
        **self == **other
    }
}

impl<T: Part + std::fmt::Debug> std::fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use model::alias::{Alias, AliasKind};
    use model::id::Time;
    use model::value::Value;

    use super::*;
    use crate::record::{Because, BondMore, Known, Person};
    use crate::terms::Term;

    fn bytes<T: Part>(lazy: &Lazy<T>) -> Vec<u8> {
        let mut out = Writer::new();
        lazy.write(&mut out);
        out.into_bytes()
    }

    fn packed<T: Part>(value: T) -> Lazy<T> {
        let (bytes, mut lazy) = (bytes(&Lazy::new(value)), Lazy::<T>::default());
        lazy.keep(&mut Fields::new(&bytes));
        lazy
    }

    #[test]
    fn a_part_in_the_memory_of_another_is_what_was_written() {
        let mut many = BondMore::default();
        many.shown.extend([(1, Term::NONE), (2, Term::NONE)]);
        many.timers.push((Time(5), Term::NONE));
        let few = BondMore { referred: Some("friend".into()), ..BondMore::default() };
        let mut lazy = Lazy::<BondMore>::default();
        for round in 0..12 {
            let value = [&many, &few, BondMore::none()][round % 3];
            let written = bytes(&Lazy::new(value.clone()));
            lazy.keep(&mut Fields::new(&written));
            assert_eq!(bytes(&lazy), written);
            if round % 2 == 0 {
                assert_eq!(*lazy, *value);
            }
            lazy.shown.push((9, Term::NONE));
            lazy.shown.pop();
            assert_eq!((&*lazy, bytes(&lazy)), (value, written));
        }
    }

    #[test]
    fn a_map_is_the_same_in_either_form() {
        let old: Map = [("ink", Value::Int(3)), ("pages", Value::Int(700))].into_iter().collect();
        let over: Map = [("error", Value::from("E5")), ("ink", Value::Null)].into_iter().collect();
        let (mut as_bytes, mut open) = (packed(old.clone()), Lazy::new(old));
        let mut scratch = Writer::new();
        for _ in 0..2 {
            for lazy in [&mut as_bytes, &mut open] {
                lazy.lay_over(&over, 9, &mut scratch);
            }
            assert_eq!(bytes(&as_bytes), bytes(&open));
        }
        let way = |key: &str| [Box::from(key)];
        assert_eq!(as_bytes.fact(&way("error")), Fact::Text("E5"));
        assert_eq!(as_bytes.fact(&way("pages")), Fact::Int(700));
        assert_eq!(as_bytes.fact(&way("ink")), Fact::Missing);
        assert_eq!(as_bytes.fact(&[]), Fact::Map(&open));
        assert_eq!(as_bytes.fact(&way("pages")), Fact::Value(&Value::Int(700)), "it is open now");
    }

    #[test]
    fn who_is_known_is_seen_without_decoding_the_names() {
        let name = |kind, text: &str| Alias::new(kind, text).unwrap();
        let browser = name(AliasKind::Anonymous, "browser");
        let reasons = [Because::Merge, Because::With(browser), Because::First];
        let mut names: Vec<Known> = Vec::new();
        for (seq, because) in (1..).zip(reasons) {
            let alias = name(AliasKind::Anonymous, &format!("visit{seq}"));
            names.push(Known { alias, seq, since: Time(seq as i64), because });
        }
        for kind in [AliasKind::Device, AliasKind::Email] {
            names[2].alias = name(kind, "eva@example.com");
            let person = Person { aliases: packed(names.clone()), ..Person::default() };
            assert_eq!(person.is_known(), kind == AliasKind::Email);
            assert_eq!(person.aliases.len(), 3);
            assert_eq!(person.is_known(), kind == AliasKind::Email, "decoded");
        }
        assert!(!Person::default().is_known());
    }
}
