//! Terms: the names that a company's configuration uses (journeys, stages, steps, timers,
//! messages, items, campaigns). Records hold their numbers, which take a byte or two.
//!
//! Kept true: a term is given its number when the configuration that uses it is folded in, so a
//! replay gives the same numbers; a number never changes its meaning. Nothing that a customer or a
//! client wrote becomes a term, so nothing here is ever wiped.

use std::sync::Arc;

use model::bytes::{Corrupt, Reader, Rows, Writer};
use model::fields::{Fields, Room};

use crate::keys;
use crate::table::{Backing, FixedMap, Shelf};

/// A term's number; 0 is the empty text: no stage, no journey, no campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(u32);

impl Term {
    pub const NONE: Term = Term(0);

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    pub fn write(self, out: &mut Writer) {
        out.uint(u64::from(self.0));
    }

    #[inline]
    pub fn put(self, out: &mut Room<'_>) {
        out.uint(u64::from(self.0));
    }

    #[inline]
    pub fn take(input: &mut Fields<'_>) -> Term {
        Term(u32::try_from(input.uint()).unwrap_or_else(|_| {
            input.spoil();
            0
        }))
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Term, Corrupt> {
        let number = u32::try_from(input.uint()?);
        number.map(Term).map_err(|_| Corrupt("the number of a term is too large"))
    }
}

pub(crate) struct Terms {
    stored: Shelf<u64, Box<str>>,
    texts: Vec<Arc<str>>,
    numbers: FixedMap<Arc<str>, u32>,
}

impl Terms {
    pub fn new(backing: Option<&Arc<dyn Backing>>) -> Terms {
        let stored = Shelf::new(keys::TERM, backing);
        let none: Arc<str> = "".into();
        let mut terms = Terms { stored, texts: vec![none.clone()], numbers: FixedMap::default() };
        terms.numbers.insert(none, 0);
        let texts: Vec<Arc<str>> = terms.stored.iter().map(|(_, text)| (&**text).into()).collect();
        texts.into_iter().for_each(|text| terms.learn(text));
        terms
    }

    fn learn(&mut self, text: Arc<str>) {
        self.numbers.insert(text.clone(), self.texts.len() as u32);
        self.texts.push(text);
    }

    /// The term of this text; a new one if it is not known yet.
    pub fn of(&mut self, text: &str) -> Term {
        if let Some(number) = self.numbers.get(text) {
            return Term(*number);
        }
        let number = self.texts.len() as u32;
        self.stored.insert(u64::from(number), text.into());
        self.learn(text.into());
        Term(number)
    }

    pub fn find(&self, text: &str) -> Option<Term> {
        self.numbers.get(text).map(|number| Term(*number))
    }

    pub fn text(&self, term: Term) -> &str {
        &self.texts[term.0 as usize]
    }

    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        self.stored.checkpoint_begin(rows);
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        self.stored.hash_into(add);
    }
}
