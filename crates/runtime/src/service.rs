//! The one loop on its own thread, and the handle that everybody else holds. Whoever submits gets
//! the answer after the sync; whoever reads gets the state between two entries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::State;
use model::bytes::Rows;
use model::entry::{Body, Seq};
use model::id::Time;
use model::limits;
use model::outcome::Outcome;
use parking_lot::{RwLock, RwLockReadGuard};
use storage::{Disk, LogReader, StorageError, Store};
use tokio::sync::oneshot;

use crate::core::{Answers, Core, Covered, Told, purge_log};

/// Bodies that one group takes up; more wait for the next.
const GROUP_BODIES: usize = 8_192;
/// Submissions that one group takes up. With the edges' limits on a body's size a group stays
/// far below the 1 GiB that the log takes at once.
const GROUP_SUBMISSIONS: usize = 1_024;
/// Bodies that may wait in all before new ones are turned away.
const QUEUE_BODIES: usize = 100_000;
/// Records of each kind that are encoded for a checkpoint between two groups, so that nobody waits
/// long; where many come, twice as many as have come, so that it ends.
const CHECKPOINT_STEP: usize = 128;
/// So many entries since the last checkpoint are enough for the next: a start folds them anew.
const CHECKPOINT_ENTRIES: u64 = 80_000;
/// Records of each kind that are looked at under one hold of the state's lock.
const SETTLE_AT_ONCE: usize = 256;
/// Rows that are brought into memory after a start between two groups: some milliseconds.
const WARM_AT_ONCE: usize = 8_192;
/// How long the loop waits for entries between two steps of a checkpoint.
const BETWEEN_STEPS: Duration = Duration::from_millis(1);
/// How long the loop sleeps when nobody wants anything: timers are late by this at most.
const IDLE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub checkpoint_every: Duration,
    /// Once a wipe waits for its purge.
    pub checkpoint_after_wipe: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            checkpoint_every: Duration::from_secs(1),
            checkpoint_after_wipe: Duration::from_millis(300),
        }
    }
}

/// Why a submission was turned away; nothing of it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Too much waits already; try again after this many seconds.
    Full { retry_after_s: u32 },
    /// No space left on the disk.
    DiskFull,
    /// The program is stopping, or the log failed and it has to be started again.
    Stopped,
}

/// What can happen to the loop.
enum Event {
    Submit { bodies: Vec<Body>, answer: Answering },
    CheckpointWritten(Result<(), StorageError>),
    Purged { receipts: Vec<(u64, u64)>, result: Result<(), StorageError> },
    Stop,
}

/// Numbers for the metrics.
#[derive(Debug, Default)]
pub struct Gauges {
    pub queued: AtomicUsize,
    pub groups: AtomicU64,
    pub bodies: AtomicU64,
    /// Messages that were counted before and did not reach the log.
    pub duplicates: AtomicU64,
    pub sync_micros: AtomicU64,
    pub checkpoints: AtomicU64,
    pub checkpoint_seq: AtomicU64,
    pub stopped: AtomicBool,
    stopping: AtomicBool,
}

pub struct Handle<D: Disk> {
    events: SyncSender<Event>,
    state: Arc<RwLock<State>>,
    reader: LogReader<D>,
    gauges: Arc<Gauges>,
}

impl<D: Disk> Clone for Handle<D> {
    fn clone(&self) -> Handle<D> {
        Handle {
            events: self.events.clone(),
            state: self.state.clone(),
            reader: self.reader.clone(),
            gauges: self.gauges.clone(),
        }
    }
}

/// Joins the loop's thread when the program stops.
pub struct Running {
    thread: JoinHandle<Result<(), StorageError>>,
    events: SyncSender<Event>,
}

impl<D: Disk> Handle<D> {
    /// Brings bodies to the log. The answer comes after the sync, with each body's place in the
    /// log and what became of it.
    pub async fn submit(&self, bodies: Vec<Body>) -> Result<Answers, Busy> {
        self.offer(bodies)?.await.unwrap_or(Err(Busy::Stopped)).map(|(answers, _)| answers)
    }

