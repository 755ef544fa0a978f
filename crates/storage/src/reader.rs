//! Reading the log while it is written: by number, many numbers, in order from a number, and by
//! content. Sees what is committed. Purged parts read as empty.

use crate::disk::{Disk, DiskFile};
use crate::error::StorageError;
use crate::format::{Head, Part, SEGMENT_HEADER};
use crate::log::{OwnedRecord, Record, Segments, Shared};
use crate::purge;
use crate::segment::{Cursor, Segment, read_full};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

/// A single record and the few before it that lead to it fit into this.
const READ_BYTES: usize = 8 << 10;
const SCAN_BYTES: usize = 1 << 20;

/// A handle for reading; clones are cheap and may go to other threads.
pub struct LogReader<D: Disk> {
    shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for LogReader<D> {
    fn clone(&self) -> Self {
        LogReader { shared: self.shared.clone() }
    }
}

impl<D: Disk> LogReader<D> {
    pub(crate) fn new(shared: Arc<Shared<D>>) -> LogReader<D> {
        LogReader { shared }
    }

    /// The oldest record that is kept.
    pub fn first_seq(&self) -> u64 {
        self.shared.segments()[0].first_seq
    }

    /// The newest committed record, 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        let segments = self.shared.segments();
        segments.last().map_or(0, |segment| segment.last_seq())
    }

    /// Bytes of all segments.
    pub fn disk_bytes(&self) -> Result<u64, StorageError> {
        self.shared.segments().iter().map(|segment| segment.file_len()).sum()
    }

