//! Rests for what nobody waits for. The tree shows each row that it writes anew to a filter; this
//! one keeps every row, and now and then it sleeps: the log's sync, and whoever wants a core, wait
//! for what merging and purging do in one go.

use lsm_tree::compaction::filter::{CompactionFilter, Context, Factory, ItemAccessor, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long work goes on before it rests.
const WORKED: Duration = Duration::from_micros(500);
/// Rows between two looks at the time.
const ROWS_BETWEEN_LOOKS: u32 = 16;

/// How many times as long as it worked somebody rests.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Hurry = 0,
    Merge = 1,
    Purge = 2,
}

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
        Box::new(Working { pace: self.0.clone(), begun: Instant::now(), rows: 0 })
    }
}

struct Working {
    pace: Arc<AtomicU32>,
    begun: Instant,
    rows: u32,
}

impl CompactionFilter for Working {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            let worked = self.begun.elapsed();
            if worked >= WORKED {
                std::thread::sleep(worked * self.pace.load(Ordering::Relaxed));
                self.begun = Instant::now();
            }
        }
        Ok(Verdict::Keep)
    }
}
