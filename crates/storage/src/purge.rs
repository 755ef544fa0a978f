//! Erasing parts of committed records in place, so that a crash at any moment leaves either the
//! record as it was or, after the next open, the erased record.
//!
//! Order: the file `purge-pending` with the numbers is made durable; the parts are overwritten and
//! synced; the file is removed. A record with a half-erased part is legal only while its number is
//! in that file. The file holds numbers, never a person's data.
//!
//! ```text
//!    0  8  magic "EVBNDPRG"
//!    8  8  number of entries
//!   16  .  entries: sequence number (8), 1 when the common part is erased too (8)
//!    .  8  checksum of all before
//! ```

use crate::disk::{Disk, DiskFile};
use crate::error::StorageError;
use crate::format::{Part, u64_at};
use crate::log::Shared;
use crate::reader::walk_to;
use crate::segment::{Cursor, Segment, read_full};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use xxhash_rust::xxh3::xxh3_64;

const FILE: &str = "purge-pending";
const FILE_TMP: &str = "purge-pending.tmp";
const MAGIC: &[u8; 8] = b"EVBNDPRG";
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Sequence numbers, and whether the common part goes too.
pub(crate) type Pending = BTreeMap<u64, bool>;

/// What a crash or a failed purge left to do.
pub(crate) fn load_pending<D: Disk>(disk: &D) -> Result<Pending, StorageError> {
    let names = disk.list().map_err(|e| StorageError::io(FILE, "read", e))?;
    if names.iter().any(|name| name == FILE_TMP) {
        disk.remove(FILE_TMP).map_err(|e| StorageError::io(FILE_TMP, "remove", e))?;
    }
    read_pending(disk)
}

/// The same, changing nothing.
pub(crate) fn read_pending<D: Disk>(disk: &D) -> Result<Pending, StorageError> {
    let io = |e| StorageError::io(FILE, "read", e);
    let names = disk.list().map_err(io)?;
    if !names.iter().any(|name| name == FILE) {
        return Ok(Pending::new());
    }
    let file = disk.open(FILE).map_err(io)?;
    let mut bytes = vec![0; file.len().map_err(io)? as usize];
    let n = read_full(&file, 0, &mut bytes).map_err(io)?;
    let whole = n == bytes.len() && n >= 24 && n % 8 == 0 && bytes[..8] == *MAGIC;
    if !whole || xxh3_64(&bytes[..n - 8]) != u64_at(&bytes, n - 8) {
        return Err(StorageError::damaged(FILE, 0, "its checksum is wrong"));
    }
    let entries = bytes[16..n - 8].chunks_exact(16);
    Ok(entries.map(|entry| (u64_at(entry, 0), u64_at(entry, 8) != 0)).collect())
}

fn store_pending<D: Disk>(disk: &D, pending: &Pending) -> Result<(), StorageError> {
    let mut bytes = Vec::with_capacity(24 + pending.len() * 16);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(pending.len() as u64).to_le_bytes());
    for (seq, all) in pending {
        bytes.extend_from_slice(&seq.to_le_bytes());
        bytes.extend_from_slice(&u64::from(*all).to_le_bytes());
    }
    let check = xxh3_64(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    let write = || {
        let file = disk.create(FILE_TMP)?;
        file.write_at(0, &bytes)?;
        file.sync_data()?;
        drop(file);
        disk.rename(FILE_TMP, FILE)?;
        disk.sync_dir()
    };
    write().map_err(|e| {
        // A leftover would stand in the way of the next purge; it may be there or not.
        let _ = disk.remove(FILE_TMP);
        StorageError::io(FILE, "write", e)
    })
}

/// Finishes what is pending; called once at open. Gives the number of records erased.
pub(crate) fn redo<D: Disk>(shared: &Shared<D>) -> Result<usize, StorageError> {
    let pending = shared.pending.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if pending.is_empty() {
        return Ok(0);
    }
    let count = erase(shared, &pending, &pending)?;
    finish(shared)?;
    Ok(count)
}

pub(crate) fn purge<D: Disk>(
    shared: &Shared<D>,
    seqs: &[u64],
    all: bool,
) -> Result<usize, StorageError> {
    let _one_at_a_time = shared.purging.lock().unwrap_or_else(PoisonError::into_inner);
    // What an earlier purge could not finish stays in the list and is done along with this one.
    let again = shared.pending.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut pending = again.clone();
    for &seq in seqs {
        *pending.entry(seq).or_insert(false) |= all;
    }
    let segments = shared.segments();
    let (first, last) = (segments[0].first_seq, segments[segments.len() - 1].last_seq());
    pending.retain(|seq, _| (first..=last).contains(seq));
    if pending.is_empty() {
        return Ok(0);
    }
    store_pending(&shared.disk, &pending)?;
    *shared.pending.lock().unwrap_or_else(PoisonError::into_inner) = pending.clone();
    let count = erase(shared, &pending, &again)?;
    finish(shared)?;
    Ok(count)
}

fn finish<D: Disk>(shared: &Shared<D>) -> Result<(), StorageError> {
    let removed = shared.disk.remove(FILE).and_then(|()| shared.disk.sync_dir());
    removed.map_err(|e| StorageError::io(FILE, "remove", e))?;
    shared.pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
    Ok(())
}

/// Erases what is `pending`. What is in `again` is written even if it reads as erased: after a
/// failed sync the cache may show zeros that the disk does not have.
fn erase<D: Disk>(
    shared: &Shared<D>,
    pending: &Pending,
    again: &Pending,
) -> Result<usize, StorageError> {
    let segments = shared.segments();
    let mut cursor = Cursor::new(8 << 10);
    let mut count = 0;
    for segment in segments.iter() {
        let (first, last) = (segment.first_seq, segment.last_seq());
        if last < first {
            continue;
        }
        // A handle of its own: an error of the disk is told once to each handle, and the writer's
        // sync must not take the one that is meant for this purge.
        let file = disk_open(shared, segment)?;
        let mut touched = false;
        for (&seq, &all) in pending.range(first..=last) {
            let Some((near, end)) = segment.near(seq) else { continue };
            cursor.seek(near, end);
            let head = walk_to(&mut cursor, segment, seq)?;
            let parts = cursor.load(segment, &head)?;
            let personal_at = head.personal_at();
            let common = (all && head.common_len > 0, parts[0], 0..personal_at);
            let personal = (head.personal_len > 0, parts[1], personal_at..head.len());
            let mut erased = false;
            for (wanted, part, place) in [common, personal] {
                if wanted && (part != Part::Purged || again.contains_key(&seq)) {
                    let written = zero(&file, cursor.pos + place.start as u64, place.len());
                    written.map_err(|e| segment.io("erase in", e))?;
                    erased |= part != Part::Purged;
                    touched = true;
                }
            }
            count += usize::from(erased);
        }
        if touched {
            file.sync_data().map_err(|e| segment.io("sync", e))?;
        }
    }
    Ok(count)
}

fn disk_open<D: Disk>(
    shared: &Shared<D>,
    segment: &Segment<D::File>,
) -> Result<D::File, StorageError> {
    shared.disk.open(&segment.name).map_err(|e| segment.io("open", e))
}

fn zero<F: DiskFile>(file: &F, at: u64, len: usize) -> std::io::Result<()> {
    let mut done = 0;
    while done < len {
        let n = (len - done).min(ZEROS.len());
        file.write_at(at + done as u64, &ZEROS[..n])?;
        done += n;
    }
    Ok(())
}