    /// One record, `None` when the log does not have it (yet).
    pub fn read(&self, seq: u64) -> Result<Option<OwnedRecord>, StorageError> {
        let mut found = None;
        self.read_many(&[seq], |record| {
            found = Some(record.to_owned());
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Reads records by number, in the order given; numbers that the log does not have are passed
    /// over. Ascending numbers read fastest. Gives how many were handed out.
    pub fn read_many(
        &self,
        seqs: &[u64],
        mut each: impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<usize, StorageError> {
        let segments = self.shared.segments();
        let mut cursor = Cursor::new(READ_BYTES);
        let (mut current, mut here, mut count) = (usize::MAX, 0, 0);
        for &seq in seqs {
            let after = segments.partition_point(|segment| segment.first_seq <= seq);
            let Some(at) = after.checked_sub(1) else { continue };
            let segment = &*segments[at];
            let Some((near, end)) = segment.near(seq) else { continue };
            let ahead = at == current && seq >= here;
            if !ahead || !cursor.glide(near, end) {
                cursor.seek(near, end);
            }
            (current, here) = (at, seq);
            let head = walk_to(&mut cursor, segment, seq)?;
            let parts = self.load(&mut cursor, segment, &head)?;
            count += 1;
            if each(cursor.record(&head, parts)).is_break() {
                break;
            }
        }
        Ok(count)
    }

    /// Hands out every record from `from` to the last that is committed now, without allocating.
    /// Gives the number after the last record handed out.
    pub fn for_each(
        &self,
        from: u64,
        mut each: impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<u64, StorageError> {
        let mut scan = self.scan(from);
        while let Some((head, parts)) = scan.advance()? {
            if each(scan.cursor.record(&head, parts)).is_break() {
                break;
            }
        }
        Ok(scan.next_seq)
    }

    /// An iterator over the same records.
    pub fn scan(&self, from: u64) -> Scan<D> {
        let segments = self.shared.segments();
        let from = from.max(segments[0].first_seq);
        let after = segments.partition_point(|segment| segment.first_seq <= from);
        Scan {
            reader: self.clone(),
            at: after.saturating_sub(1),
            upto: segments.last().map_or(0, |segment| segment.last_seq()),
            segments,
            cursor: Cursor::new(SCAN_BYTES),
            begun: false,
            held: None,
            next_seq: from,
            failed: false,
        }
    }

    /// The numbers of all records that hold the bytes `needle` in one of their parts.
    pub fn find(&self, needle: &[u8]) -> Result<Vec<u64>, StorageError> {
        let finder = memchr::memmem::Finder::new(needle);
        let mut found = Vec::new();
        self.for_each(0, |record| {
            if finder.find(record.common).is_some() || finder.find(record.personal).is_some() {
                found.push(record.seq);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Overwrites the personal part of these records with zeros, in place, and syncs. If a crash
    /// breaks it off, the next `Log::open` finishes it. Numbers that the log does not have are
    /// passed over; gives how many records were changed.
    ///
    /// On a file system that never overwrites in place (btrfs, ZFS), and inside a flash disk, the
    /// old bytes live until the device reuses the block; that is the operator's choice of disk.
    pub fn purge(&self, seqs: &[u64]) -> Result<usize, StorageError> {
        purge::purge(&self.shared, seqs, false)
    }

    /// Like `purge`, for records whose common part names the person too: both parts are erased,
    /// number, time and tag stay.
    pub fn purge_all(&self, seqs: &[u64]) -> Result<usize, StorageError> {
        purge::purge(&self.shared, seqs, true)
    }

    /// Copies what is committed now to an empty disk, for a backup that `Log::open` opens. Gives
    /// the number of the last record in it. Purges wait meanwhile, appends do not.
    ///
    /// Copy the store first: a log that is ahead of its checkpoint is the ordinary case.
    pub fn copy_to<E: Disk>(&self, to: &E) -> Result<u64, StorageError> {
        let _no_purge = self.shared.purging.lock().unwrap_or_else(PoisonError::into_inner);
        let segments = self.shared.segments();
        let mut buffer = vec![0; SCAN_BYTES];
        for segment in segments.iter() {
            let failed = |e| StorageError::io(&segment.name, "copy", e);
            let (copy, end) = (to.create(&segment.name).map_err(failed)?, segment.end());
            let mut at = 0;
            while at < end {
                let n = buffer.len().min((end - at) as usize);
                if read_full(&segment.file, at, &mut buffer[..n]).map_err(failed)? < n {
                    return Err(segment.damaged(at, "the file ends early"));
                }
                copy.write_at(at, &buffer[..n]).map_err(failed)?;
                at += n as u64;
            }
            copy.sync_data().map_err(failed)?;
        }
        to.sync_dir().map_err(|e| StorageError::io("the backup", "sync", e))?;
        Ok(segments.last().map_or(0, |segment| segment.last_seq()))
    }

    #[cfg(test)]
    pub(crate) fn first_segment_end(&self) -> u64 {
        self.shared.segments()[0].end()
    }

    /// Loads and checks the record at the cursor. A part may be caught half-erased by a purge on
    /// another thread: such a part counts as purged.
    fn load(
        &self,
        cursor: &mut Cursor,
        segment: &Segment<D::File>,
        head: &Head,
    ) -> Result<[Part; 2], StorageError> {
        let mut parts = cursor.load(segment, head)?;
        if !parts.contains(&Part::Bad) {
            return Ok(parts);
        }
        if !self.shared.is_pending(head.seq) {
            // The purge may have ended between the read and the question: read once more.
            cursor.forget();
            parts = cursor.load(segment, head)?;
            if parts.contains(&Part::Bad) && !self.shared.is_pending(head.seq) {
                let (offset, what) = match parts {
                    [Part::Bad, _] => (0, "common part, wrong checksum"),
                    _ => (head.personal_at() as u64, "personal part, wrong checksum"),
                };
                return Err(segment.damaged(cursor.pos + offset, what));
            }
        }
        Ok(parts.map(|part| if part == Part::Bad { Part::Purged } else { part }))
    }
}

/// Moves the cursor from an index entry to the record.
pub(crate) fn walk_to<F: DiskFile>(
    cursor: &mut Cursor,
    segment: &Segment<F>,
    seq: u64,
) -> Result<Head, StorageError> {
    loop {
        let at = cursor.pos;
        match cursor.next_head(segment)? {
            Some(head) if head.seq == seq => return Ok(head),
            Some(head) if head.seq < seq => cursor.step_over(&head),
            _ => return Err(segment.damaged(at, "a record that the index leads to is not there")),
        }
    }
}

/// Iterates over the records that were committed when it was made.
pub struct Scan<D: Disk> {
    reader: LogReader<D>,
    segments: Arc<Segments<D>>,
    at: usize,
    cursor: Cursor,
    begun: bool,
    /// The record at the cursor, stepped over at the next call.
    held: Option<Head>,
    next_seq: u64,
    upto: u64,
    failed: bool,
}

impl<D: Disk> Scan<D> {
    /// Moves to the next record; the cursor holds it until the next call. After an error the scan
    /// gives nothing more.
    fn advance(&mut self) -> Result<Option<(Head, [Part; 2])>, StorageError> {
        if self.next_seq > self.upto || self.failed {
            return Ok(None);
        }
        let result = self.step();
        self.failed |= result.is_err();
        result
    }

    fn step(&mut self) -> Result<Option<(Head, [Part; 2])>, StorageError> {
        while let Some(segment) = self.segments.get(self.at) {
            let head = if self.begun {
                if let Some(held) = self.held.take() {
                    self.cursor.step_over(&held);
                }
                self.cursor.next_head(segment)?
            } else if let Some((near, end)) = segment.near(self.next_seq) {
                self.begun = true;
                // From the segment's start, so that its first group header is checked too.
                let first = self.next_seq == segment.first_seq;
                self.cursor.seek(if first { SEGMENT_HEADER as u64 } else { near }, end);
                Some(walk_to(&mut self.cursor, segment, self.next_seq)?)
            } else {
                None
            };
            let Some(head) = head else {
                (self.at, self.begun, self.held) = (self.at + 1, false, None);
                continue;
            };
            if head.seq != self.next_seq {
                let what = "a record that does not continue the sequence";
                return Err(segment.damaged(self.cursor.pos, what));
            }
            let parts = self.reader.load(&mut self.cursor, segment, &head)?;
            self.held = Some(head);
            self.next_seq += 1;
            return Ok(Some((head, parts)));
        }
        Ok(None)
    }
}

impl<D: Disk> Iterator for Scan<D> {
    type Item = Result<OwnedRecord, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(Some((head, parts))) => Some(Ok(self.cursor.record(&head, parts).to_owned())),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
