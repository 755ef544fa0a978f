//! Joins the engine's two views of what is durable to the storage: records that are not in
//! memory, and entries of the log. A store that cannot be read stops the program: the fold cannot
//! fail, and going on without a record would be losing it.

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::table::EachRow;
use engine::{Backing, History};
use model::bytes::Corrupt;
use model::entry::{Body, Entry, Seq};
use model::id::Time;
use storage::{Disk, LogReader, Record, StorageError, Store};

pub struct StoreBacking<S>(pub Arc<S>);

impl<S: Store> Backing for StoreBacking<S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).unwrap_or_else(|error| stop(&error))
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, each: &mut EachRow<'_>) {
        self.0.scan(from, to, reverse, each).unwrap_or_else(|error| stop(&error));
    }
}

pub struct LogHistory<D: Disk>(pub LogReader<D>);

impl<D: Disk> History for LogHistory<D> {
    fn entries(&self, seqs: &[Seq], each: &mut dyn FnMut(Entry)) {
        let read = self.0.read_many(seqs, |record| {
            let entry = decode(&record).unwrap_or_else(|corrupt| {
                panic!("log entry {} cannot be read: {corrupt}", record.seq)
            });
            each(entry);
            ControlFlow::Continue(())
        });
        read.unwrap_or_else(|error| stop(&error));
    }
}

fn stop(error: &StorageError) -> ! {
    panic!("what is stored cannot be read: {error}")
}

/// A record whose common part was overwritten too holds nothing but its time.
pub fn decode(record: &Record<'_>) -> Result<Entry, Corrupt> {
    let body = if record.common_purged {
        Body::Tick
    } else {
        Body::read(record.tag, record.common, record.personal)?
    };
    Ok(Entry { seq: record.seq, time: Time(record.time_ms), body })
}
