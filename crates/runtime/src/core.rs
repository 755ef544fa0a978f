//! The core of the one loop, without threads and without a clock, so that the simulator runs the
//! very same steps: append a group, sync it, fold it in; write checkpoints; overwrite what wipes
//! ask for.

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::table::FixedSet;
use engine::{Away, Change, Effects, EntryRef, Send, State, Warmed};
use model::bytes::{Rows, Writer};
use model::entry::{Body, Entry, Seq};
use model::id::{Digest, Time};
use model::outcome::Outcome;
use parking_lot::RwLock;
use storage::{Disk, Log, LogOptions, LogReader, Record, StorageError, Store};

use crate::adapt::{LogHistory, StoreBacking, decode, get_many, read_ahead};

/// Entries that are folded in under one hold of the state's lock: readers wait this long at most,
/// some hundred microseconds.
const FOLD_AT_ONCE: usize = 64;
/// From so many entries on, a group is folded in while it is synced: fewer are not worth a thread.
/// Readers may see them a moment before they are durable; nobody is told or answered before.
const SYNC_BESIDE: usize = 512;
/// So many rows are read from the store by two threads.
const ROWS_MANY: usize = 512;
/// Records of each kind that a checkpoint encodes under one hold of the state's lock.
const ENCODED_AT_ONCE: usize = 128;
/// Names that are noted as durable under one hold of the state's lock: a hundred microseconds.
const NOTED_AT_ONCE: usize = 1_024;
/// Records that are looked at when memory is short and nothing comes.
const SETTLE_LEAST: usize = 4_096;

#[derive(Clone, Debug)]
pub struct Options {
    pub log: LogOptions,
    /// About what records may take in memory, in bytes, between checkpoints.
    pub memory: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { log: LogOptions::default(), memory: 4 << 30 }
    }
}

/// What opening found.
#[derive(Clone, Debug)]
pub struct Opened {
    pub log: storage::Recovery,
    /// The checkpoint's position, 0 without one.
    pub checkpoint: Seq,
    /// Entries folded in after it.
    pub replayed: u64,
}

#[derive(Debug)]
pub enum OpenError {
    Storage(StorageError),
    /// A record of the log has a good checksum but cannot be read: it is of a later version.
    Unreadable {
        seq: Seq,
        what: &'static str,
    },
    /// The log ends before the checkpoint: files of two workspaces were mixed.
    LogTooShort {
        log: Seq,
        checkpoint: Seq,
    },
}

/// What one submission became: each body's place in the log (0: it is not there) and outcome.
pub type Answers = Vec<(Seq, Outcome)>;

/// What the outside is told after a group, in the order in which it happened; one thing may have
/// changed several times.
#[derive(Debug, Default)]
pub struct Told {
    pub seq: Seq,
    pub changes: Vec<Change>,
    pub sends: Vec<Send>,
    /// A wipe waits for its purge, so a checkpoint is wanted soon.
    pub purges: bool,
}

pub struct Core<D: Disk, S: Store + 'static> {
    log: Log<D>,
    reader: LogReader<D>,
    store: Arc<S>,
    state: Arc<RwLock<State>>,
    options: Options,
    checkpoint: Checkpoint,
    common: Writer,
    personal: Writer,
    warming: Warming,
    /// The position of the checkpoint in the store at the start.
    checkpoint_seq: Seq,
}

/// After a start, records are brought from the store before anybody asks for them.
struct Warming {
    /// Which of the tables.
    table: usize,
    /// The next row's key is at or behind this one.
    from: Vec<u8>,
}

/// A checkpoint's way from the state to the store.
enum Checkpoint {
    None,
    Encoding { rows: Rows, covered: Covered },
    Writing { covered: Covered },
}

/// What is durable once the checkpoint is: its position, and the wipes before it.
#[derive(Clone, Debug, Default)]
pub struct Covered {
    pub seq: Seq,
    pub purges: Vec<(u64, Vec<Seq>)>,
}

