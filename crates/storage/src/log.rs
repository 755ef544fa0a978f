//! The writer's side of the segment log: records are gathered into a group, a commit writes the
//! group by one write and one sync. What the records mean is not known here. There is one writer;
//! readers on other threads see what is committed (`LogReader`).

use crate::disk::{Disk, DiskFile};
use crate::error::StorageError;
use crate::format::{
    BLOCK_HEADER_MAX, BlockWriter, GROUP_BYTES_MAX, GROUP_HEADER, Group, Head, INDEX_EVERY,
    PART_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_HEADER, parse_segment_name, segment_name,
    write_group,
};
use crate::purge::{self, Pending};
use crate::reader::LogReader;
use crate::segment::{Segment, Survey};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A record as it is read, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// 1, 2, 3 and so on without gaps.
    pub seq: u64,
    /// Milliseconds since 1970, as the writer gave it.
    pub time_ms: i64,
    /// The writer's kind of record.
    pub tag: u8,
    pub common: &'a [u8],
    /// Empty when purged.
    pub personal: &'a [u8],
    /// The personal part was erased (and the common part too, if `common_purged`).
    pub purged: bool,
    /// The common part was erased.
    pub common_purged: bool,
}

impl Record<'_> {
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            seq: self.seq,
            time_ms: self.time_ms,
            tag: self.tag,
            common: self.common.to_vec(),
            personal: self.personal.to_vec(),
            purged: self.purged,
            common_purged: self.common_purged,
        }
    }
}

/// A record with its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    pub seq: u64,
    pub time_ms: i64,
    pub tag: u8,
    pub common: Vec<u8>,
    pub personal: Vec<u8>,
    pub purged: bool,
    pub common_purged: bool,
}

#[derive(Clone, Debug)]
pub struct LogOptions {
    /// A segment that has grown to this many bytes is sealed, from 4 kB to 2 GiB.
    pub segment_bytes: u64,
    /// Seeds the checksums of new segments. Taken at random when `None`; a simulation gives it, so
    /// that the same seed writes the same bytes.
    pub salt: Option<u64>,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions { segment_bytes: 256 << 20, salt: None }
    }
}

/// What opening found and repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest record that is kept; `last_seq + 1` when there is none.
    pub first_seq: u64,
    /// The newest record, 0 in a new log.
    pub last_seq: u64,
    /// Bytes of a group whose commit never returned.
    pub torn_bytes_cut: u64,
    pub segments: usize,
    /// Records whose purge was begun before a crash and is now done.
    pub purges_redone: usize,
    /// Sealed segments that had to be scanned because their index was missing.
    pub indexes_rebuilt: usize,
}

pub(crate) type Segments<D> = Vec<Arc<Segment<<D as Disk>::File>>>;

/// What the writer and all readers share.
pub(crate) struct Shared<D: Disk> {
    pub disk: D,
    /// In order, at least one; the last is written to.
    pub segments: RwLock<Arc<Segments<D>>>,
    /// Purges that have begun and are not known to be done.
    pub pending: Mutex<Pending>,
    /// Held by the one purge that runs.
    pub purging: Mutex<()>,
}

impl<D: Disk> Shared<D> {
    pub fn segments(&self) -> Arc<Segments<D>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn is_pending(&self, seq: u64) -> bool {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&seq)
    }
}

pub struct Log<D: Disk> {
    shared: Arc<Shared<D>>,
    active: Arc<Segment<D::File>>,
    options: LogOptions,
    /// The group: room for its header, then its blocks but the last.
    group: Vec<u8>,
    /// The last block, which still grows.
    block: BlockWriter,
    /// Where in `group` the blocks begin that get an index entry.
    marks: Vec<u32>,
    /// The first record of the segment that the group goes to.
    group_base: u64,
    /// The newest written record.
    last_seq: u64,
    group_count: u32,
    /// What was written and is not synced: the newest record and the segment's end before it.
    unsynced: Option<(u64, u64)>,
    poisoned: Option<String>,
}

