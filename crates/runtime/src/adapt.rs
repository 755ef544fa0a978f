//! Joins the engine's two views of what is durable to the storage: records that are not in
//! memory, and entries of the log. A store that cannot be read stops the program: the fold cannot
//! fail, and going on without a record would be losing it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};

use engine::table::EachRow;
use engine::{Backing, History};
use model::bytes::Corrupt;
use model::entry::{Body, Entry, Seq};
use model::id::Time;
use storage::{Disk, LogReader, Record, StorageError, Store};

use crate::core::OpenError;

/// Entries that go from the thread that decodes to the one that folds at once, and how many such
/// batches may wait. A log with less than a batch is read without a second thread.
const BATCH: usize = 4_096;
const BATCHES_AHEAD: usize = 4;

pub struct StoreBacking<S>(pub Arc<S>);

impl<S: Store> Backing for StoreBacking<S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).unwrap_or_else(|error| stop(&error))
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, each: &mut EachRow<'_>) {
        self.0.scan(from, to, reverse, each).unwrap_or_else(|error| stop(&error));
    }
}

pub fn get_many(store: &impl Store, keys: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    store.get_many(keys).unwrap_or_else(|error| stop(&error))
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
    let time = Time(record.time_ms);
    let body = if record.common_purged {
        Body::Tick
    } else {
        Body::read(time, record.tag, record.common, record.personal)?
    };
    Ok(Entry { seq: record.seq, time, body })
}

