//! What some entries will ask the state for and is not in memory. Whoever folds them in reads it
//! from the store first, without holding the state, so that nobody waits for the disk.
//!
//! Looking also brings what *is* in memory near the processor: here one record does not wait for
//! the one before, as it does in the fold.

use model::bytes::Reader;
use model::entry::Body;
use model::gs1::Subject;
use model::id::PersonId;
use model::touch::Touch;

use crate::aliases::{Aliases, Name, name_in, name_of, person_in, row};
use crate::keys;
use crate::record::Person;
use crate::state::{State, seen_key};
use crate::table::{Key, Record, Spot, Table, Warmed, row_key};

/// The tables that are brought into memory after a start, as far as it reaches. A person's row has
/// their names, so the table of names need not be read.
pub const WARMED: [u8; 2] = keys::HOT;

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
    /// All names and units of these entries, wherever they are: for whoever reads ahead of the fold
    /// and cannot ask the state.
    pub fn of<'a>(bodies: impl Iterator<Item = &'a Body>) -> Away {
        let mut rows = Vec::new();
        for touch in bodies.filter_map(Body::as_touch) {
            let names = touch.aliases.iter().map(name_of);
            rows.extend(names.map(|name| (What::Alias(name), row(&name).to_vec())));
            let units = touch.products.iter().filter(|subject| subject.is_unit());
            rows.extend(units.map(|unit| (What::Product(*unit), row_key(keys::PRODUCT, unit))));
        }
        Away::once(rows)
    }

    /// The persons that the names among these rows lead to.
    pub fn persons(&self, rows: &[Option<Vec<u8>>]) -> Away {
        let names = self.rows.iter().zip(rows).filter_map(|((what, _), row)| match what {
            What::Alias(_) => person_in(row.as_ref()?),
            _ => None,
        });
        let rows = names.map(|id| (What::Person(id), row_key(keys::PERSON, &id))).collect();
        Away::once(rows)
    }

    fn once(mut rows: Vec<(What, Vec<u8>)>) -> Away {
        rows.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
        rows.dedup_by(|(_, a), (_, b)| a == b);
        Away { rows, near: 0 }
    }

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

/// Takes in persons with the names that lead to them.
struct Persons<'a> {
    persons: &'a mut Table<PersonId, Person>,
    aliases: &'a mut Aliases,
    /// One after the other, in the same memory.
    read: Person,
}

impl Warmed for Persons<'_> {
    fn supply_rows(&mut self, rows: &[(&[u8], &[u8])]) {
        self.persons.supply_rows(rows);
        let mut names: Vec<(Name, PersonId)> = Vec::with_capacity(2 * rows.len());
        for (key, bytes) in rows {
            let id = PersonId::read(&mut Reader::new(&key[1..])).expect("keys are ours");
            let read = self.read.read_again(&mut Reader::new(bytes));
            read.unwrap_or_else(|corrupt| panic!("a stored person: {corrupt}"));
            self.read.each_name(&mut |digest| names.push((name_in(digest), id)));
        }
        let here = names.iter().filter(|(name, _)| self.aliases.here(name).is_some());
        std::hint::black_box(here.count());
        names.iter().for_each(|(name, id)| self.aliases.supply_of(name, *id));
    }

    fn all_supplied(&mut self) {
        self.persons.all_supplied();
        self.aliases.all_supplied();
    }

    fn bytes_here(&self) -> usize {
        self.persons.bytes_here() + self.aliases.bytes_here()
    }
}

impl State {
    /// What these entries will ask for first. Persons that only an alias in the store leads to are
    /// found in a second round.
    ///
    /// Each loop does one thing for all of the entries: so the processor waits for many places of
    /// the memory at once, where the fold waits for one behind the other.
    pub fn away<'a>(&self, bodies: impl Iterator<Item = &'a Body>) -> Away {
        // Each in memory that is asked for once.
        let mut touches: Vec<&Touch> = Vec::with_capacity(bodies.size_hint().0);
        touches.extend(bodies.filter_map(Body::as_touch));
        let near: u64 = touches.iter().map(|touch| touch.near()).sum();
        let ids: Vec<u64> = touches.iter().map(|touch| seen_key(touch.id)).collect();
        let seen = ids.iter().filter(|id| self.seen.contains_new(**id)).count();
        let mut away = Away { rows: Vec::new(), near: near.wrapping_add(seen as u64) };

        let aliases = touches.iter().flat_map(|touch| &touch.aliases);
        let mut names: Vec<Name> = Vec::with_capacity(2 * touches.len());
        names.extend(aliases.map(name_of));
        let owners: Vec<Option<PersonId>> =
            names.iter().map(|name| self.aliases.here(name)).collect();
        let strangers = names.iter().zip(&owners).filter(|(_, owner)| owner.is_none());
        for (name, _) in strangers.filter(|(name, _)| self.aliases.is_away(name)) {
            away.rows.push((What::Alias(*name), row(name).to_vec()));
        }

        let mut persons: Vec<PersonId> = Vec::with_capacity(touches.len());
        let owners = owners.into_iter().flatten();
        owners.for_each(|owner| {
            if persons.last() != Some(&owner) {
                persons.push(owner)
            }
        });
        away.look(&self.persons, &persons, keys::PERSON, What::Person);

        let subjects = touches.iter().flat_map(|touch| &touch.products);
        let mut units: Vec<Subject> = Vec::with_capacity(touches.len());
        units.extend(subjects.filter(|subject| subject.is_unit()));
        away.look(&self.products, &units, keys::PRODUCT, What::Product);
        away
    }

    /// The tables of [`WARMED`], in that order. Only whoever also folds may supply them, with rows
    /// read since the last entry.
    pub fn warmed(&mut self) -> [Box<dyn Warmed + '_>; WARMED.len()] {
        let persons = Persons {
            persons: &mut self.persons,
            aliases: &mut self.aliases,
            read: Person::default(),
        };
        [Box::new(persons), Box::new(&mut self.products)]
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