impl<D: Disk> Log<D> {
    /// Opens the log, or begins one on an empty disk: finishes purges that a crash broke off, cuts
    /// a torn tail, rebuilds lost indexes. Reads the last segment and of the others only the index.
    pub fn open(disk: D, options: LogOptions) -> Result<(Log<D>, Recovery), StorageError> {
        let segment_bytes = options.segment_bytes.clamp(4096, SEGMENT_BYTES_MAX);
        let options = LogOptions { segment_bytes, ..options };
        let mut recovery = Recovery::default();
        let pending = purge::load_pending(&disk)?;
        let segments = open_segments(&disk, &pending, &options, &mut recovery)?;
        let active = segments.last().expect("open_segments gives at least one").clone();
        recovery.first_seq = segments[0].first_seq;
        recovery.last_seq = active.last_seq();
        recovery.segments = segments.len();
        let shared = Arc::new(Shared {
            disk,
            segments: RwLock::new(Arc::new(segments)),
            pending: Mutex::new(pending),
            purging: Mutex::new(()),
        });
        recovery.purges_redone = purge::redo(&shared)?;
        let log = Log {
            shared,
            active,
            options,
            group: vec![0; GROUP_HEADER],
            block: BlockWriter::default(),
            marks: Vec::new(),
            group_base: 0,
            last_seq: recovery.last_seq,
            group_count: 0,
            unsynced: None,
            poisoned: None,
        };
        Ok((log, recovery))
    }

    /// Adds a record to the group and gives its sequence number. Nothing is durable or visible to
    /// readers before `commit`. Records of one time are kept together, so a group of one time is
    /// the most compact.
    ///
    /// # Panics
    /// When a part is longer than `PART_BYTES_MAX` or the group longer than `GROUP_BYTES_MAX`: the
    /// limits on requests are far below both.
    pub fn append(&mut self, time_ms: i64, tag: u8, common: &[u8], personal: &[u8]) -> u64 {
        assert!(common.len() <= PART_BYTES_MAX && personal.len() <= PART_BYTES_MAX);
        let head = Head {
            common_len: common.len(),
            personal_len: personal.len(),
            seq: self.last_seq + u64::from(self.group_count) + 1,
            time_ms,
            tag,
        };
        assert!(self.group_bytes() + head.len() + BLOCK_HEADER_MAX <= GROUP_BYTES_MAX);
        if self.group_count == 0 {
            let full = self.active.end() >= self.options.segment_bytes;
            self.group_base = if full { head.seq } else { self.active.first_seq };
        }
        let salt = self.active.salt;
        let marked = (head.seq - self.group_base).is_multiple_of(INDEX_EVERY);
        if marked || !self.block.takes(time_ms) {
            self.block.flush(&mut self.group, salt);
        }
        if marked {
            self.marks.push(self.group.len() as u32);
        }
        self.block.push(head, [common, personal], salt);
        self.group_count += 1;
        head.seq
    }

    /// Bytes gathered since the last commit.
    pub fn group_bytes(&self) -> usize {
        self.group.len() - GROUP_HEADER + self.block.len()
    }

    /// Records gathered since the last commit.
    pub fn group_len(&self) -> u64 {
        u64::from(self.group_count)
    }

    /// Makes the group durable: one write, one sync. When it returns, readers see the records.
    ///
    /// # Errors
    /// `DiskFull`: nothing of the group is kept, its sequence numbers will be given again, and the
    /// log goes on. Any other error: the log takes no more commits (`Poisoned`), because after a
    /// failed sync nobody knows what the disk holds.
    pub fn commit(&mut self) -> Result<(), StorageError> {
        self.write()?;
        self.sync()
    }

