//! One segment file: opening it, walking over its records, and telling a torn tail from damage.
//!
//! **Torn or damaged.** A group is written only after the group before it was synced. So bytes that
//! do not check are *damage* when something of a later write follows them: the file goes on behind
//! the end of their group, or, where the group's own header does not check, there is a valid group
//! header further on. Otherwise they are a *torn tail*, of the one group whose commit never
//! returned. The last group of a log that was not closed in order cannot be told apart in this way:
//! if the disk ruins exactly that group after it was acknowledged, it is cut like a torn one.
//! `Log::close` therefore writes an empty group as a mark, which takes away that doubt.

use crate::disk::DiskFile;
use crate::error::StorageError;
use crate::format::{
    BLOCK_HEADER_MAX, Block, FOOTER_TRAILER, GROUP_HEADER, GROUP_MAGIC, Head, INDEX_EVERY, Part,
    SEGMENT_HEADER, SEGMENT_VERSION, check_parts, footer, read_group, read_index,
    read_segment_header, read_trailer, segment_name, segment_version,
};
use crate::log::Record;
use std::sync::{PoisonError, RwLock};

/// How much a scan reads at once.
const SCAN_BYTES: usize = 1 << 20;

pub(crate) struct Segment<F> {
    pub name: String,
    pub first_seq: u64,
    pub salt: u64,
    pub file: F,
    extent: RwLock<Extent>,
}

/// What of a segment is committed.
struct Extent {
    /// `first_seq - 1` while there is no record.
    last_seq: u64,
    /// Where the next group goes.
    end: u64,
    index: Vec<u32>,
}

/// What a walk over all groups of a segment found.
pub(crate) struct Survey {
    pub last_seq: u64,
    /// The end of the last whole group.
    pub end: u64,
    pub index: Vec<u32>,
    pub records: u64,
    pub purged: u64,
    /// The first place that does not check, if the walk did not reach the end of the file.
    pub bad: Option<(u64, &'static str)>,
    /// The end of the group in which that is, if the group's header checks.
    pub bad_group_end: Option<u64>,
}

impl Survey {
    /// At the beginning of the segment that begins with this record.
    pub fn new(first_seq: u64) -> Survey {
        Survey {
            last_seq: first_seq - 1,
            end: SEGMENT_HEADER as u64,
            index: Vec::new(),
            records: 0,
            purged: 0,
            bad: None,
            bad_group_end: None,
        }
    }
}

impl<F: DiskFile> Segment<F> {
    /// Writes the header of a new, empty segment and syncs it. The caller syncs the folder.
    pub fn create(file: F, first_seq: u64, salt: u64) -> Result<Segment<F>, StorageError> {
        let name = segment_name(first_seq);
        file.write_at(0, &crate::format::segment_header(first_seq, salt))
            .and_then(|()| file.sync_data())
            .map_err(|e| StorageError::io(&name, "write the header of", e))?;
        let extent =
            Extent { last_seq: first_seq - 1, end: SEGMENT_HEADER as u64, index: Vec::new() };
        Ok(Segment { name, first_seq, salt, file, extent: RwLock::new(extent) })
    }

    /// Reads the header only; the extent is empty until `set_extent`.
    pub fn open(file: F, first_seq: u64) -> Result<Segment<F>, StorageError> {
        let name = segment_name(first_seq);
        let mut head = [0; SEGMENT_HEADER];
        let n = read_full(&file, 0, &mut head).map_err(|e| StorageError::io(&name, "read", e))?;
        if let Some(found) = segment_version(&head[..n])
            && found != SEGMENT_VERSION
        {
            return Err(StorageError::other_format(name, found, SEGMENT_VERSION));
        }
        let (first, salt) =
            read_segment_header(&head[..n]).map_err(|e| StorageError::damaged(&name, 0, e))?;
        if first != first_seq {
            let what = format!("its header says it begins with record {first}");
            return Err(StorageError::damaged(&name, 16, what));
        }
        let extent =
            Extent { last_seq: first_seq - 1, end: SEGMENT_HEADER as u64, index: Vec::new() };
        Ok(Segment { name, first_seq, salt, file, extent: RwLock::new(extent) })
    }