/// Hands out every entry from `from` on, in order, some at once, with what `ask` found for them. A
/// thread of its own reads, decodes and asks ahead, and takes them apart afterwards, so that a
/// replay takes no longer than its fold.
pub fn read_ahead<D: Disk, A: Send>(
    reader: &LogReader<D>,
    from: Seq,
    ask: impl Fn(&[Entry]) -> A + Sync,
    mut each: impl FnMut(&[Entry], A),
) -> Result<(), OpenError> {
    let (full, batches) = sync_channel::<(Vec<Entry>, A)>(BATCHES_AHEAD);
    let (back, empty) = channel::<Vec<Entry>>();
    let ask = &ask;
    std::thread::scope(|scope| {
        let ahead = scope.spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            let read = read_decoded(reader, from, |entry| {
                if let Some(touch) = entry.body.as_touch() {
                    touch.digest_aliases();
                }
                batch.push(entry);
                if batch.len() < BATCH {
                    return ControlFlow::Continue(());
                }
                let mut next = empty.try_recv().unwrap_or_default();
                next.clear();
                let batch = std::mem::replace(&mut batch, next);
                let found = ask(&batch);
                match full.send((batch, found)) {
                    Ok(()) => ControlFlow::Continue(()),
                    // The fold panicked: nobody takes more.
                    Err(_) => ControlFlow::Break(()),
                }
            });
            // What was read before an error is handed out, too; the caller hears of it afterwards.
            let found = ask(&batch);
            let _ = full.send((batch, found));
            read
        });
        for (batch, found) in batches {
            each(&batch, found);
            // The reader may be done already.
            let _ = back.send(batch);
        }
        ahead.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn read_decoded<D: Disk>(
    reader: &LogReader<D>,
    from: Seq,
    mut each: impl FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), OpenError> {
    let mut unreadable = None;
    let read = reader.for_each(from, |record| match decode(&record) {
        Ok(entry) => each(entry),
        Err(corrupt) => {
            unreadable = Some(OpenError::Unreadable { seq: record.seq, what: corrupt.0 });
            ControlFlow::Break(())
        }
    });
    read.map_err(OpenError::Storage)?;
    unreadable.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::alias::{Alias, AliasKind};
    use model::bytes::Writer;
    use model::gs1::{Serial, Subject};
    use model::id::Digest;
    use model::kind::Kind;
    use model::touch::{Channel, Source, Touch};
    use model::value::Value;
    use storage::sim_disk::SimDisk;
    use storage::{Log, LogOptions};

    /// 300 bytes as JSON: a device's report with two names, a unit and five properties.
    fn typical(n: u64, now: Time, own_names: bool) -> Touch {
        let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let mut touch = Touch::new(Kind::of("product.used"), now, Source::Native);
        touch.time = now.plus(-((random % 5_000) as i64));
        touch.channel = Some(Channel::Device);
        touch.id = Digest::of_half(Digest::of(&[&n.to_be_bytes()]).half());
        let people = random % 1_000_000;
        for (kind, letter) in [(AliasKind::User, 'u'), (AliasKind::Anonymous, 'a')] {
            touch.aliases.push(Alias::new(kind, &format!("{letter}{people:07}")).unwrap());
        }
        let serial = Serial::new(&format!("S{people:07}")).unwrap();
        touch.products.push(Subject::unit("09506000134352".parse().unwrap(), serial));
        let name = |name: &str| if own_names { format!("{name}_own") } else { name.to_owned() };
        let pairs = [
            ("program", Value::text("eco 40")),
            ("temp", Value::Int(20 + random as i64 % 80)),
            ("kwh", Value::Float((random % 2_000) as f64 / 1_000.0)),
            ("water", Value::Float((random % 900) as f64 / 10.0)),
            ("ok", Value::Bool(true)),
        ];
        touch.properties = pairs.into_iter().map(|(key, value)| (name(key), value)).collect();
        touch
    }

    fn bytes_each(own_names: bool) -> f64 {
        let disk = SimDisk::new();
        let (mut log, _) = Log::open(disk.clone(), LogOptions::default()).unwrap();
        let mut touches = Vec::new();
        for n in 0..20_000 {
            let now = Time(1_767_225_600_000 + n as i64 / 1_000);
            let touch = typical(n, now, own_names);
            let (mut common, mut personal) = (Writer::new(), Writer::new());
            let body = Body::Touch(touch.clone());
            let tag = body.write(now, &mut common, &mut personal);
            log.append(now.0, tag, common.as_bytes(), personal.as_bytes());
            if log.group_len() == 1_000 {
                log.commit().unwrap();
            }
            touches.push(touch);
        }
        let mut next = touches.iter();
        let read = log.reader().for_each(1, |record| {
            assert_eq!(decode(&record).unwrap().body, Body::Touch(next.next().unwrap().clone()));
            ControlFlow::Continue(())
        });
        assert_eq!(read.unwrap(), 20_001);
        disk.used() as f64 / 20_000.0
    }

    #[test]
    fn what_is_read_ahead_comes_in_order_up_to_what_cannot_be_read() {
        let (mut log, _) = Log::open(SimDisk::new(), LogOptions::default()).unwrap();
        let (mut common, mut personal) = (Writer::new(), Writer::new());
        for n in 0..5_000 {
            common.clear();
            personal.clear();
            let tag = Body::RefusedDone { seq: n }.write(Time(7), &mut common, &mut personal);
            log.append(7, tag, common.as_bytes(), personal.as_bytes());
        }
        log.append(7, 250, b"of a later version", b"");
        log.append(7, 2, b"", b"");
        log.commit().unwrap();
        let reader = log.reader();
        for from in [1, 2, 3_000, 4_500, 5_000] {
            let mut seqs = Vec::new();
            let read = read_ahead(
                &reader,
                from,
                |_| (),
                |some, ()| seqs.extend(some.iter().map(|entry| entry.seq)),
            );
            assert!(matches!(read, Err(OpenError::Unreadable { seq: 5_001, .. })), "{read:?}");
            assert_eq!(seqs, (from..=5_000).collect::<Vec<_>>());
        }
        let mut seqs = Vec::new();
        read_ahead(
            &reader,
            5_002,
            |_| (),
            |some, ()| seqs.extend(some.iter().map(|entry| entry.seq)),
        )
        .unwrap();
        assert_eq!(seqs, [5_002]);
    }

    /// The figures may only go down.
    #[test]
    fn a_typical_touch_takes_this_many_bytes_of_the_log() {
        let (known, own) = (bytes_each(false), bytes_each(true));
        println!("a touch in groups of 1,000: {known:.1} bytes; with names of its own {own:.1}");
        assert!(known < 80.0, "{known}");
        assert!(own < 125.0, "{own}");
    }
}
