//! The rows: each starts what it needs and puts its figures under its own name.

mod apart;
mod shared;

use super::{Bench, Trouble};

type Work = fn(&mut Bench) -> Result<(), Trouble>;

/// Name, what it measures, how; in the order in which they run.
pub const ROWS: &[(&str, &str, Work)] = &[
    ("disk", "how long 4 KiB take to become durable", apart::disk),
    ("fold", "the limit: log and plain maps", apart::fold),
    ("ingest", "durable touches, 100 a batch", shared::ingest),
    ("decide", "decisions with every reason while touches come in", shared::decide),
    ("wipe", "forgetting persons under load", shared::wipe),
    ("read", "timelines and graphs", shared::read),
    ("start", "kill, start, first decision", shared::start),
    ("replay", "disk a touch, and the whole log folded anew", shared::replay),
    ("beyond", "state ten times the memory budget", shared::beyond),
    ("memory", "memory a person", apart::memory),
    ("streams", "open companions hear of a change", apart::streams),
    ("growth", "ten times as many people", apart::growth),
    ("peers", "PostgreSQL, SQLite, JetStream", super::peers::run),
];