    /// For threads outside the async world.
    pub fn submit_blocking(&self, bodies: Vec<Body>) -> Result<Answers, Busy> {
        let answered = self.offer(bodies)?.blocking_recv().unwrap_or(Err(Busy::Stopped));
        answered.map(|(answers, _)| answers)
    }

    /// Brings bodies to the log without waiting for what becomes of them.
    pub fn submit_and_forget(&self, bodies: Vec<Body>) -> Result<(), Busy> {
        self.offer(bodies).map(drop)
    }

    fn offer(&self, bodies: Vec<Body>) -> Result<oneshot::Receiver<Answered>, Busy> {
        let count = bodies.len();
        if self.gauges.stopped.load(Ordering::Relaxed) {
            return Err(Busy::Stopped);
        }
        if self.gauges.queued.fetch_add(count, Ordering::Relaxed) > QUEUE_BODIES {
            self.gauges.queued.fetch_sub(count, Ordering::Relaxed);
            return Err(Busy::Full { retry_after_s: 1 });
        }
        let (answer, receiver) = oneshot::channel();
        self.events.try_send(Event::Submit { bodies, answer }).map_err(|error| {
            self.gauges.queued.fetch_sub(count, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => Busy::Full { retry_after_s: 1 },
                TrySendError::Disconnected(_) => Busy::Stopped,
            }
        })?;
        Ok(receiver)
    }

    /// The state between two entries. Hold it shortly: the fold waits.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    pub fn reader(&self) -> &LogReader<D> {
        &self.reader
    }

    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }
}

impl Running {
    /// Takes what is queued, writes a last checkpoint, closes the log.
    pub fn stop(self) -> Result<(), StorageError> {
        // A full queue empties by itself; the loop goes on taking from it until it reads this.
        let _ = self.events.send(Event::Stop);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Starts the loop. `clock` gives log time; `tell` hears what changed after every group.
pub fn start<D: Disk, S: Store + 'static>(
    core: Core<D, S>,
    pace: Pace,
    clock: impl Fn() -> Time + std::marker::Send + 'static,
    tell: impl FnMut(Told) + std::marker::Send + 'static,
) -> (Handle<D>, Running) {
    let (events, inbox) = sync_channel(limits::QUEUE_REQUESTS);
    let gauges = Arc::new(Gauges::default());
    let checkpoint_seq = core.checkpoint_seq();
    gauges.checkpoint_seq.store(checkpoint_seq, Ordering::Relaxed);
    let handle = Handle {
        events: events.clone(),
        state: core.state(),
        reader: core.reader(),
        gauges: gauges.clone(),
    };
    let own = events.clone();
    let thread = std::thread::Builder::new()
        .name("everbond-loop".into())
        .spawn(move || {
            let started = Instant::now();
            let mut service = Loop {
                core,
                pace,
                clock,
                tell,
                inbox,
                events: own,
                gauges,
                checkpoint_last: started,
                wipe_since: None,
                purging: false,
                last_seq: checkpoint_seq,
                begun_seq: checkpoint_seq,
            };
            let result = service.run();
            service.gauges.stopped.store(true, Ordering::Relaxed);
            result.and_then(|()| service.finish())
        })
        .expect("the system gives a thread at the start");
    (handle, Running { thread, events })
}

struct Loop<D: Disk, S: Store + 'static, C, T> {
    core: Core<D, S>,
    pace: Pace,
    clock: C,
    tell: T,
    inbox: Receiver<Event>,
    events: SyncSender<Event>,
    gauges: Arc<Gauges>,
    checkpoint_last: Instant,
    wipe_since: Option<Instant>,
    purging: bool,
    /// The position of the last checkpoint, and of the one that was begun last.
    last_seq: Seq,
    begun_seq: Seq,
}

/// The bodies go back with the answer: whoever made them takes them apart, not the loop.
type Answered = Result<(Answers, Vec<Body>), Busy>;
type Answering = oneshot::Sender<Answered>;
type Waiting = Vec<Answering>;