    pub fn file_len(&self) -> Result<u64, StorageError> {
        self.file.len().map_err(|e| self.io("measure", e))
    }

    pub fn io(&self, doing: &'static str, error: std::io::Error) -> StorageError {
        StorageError::io(&self.name, doing, error)
    }

    pub fn damaged(&self, offset: u64, what: &str) -> StorageError {
        StorageError::damaged(&self.name, offset, what)
    }

    pub fn set_extent(&self, last_seq: u64, end: u64, index: Vec<u32>) {
        *self.extent.write().unwrap_or_else(PoisonError::into_inner) =
            Extent { last_seq, end, index };
    }

    /// Makes a group visible to readers.
    pub fn extend(&self, last_seq: u64, end: u64, entries: &[u32]) {
        let mut extent = self.extent.write().unwrap_or_else(PoisonError::into_inner);
        extent.last_seq = last_seq;
        extent.end = end;
        extent.index.extend_from_slice(entries);
    }

    /// Takes the last group back from readers.
    pub fn take_back(&self, last_seq: u64, end: u64) {
        let mut extent = self.extent.write().unwrap_or_else(PoisonError::into_inner);
        (extent.last_seq, extent.end) = (last_seq, end);
        extent.index.retain(|offset| u64::from(*offset) < end);
    }

    pub fn last_seq(&self) -> u64 {
        self.extent.read().unwrap_or_else(PoisonError::into_inner).last_seq
    }

    pub fn end(&self) -> u64 {
        self.extent.read().unwrap_or_else(PoisonError::into_inner).end
    }

    /// A block at or before the record, at most 31 records early, and the end of what is committed.
    pub fn near(&self, seq: u64) -> Option<(u64, u64)> {
        let extent = self.extent.read().unwrap_or_else(PoisonError::into_inner);
        if seq < self.first_seq || seq > extent.last_seq {
            return None;
        }
        let entry = ((seq - self.first_seq) / INDEX_EVERY) as usize;
        extent.index.get(entry).map(|offset| (u64::from(*offset), extent.end))
    }

    /// Takes the extent from the footer. `false` when there is none that checks.
    pub fn load_footer(&self, len: u64) -> Result<bool, StorageError> {
        if len < (SEGMENT_HEADER + FOOTER_TRAILER) as u64 {
            return Ok(false);
        }
        let mut bytes = [0; FOOTER_TRAILER];
        self.read_exact(len - FOOTER_TRAILER as u64, &mut bytes)?;
        let Some(trailer) = read_trailer(&bytes, self.salt) else { return Ok(false) };
        let size = trailer.entries as u64 * 4 + FOOTER_TRAILER as u64;
        if trailer.first_seq != self.first_seq || size + SEGMENT_HEADER as u64 > len {
            return Ok(false);
        }
        let mut bytes = vec![0; trailer.entries * 4];
        self.read_exact(len - size, &mut bytes)?;
        let Some(index) = read_index(&bytes, trailer.index_check, self.salt) else {
            return Ok(false);
        };
        self.set_extent(trailer.last_seq, len - size, index);
        Ok(true)
    }

    /// Writes the footer after the last group and syncs it.
    pub fn write_footer(&self) -> std::io::Result<()> {
        let (bytes, end) = {
            let extent = self.extent.read().unwrap_or_else(PoisonError::into_inner);
            (footer(self.first_seq, extent.last_seq, &extent.index, self.salt), extent.end)
        };
        self.file.write_at(end, &bytes)?;
        self.file.truncate(end + bytes.len() as u64)?;
        self.file.sync_data()
    }

    fn read_exact(&self, offset: u64, into: &mut [u8]) -> Result<(), StorageError> {
        let n = read_full(&self.file, offset, into).map_err(|e| self.io("read", e))?;
        if n < into.len() {
            return Err(self.damaged(offset + n as u64, "the file ends early"));
        }
        Ok(())
    }

