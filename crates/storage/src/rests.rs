//! Rests for what nobody waits for. A thread that works keeps its core for milliseconds, whatever
//! its priority, and whoever wakes there meanwhile waits, as does the log's sync for the disk; so
//! it works in short turns.

use lsm_tree::compaction::filter::{CompactionFilter, Context, Factory, ItemAccessor, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a turn is.
const TURN: Duration = Duration::from_micros(500);
/// Rows between two looks at the time.
const ROWS_BETWEEN_LOOKS: u32 = 16;

/// How many times as long as it worked somebody rests.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Hurry = 0,
    Merge = 1,
    Purge = 2,
}

/// Work on row after row, with a rest after each turn.
pub(crate) struct Turns {
    pub rests: u32,
    begun: Instant,
    rows: u32,
}

impl Turns {
    pub fn new(pace: Pace) -> Turns {
        Turns { rests: pace as u32, begun: Instant::now(), rows: 0 }
    }

    /// Another row is done.
    pub fn row(&mut self) {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            self.look();
        }
    }

    /// Rests if the turn is over.
    pub fn look(&mut self) {
        let worked = self.begun.elapsed();
        if worked >= TURN {
            std::thread::sleep(worked * self.rests);
            self.begun = Instant::now();
        }
    }
}

/// The tree shows each row that it writes anew to a filter; this one keeps every row.
#[derive(Default)]
pub(crate) struct Rests(Arc<AtomicU32>);

impl Rests {
    pub fn set(&self, pace: Pace) {
        self.0.store(pace as u32, Ordering::Relaxed);
    }
}

impl Factory for Rests {
    fn name(&self) -> &str {
        "rests"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Merging { pace: self.0.clone(), turns: Turns::new(Pace::Merge) })
    }
}

struct Merging {
    pace: Arc<AtomicU32>,
    turns: Turns,
}

impl CompactionFilter for Merging {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        self.turns.rests = self.pace.load(Ordering::Relaxed);
        self.turns.row();
        Ok(Verdict::Keep)
    }
}