    /// The first half of [`Log::commit`]: the group is in the file, and readers see it, but it is
    /// not durable before [`Log::sync`] has returned. Whoever acts on it before that must be able
    /// to take it back. Errors are those of `commit`.
    pub fn write(&mut self) -> Result<(), StorageError> {
        if let Some(why) = &self.poisoned {
            return Err(StorageError::Poisoned { why: why.clone() });
        }
        self.sync()?;
        if self.group_count == 0 {
            return Ok(());
        }
        self.block.flush(&mut self.group, self.active.salt);
        let result = self.roll().and_then(|()| self.write_group());
        self.group.truncate(GROUP_HEADER);
        self.marks.clear();
        self.group_count = 0;
        self.note(result)
    }

    /// Makes durable what was written. On an error it is taken back from readers, and the log is
    /// poisoned.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        let Some((last_seq, end)) = self.unsynced.take() else { return Ok(()) };
        let segment = &self.active;
        let result = segment.file.sync_data().map_err(|e| sync_failed(&segment.name, e));
        if result.is_err() {
            segment.take_back(last_seq, end);
            self.last_seq = last_seq;
        }
        self.note(result)
    }

    /// Closes the log in order: commits, then marks the end, so that later damage to the last group
    /// is not taken for a torn tail.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.commit()?;
        let result = self.write_group();
        self.note(result)?;
        self.sync()
    }

    /// The newest committed record, 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// A handle for reading, from any thread.
    pub fn reader(&self) -> LogReader<D> {
        LogReader::new(self.shared.clone())
    }

    fn note(&mut self, result: Result<(), StorageError>) -> Result<(), StorageError> {
        if let Err(error) = &result
            && !matches!(error, StorageError::DiskFull { .. })
        {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    /// Writes the group, or an empty one as a mark, behind the last.
    fn write_group(&mut self) -> Result<(), StorageError> {
        let segment = &self.active;
        let start = segment.end();
        let group = Group {
            count: self.group_count,
            first_seq: self.last_seq + 1,
            len: (self.group.len() - GROUP_HEADER) as u32,
        };
        write_group(&mut self.group[..GROUP_HEADER], group, segment.salt, start);
        if let Err(error) = segment.file.write_at(start, &self.group) {
            let error = segment.io("write to", error);
            if matches!(error, StorageError::DiskFull { .. }) {
                // Synced, because a later start must not take the remains for a later write.
                let cut = segment.file.truncate(start).and_then(|()| segment.file.sync_data());
                cut.map_err(|e| sync_failed(&segment.name, e))?;
            }
            return Err(error);
        }
        for mark in &mut self.marks {
            *mark += start as u32;
        }
        self.unsynced = Some((self.last_seq, start));
        self.last_seq += u64::from(self.group_count);
        segment.extend(self.last_seq, start + self.group.len() as u64, &self.marks);
        Ok(())
    }

    /// Seals the active segment and begins the next, if the group goes there.
    fn roll(&mut self) -> Result<(), StorageError> {
        if self.group_base == self.active.first_seq {
            return Ok(());
        }
        match self.active.write_footer() {
            // The footer is only there to make the next start fast.
            Err(e) if crate::error::is_full(&e) => {
                let cut = self.active.file.truncate(self.active.end());
                cut.map_err(|e| self.active.io("cut back", e))?;
            }
            Err(e) => return Err(sync_failed(&self.active.name, e)),
            Ok(()) => {}
        }
        let salt = self.active.salt;
        self.active = begin_segment(&self.shared.disk, self.last_seq + 1, salt)?;
        let mut segments = self.shared.segments.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut segments).push(self.active.clone());
        Ok(())
    }
}

/// A failed sync is never "disk full, try again": the kernel may have dropped the dirty pages.
fn sync_failed(file: &str, source: std::io::Error) -> StorageError {
    StorageError::Io { file: file.to_owned(), doing: "sync", source }
}

fn begin_segment<D: Disk>(
    disk: &D,
    first_seq: u64,
    salt: u64,
) -> Result<Arc<Segment<D::File>>, StorageError> {
    let name = segment_name(first_seq);
    let io = |e| StorageError::io(&name, "create", e);
    let file = disk.create(&name).map_err(io)?;
    match Segment::create(file, first_seq, salt) {
        Ok(segment) => {
            disk.sync_dir().map_err(|e| sync_failed(&name, e))?;
            Ok(Arc::new(segment))
        }
        Err(error) => {
            // Leaves no half-made file in the way of the next try.
            disk.remove(&name).map_err(io)?;
            Err(error)
        }
    }
}

