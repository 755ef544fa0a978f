//! The limit of durable ingest: a log with one `fdatasync` for each group on a thread of its own,
//! and for each touch the work of [`super::tree`] on plain maps: one record of 500 and one of 200
//! bytes read, changed and written back with its group, and one key of an index. No parsing, no
//! HTTP, no rules, no checkpoints: nobody who keeps this state can be much faster.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::Scratch;
use super::tree::{Key, key};
use crate::Trouble;
use crate::dice::{Dice, mix};
use crate::flags::{Figures, Flags};
use crate::touches::TOUCH_BYTES;

pub const PERSON_BYTES: usize = 500;
pub const UNIT_BYTES: usize = 200;
/// Length and checksum before each record of the log.
const FRAME_BYTES: usize = 12;

pub struct Plain {
    persons: FxHashMap<u64, [u8; PERSON_BYTES]>,
    units: FxHashMap<u64, [u8; UNIT_BYTES]>,
}

impl Plain {
    pub fn new(people: u64) -> Plain {
        let mut plain = Plain { persons: FxHashMap::default(), units: FxHashMap::default() };
        plain.persons.reserve(people as usize);
        plain.units.reserve(people as usize);
        for who in 0..people {
            plain.persons.insert(mix(who), [7; PERSON_BYTES]);
            plain.units.insert(mix(!who), [7; UNIT_BYTES]);
        }
        plain
    }

    pub fn fold(&mut self, person: u64, unit: u64, what: u64) {
        if let Some(record) = self.persons.get_mut(&person) {
            change(record, what);
        }
        if let Some(record) = self.units.get_mut(&unit) {
            change(record, what);
        }
    }
}

/// A counter, the time and a field somewhere behind them.
pub fn change(record: &mut [u8], what: u64) {
    let count = u64::from_le_bytes(record[..8].try_into().expect("eight bytes")) + 1;
    record[..8].copy_from_slice(&count.to_le_bytes());
    record[8..16].copy_from_slice(&what.to_le_bytes());
    let at = 64 + (count % 16) as usize * 8;
    record[at..at + 8].copy_from_slice(&mix(what).to_le_bytes());
}

/// The log: writes and syncs what it gets, until there is no more.
struct Log {
    groups: SyncSender<Vec<u8>>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Log {
    fn open(path: &Path) -> Result<Log, Trouble> {
        let mut file = File::create(path)?;
        let (sender, groups) = sync_channel::<Vec<u8>>(4);
        let thread = std::thread::spawn(move || {
            while let Ok(group) = groups.recv() {
                file.write_all(&group)?;
                file.sync_data()?;
            }
            Ok(())
        });
        Ok(Log { groups: sender, thread })
    }

    fn close(self) -> Result<(), Trouble> {
        drop(self.groups);
        Ok(self.thread.join().map_err(|_| "the log's thread panicked")??)
    }
}

/// A record of the log, with its frame.
pub fn frame(touch: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(touch.len() as u32).to_le_bytes());
    out.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(touch).to_le_bytes());
    out.extend_from_slice(touch);
}

/// The records by keys as the tree has them, and an index in the order of the groups.
struct Records {
    persons: FxHashMap<Key, Box<[u8]>>,
    units: FxHashMap<Key, Box<[u8]>>,
    index: Vec<[u8; 24]>,
}

/// The index begins anew when it is this long.
const INDEX_MOST: usize = 20_000_000;

impl Records {
    fn new(people: u64) -> Records {
        let all = |len: usize| {
            (0..people).map(|who| (key(who), vec![7; len].into_boxed_slice())).collect()
        };
        Records { persons: all(PERSON_BYTES), units: all(UNIT_BYTES), index: Vec::new() }
    }

    /// Gives the group's bytes for the log.
    fn group(&mut self, group: usize, people: u64, dice: &mut Dice, seq: &mut u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(group * (TOUCH_BYTES + FRAME_BYTES));
        let mut touch = [b'x'; TOUCH_BYTES];
        let (mut persons, mut units) = (BTreeMap::new(), BTreeMap::new());
        let from = self.index.len();
        for _ in 0..group {
            *seq += 1;
            let (person, unit) = (key(dice.below(people)), key(dice.below(people)));
            touch[20..36].copy_from_slice(&person);
            touch[40..56].copy_from_slice(&unit);
            frame(&touch, &mut bytes);
            let person_record =
                persons.entry(person).or_insert_with(|| self.persons[&person].clone());
            change(person_record, *seq);
            let unit_record = units.entry(unit).or_insert_with(|| self.units[&unit].clone());
            change(unit_record, *seq);
            let mut of_person = [0; 24];
            of_person[..16].copy_from_slice(&person);
            of_person[16..].copy_from_slice(&seq.to_be_bytes());
            self.index.push(of_person);
        }
        self.index[from..].sort_unstable();
        if self.index.len() > INDEX_MOST {
            self.index.clear();
        }
        for (records, changed) in [(&mut self.persons, persons), (&mut self.units, units)] {
            for (key, record) in changed {
                if let Some(own) = records.get_mut(&key) {
                    own.copy_from_slice(&record);
                }
            }
        }
        bytes
    }
}

pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let scratch = Scratch::of(flags, "fold")?;
    let people: u64 = flags.number("people")?;
    let group: usize = flags.number("group")?;
    let time = Duration::from_secs_f64(flags.number("seconds")?);
    let mut records = Records::new(people);
    let log = Log::open(&scratch.0.join("log"))?;
    let (mut dice, mut seq) = (Dice(5), 0_u64);
    let begun = Instant::now();
    while begun.elapsed() < time {
        log.groups.send(records.group(group, people, &mut dice, &mut seq))?;
    }
    log.close()?;
    let mut figures = Figures::default();
    figures.add("per_second", seq as f64 / begun.elapsed().as_secs_f64());
    figures.print();
    Ok(())
}
