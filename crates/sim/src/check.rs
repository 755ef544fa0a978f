//! The checker: an independent, naive memory of what was acknowledged, and the invariants.
//!
//! - What was acknowledged is in the log, whole, in its place, after any crash.
//! - No message counts twice; no code is redeemed twice; no cap is exceeded.
//! - A timer fires once.
//! - After a purge no name of a wiped person is in any file or row.

use std::collections::{BTreeMap, BTreeSet};

use engine::State;
use engine::record::TallyOf;
use model::alias::Alias;
use model::entry::{Body, Seq};
use model::id::Time;
use model::outcome::Outcome;
use runtime::Told;
use storage::sim_disk::SimDisk;
use storage::{Disk, LogReader, MemStore, Store};

use crate::workload::CAP_PER_DAY;

#[derive(Default)]
pub struct Checker {
    /// What was acknowledged: its bytes by place. Taken out again when it is wiped.
    kept: BTreeMap<Seq, (Body, bool)>,
    counted: BTreeSet<u128>,
    /// Sent without an answer: may be there or not.
    maybe: Vec<u128>,
    codes: BTreeSet<Box<str>>,
    messages: BTreeSet<String>,
    forgotten: BTreeMap<u64, Vec<Alias>>,
    gone: Vec<Box<str>>,
    pub wipes: u64,
    pub sent: u64,
}

impl Checker {
    pub fn acknowledged(
        &mut self,
        bodies: &[Body],
        answers: &[(Seq, Outcome)],
        told: &Told,
        state: &State,
    ) {
        assert_eq!(bodies.len(), answers.len(), "every body gets an answer");
        for (body, (seq, outcome)) in bodies.iter().zip(answers) {
            if *seq > 0 {
                let old = self.kept.insert(*seq, (body.clone(), true));
                assert!(old.is_none_or(|(_, sure)| !sure), "place {seq} was given twice");
            }
            match (body, outcome) {
                (Body::Touch(touch), Outcome::Accepted(_)) => {
                    assert!(self.counted.insert(touch.id.0), "message {:?} counts twice", touch.id);
                }
                (Body::Touch(touch), Outcome::Duplicate) => {
                    let known = self.counted.contains(&touch.id.0)
                        || self.maybe.contains(&touch.id.0)
                        || self.kept.values().any(|(body, _)| is_message(body, touch.id.0));
                    assert!(known, "a message that never came is called a duplicate");
                }
                (_, Outcome::Accepted(accepted)) => {
                    for grant in &accepted.grants {
                        assert!(self.codes.insert(grant.code.clone()), "a code was given twice");
                    }
                }
                _ => {}
            }
        }
        for send in &told.sends {
            self.sent += 1;
            let name = format!("{}{}{}{}", send.person, send.subject, send.message, send.time.0);
            assert!(self.messages.insert(name), "a timer fired twice");
        }
        check_caps(state);
        let joins = |body: &Body| {
            matches!(body, Body::Merge { .. } | Body::Split { .. } | Body::Wipe { .. })
        };
        if bodies.iter().any(joins) {
            check_names(state);
        }
    }

    /// The power failed before the answer.
    pub fn maybe(&mut self, bodies: &[Body]) {
        for body in bodies {
            if let Body::Touch(touch) = body {
                self.maybe.push(touch.id.0);
            }
        }
    }

    pub fn wiped(&mut self, receipt: u64, names: &[Alias]) {
        if self.forgotten.insert(receipt, names.to_vec()).is_none() {
            self.wipes += 1;
        }
    }