impl<D: Disk, S: Store + 'static, C: Fn() -> Time, T: FnMut(Told)> Loop<D, S, C, T> {
    fn run(&mut self) -> Result<(), StorageError> {
        loop {
            let (mut bodies, mut waiting) = (Vec::new(), Waiting::new());
            // The loop's own come behind all that somebody waits for.
            let mut own: Vec<Body> = Vec::new();
            let mut go_on = true;
            let wait = match (self.core.is_warming(), self.core.is_checkpoint_encoding()) {
                (true, _) => Duration::ZERO,
                // Not at once: readers wait for each step.
                (false, true) => BETWEEN_STEPS,
                (false, false) => IDLE,
            };
            let mut next = self.inbox.recv_timeout(wait);
            let mut count = 0;
            loop {
                match next {
                    Ok(Event::Submit { bodies: more, answer }) => {
                        count += more.len();
                        waiting.push(answer);
                        bodies.push(more);
                    }
                    Ok(Event::CheckpointWritten(result)) => self.checkpoint_written(result)?,
                    Ok(Event::Purged { receipts, result }) => {
                        self.purging = false;
                        result?;
                        let done = receipts
                            .into_iter()
                            .map(|(receipt, records)| Body::Purged { receipt, records });
                        own.extend(done);
                    }
                    Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => {
                        self.gauges.stopping.store(true, Ordering::Relaxed);
                        go_on = false;
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                }
                if count >= GROUP_BODIES || bodies.len() >= GROUP_SUBMISSIONS || !go_on {
                    break;
                }
                next = self.inbox.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
            if !own.is_empty() {
                bodies.push(own);
            }
            self.group(bodies, waiting)?;
            self.checkpoint(count)?;
            self.settle(count);
            self.core.warm(WARM_AT_ONCE)?;
            if !go_on {
                return Ok(());
            }
        }
    }

    fn group(&mut self, mut bodies: Vec<Vec<Body>>, waiting: Waiting) -> Result<(), StorageError> {
        let now = (self.clock)();
        if bodies.is_empty() {
            if !self.core.is_timer_due(now) {
                return Ok(());
            }
            bodies.push(vec![Body::Tick]);
        }
        let count: usize = bodies[..waiting.len()].iter().map(Vec::len).sum();
        let mut told = Told::default();
        let begun = Instant::now();
        let result = self.core.submit(now, &bodies, &mut told);
        let spent = begun.elapsed().as_micros() as u64;
        self.gauges.sync_micros.fetch_add(spent, Ordering::Relaxed);
        self.gauges.groups.fetch_add(1, Ordering::Relaxed);
        self.gauges.bodies.fetch_add(count as u64, Ordering::Relaxed);
        self.gauges.queued.fetch_sub(count, Ordering::Relaxed);
        match result {
            Ok(answers) => {
                let repeated = answers.iter().flatten();
                let repeated = repeated.filter(|(_, outcome)| *outcome == Outcome::Duplicate);
                let repeated = repeated.count() as u64;
                self.gauges.duplicates.fetch_add(repeated, Ordering::Relaxed);
                if told.purges {
                    self.wipe_since.get_or_insert_with(Instant::now);
                }
                (self.tell)(told);
                for (waiting, answered) in waiting.into_iter().zip(answers.into_iter().zip(bodies))
                {
                    // Whoever no longer waits has gone away; the entry stands all the same.
                    let _ = waiting.send(Ok(answered));
                }
                Ok(())
            }
            Err(StorageError::DiskFull { .. }) => {
                for waiting in waiting {
                    let _ = waiting.send(Err(Busy::DiskFull));
                }
                Ok(())
            }
            Err(error) => {
                for waiting in waiting {
                    let _ = waiting.send(Err(Busy::Stopped));
                }
                Err(error)
            }
        }
    }

    fn checkpoint(&mut self, come: usize) -> Result<(), StorageError> {
        let seq = self.core.state().read().seq();
        let many = seq.saturating_sub(self.begun_seq) >= CHECKPOINT_ENTRIES;
        let due = many || self.checkpoint_last.elapsed() >= self.pace.checkpoint_every;
        let waited = self.wipe_since.map(|since| since.elapsed());
        let wipe = waited.is_some_and(|waited| waited >= self.pace.checkpoint_after_wipe);
        let news = seq > self.last_seq;
        if (wipe || (due && news)) && self.core.checkpoint_begin() {
            self.checkpoint_last = Instant::now();
            self.begun_seq = seq;
            self.wipe_since = None;
        }
        if let Some(batch) = self.core.checkpoint_step(CHECKPOINT_STEP.max(come * 2)) {
            self.write_behind(batch);
        }
        Ok(())
    }

    /// Where memory is short, as many records leave as come.
    fn settle(&mut self, come: usize) {
        let count = self.core.settle_count(come);
        for _ in 0..count.div_ceil(SETTLE_AT_ONCE) {
            self.core.settle(SETTLE_AT_ONCE);
        }
    }

    /// The store syncs on a thread of its own; the loop goes on.
    fn write_behind(&mut self, batch: Rows) {
        let (store, events) = (self.core.store(), self.events.clone());
        let gauges = self.gauges.clone();
        let written = move || {
            let _ = events.send(Event::CheckpointWritten(commit(&*store, &batch, &gauges)));
        };
        std::thread::Builder::new()
            .name("everbond-checkpoint".into())
            .spawn(written)
            .expect("the system gives a thread for a checkpoint");
    }

    fn checkpoint_written(&mut self, result: Result<(), StorageError>) -> Result<(), StorageError> {
        // What the state counts as written is lost to it if the store refused for good, so that
        // stops the loop: the log has everything, and the next start reads it again.
        result?;
        let Covered { seq, purges } = self.core.checkpoint_written();
        self.last_seq = seq;
        self.gauges.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.gauges.checkpoint_seq.store(seq, Ordering::Relaxed);
        if !purges.is_empty() && !self.purging {
            self.purge_behind(purges);
        }
        Ok(())
    }

    fn purge_behind(&mut self, purges: Vec<(u64, Vec<Seq>)>) {
        self.purging = true;
        let (store, reader, events) = (self.core.store(), self.core.reader(), self.events.clone());
        let purge = move || {
            storage::yield_to_others();
            let mut receipts = Vec::with_capacity(purges.len());
            let result = purges
                .iter()
                .try_for_each(|(receipt, seqs)| {
                    receipts.push((*receipt, purge_log(&reader, seqs)?));
                    Ok(())
                })
                .and_then(|()| purge_store(&*store));
            let _ = events.send(Event::Purged { receipts, result });
        };
        std::thread::Builder::new()
            .name("everbond-purge".into())
            .spawn(purge)
            .expect("the system gives a thread for a purge");
    }

    fn finish(mut self) -> Result<(), StorageError> {
        // A checkpoint that is on its way has to arrive before the last one begins.
        while !self.core.checkpoint_begin() {
            if let Some(batch) = self.core.checkpoint_step(usize::MAX) {
                self.core.store().commit(&batch)?;
                self.core.checkpoint_written();
                continue;
            }
            if let Ok(Event::CheckpointWritten(result)) = self.inbox.recv() {
                result?;
                self.core.checkpoint_written();
            }
        }
        if let Some(batch) = self.core.checkpoint_step(usize::MAX) {
            self.core.store().commit(&batch)?;
            self.core.checkpoint_written();
        }
        self.core.close()
    }
}

/// A full disk is waited for: the log has everything meanwhile, and refuses what does not fit.
fn commit(store: &impl Store, batch: &Rows, gauges: &Gauges) -> Result<(), StorageError> {
    loop {
        match store.commit(batch) {
            Err(StorageError::DiskFull { .. }) if !gauges.stopping.load(Ordering::Relaxed) => {
                std::thread::sleep(Duration::from_secs(1));
            }
            result => return result,
        }
    }
}

/// Readers that still hold old files block a purge; they are gone within a moment.
fn purge_store(store: &impl Store) -> Result<(), StorageError> {
    for _ in 0..50 {
        match store.purge() {
            Err(StorageError::PurgeBlocked { .. }) => {
                std::thread::sleep(Duration::from_millis(100));
            }
            result => return result,
        }
    }
    store.purge()
}

#[cfg(test)]
mod tests;