impl<D: Disk, S: Store + 'static> Core<D, S> {
    /// Loads the last checkpoint and folds the rest of the log in.
    pub fn open(
        disk: D,
        store: Arc<S>,
        options: Options,
    ) -> Result<(Core<D, S>, Opened), OpenError> {
        let (log, recovery) = Log::open(disk, options.log.clone()).map_err(OpenError::Storage)?;
        let reader = log.reader();
        let mut state = State::open(Some(Arc::new(StoreBacking(store.clone()))));
        let checkpoint = state.seq();
        if recovery.last_seq < checkpoint {
            return Err(OpenError::LogTooShort { log: recovery.last_seq, checkpoint });
        }
        // Without a checkpoint the store has nothing.
        let ask = |entries: &[Entry]| match checkpoint {
            0 => Vec::new(),
            _ => asked(&*store, entries),
        };
        let replayed = replay_with(&mut state, &reader, checkpoint + 1, ask)?;
        let core = Core {
            log,
            reader,
            store,
            state: Arc::new(RwLock::new(state)),
            options,
            checkpoint: Checkpoint::None,
            common: Writer::new(),
            personal: Writer::new(),
            warming: Warming { table: 0, from: Vec::new() },
            checkpoint_seq: checkpoint,
        };
        Ok((core, Opened { log: recovery, checkpoint, replayed }))
    }

    pub fn state(&self) -> Arc<RwLock<State>> {
        self.state.clone()
    }

    pub fn reader(&self) -> LogReader<D> {
        self.reader.clone()
    }

    pub fn store(&self) -> Arc<S> {
        self.store.clone()
    }

    /// What the checkpoint that opening found covers.
    pub fn checkpoint_seq(&self) -> Seq {
        self.checkpoint_seq
    }

    /// Log time can only go on.
    pub fn time(&self) -> Time {
        self.state.read().time()
    }

    /// Whether a timer is due at `now`, so that a tick is wanted.
    pub fn is_timer_due(&self, now: Time) -> bool {
        self.state.read().next_timer().is_some_and(|due| due <= now)
    }

    /// Appends, syncs and folds in all submissions, in order. When it returns, all that was
    /// accepted is durable. If the disk is full nothing of it was folded in. On any other error the
    /// log takes no more, every later call fails as well, and the state may be ahead of the log.
    pub fn submit(
        &mut self,
        now: Time,
        submissions: &[Vec<Body>],
        told: &mut Told,
    ) -> Result<Vec<Answers>, StorageError> {
        let now = now.max(self.time());
        let mut answers: Vec<Answers> = Vec::with_capacity(submissions.len());
        let mut group: FixedSet<u64> = FixedSet::default();
        for bodies in submissions {
            let repeated = self.repeated(bodies, &mut group);
            let append = |(body, repeated): (&Body, bool)| match repeated {
                true => (0, Outcome::Duplicate),
                false => (self.append(now, body), Outcome::accepted()),
            };
            answers.push(bodies.iter().zip(repeated).map(append).collect());
        }
        let count: usize = submissions.iter().map(Vec::len).sum();
        let Core { log, reader, store, state, .. } = self;
        let folding = Folding { reader, store, state };
        log.write()?;
        if count < SYNC_BESIDE {
            log.sync()?;
            folding.fold(now, submissions, &mut answers, told);
        } else {
            std::thread::scope(|scope| {
                let synced = scope.spawn(|| log.sync());
                folding.fold(now, submissions, &mut answers, told);
                synced.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
        }
        Ok(answers)
    }

    /// Messages that were counted, or stand twice in this group, do not reach the log at all.
    fn repeated(&self, bodies: &[Body], group: &mut FixedSet<u64>) -> Vec<bool> {
        // One thing after the other for all of them, as in `engine::away`.
        let touches = || bodies.iter().map(Body::as_touch);
        let near = touches().flatten().map(|touch| touch.near());
        std::hint::black_box(near.fold(0, u64::wrapping_add));
        let ids: Vec<Digest> =
            touches().map(|touch| touch.map_or(Digest(0), |touch| touch.id)).collect();
        let seen = self.state.read().are_seen(&ids);
        let mut twice = |id: &Digest| id.0 != 0 && !group.insert(engine::seen_key(*id));
        // No `||`: each id has to come into the group.
        ids.iter().zip(seen).map(|(id, seen)| twice(id) | seen).collect()
    }

    fn append(&mut self, now: Time, body: &Body) -> Seq {
        self.common.clear();
        self.personal.clear();
        let tag = body.write(now, &mut self.common, &mut self.personal);
        self.log.append(now.0, tag, self.common.as_bytes(), self.personal.as_bytes())
    }

    /// Begins a checkpoint unless one is on its way or nothing is new.
    pub fn checkpoint_begin(&mut self) -> bool {
        if !matches!(self.checkpoint, Checkpoint::None) {
            return false;
        }
        let mut state = self.state.write();
        let mut rows = Rows::new();
        let purges = state.purges().map(|(receipt, seqs)| (receipt, seqs.to_vec())).collect();
        let covered = Covered { seq: state.seq(), purges };
        state.checkpoint_begin(&mut rows);
        self.checkpoint = Checkpoint::Encoding { rows, covered };
        true
    }

    /// Encodes up to `max` records of each kind, a few under each hold of the state's lock; gives
    /// the rows when all are in them. Whoever commits them to the store then calls
    /// [`Core::checkpoint_written`].
    pub fn checkpoint_step(&mut self, max: usize) -> Option<Rows> {
        let Checkpoint::Encoding { rows, .. } = &mut self.checkpoint else { return None };
        let mut left = max;
        while !self.state.write().checkpoint_step(left.min(ENCODED_AT_ONCE), rows) {
            left = left.saturating_sub(ENCODED_AT_ONCE);
            if left == 0 {
                return None;
            }
        }
        let before = std::mem::replace(&mut self.checkpoint, Checkpoint::None);
        let Checkpoint::Encoding { rows, covered } = before else { return None };
        self.checkpoint = Checkpoint::Writing { covered };
        Some(rows)
    }

    pub fn is_checkpoint_encoding(&self) -> bool {
        matches!(self.checkpoint, Checkpoint::Encoding { .. })
    }

    /// The batch is durable. Gives the wipes whose log records can now be overwritten.
    pub fn checkpoint_written(&mut self) -> Covered {
        let before = std::mem::replace(&mut self.checkpoint, Checkpoint::None);
        let Checkpoint::Writing { covered } = before else { return Covered::default() };
        while !self.state.write().checkpoint_done(NOTED_AT_ONCE) {}
        covered
    }

    /// How many records of each kind to look at with [`Core::settle`] now, after so many have come:
    /// none, unless memory is short; then so many that as much can leave.
    pub fn settle_count(&self, come: usize) -> usize {
        let short = self.state.read().bytes_here() > self.options.memory;
        if short { SETTLE_LEAST.max(come * 8) } else { 0 }
    }

    /// Whether there may be rows that nobody has asked for yet, and memory for them.
    pub fn is_warming(&self) -> bool {
        self.warming.table < engine::WARMED.len()
    }

    /// Brings the next `count` rows into memory; ends for good when the memory is four fifths full.
    pub fn warm(&mut self, count: usize) -> Result<(), StorageError> {
        let Some(table) = engine::WARMED.get(self.warming.table) else { return Ok(()) };
        if self.state.read().bytes_here() > self.options.memory / 5 * 4 {
            self.warming.table = engine::WARMED.len();
            return Ok(());
        }
        let from =
            if self.warming.from.is_empty() { vec![*table] } else { self.warming.from.clone() };
        let mut rows = Rows::new();
        self.store.scan(&from, &[*table + 1], false, &mut |key, value| {
            rows.put(key, value);
            if rows.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let mut state = self.state.write();
        let mut tables = state.warmed();
        let own = &mut tables[self.warming.table];
        supply(&mut **own, &rows);
        match rows.iter().last().filter(|_| rows.len() == count) {
            Some((last, _)) => self.warming.from = [last, &[0]].concat(),
            None => {
                own.all_supplied();
                self.warming = Warming { table: self.warming.table + 1, from: Vec::new() };
            }
        }
        Ok(())
    }

    /// Packs the next `count` records of each kind that nobody asked for lately; over the memory's
    /// budget, what the store has leaves.
    pub fn settle(&mut self, count: usize) {
        self.state.write().settle(count, self.options.memory);
    }

    /// A whole checkpoint at once, for a graceful stop and for the simulator.
    pub fn checkpoint_now(&mut self) -> Result<Covered, StorageError> {
        self.checkpoint_begin();
        loop {
            if let Some(batch) = self.checkpoint_step(usize::MAX) {
                self.store.commit(&batch)?;
                return Ok(self.checkpoint_written());
            }
        }
    }

    /// Marks the log's end, so that later damage is not taken for a torn tail.
    pub fn close(self) -> Result<(), StorageError> {
        self.log.close()
    }
}

/// What folding needs of the core, while the log syncs.
struct Folding<'a, D: Disk, S> {
    reader: &'a LogReader<D>,
    store: &'a Arc<S>,
    state: &'a RwLock<State>,
}

impl<D: Disk, S: Store> Folding<'_, D, S> {
    fn fold(&self, now: Time, submissions: &[Vec<Body>], answers: &mut [Answers], told: &mut Told) {
        let history = LogHistory(self.reader.clone());
        let mut effects = Effects::default();
        for (bodies, answers) in submissions.iter().zip(answers) {
            let some = bodies.chunks(FOLD_AT_ONCE).zip(answers.chunks_mut(FOLD_AT_ONCE));
            for (bodies, answers) in some {
                self.fetch(bodies);
                let mut state = self.state.write();
                for (body, (seq, outcome)) in bodies.iter().zip(answers) {
                    // Those with the place 0 did not reach the log.
                    if *seq != 0 {
                        let entry = EntryRef { seq: *seq, time: now, body, is_new: true };
                        *outcome = engine::apply(&mut state, entry, &history, &mut effects);
                    }
                }
                state.close();
                told.seq = state.seq();
            }
        }
        told.purges |= !effects.purges.is_empty();
        told.sends.append(&mut effects.sends);
        told.changes.append(&mut effects.changes);
    }

    /// Reads from the store what these entries will ask for, while others may use the state: first
    /// names and units, then the persons that the names lead to.
    fn fetch(&self, bodies: &[Body]) {
        for _ in 0..2 {
            let away = self.state.read().away(bodies.iter());
            std::hint::black_box(away.near());
            if away.is_empty() {
                return;
            }
            let rows = rows_of(&**self.store, &away);
            self.state.write().supply(&away, rows);
        }
    }
}

fn supply(table: &mut dyn Warmed, rows: &Rows) {
    let rows: Vec<(&[u8], &[u8])> =
        rows.iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
    rows.chunks(FOLD_AT_ONCE).for_each(|some| table.supply_rows(some));
}

/// The rows that are away; many are read by two threads, every other one by each: rows of one table
/// stand together, and some tables take longer.
fn rows_of(store: &impl Store, away: &Away) -> Vec<Option<Vec<u8>>> {
    let keys: Vec<&[u8]> = away.keys().collect();
    if keys.len() < ROWS_MANY {
        return get_many(store, &keys);
    }
    let half = |from: usize| {
        let own: Vec<&[u8]> = keys.iter().skip(from).step_by(2).copied().collect();
        get_many(store, &own)
    };
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        let even = half(0);
        let odd = odd.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let mut odd = odd.into_iter();
        let mut rows = Vec::with_capacity(keys.len());
        for row in even {
            rows.push(row);
            rows.extend(odd.next());
        }
        rows
    })
}