    /// Checks every group, block and record from where `survey` is up to `len`, or to the first
    /// place that does not check. Records for which `purging` holds may have a half-erased part.
    pub fn survey(
        &self,
        len: u64,
        survey: &mut Survey,
        purging: &dyn Fn(u64) -> bool,
    ) -> Result<(), StorageError> {
        let mut cursor = Cursor::new(SCAN_BYTES);
        cursor.seek(survey.end, len);
        while survey.end < len {
            match self.survey_group(&mut cursor, survey, purging) {
                Ok(()) => {}
                Err(Stop::Bad(offset, what)) => {
                    survey.bad = Some((offset, what));
                    break;
                }
                Err(Stop::Io(error)) => return Err(self.io("read", error)),
            }
        }
        Ok(())
    }

    fn survey_group(
        &self,
        cursor: &mut Cursor,
        survey: &mut Survey,
        purging: &dyn Fn(u64) -> bool,
    ) -> Result<(), Stop> {
        let start = cursor.pos;
        survey.bad_group_end = None;
        if !cursor.fill(&self.file, GROUP_HEADER)? {
            return Err(Stop::Bad(start, "a group that ends early"));
        }
        let Some(group) = read_group(cursor.bytes(), self.salt, start) else {
            return Err(Stop::Bad(start, "no group header, or one with a wrong checksum"));
        };
        if group.first_seq != survey.last_seq + 1 {
            return Err(Stop::Bad(start, "a group that does not continue the sequence"));
        }
        cursor.skip(GROUP_HEADER);
        let end = start + GROUP_HEADER as u64 + u64::from(group.len);
        survey.bad_group_end = Some(end);
        let (entries, last_seq) = (survey.index.len(), survey.last_seq);
        match self.survey_blocks(cursor, survey, last_seq + u64::from(group.count), end, purging) {
            Ok(purged) => {
                survey.records += u64::from(group.count);
                survey.purged += purged;
                survey.end = end;
                Ok(())
            }
            Err(stop) => {
                survey.index.truncate(entries);
                survey.last_seq = last_seq;
                Err(stop)
            }
        }
    }

    /// Goes over the blocks of a group that ends with record `last_seq` at `end`. Gives how many
    /// records have an erased part.
    fn survey_blocks(
        &self,
        cursor: &mut Cursor,
        survey: &mut Survey,
        last_seq: u64,
        end: u64,
        purging: &dyn Fn(u64) -> bool,
    ) -> Result<u64, Stop> {
        let mut purged = 0;
        while survey.last_seq < last_seq {
            let at = cursor.pos;
            cursor.open_block(self)?;
            if cursor.block.first_seq != survey.last_seq + 1 {
                return Err(Stop::Bad(at, "a block that does not continue the sequence"));
            }
            if cursor.pos + cursor.records_len() > end {
                return Err(Stop::Bad(at, "a block that goes beyond its group"));
            }
            while let Some(head) = cursor.head() {
                if (head.seq - self.first_seq).is_multiple_of(INDEX_EVERY) {
                    if head.seq != cursor.block.first_seq {
                        return Err(Stop::Bad(at, "a block that the index cannot lead to"));
                    }
                    survey.index.push(at as u32);
                }
                purged += u64::from(self.survey_record(cursor, &head, purging)?);
                cursor.step_over(&head);
                survey.last_seq = head.seq;
            }
        }
        if cursor.pos != end || survey.last_seq != last_seq {
            return Err(Stop::Bad(cursor.pos, "a group that does not end where its header says"));
        }
        Ok(purged)
    }

    /// Says whether a part of the record is erased.
    fn survey_record(
        &self,
        cursor: &mut Cursor,
        head: &Head,
        purging: &dyn Fn(u64) -> bool,
    ) -> Result<bool, Stop> {
        let at = cursor.pos;
        if !cursor.fill(&self.file, head.len())? {
            return Err(Stop::Bad(at, "a record that ends early"));
        }
        let [common, personal] = check_parts(cursor.bytes(), head, self.salt);
        if common == Part::Bad && !purging(head.seq) {
            return Err(Stop::Bad(at, "common part, wrong checksum"));
        }
        if personal == Part::Bad && !purging(head.seq) {
            let at = at + head.personal_at() as u64;
            return Err(Stop::Bad(at, "personal part, wrong checksum"));
        }
        Ok(common != Part::Intact || personal != Part::Intact)
    }

