//! The bytes of a log segment. Version 1; every number is little-endian.
//!
//! A segment file is named by its first sequence number, `00000000000000000001.log`:
//!
//! ```text
//! header (40 bytes)
//!    0  8  magic "EVBNDLOG"
//!    8  4  version (1)
//!   12  4  zero
//!   16  8  first sequence number
//!   24  8  salt: seeds every checksum of this file
//!   32  8  checksum of the 32 bytes before
//! group, repeated: all that one commit wrote, by one write and one sync
//!    0  4  magic "EVBG"
//!    4  4  number of records (0: a mark that the log was closed in order)
//!    8  8  sequence number of the first record
//!   16  4  length of the records in bytes
//!   20  4  zero
//!   24  8  checksum of the 24 bytes before, seeded also by the group's offset
//!       record, repeated
//!          0  4  length of the common part      (at most 16 MiB, so never the group's magic)
//!          4  4  length of the personal part
//!          8  8  sequence number
//!         16  8  time, milliseconds since 1970
//!         24  1  tag
//!         25  3  zero
//!         28  4  checksum of the 28 bytes before
//!         32  4  checksum of the common part
//!         36  .  common part
//!          .  4  checksum of the personal part
//!          .  .  personal part
//! footer, in a segment that is full
//!       4 * n  offsets of every 16th record, the first record being the 0th
//!    0  8  magic "EVBNDEND"
//!    8  8  first sequence number
//!   16  8  last sequence number
//!   24  4  n
//!   28  4  16
//!   32  8  checksum of the offsets
//!   40  8  checksum of the 40 bytes before
//! ```
//!
//! A part is purged by writing zeros over the part and its checksum. The checksum goes too, because
//! with it a guess at an erased address could be confirmed. A checksum that is computed as 0 is
//! stored as 1, so 0 always means purged.
//!
//! The checksum is XXH3, its low 32 bits for records; the salt keeps bytes of another life of the
//! same disk block, or a copy of a segment inside a record, from passing as part of this file.

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub const SEGMENT_MAGIC: [u8; 8] = *b"EVBNDLOG";
pub const GROUP_MAGIC: [u8; 4] = *b"EVBG";
pub const FOOTER_MAGIC: [u8; 8] = *b"EVBNDEND";
pub const SEGMENT_VERSION: u32 = 1;

pub const SEGMENT_HEADER: usize = 40;
pub const GROUP_HEADER: usize = 32;
pub const RECORD_HEADER: usize = 32;
/// What a record costs beside its two parts.
pub const RECORD_OVERHEAD: usize = RECORD_HEADER + 8;
pub const FOOTER_TRAILER: usize = 48;
/// Every how many records the index has an entry: 4 bytes for 16 records is 0.25 bytes each in
/// memory, and finding a record reads at most 16 headers.
pub const INDEX_EVERY: u64 = 16;

/// Longest part of a record, in bytes.
pub const PART_BYTES_MAX: usize = 16 << 20;
/// Longest group, in bytes. With the largest segment it keeps offsets within 32 bits.
pub const GROUP_BYTES_MAX: usize = 1 << 30;
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the range has 4 bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the range has 8 bytes"))
}

/// The checksum of a record's header or part; never 0.
pub(crate) fn part_check(bytes: &[u8], seed: u64) -> u32 {
    (xxh3_64_with_seed(bytes, seed) as u32).max(1)
}

pub(crate) fn segment_header(first_seq: u64, salt: u64) -> [u8; SEGMENT_HEADER] {
    let mut head = [0; SEGMENT_HEADER];
    head[0..8].copy_from_slice(&SEGMENT_MAGIC);
    head[8..12].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
    head[16..24].copy_from_slice(&first_seq.to_le_bytes());
    head[24..32].copy_from_slice(&salt.to_le_bytes());
    let check = xxh3_64_with_seed(&head[..32], 0);
    head[32..40].copy_from_slice(&check.to_le_bytes());
    head
}