    /// Every file and every row is looked through for the names of these persons, and of all who
    /// were purged before.
    pub fn purged(
        &mut self,
        done: &[Body],
        disk: &SimDisk,
        store: &MemStore,
        reader: &LogReader<SimDisk>,
    ) {
        for body in done {
            let Body::Purged { receipt, .. } = body else { continue };
            for alias in self.forgotten.get(receipt).map_or(&[][..], |names| names) {
                self.gone.push(alias.value.clone());
            }
        }
        if done.is_empty() {
            return;
        }
        let gone = self.gone.clone();
        for (seq, (body, _)) in &self.kept {
            let left = reader.read(*seq).expect("the log can be read");
            let left = left.map_or_else(Vec::new, |record| record.personal);
            let place = format!("entry {seq}, which was {body:?}");
            gone.iter().for_each(|name| absent(name, &left, &place));
        }
        for file in disk.list().expect("the disk is on") {
            let bytes = disk.contents(&file).unwrap_or_default();
            gone.iter().for_each(|name| absent(name, &bytes, &file));
        }
        let all = |key: &[u8], value: &[u8]| {
            gone.iter().for_each(|name| {
                absent(name, key, "a key");
                absent(name, value, "a row");
            });
            std::ops::ControlFlow::Continue(())
        };
        store.scan(&[0], &[], false, &mut { all }).expect("the store is in memory");
        self.kept.retain(|_, (body, _)| !names(body, &gone));
    }

    pub fn after_start(&mut self, state: &State, reader: &LogReader<SimDisk>) {
        let mut expected = self.kept.iter().filter(|(_, (_, sure))| *sure).peekable();
        let mut found: BTreeMap<Seq, Body> = BTreeMap::new();
        let read = reader.for_each(1, |record| {
            let entry = runtime::decode(&record).expect("every record can be read");
            if let Some((seq, (body, _))) = expected.next_if(|(seq, _)| **seq == entry.seq) {
                // A purge may have taken what was acknowledged.
                let same = *body == entry.body || record.purged;
                assert!(same, "entry {seq} is not what was acknowledged");
            } else {
                found.insert(entry.seq, entry.body);
            }
            std::ops::ControlFlow::Continue(())
        });
        read.expect("the log can be read after any crash");
        if let Some((seq, _)) = expected.next() {
            panic!("entry {seq} was acknowledged and is lost");
        }
        for (seq, body) in found {
            self.kept.entry(seq).or_insert((body, false));
        }
        check_caps(state);
    }

    pub fn at_the_end(&self, state: &State) {
        check_caps(state);
        for receipt in self.forgotten.keys() {
            let stored = state.receipt(*receipt).expect("every wipe has its receipt");
            assert!(stored.purged.is_some(), "a purge was forgotten");
        }
    }
}

fn is_message(body: &Body, id: u128) -> bool {
    matches!(body, Body::Touch(touch) if touch.id.0 == id)
}

fn names(body: &Body, gone: &[Box<str>]) -> bool {
    let (mut common, mut personal) = Default::default();
    body.write(Time(0), &mut common, &mut personal);
    gone.iter().any(|name| {
        let name = name.as_bytes();
        [common.as_bytes(), personal.as_bytes()]
            .iter()
            .any(|bytes| bytes.windows(name.len()).any(|part| part == name))
    })
}

fn absent(name: &str, bytes: &[u8], place: &str) {
    let name = name.as_bytes();
    let found = bytes.windows(name.len()).any(|part| part == name);
    assert!(!found, "a wiped person's name is still in {place}");
}

/// Every name leads to the person who has it, and nobody has another's.
fn check_names(state: &State) {
    for id in state.persons_after(None, usize::MAX) {
        let person = state.person(id).expect("it was just listed");
        for known in person.aliases.iter() {
            let owner = state.person_by_alias(&known.alias);
            assert_eq!(owner, Some(id), "{} has {}, which leads elsewhere", id, known.alias);
        }
        let merged = person.merges.iter().flat_map(|merged| &merged.aliases);
        for known in merged {
            assert!(person.alias(&known.alias).is_some(), "{id} remembers {}", known.alias);
        }
    }
}

fn check_caps(state: &State) {
    for (key, counts) in state.tallies() {
        if key.what == TallyOf::OfferDay && &*key.stage != "total" {
            assert!(counts.grants <= CAP_PER_DAY, "{} was given {} times", key.id, counts.grants);
        }
    }
}