    /// Whether the bad place of the survey was acknowledged once, because a later write follows it.
    /// Gives where the next valid group begins and its first record, if there is one.
    pub fn later_write(
        &self,
        survey: &Survey,
        len: u64,
    ) -> Result<(bool, Option<(u64, u64)>), StorageError> {
        let later = self.later_group(survey.end + 1, len, survey.last_seq + 1)?;
        let goes_on = survey.bad_group_end.is_some_and(|end| end < len);
        Ok((goes_on || later.is_some(), later))
    }

    /// Looks for a valid group at or behind `from` that begins with record `seq_min` or later;
    /// gives its place and its first record.
    fn later_group(
        &self,
        from: u64,
        len: u64,
        seq_min: u64,
    ) -> Result<Option<(u64, u64)>, StorageError> {
        let finder = memchr::memmem::Finder::new(&GROUP_MAGIC);
        let mut window = vec![0; SCAN_BYTES.min(len.saturating_sub(from) as usize)];
        let mut at = from;
        while at + GROUP_HEADER as u64 <= len {
            let want = window.len().min((len - at) as usize);
            self.read_exact(at, &mut window[..want])?;
            for found in finder.find_iter(&window[..want]) {
                if found + GROUP_HEADER > want {
                    break;
                }
                let offset = at + found as u64;
                match read_group(&window[found..], self.salt, offset) {
                    Some(group) if group.first_seq >= seq_min => {
                        return Ok(Some((offset, group.first_seq)));
                    }
                    _ => {}
                }
            }
            // Overlaps by one header less a byte, so that no header falls between two windows.
            at += (want - (GROUP_HEADER - 1)) as u64;
        }
        Ok(None)
    }
}

/// Why a walk stopped.
pub(crate) enum Stop {
    Bad(u64, &'static str),
    Io(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Io(error)
    }
}

/// A window over a file that moves forward, and the block that it is in; it keeps its buffer from
/// one use to the next.
pub(crate) struct Cursor {
    buffer: Vec<u8>,
    lo: usize,
    hi: usize,
    /// How much is read at once; the buffer grows beyond it only for one long record.
    window: usize,
    /// Where in the file `buffer[lo]` is.
    pub pos: u64,
    end: u64,
    pub block: Block,
    /// Which record of the block `pos` is at; the block's count behind the last.
    next: usize,
}

impl Cursor {
    pub fn new(window: usize) -> Cursor {
        let (buffer, block) = (Vec::new(), Block::NONE);
        Cursor { buffer, lo: 0, hi: 0, window, pos: 0, end: 0, block, next: 0 }
    }

    /// Forgets what was read and goes to the group or block at `pos`; nothing is read at or beyond
    /// `end`.
    pub fn seek(&mut self, pos: u64, end: u64) {
        (self.lo, self.hi, self.pos, self.end) = (0, 0, pos, end);
        self.next = self.block.count();
    }

    /// Forgets what was read and stays where it is.
    pub fn forget(&mut self) {
        (self.lo, self.hi) = (0, 0);
    }

    /// Goes forward to the block at `pos` within what is already read, or stays if it is beyond
    /// `pos`. `false` when `pos` is not read yet.
    pub fn glide(&mut self, pos: u64, end: u64) -> bool {
        self.end = end;
        if pos <= self.pos {
            return true;
        }
        if pos - self.pos >= (self.hi - self.lo) as u64 {
            return false;
        }
        self.lo += (pos - self.pos) as usize;
        self.pos = pos;
        self.next = self.block.count();
        true
    }

    /// What is read from `pos` on.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.lo..self.hi]
    }

    /// Makes `need` bytes available. `false` when they would go beyond the end.
    pub fn fill<F: DiskFile>(&mut self, file: &F, need: usize) -> std::io::Result<bool> {
        if self.hi - self.lo >= need {
            return Ok(true);
        }
        if self.pos + need as u64 > self.end {
            return Ok(false);
        }
        self.buffer.copy_within(self.lo..self.hi, 0);
        self.hi -= self.lo;
        self.lo = 0;
        let left = usize::try_from(self.end - self.pos).unwrap_or(usize::MAX);
        let size = self.window.min(left).max(need);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        while self.hi < need {
            let from = self.pos + self.hi as u64;
            let room = (size - self.hi).min((self.end - from) as usize);
            let n = file.read_at(from, &mut self.buffer[self.hi..self.hi + room])?;
            if n == 0 {
                return Ok(false);
            }
            self.hi += n;
        }
        Ok(true)
    }

