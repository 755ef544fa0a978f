//! What some entries will ask the state for and is not in memory. Whoever folds them in reads it
//! from the store first, without holding the state, so that nobody waits for the disk.
//!
//! Looking also brings what *is* in memory near the processor: here one record does not wait for
//! the one before, as it does in the fold.

use model::entry::Body;
use model::gs1::Subject;
use model::id::PersonId;
use model::touch::Touch;

use crate::aliases::{Name, name_of, row};
use crate::keys;
use crate::state::{State, seen_key};
use crate::table::row_key;

/// The tables that are brought into memory after a start, as far as it reaches.
pub const WARMED: [u8; 3] = [keys::ALIAS, keys::PERSON, keys::PRODUCT];

/// Rows to read from the store.
#[derive(Default)]
pub struct Away {
    rows: Vec<(What, Vec<u8>)>,
    /// What the records that were looked at begin with: it has to be read from memory to be added
    /// up, and that is all it is for.
    near: u64,
}

#[derive(Clone, Copy)]
enum What {
    Alias(Name),
    Person(PersonId),
    Product(Subject),
}

impl Away {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The keys of the rows.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.iter().map(|(_, key)| &**key)
    }

    /// A number without meaning.
    pub fn near(&self) -> u64 {
        self.near
    }
}

impl State {
    /// What these entries will ask for first. Persons that only an alias in the store leads to are
    /// found in a second round.
    pub fn away<'a>(&self, bodies: impl Iterator<Item = &'a Body>) -> Away {
        let mut away = Away::default();
        let mut persons: Vec<PersonId> = Vec::new();
        for touch in bodies.filter_map(as_touch) {
            let seen = self.seen.contains_new(seen_key(touch.id));
            away.near = away.near.wrapping_add(u64::from(seen));
            for alias in &touch.aliases {
                let name = name_of(alias);
                match self.aliases.here(&name) {
                    Some(person) => persons.push(person),
                    None if self.aliases.is_away(&name) => {
                        away.rows.push((What::Alias(name), row(&name).to_vec()));
                    }
                    None => {}
                }
            }
            for subject in touch.products.iter().filter(|subject| subject.is_unit()) {
                match self.products.look(subject) {
                    Some(near) => away.near = away.near.wrapping_add(near),
                    None if self.products.is_away(subject) => {
                        let key = row_key(keys::PRODUCT, subject);
                        away.rows.push((What::Product(*subject), key));
                    }
                    None => {}
                }
            }
        }
        persons.dedup();
        for person in persons {
            match self.persons.look(&person) {
                Some(near) => away.near = away.near.wrapping_add(near),
                None if self.persons.is_away(&person) => {
                    away.rows.push((What::Person(person), row_key(keys::PERSON, &person)));
                }
                None => {}
            }
        }
        away
    }

    /// Takes in rows of one of [`WARMED`] tables, before anybody asks for them. Only whoever also
    /// folds may call it, with rows read since the last entry.
    pub fn supply_rows<'a>(&mut self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        for (key, value) in rows {
            match key[0] {
                keys::PERSON => self.persons.supply_row(key, value),
                keys::ALIAS => self.aliases.supply_row(key, value),
                keys::PRODUCT => self.products.supply_row(key, value),
                _ => unreachable!("no such table is warmed"),
            }
        }
    }

    /// All rows of this table were supplied.
    pub fn all_supplied(&mut self, table: u8) {
        match table {
            keys::PERSON => self.persons.all_supplied(),
            keys::ALIAS => self.aliases.all_supplied(),
            keys::PRODUCT => self.products.all_supplied(),
            _ => unreachable!("no such table is warmed"),
        }
    }

    /// Takes in the rows that were read, in the order of the keys.
    pub fn supply(&mut self, away: &Away, rows: Vec<Option<Vec<u8>>>) {
        for ((what, _), row) in away.rows.iter().zip(rows) {
            let Some(row) = row else { continue };
            match what {
                What::Alias(name) => self.aliases.supply(name, &row),
                What::Person(person) => self.persons.supply(person, row.into()),
                What::Product(subject) => self.products.supply(subject, row.into()),
            }
        }
    }
}

fn as_touch(body: &Body) -> Option<&Touch> {
    match body {
        Body::Touch(touch) => Some(touch),
        _ => None,
    }
}