fn open_segments<D: Disk>(
    disk: &D,
    pending: &Pending,
    options: &LogOptions,
    recovery: &mut Recovery,
) -> Result<Segments<D>, StorageError> {
    let names = disk.list().map_err(|e| StorageError::io("the log folder", "list", e))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|n| parse_segment_name(n)).collect();
    firsts.sort_unstable();
    let mut segments = Vec::with_capacity(firsts.len() + 1);
    let (mut next_seq, mut sealed) = (firsts.first().copied().unwrap_or(1), true);
    for (at, &first) in firsts.iter().enumerate() {
        if first != next_seq {
            let what = format!("the segment that begins with record {next_seq} is missing");
            return Err(StorageError::damaged(&segment_name(next_seq), 0, what));
        }
        let last = at + 1 == firsts.len();
        let name = segment_name(first);
        let file = disk.open(&name).map_err(|e| StorageError::io(&name, "open", e))?;
        let len = file.len().map_err(|e| StorageError::io(&name, "measure", e))?;
        let segment = match Segment::open(file, first) {
            // The crash came while the segment was begun: no group was ever written to it.
            Err(StorageError::Damaged { .. }) if last && len <= SEGMENT_HEADER as u64 => {
                disk.remove(&name).map_err(|e| StorageError::io(&name, "remove", e))?;
                break;
            }
            opened => opened?,
        };
        sealed = segment.load_footer(len)?;
        if !sealed {
            let bounds = if last { None } else { Some(firsts[at + 1] - 1) };
            recover_segment(&segment, len, bounds, pending, recovery)?;
            sealed = !last;
        }
        next_seq = segment.last_seq() + 1;
        segments.push(Arc::new(segment));
    }
    if sealed {
        let salt = segments.last().map_or_else(|| new_salt(options), |s| s.salt);
        segments.push(begin_segment(disk, next_seq, salt)?);
    }
    Ok(segments)
}

fn new_salt(options: &LogOptions) -> u64 {
    options.salt.unwrap_or_else(|| RandomState::new().hash_one("salt of a new log"))
}

/// Finds the extent of a segment without a footer by reading it. `last_seq` is known for a segment
/// that others follow.
fn recover_segment<F: DiskFile>(
    segment: &Segment<F>,
    len: u64,
    last_seq: Option<u64>,
    pending: &Pending,
    recovery: &mut Recovery,
) -> Result<(), StorageError> {
    let mut survey = Survey::new(segment.first_seq);
    segment.survey(len, &mut survey, &|seq| pending.contains_key(&seq))?;
    if let Some((offset, what)) = survey.bad {
        let (acknowledged, _) = segment.later_write(&survey, len)?;
        // Behind the last record of a sealed segment there is only what is left of a footer.
        let whole = last_seq.is_some_and(|last| survey.last_seq == last);
        if !whole && (last_seq.is_some() || acknowledged) {
            return Err(segment.damaged(offset, what));
        }
    }
    if last_seq.is_some_and(|last| survey.last_seq != last) {
        return Err(segment.damaged(survey.end, "records are missing at the end of the segment"));
    }
    segment.set_extent(survey.last_seq, survey.end, survey.index);
    if last_seq.is_some() {
        recovery.indexes_rebuilt += 1;
        return match segment.write_footer() {
            Err(e) if !crate::error::is_full(&e) => Err(sync_failed(&segment.name, e)),
            _ => Ok(()),
        };
    }
    if survey.end < len {
        recovery.torn_bytes_cut = len - survey.end;
        segment.file.truncate(survey.end).map_err(|e| segment.io("cut", e))?;
        segment.file.sync_data().map_err(|e| sync_failed(&segment.name, e))?;
    }
    Ok(())
}