/// What the store has of these entries' names and units, and of the persons that the names lead to.
fn asked(store: &impl Store, entries: &[Entry]) -> Vec<(Away, Vec<Option<Vec<u8>>>)> {
    let away = Away::of(entries.iter().map(|entry| &entry.body));
    let rows = rows_of(store, &away);
    let persons = away.persons(&rows);
    let of_persons = rows_of(store, &persons);
    vec![(away, rows), (persons, of_persons)]
}

/// Folds the log from `from` on into `state`. What it asked of the outside was asked before.
pub fn replay<D: Disk>(
    state: &mut State,
    reader: &LogReader<D>,
    from: Seq,
) -> Result<u64, OpenError> {
    replay_with(state, reader, from, |_| Vec::new())
}

/// `ask` gets some thousand entries ahead of the fold, and gives rows that it will ask for.
fn replay_with<D: Disk>(
    state: &mut State,
    reader: &LogReader<D>,
    from: Seq,
    ask: impl Fn(&[Entry]) -> Vec<(Away, Vec<Option<Vec<u8>>>)> + Sync,
) -> Result<u64, OpenError> {
    let history = LogHistory(reader.clone());
    let mut effects = Effects::default();
    let mut count = 0;
    read_ahead(reader, from, ask, |entries, rows| {
        for (away, rows) in rows {
            state.supply(&away, rows);
        }
        for some in entries.chunks(FOLD_AT_ONCE) {
            std::hint::black_box(state.away(some.iter().map(|entry| &entry.body)).near());
            for entry in some {
                engine::apply(state, EntryRef::of(entry), &history, &mut effects);
            }
            state.close();
            effects.clear();
        }
        count += entries.len() as u64;
    })?;
    Ok(count)
}