    pub fn skip(&mut self, n: usize) {
        let have = self.hi - self.lo;
        if n <= have {
            self.lo += n;
        } else {
            (self.lo, self.hi) = (0, 0);
        }
        self.pos += n as u64;
    }

    /// Reads the header of the block that begins here.
    fn open_block<F: DiskFile>(&mut self, segment: &Segment<F>) -> Result<(), Stop> {
        let at = self.pos;
        let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.fill(&segment.file, BLOCK_HEADER_MAX.min(left))?;
        self.next = 0;
        let bytes = &self.buffer[self.lo..self.hi];
        let len = self.block.read(bytes, segment.salt).map_err(|what| Stop::Bad(at, what))?;
        self.skip(len);
        Ok(())
    }

    /// The record here; `None` behind the last of the block.
    fn head(&self) -> Option<Head> {
        self.block.head(self.next)
    }

    /// Length of the block's records from here on.
    fn records_len(&self) -> u64 {
        let heads = (self.next..self.block.count()).filter_map(|at| self.block.head(at));
        heads.map(|head| head.len() as u64).sum()
    }

    pub fn step_over(&mut self, head: &Head) {
        self.skip(head.len());
        self.next += 1;
    }

    /// Goes to the next record, over the headers of a group and a block if they are here. `None` at
    /// the end. Nothing of the record itself is read for certain.
    pub fn next_head<F: DiskFile>(
        &mut self,
        segment: &Segment<F>,
    ) -> Result<Option<Head>, StorageError> {
        loop {
            if let Some(head) = self.head() {
                return Ok(Some(head));
            }
            let at = self.pos;
            if at >= self.end {
                return Ok(None);
            }
            if !self.fill(&segment.file, 4).map_err(|e| segment.io("read", e))? {
                return Err(segment.damaged(at, "the file ends early"));
            }
            if self.bytes()[..4] != GROUP_MAGIC {
                self.open_block(segment).map_err(|stop| match stop {
                    Stop::Bad(at, what) => segment.damaged(at, what),
                    Stop::Io(error) => segment.io("read", error),
                })?;
                continue;
            }
            let have = self.fill(&segment.file, GROUP_HEADER).map_err(|e| segment.io("read", e))?;
            if !have || read_group(self.bytes(), segment.salt, at).is_none() {
                return Err(segment.damaged(at, "group header with a wrong checksum"));
            }
            self.skip(GROUP_HEADER);
        }
    }

    /// Reads the whole record that is here and checks it.
    pub fn load<F: DiskFile>(
        &mut self,
        segment: &Segment<F>,
        head: &Head,
    ) -> Result<[Part; 2], StorageError> {
        let have = self.fill(&segment.file, head.len()).map_err(|e| segment.io("read", e))?;
        if !have {
            return Err(segment.damaged(self.pos, "a record that ends early"));
        }
        Ok(check_parts(self.bytes(), head, segment.salt))
    }

    /// The loaded record; a part that is not intact reads as empty.
    pub fn record(&self, head: &Head, parts: [Part; 2]) -> Record<'_> {
        let bytes = self.bytes();
        let [common_at, personal_at] = head.parts();
        let [common, personal] = parts;
        Record {
            seq: head.seq,
            time_ms: head.time_ms,
            tag: head.tag,
            common: if common == Part::Intact { &bytes[common_at] } else { &[] },
            personal: if personal == Part::Intact { &bytes[personal_at] } else { &[] },
            purged: personal != Part::Intact || common != Part::Intact,
            common_purged: common != Part::Intact,
        }
    }
}

/// Reads until `into` is full or the file ends.
pub(crate) fn read_full<F: DiskFile>(
    file: &F,
    offset: u64,
    into: &mut [u8],
) -> std::io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        let n = file.read_at(offset + done as u64, &mut into[done..])?;
        if n == 0 {
            break;
        }
        done += n;
    }
    Ok(done)
}
