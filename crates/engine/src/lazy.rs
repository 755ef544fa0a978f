//! A part of a record that is seldom asked for: it stays in its byte form until somebody looks.
//!
//! Kept true: what is read is what was written, whichever form it is in; the default value takes
//! no bytes.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use model::bytes::{Corrupt, Reader, Writer};

use crate::table::Record;

pub struct Lazy<T> {
    /// Empty when `open` is the truth, or when both are and the value is the default.
    bytes: Box<[u8]>,
    open: OnceLock<Box<T>>,
}

impl<T: Record + Default + PartialEq> Lazy<T> {
    pub fn new(value: T) -> Lazy<T> {
        Lazy { bytes: Box::default(), open: OnceLock::from(Box::new(value)) }
    }

    pub fn into_inner(mut self) -> T {
        std::mem::take(&mut *self)
    }

    /// Its length and its bytes.
    pub fn write(&self, out: &mut Writer) {
        match self.open.get() {
            Some(open) if self.bytes.is_empty() && **open != T::default() => {
                let mut own = Writer::new();
                open.write(&mut own);
                out.blob(own.as_bytes());
            }
            _ => out.blob(&self.bytes),
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Lazy<T>, Corrupt> {
        Ok(Lazy { bytes: input.blob()?.into(), open: OnceLock::new() })
    }

    /// The store verifies its own checksums, so bytes that do not decode are a bug.
    fn decode(bytes: &[u8]) -> Box<T> {
        if bytes.is_empty() {
            return Box::default();
        }
        let value = T::read(&mut Reader::new(bytes));
        Box::new(value.unwrap_or_else(|corrupt| panic!("a part of a stored record: {corrupt}")))
    }
}

impl<T: Record + Default + PartialEq> Deref for Lazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.open.get_or_init(|| Lazy::decode(&self.bytes))
    }
}

impl<T: Record + Default + PartialEq> DerefMut for Lazy<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.open.get_or_init(|| Lazy::decode(&self.bytes));
        self.bytes = Box::default();
        self.open.get_mut().expect("opened above")
    }
}

impl<T> Default for Lazy<T> {
    fn default() -> Lazy<T> {
        Lazy { bytes: Box::default(), open: OnceLock::new() }
    }
}

impl<T: Record + Default + PartialEq + Clone> Clone for Lazy<T> {
    fn clone(&self) -> Lazy<T> {
        let open = match self.open.get() {
            Some(open) if self.bytes.is_empty() => OnceLock::from(open.clone()),
            _ => OnceLock::new(),
        };
        Lazy { bytes: self.bytes.clone(), open }
    }
}

impl<T: Record + Default + PartialEq> PartialEq for Lazy<T> {
    fn eq(&self, other: &Lazy<T>) -> bool {
        **self == **other
    }
}

impl<T: Record + Default + PartialEq + std::fmt::Debug> std::fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}
