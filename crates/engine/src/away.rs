//! What some entries will ask the state for and is not in memory. Whoever folds them in reads it
//! from the store first, without holding the state, so that nobody waits for the disk.
//!
//! Looking also brings what *is* in memory near the processor: here one record does not wait for
//! the one before, as it does in the fold.

use std::ops::ControlFlow;

use model::entry::Body;
use model::gs1::Subject;
use model::id::PersonId;
use model::touch::Touch;

use crate::aliases::{Name, name_of, row};
use crate::keys;
use crate::state::{State, seen_key};
use crate::table::{Backing, Key, Record, Spot, Table, row_key};

/// The tables that are brought into memory after a start, as far as it reaches.
pub const WARMED: [u8; 3] = [keys::ALIAS, keys::PERSON, keys::PRODUCT];

/// What an alias takes in memory, about.
const ALIAS_BYTES: usize = 32;

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

    /// Looks at what is in memory of these, and notes what is not.
    fn look<K: Key + Copy, V: Record>(
        &mut self,
        table: &Table<K, V>,
        keys: &[K],
        number: u8,
        what: fn(K) -> What,
    ) {
        let spots: Vec<Option<Spot>> = keys.iter().map(|key| table.spot(key)).collect();
        let here = spots.iter().flatten();
        let near = here.map(|spot| table.near(*spot)).fold(0, u64::wrapping_add);
        self.near = self.near.wrapping_add(near);
        let elsewhere = keys.iter().zip(&spots).filter(|(_, spot)| spot.is_none());
        for (key, _) in elsewhere.filter(|(key, _)| table.is_away(key)) {
            self.rows.push((what(*key), row_key(number, key)));
        }
    }
}

impl State {
    /// What these entries will ask for first. Persons that only an alias in the store leads to are
    /// found in a second round.
    ///
    /// Each loop does one thing for all of the entries: so the processor waits for many places of
    /// the memory at once, where the fold waits for one behind the other.
    pub fn away<'a>(&self, bodies: impl Iterator<Item = &'a Body>) -> Away {
        let touches: Vec<&Touch> = bodies.filter_map(as_touch).collect();
        let near: u64 = touches.iter().map(|touch| touch.near()).sum();
        let ids: Vec<u64> = touches.iter().map(|touch| seen_key(touch.id)).collect();
        let seen = ids.iter().filter(|id| self.seen.contains_new(**id)).count();
        let mut away = Away { rows: Vec::new(), near: near.wrapping_add(seen as u64) };

        let aliases = touches.iter().flat_map(|touch| &touch.aliases);
        let names: Vec<Name> = aliases.map(name_of).collect();
        let owners: Vec<Option<PersonId>> =
            names.iter().map(|name| self.aliases.here(name)).collect();
        let strangers = names.iter().zip(&owners).filter(|(_, owner)| owner.is_none());
        for (name, _) in strangers.filter(|(name, _)| self.aliases.is_away(name)) {
            away.rows.push((What::Alias(*name), row(name).to_vec()));
        }

        let mut persons: Vec<PersonId> = owners.into_iter().flatten().collect();
        persons.dedup();
        away.look(&self.persons, &persons, keys::PERSON, What::Person);

        let subjects = touches.iter().flat_map(|touch| &touch.products);
        let units: Vec<Subject> = subjects.filter(|subject| subject.is_unit()).copied().collect();
        away.look(&self.products, &units, keys::PRODUCT, What::Product);
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

    /// Brings all rows of the [`WARMED`] tables into memory, those of one table beside those of the
    /// others, as long as they take less than `most` bytes. Says whether that was enough.
    pub fn supply_all(&mut self, backing: &dyn Backing, most: usize) -> bool {
        let State { persons, aliases, products, .. } = self;
        let share = most / 3;
        std::thread::scope(|scope| {
            let persons = scope.spawn(|| {
                let all = all_of(backing, keys::PERSON, |key, value| {
                    persons.supply_row(key, value);
                    persons.bytes_here() < share
                });
                all.then(|| persons.all_supplied()).is_some()
            });
            let here = all_of(backing, keys::ALIAS, |key, value| {
                aliases.supply_row(key, value);
                aliases.len_here() < share / ALIAS_BYTES
            });
            here.then(|| aliases.all_supplied());
            let products_too = all_of(backing, keys::PRODUCT, |key, value| {
                products.supply_row(key, value);
                products.bytes_here() < share
            });
            products_too.then(|| products.all_supplied());
            let persons = persons.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            persons && here && products_too
        })
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
                What::Person(person) => self.persons.supply(person, &row),
                What::Product(subject) => self.products.supply(subject, &row),
            }
        }
    }
}

/// Hands out a table's rows until `each` has had enough; whether it got all of them.
fn all_of(backing: &dyn Backing, table: u8, mut each: impl FnMut(&[u8], &[u8]) -> bool) -> bool {
    let mut all = true;
    backing.scan(&[table], &[table + 1], false, &mut |key, value| {
        all = each(key, value);
        if all { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    all
}

fn as_touch(body: &Body) -> Option<&Touch> {
    match body {
        Body::Touch(touch) => Some(touch),
        _ => None,
    }
}
