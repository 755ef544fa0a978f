//! Checking what is on disk: every checksum of the log, and whether any file holds given bytes.

use crate::disk::{Disk, DiskFile};
use crate::error::StorageError;
use crate::format::{SEGMENT_HEADER, parse_segment_name, segment_name};
use crate::log::Record;
use crate::purge;
use crate::segment::{Cursor, Segment, Survey};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a check of the whole log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub segments: usize,
    /// Records that check.
    pub records: u64,
    /// Of them, those with an erased part.
    pub purged: u64,
    pub bytes: u64,
    /// Bytes of an unfinished group at the end, which the next open cuts.
    pub torn_tail_bytes: u64,
    /// Purges that a crash broke off, which the next open finishes.
    pub purges_pending: usize,
    pub damages: Vec<Damage>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: String,
    pub offset: u64,
    pub what: String,
}

/// Checks every record of the log, reading only; goes on behind a damaged place with the next group
/// that checks. Of a log that is being written, the group being written may count as a torn tail.
pub fn verify_log<D: Disk>(disk: &D) -> Result<Report, StorageError> {
    let pending = purge::read_pending(disk)?;
    let firsts = first_records(disk)?;
    let mut report = Report { purges_pending: pending.len(), ..Report::default() };
    for (at, &first) in firsts.iter().enumerate() {
        let next = firsts.get(at + 1).copied();
        match verify_segment(disk, first, next, &|seq| pending.contains_key(&seq), &mut report) {
            Err(StorageError::Damaged { file, offset, what }) => {
                report.damages.push(Damage { file, offset, what });
            }
            other => other?,
        }
    }
    Ok(report)
}

fn verify_segment<D: Disk>(
    disk: &D,
    first: u64,
    next: Option<u64>,
    purging: &dyn Fn(u64) -> bool,
    report: &mut Report,
) -> Result<(), StorageError> {
    let name = segment_name(first);
    let file = disk.open(&name).map_err(|e| StorageError::io(&name, "open", e))?;
    let len = file.len().map_err(|e| StorageError::io(&name, "measure", e))?;
    report.segments += 1;
    report.bytes += len;
    let segment = Segment::open(file, first)?;
    let sealed = segment.load_footer(len)?;
    let end = if sealed { segment.end() } else { len };
    let mut survey = Survey::new(first);
    loop {
        segment.survey(end, &mut survey, purging)?;
        let Some((offset, what)) = survey.bad.take() else { break };
        let (acknowledged, later) = segment.later_write(&survey, end)?;
        let whole = next.is_some_and(|next| survey.last_seq + 1 == next);
        if !acknowledged && whole {
            break;
        }
        if !acknowledged && next.is_none() && !sealed {
            report.torn_tail_bytes += end - survey.end;
            break;
        }
        let what = what.to_owned();
        report.damages.push(Damage { file: name.clone(), offset, what });
        let Some((offset, first_seq)) = later else { break };
        (survey.end, survey.last_seq) = (offset, first_seq - 1);
    }
    report.records += survey.records;
    report.purged += survey.purged;
    if let Some(next) = next
        && survey.last_seq + 1 != next
        && !report.damages.iter().any(|damage| damage.file == name)
    {
        let last = survey.last_seq;
        let what = format!("it ends with record {last}, the next segment begins with {next}");
        return Err(segment.damaged(survey.end, &what));
    }
    Ok(())
}

/// Hands out the records of a log, reading only; a part that is erased or damaged is empty.
pub fn read_log<D: Disk>(disk: &D, each: &mut dyn FnMut(Record<'_>)) -> Result<(), StorageError> {
    for first in first_records(disk)? {
        let name = segment_name(first);
        let file = disk.open(&name).map_err(|e| StorageError::io(&name, "open", e))?;
        let len = file.len().map_err(|e| StorageError::io(&name, "measure", e))?;
        let segment = Segment::open(file, first)?;
        let end = if segment.load_footer(len)? {
            segment.end()
        } else {
            let mut survey = Survey::new(first);
            segment.survey(len, &mut survey, &|_| true)?;
            survey.end
        };
        let mut cursor = Cursor::new(1 << 20);
        cursor.seek(SEGMENT_HEADER as u64, end);
        while let Some(head) = cursor.next_head(&segment)? {
            let parts = cursor.load(&segment, &head)?;
            each(cursor.record(&head, parts));
            cursor.step_over(&head);
        }
    }
    Ok(())
}

/// The first record of each segment, in order.
fn first_records<D: Disk>(disk: &D) -> Result<Vec<u64>, StorageError> {
    let names = disk.list().map_err(|e| StorageError::io("the log folder", "list", e))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|n| parse_segment_name(n)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// A place where one of the needles is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub file: PathBuf,
    pub offset: u64,
    /// Which needle, by its place in the list.
    pub which: usize,
}

/// Searches every file under `folder` for byte strings, for the audit of a wipe: after it, none of
/// the person's identifiers may be found. Files that vanish meanwhile are passed over.
pub fn find_bytes(folder: &Path, needles: &[&[u8]]) -> Result<Vec<Hit>, StorageError> {
    let mut hits = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |e| StorageError::io(&folder.display().to_string(), "search", e);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            entries.push((entry.path(), entry.file_type().map_err(failed)?.is_dir()));
        }
        entries.sort();
        for (path, is_folder) in entries {
            if is_folder {
                folders.push(path);
                continue;
            }
            match search_file(&path, needles, &mut hits) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(StorageError::io(&path.display().to_string(), "search", e));
                }
                _ => {}
            }
        }
    }
    Ok(hits)
}

fn search_file(path: &Path, needles: &[&[u8]], hits: &mut Vec<Hit>) -> io::Result<()> {
    let mut file = File::open(path)?;
    // Windows overlap, so that no needle falls between two.
    let overlap = needles.iter().map(|needle| needle.len()).max().unwrap_or(1).max(1) - 1;
    let mut window = vec![0; (1 << 20) + overlap];
    let (mut start, mut kept) = (0u64, 0);
    loop {
        let n = file.read(&mut window[kept..])?;
        let have = kept + n;
        for (which, needle) in needles.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
            for at in memchr::memmem::find_iter(&window[..have], needle) {
                // What lies wholly in the kept part was reported with the window before.
                if at + needle.len() > kept {
                    let offset = start + at as u64;
                    hits.push(Hit { file: path.to_path_buf(), offset, which });
                }
            }
        }
        if n == 0 {
            return Ok(());
        }
        let keep = overlap.min(have);
        window.copy_within(have - keep..have, 0);
        start += (have - keep) as u64;
        kept = keep;
    }
}