/// Overwrites the personal part of these log records, and the whole record where the rest of it
/// still names the person. Safe to repeat; a crash in the middle is finished at the next start.
pub fn purge_log<D: Disk>(reader: &LogReader<D>, seqs: &[Seq]) -> Result<u64, StorageError> {
    let mut whole = Vec::new();
    reader.read_many(seqs, |record| {
        let named = names_in(&record);
        let leaks = named.iter().any(|name| {
            let name = name.as_bytes();
            record.common.windows(name.len()).any(|part| part == name)
        });
        if leaks {
            whole.push(record.seq);
        }
        ControlFlow::Continue(())
    })?;
    let count = reader.purge(seqs)?;
    reader.purge_all(&whole)?;
    Ok(count as u64)
}

/// The names that a touch's personal part holds. Short ones would match by chance.
fn names_in(record: &Record<'_>) -> Vec<Box<str>> {
    let Ok(Entry { body: Body::Touch(touch), .. }) = decode(record) else { return Vec::new() };
    let names = touch.aliases.into_iter().map(|alias| alias.value);
    names.filter(|name| name.len() >= 4).collect()
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Storage(error) => error.fmt(f),
            OpenError::Unreadable { seq, what } => write!(
                f,
                "log entry {seq} cannot be read ({what}); it was written by a later version of \
                 the program: use that version, or a later one"
            ),
            OpenError::LogTooShort { log, checkpoint } => write!(
                f,
                "the log ends at entry {log}, but the checkpoint holds {checkpoint}: files of two \
                 data folders were mixed, or log files are missing; restore both from one backup"
            ),
        }
    }
}

impl std::error::Error for OpenError {}
