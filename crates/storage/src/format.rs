//! The bytes of a log segment. Version 2. Numbers of fixed width are little-endian; a *varint* has
//! seven bits in each byte, the lowest first, and the highest bit set in all bytes but the last.
//!
//! A segment file is named by its first sequence number, `00000000000000000001.log`:
//!
//! ```text
//! header (40 bytes)
//!    0  8  magic "EVBNDLOG"
//!    8  4  version (2)
//!   12  4  zero
//!   16  8  first sequence number
//!   24  8  salt: seeds every checksum of this file
//!   32  8  checksum of the 32 bytes before
//! group, repeated: all that one commit wrote, by one write and one sync
//!    0  4  magic "EVBG"
//!    4  4  number of records (0: a mark that the log was closed in order)
//!    8  8  sequence number of the first record
//!   16  4  length of the blocks in bytes
//!   20  4  zero
//!   24  8  checksum of the 24 bytes before, seeded also by the group's offset
//!       block, repeated: up to 32 records of one time, readable without the group's header
//!          0  1  n, the number of records (at most 32, so never the group's magic)
//!          1  .  varint: sequence number of the first record
//!          .  .  varint: time, milliseconds since 1970, zigzag
//!                head, n times
//!                   0  1  tag
//!                   1  .  varint: length of the common part, at most 16 MiB
//!                   .  .  varint: length of the personal part, at most 16 MiB
//!          .  4  checksum of the block so far
//!                record, n times; an empty part has no checksum either
//!                   0  4  checksum of the common part
//!                   4  .  common part
//!                   .  4  checksum of the personal part
//!                   .  .  personal part
//! footer, in a segment that is full
//!       4 * n  offsets of the blocks that begin with every 32nd record, the first being the 0th
//!    0  8  magic "EVBNDEND"
//!    8  8  first sequence number
//!   16  8  last sequence number
//!   24  4  n
//!   28  4  32
//!   32  8  checksum of the offsets
//!   40  8  checksum of the 40 bytes before
//! ```
//!
//! A block ends where the time changes, before every 32nd record of the segment, once it holds 64
//! KiB, and with its group. So a record costs 11 bytes beside its parts (tag, two lengths, two
//! checksums) and its share of some 14 bytes for the block.
//!
//! A part is purged by writing zeros over the part and its checksum. The checksum goes too, because
//! with it a guess at an erased address could be confirmed. A checksum that is computed as 0 is
//! stored as 1, so 0 always means purged. The lengths stand in the block's header, under a checksum
//! of their own, so the record's extent is known whatever was erased.
//!
//! Nothing is compressed here; what a part says may be packed in itself (`model::prose`). Measured
//! on typical touches of 78 bytes, blocks packed with LZ4 took 51 bytes a record and with zstd 43,
//! and reading one 165 to 360 ns more, four times what a scan costs. But then a part could be
//! erased only by writing its block anew in another length. A table of letters for each segment
//! would hold parts of what it was made from, and outlive it.
//!
//! The checksum is XXH3, its low 32 bits for blocks and parts; the salt keeps bytes of another life
//! of the same disk block, or a copy of a segment inside a record, from passing as part of this
//! file.

use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub const SEGMENT_MAGIC: [u8; 8] = *b"EVBNDLOG";
pub const GROUP_MAGIC: [u8; 4] = *b"EVBG";
pub const FOOTER_MAGIC: [u8; 8] = *b"EVBNDEND";
pub const SEGMENT_VERSION: u32 = 2;

pub const SEGMENT_HEADER: usize = 40;
pub const GROUP_HEADER: usize = 32;
/// Most records of a block.
pub const BLOCK_RECORDS: usize = 32;
/// A block that has grown to this is ended, so that one of its records is never far from its head.
const BLOCK_BYTES: usize = 64 << 10;
/// The longest header of a block: lengths of parts have four bytes at most.
pub const BLOCK_HEADER_MAX: usize = 1 + 10 + 10 + BLOCK_RECORDS * (1 + 4 + 4) + CHECK;
/// Bytes of a checksum of a block's header or of a part.
const CHECK: usize = 4;
pub const FOOTER_TRAILER: usize = 48;
/// Every how many records the index has an entry: 4 bytes for 32 records is 0.125 bytes each in
/// memory, and where groups are as long as that, finding a record reads one block's header.
pub const INDEX_EVERY: u64 = BLOCK_RECORDS as u64;

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

/// The checksum of a block's header or of a part; never 0.
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

/// Which version a segment has whose header checks otherwise.
pub(crate) fn segment_version(head: &[u8]) -> Option<u32> {
    read_segment_header(head).is_ok().then(|| u32_at(head, 8))
}