/// Gives the first sequence number and the salt.
pub(crate) fn read_segment_header(head: &[u8]) -> Result<(u64, u64), String> {
    if head.len() < SEGMENT_HEADER || head[0..8] != SEGMENT_MAGIC {
        return Err("no segment header".into());
    }
    if xxh3_64_with_seed(&head[..32], 0) != u64_at(head, 32) {
        return Err("segment header with a wrong checksum".into());
    }
    let version = u32_at(head, 8);
    if version != SEGMENT_VERSION {
        return Err(format!("segment version {version}, this program reads {SEGMENT_VERSION}"));
    }
    Ok((u64_at(head, 16), u64_at(head, 24)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub count: u32,
    pub first_seq: u64,
    pub len: u32,
}

pub(crate) fn write_group(into: &mut [u8], group: Group, salt: u64, offset: u64) {
    into[0..4].copy_from_slice(&GROUP_MAGIC);
    into[4..8].copy_from_slice(&group.count.to_le_bytes());
    into[8..16].copy_from_slice(&group.first_seq.to_le_bytes());
    into[16..20].copy_from_slice(&group.len.to_le_bytes());
    into[20..24].fill(0);
    let check = xxh3_64_with_seed(&into[..24], group_seed(salt, offset));
    into[24..32].copy_from_slice(&check.to_le_bytes());
}

/// `bytes` begin at the group and have at least a group header.
pub(crate) fn read_group(bytes: &[u8], salt: u64, offset: u64) -> Option<Group> {
    if bytes[0..4] != GROUP_MAGIC {
        return None;
    }
    let check = xxh3_64_with_seed(&bytes[..24], group_seed(salt, offset));
    if check != u64_at(bytes, 24) {
        return None;
    }
    Some(Group { count: u32_at(bytes, 4), first_seq: u64_at(bytes, 8), len: u32_at(bytes, 16) })
}

fn group_seed(salt: u64, offset: u64) -> u64 {
    salt ^ offset.rotate_left(17)
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub common_len: usize,
    pub personal_len: usize,
    pub seq: u64,
    pub time_ms: i64,
    pub tag: u8,
}

impl Head {
    /// Length of the whole record.
    pub fn len(&self) -> usize {
        RECORD_OVERHEAD + self.common_len + self.personal_len
    }
    /// Where the checksum of the personal part begins, from the record's start.
    pub fn personal_at(&self) -> usize {
        RECORD_HEADER + 4 + self.common_len
    }
}

/// Appends a record. Grows `into`, nothing else is allocated.
pub(crate) fn write_record(into: &mut Vec<u8>, head: Head, parts: [&[u8]; 2], salt: u64) {
    let mut bytes = [0; RECORD_HEADER];
    bytes[0..4].copy_from_slice(&(head.common_len as u32).to_le_bytes());
    bytes[4..8].copy_from_slice(&(head.personal_len as u32).to_le_bytes());
    bytes[8..16].copy_from_slice(&head.seq.to_le_bytes());
    bytes[16..24].copy_from_slice(&head.time_ms.to_le_bytes());
    bytes[24] = head.tag;
    let check = part_check(&bytes[..28], salt);
    bytes[28..32].copy_from_slice(&check.to_le_bytes());
    into.extend_from_slice(&bytes);
    for (which, part) in parts.into_iter().enumerate() {
        let check = part_check(part, part_seed(salt, head.seq, which));
        into.extend_from_slice(&check.to_le_bytes());
        into.extend_from_slice(part);
    }
}

/// Seeding by number and part keeps the bytes of one record from passing as another's.
fn part_seed(salt: u64, seq: u64, which: usize) -> u64 {
    salt.wrapping_add(seq << 1) ^ which as u64
}

pub(crate) fn read_head(bytes: &[u8], salt: u64) -> Result<Head, &'static str> {
    if part_check(&bytes[..28], salt) != u32_at(bytes, 28) {
        return Err("record header with a wrong checksum");
    }
    let head = Head {
        common_len: u32_at(bytes, 0) as usize,
        personal_len: u32_at(bytes, 4) as usize,
        seq: u64_at(bytes, 8),
        time_ms: i64::from_le_bytes(bytes[16..24].try_into().expect("8 bytes")),
        tag: bytes[24],
    };
    if head.common_len > PART_BYTES_MAX || head.personal_len > PART_BYTES_MAX {
        return Err("record longer than the limit");
    }
    Ok(head)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Intact,
    /// All zeros, with the checksum.
    Purged,
    Bad,
}

/// Checks both parts of the record that `bytes` holds exactly.
pub(crate) fn check_parts(bytes: &[u8], head: &Head, salt: u64) -> [Part; 2] {
    let personal_at = head.personal_at();
    [
        check_part(&bytes[RECORD_HEADER..personal_at], part_seed(salt, head.seq, 0)),
        check_part(&bytes[personal_at..head.len()], part_seed(salt, head.seq, 1)),
    ]
}

fn check_part(check_and_part: &[u8], seed: u64) -> Part {
    let (check, part) = (u32_at(check_and_part, 0), &check_and_part[4..]);
    if check == 0 {
        if part.iter().all(|byte| *byte == 0) { Part::Purged } else { Part::Bad }
    } else if part_check(part, seed) == check {
        Part::Intact
    } else {
        Part::Bad
    }
}

/// The footer of a full segment.
pub(crate) fn footer(first_seq: u64, last_seq: u64, index: &[u32], salt: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(index.len() * 4 + FOOTER_TRAILER);
    for offset in index {
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    let index_check = xxh3_64_with_seed(&bytes, salt);
    let at = bytes.len();
    bytes.extend_from_slice(&FOOTER_MAGIC);
    bytes.extend_from_slice(&first_seq.to_le_bytes());
    bytes.extend_from_slice(&last_seq.to_le_bytes());
    bytes.extend_from_slice(&(index.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(INDEX_EVERY as u32).to_le_bytes());
    bytes.extend_from_slice(&index_check.to_le_bytes());
    let check = xxh3_64_with_seed(&bytes[at..], salt);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

pub(crate) struct Trailer {
    pub first_seq: u64,
    pub last_seq: u64,
    pub entries: usize,
    pub index_check: u64,
}

/// Reads the last `FOOTER_TRAILER` bytes of a file; `None` when they are no footer of ours.
pub(crate) fn read_trailer(bytes: &[u8], salt: u64) -> Option<Trailer> {
    let whole = bytes[0..8] == FOOTER_MAGIC
        && xxh3_64_with_seed(&bytes[..40], salt) == u64_at(bytes, 40)
        && u64::from(u32_at(bytes, 28)) == INDEX_EVERY;
    whole.then(|| Trailer {
        first_seq: u64_at(bytes, 8),
        last_seq: u64_at(bytes, 16),
        entries: u32_at(bytes, 24) as usize,
        index_check: u64_at(bytes, 32),
    })
}

pub(crate) fn read_index(bytes: &[u8], check: u64, salt: u64) -> Option<Vec<u32>> {
    if xxh3_64_with_seed(bytes, salt) != check {
        return None;
    }
    Some(bytes.chunks_exact(4).map(|entry| u32_at(entry, 0)).collect())
}

/// The file of the segment that begins with `first_seq`.
pub(crate) fn segment_name(first_seq: u64) -> String {
    format!("{first_seq:020}.log")
}

pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