/// Gives the first sequence number and the salt. The header is the same in every version.
pub(crate) fn read_segment_header(head: &[u8]) -> Result<(u64, u64), String> {
    if head.len() < SEGMENT_HEADER || head[0..8] != SEGMENT_MAGIC {
        return Err("no segment header".into());
    }
    if xxh3_64_with_seed(&head[..32], 0) != u64_at(head, 32) {
        return Err("segment header with a wrong checksum".into());
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

/// What a block's header says of one of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub seq: u64,
    pub time_ms: i64,
    pub tag: u8,
    pub common_len: usize,
    pub personal_len: usize,
}

impl Head {
    /// Length of the record: both parts with their checksums.
    pub fn len(&self) -> usize {
        with_check(self.common_len) + with_check(self.personal_len)
    }
    /// Where the checksum of the personal part begins, from the record's start.
    pub fn personal_at(&self) -> usize {
        with_check(self.common_len)
    }
    /// Where the parts themselves are, from the record's start.
    pub fn parts(&self) -> [Range<usize>; 2] {
        let (middle, end) = (self.personal_at(), self.len());
        [middle - self.common_len..middle, end - self.personal_len..end]
    }
}

/// An empty part has no checksum: there is nothing to check and nothing to erase.
fn with_check(len: usize) -> usize {
    if len == 0 { 0 } else { CHECK + len }
}

/// A block's header, as it was read.
pub(crate) struct Block {
    pub first_seq: u64,
    pub time_ms: i64,
    count: usize,
    /// Tag and the lengths of both parts.
    heads: [(u8, u32, u32); BLOCK_RECORDS],
}

impl Block {
    pub const NONE: Block =
        Block { first_seq: 0, time_ms: 0, count: 0, heads: [(0, 0, 0); BLOCK_RECORDS] };

    pub fn count(&self) -> usize {
        self.count
    }

    /// The head of the record at this place of the block.
    pub fn head(&self, at: usize) -> Option<Head> {
        let (tag, common_len, personal_len) = *self.heads[..self.count].get(at)?;
        Some(Head {
            seq: self.first_seq + at as u64,
            time_ms: self.time_ms,
            tag,
            common_len: common_len as usize,
            personal_len: personal_len as usize,
        })
    }

    /// Reads the header that `bytes` begin with and gives its length. `bytes` are all that there
    /// is, or at least `BLOCK_HEADER_MAX`.
    pub fn read(&mut self, bytes: &[u8], salt: u64) -> Result<usize, &'static str> {
        self.count = 0;
        let (count, len) = self.parse(bytes).ok_or("a block's header that makes no sense")?;
        if part_check(&bytes[..len], block_seed(salt)) != u32_at(bytes, len) {
            return Err("a block's header with a wrong checksum");
        }
        self.count = count;
        Ok(len + CHECK)
    }

    /// Gives the number of records and where the checksum is.
    fn parse(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut at = 1;
        let count = usize::from(*bytes.first()?);
        if count == 0 || count > BLOCK_RECORDS {
            return None;
        }
        self.first_seq = read_varint(bytes, &mut at)?;
        let time = read_varint(bytes, &mut at)?;
        self.time_ms = (time >> 1) as i64 ^ -((time & 1) as i64);
        self.first_seq.checked_add(count as u64)?;
        for head in &mut self.heads[..count] {
            let tag = *bytes.get(at)?;
            at += 1;
            let common_len = read_varint(bytes, &mut at)?;
            let personal_len = read_varint(bytes, &mut at)?;
            if common_len.max(personal_len) > PART_BYTES_MAX as u64 {
                return None;
            }
            *head = (tag, common_len as u32, personal_len as u32);
        }
        (at + CHECK <= bytes.len()).then_some((count, at))
    }
}

/// The block that a writer gathers.
#[derive(Default)]
pub(crate) struct BlockWriter {
    count: usize,
    time_ms: i64,
    /// The header so far.
    header: Vec<u8>,
    records: Vec<u8>,
}

impl BlockWriter {
    /// Whether a record of this time belongs to the block, if that has any record at all.
    pub fn takes(&self, time_ms: i64) -> bool {
        self.time_ms == time_ms && self.count < BLOCK_RECORDS && self.records.len() < BLOCK_BYTES
    }

    pub fn push(&mut self, head: Head, parts: [&[u8]; 2], salt: u64) {
        if self.count == 0 {
            self.header.push(0);
            write_varint(&mut self.header, head.seq);
            let zigzag = (head.time_ms << 1) ^ (head.time_ms >> 63);
            write_varint(&mut self.header, zigzag as u64);
            self.time_ms = head.time_ms;
        }
        self.count += 1;
        self.header.push(head.tag);
        for (which, part) in parts.into_iter().enumerate() {
            write_varint(&mut self.header, part.len() as u64);
            if !part.is_empty() {
                let check = part_check(part, part_seed(salt, head.seq, which));
                self.records.extend_from_slice(&check.to_le_bytes());
                self.records.extend_from_slice(part);
            }
        }
    }

    /// Appends the block, if there is one, and begins anew.
    pub fn flush(&mut self, into: &mut Vec<u8>, salt: u64) {
        if self.count == 0 {
            return;
        }
        self.header[0] = self.count as u8;
        let check = part_check(&self.header, block_seed(salt));
        into.extend_from_slice(&self.header);
        into.extend_from_slice(&check.to_le_bytes());
        into.extend_from_slice(&self.records);
        self.count = 0;
        self.header.clear();
        self.records.clear();
    }

    /// Bytes gathered so far.
    pub fn len(&self) -> usize {
        if self.count == 0 { 0 } else { self.header.len() + CHECK + self.records.len() }
    }
}

fn write_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    while shift < 64 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
    None
}

fn block_seed(salt: u64) -> u64 {
    !salt
}

/// Seeding by number and part keeps the bytes of one record from passing as another's.
fn part_seed(salt: u64, seq: u64, which: usize) -> u64 {
    salt.wrapping_add(seq << 1) ^ which as u64
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Intact,
    /// All zeros, with the checksum.
    Purged,
    Bad,
}

/// Checks both parts of the record that `bytes` begin with.
pub(crate) fn check_parts(bytes: &[u8], head: &Head, salt: u64) -> [Part; 2] {
    let personal_at = head.personal_at();
    [
        check_part(&bytes[..personal_at], part_seed(salt, head.seq, 0)),
        check_part(&bytes[personal_at..head.len()], part_seed(salt, head.seq, 1)),
    ]
}

fn check_part(check_and_part: &[u8], seed: u64) -> Part {
    if check_and_part.is_empty() {
        return Part::Intact;
    }
    let (check, part) = (u32_at(check_and_part, 0), &check_and_part[CHECK..]);
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
