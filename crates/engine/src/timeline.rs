//! Timelines: which log entries touched an entity. Only sequence numbers; the bodies are read from
//! the log. The newest ones stand in the entity's own record as differences; when those are full
//! they become a *block*, a row of its own that names the block before it. So a touch costs a few
//! bytes in a record that it changes anyway, and no row.
//!
//! Kept true: a timeline is ascending, each number once; a block's number is never used again.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::bytes::{Corrupt, Reader, Rows, Writer, uint_len};
use model::entry::Seq;
use model::fields::{Fields, Room};
use model::id::PersonId;

use crate::keys;
use crate::table::{Backing, Record};

/// What has a timeline beside persons and products, whose own records hold theirs. The numbers in
/// its byte form are stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    Campaign(Box<str>),
    Place(Box<str>),
    /// What came in and was not understood.
    Refused,
    /// What people asked the company's people.
    Inbox,
    /// Records with something of the person in them that are not part of their history: a touch
    /// that went to somebody else, a repeated message. A wipe needs to find them.
    Mention(PersonId),
    /// Who looked at the person's data.
    Look(PersonId),
}

/// Bytes of differences in a record, before they become a block.
const RECENT_BYTES: usize = 44;

/// One entity's timeline.
#[derive(Clone)]
pub struct Timeline {
    /// The newest block, 0 if there is none.
    block: u64,
    /// The newest entry, 0 if there is none.
    last: Seq,
    len: u8,
    /// The differences of the recent entries, each to the one before it, variable in length; of
    /// the first of them to the last one of the block. Behind them is anything.
    recent: [u8; RECENT_BYTES],
}

impl PartialEq for Timeline {
    fn eq(&self, other: &Timeline) -> bool {
        (self.block, self.last, self.bytes()) == (other.block, other.last, other.bytes())
    }
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timeline({:?} after block {})", self.recent(), self.block)
    }
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline { block: 0, last: 0, len: 0, recent: [0; RECENT_BYTES] }
    }
}

impl Timeline {
    /// `seq` is not smaller than all that it has; what it has already it does not take again.
    #[inline]
    pub fn push(&mut self, seq: Seq, blocks: &mut Blocks) {
        if seq <= self.last {
            return;
        }
        let mut step = seq - self.last;
        if usize::from(self.len) + uint_len(step) > RECENT_BYTES {
            self.block = blocks.add(self);
            self.len = 0;
        }
        let mut at = usize::from(self.len);
        while step >= 0x80 {
            self.recent[at] = step as u8 | 0x80;
            step >>= 7;
            at += 1;
        }
        self.recent[at] = step as u8;
        self.len = at as u8 + 1;
        self.last = seq;
    }

    fn bytes(&self) -> &[u8] {
        &self.recent[..usize::from(self.len)]
    }

    fn recent(&self) -> Vec<Seq> {
        absolute(self.last, self.bytes())
    }

    /// Newest first, those before `before`, at most `limit`.
    pub fn newest(&self, blocks: &Blocks, before: Option<Seq>, limit: usize) -> Vec<Seq> {
        let before = before.unwrap_or(Seq::MAX);
        let mut seqs = Vec::new();
        let mut part = (self.block, self.recent());
        loop {
            let below = part.1.partition_point(|seq| *seq < before);
            seqs.extend(part.1[..below].iter().rev().take(limit - seqs.len()));
            match part.0 {
                0 => return seqs,
                _ if seqs.len() >= limit => return seqs,
                number => part = blocks.read(number),
            }
        }
    }

    /// All of them in order.
    pub fn all(&self, blocks: &Blocks) -> Vec<Seq> {
        let mut seqs = self.newest(blocks, None, usize::MAX);
        seqs.reverse();
        seqs
    }

    /// A timeline of these ascending numbers; the blocks that this one had are dropped.
    pub fn replace(&mut self, seqs: &[Seq], blocks: &mut Blocks) {
        let mut number = self.block;
        while number != 0 {
            let (before, _) = blocks.read(number);
            blocks.drop(number);
            number = before;
        }
        *self = Timeline::default();
        seqs.iter().for_each(|seq| self.push(*seq, blocks));
    }

    #[inline(always)]
    pub fn write(&self, out: &mut Room<'_>) {
        out.uint(self.last);
        if self.last != 0 {
            out.uint(self.block);
            out.u8(self.len);
            out.raw_of(&self.recent, usize::from(self.len));
        }
    }

    #[inline(always)]
    pub fn read_again(&mut self, input: &mut Fields<'_>) {
        (self.last, self.block, self.len) = (input.uint(), 0, 0);
        if self.last != 0 {
            self.block = input.uint();
            self.len = input.u8();
            input.raw_into(&mut self.recent, usize::from(self.len));
        }
    }
}

impl Record for Timeline {
    fn write(&self, out: &mut Writer) {
        out.fields(|out| {
            out.u8(1);
            Timeline::write(self, out);
        });
    }

    fn read(input: &mut Reader<'_>) -> Result<Timeline, Corrupt> {
        if input.u8()? != 1 {
            return Err(Corrupt("a timeline has an unknown version"));
        }
        let mut fields = Fields::new(input.rest());
        let mut timeline = Timeline::default();
        timeline.read_again(&mut fields);
        fields.end().map(|()| timeline)
    }
}

/// The numbers whose last one and differences these are, in order.
fn absolute(last: Seq, differences: &[u8]) -> Vec<Seq> {
    let mut input = Reader::new(differences);
    let mut seqs = Vec::with_capacity(differences.len());
    let mut sum: Seq = 0;
    while !input.is_empty() {
        sum += input.uint().expect("written by push");
        seqs.push(sum);
    }
    // The first difference is to an entry that is not among these.
    let base = last - sum;
    seqs.iter_mut().for_each(|seq| *seq += base);
    seqs
}

/// The blocks of all timelines: a row each, in the store once a checkpoint has written them.
pub struct Blocks {
    /// The number that the next one gets; part of the state's meta record.
    pub next: u64,
    /// Those since the last checkpoint began, and those that it writes, in order without gaps.
    fresh: Vec<Option<Box<[u8]>>>,
    flushing: Vec<Option<Box<[u8]>>>,
    /// How many of the flushing ones are encoded.
    encoded: usize,
    /// Stored rows that no longer count and are deleted by the next checkpoint.
    dropped: BTreeSet<u64>,
    dropping: BTreeSet<u64>,
    backing: Option<Arc<dyn Backing>>,
}

impl Blocks {
    /// Number 0 means 'no block', so the first one is 1.
    pub fn new(next: u64, backing: Option<Arc<dyn Backing>>) -> Blocks {
        Blocks {
            next,
            fresh: Vec::new(),
            flushing: Vec::new(),
            encoded: 0,
            dropped: BTreeSet::new(),
            dropping: BTreeSet::new(),
            backing,
        }
    }

    fn add(&mut self, timeline: &Timeline) -> u64 {
        let differences = timeline.bytes();
        let mut out = Writer::onto(Vec::with_capacity(differences.len() + 12));
        out.uint(timeline.block);
        out.uint(timeline.last);
        out.raw(differences);
        self.fresh.push(Some(out.into_bytes().into()));
        self.next += 1;
        self.next - 1
    }

    fn first_fresh(&self) -> u64 {
        self.next - self.fresh.len() as u64
    }

    fn first_flushing(&self) -> u64 {
        self.first_fresh() - self.flushing.len() as u64
    }

    /// The block before it and its numbers. A block that was dropped is empty.
    fn read(&self, number: u64) -> (u64, Vec<Seq>) {
        let (fresh, flushing) = (self.first_fresh(), self.first_flushing());
        let here = match number {
            _ if number >= fresh => Some(&self.fresh[(number - fresh) as usize]),
            _ if number >= flushing => Some(&self.flushing[(number - flushing) as usize]),
            _ => None,
        };
        match (here, &self.backing) {
            (Some(Some(bytes)), _) => block(bytes),
            (None, Some(backing)) => {
                let bytes = backing.get(&row(number));
                bytes.map_or((0, Vec::new()), |bytes| block(&bytes))
            }
            _ => (0, Vec::new()),
        }
    }

    fn drop(&mut self, number: u64) {
        let (fresh, flushing) = (self.first_fresh(), self.first_flushing());
        if number >= fresh {
            self.fresh[(number - fresh) as usize] = None;
            return;
        }
        if number >= flushing {
            self.flushing[(number - flushing) as usize] = None;
        }
        // It is in the store, or on its way there.
        self.dropped.insert(number);
    }

    pub fn checkpoint_begin(&mut self, rows: &mut Rows) {
        assert!(self.flushing.is_empty(), "one checkpoint at a time");
        self.flushing = std::mem::take(&mut self.fresh);
        self.encoded = 0;
        self.dropping = std::mem::take(&mut self.dropped);
        self.dropping.iter().for_each(|number| rows.delete(row(*number)));
    }

    /// Gives up to `max` more rows; true when there are none left.
    pub fn checkpoint_step(&mut self, max: usize, rows: &mut Rows) -> bool {
        let first = self.first_flushing();
        let upto = self.flushing.len().min(self.encoded.saturating_add(max));
        for at in self.encoded..upto {
            // One that was dropped since the checkpoint began is deleted by the next one.
            if let Some(bytes) = &self.flushing[at] {
                rows.put(row(first + at as u64), bytes);
            }
        }
        self.encoded = upto;
        upto == self.flushing.len()
    }

    pub fn checkpoint_done(&mut self) {
        self.flushing.clear();
        self.dropping.clear();
    }

    pub fn hash_into(&self, add: &mut dyn FnMut(&[u8], &[u8])) {
        if let Some(backing) = &self.backing {
            let flushing = self.first_flushing();
            backing.scan(&[keys::BLOCK], &[keys::BLOCK + 1], false, &mut |key, value| {
                let number = u64::from_be_bytes(key[1..].try_into().expect("keys are ours"));
                let gone = self.dropped.contains(&number) || self.dropping.contains(&number);
                if number < flushing && !gone {
                    add(key, value);
                }
                std::ops::ControlFlow::Continue(())
            });
        }
        let here = self.flushing.iter().chain(&self.fresh);
        for (number, bytes) in (self.first_flushing()..).zip(here) {
            if let Some(bytes) = bytes {
                add(&row(number), bytes);
            }
        }
    }
}

fn row(number: u64) -> [u8; 9] {
    let mut key = [keys::BLOCK; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn block(bytes: &[u8]) -> (u64, Vec<Seq>) {
    let mut input = Reader::new(bytes);
    let mut number = || input.uint().expect("the store checks its rows");
    let (before, last) = (number(), number());
    (before, absolute(last, input.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_gives_what_was_pushed() {
        let mut blocks = Blocks::new(1, None);
        let mut timeline = Timeline::default();
        let seqs: Vec<Seq> = (1..500).map(|n| n * n * 7).collect();
        for seq in &seqs {
            timeline.push(*seq, &mut blocks);
            timeline.push(*seq, &mut blocks);
        }
        assert_eq!(timeline.all(&blocks), seqs);
        assert_eq!(timeline.newest(&blocks, None, 2), [499 * 499 * 7, 498 * 498 * 7]);
        assert_eq!(timeline.newest(&blocks, Some(64 * 7), 3), [49 * 7, 36 * 7, 25 * 7]);
        let mut out = Writer::new();
        out.fields(|out| timeline.write(out));
        let mut read = Timeline::default();
        read.push(7, &mut blocks);
        read.read_again(&mut Fields::new(out.as_bytes()));
        assert_eq!(read, timeline);
        timeline.replace(&seqs[3..9], &mut blocks);
        assert_eq!(timeline.all(&blocks), seqs[3..9]);
        let mut left = 0;
        blocks.hash_into(&mut |_, _| left += 1);
        assert_eq!(left, 0, "the old blocks are dropped");
    }

    #[test]
    fn what_is_dropped_while_it_is_written_is_deleted_afterwards() {
        let mut blocks = Blocks::new(1, None);
        let mut timeline = Timeline::default();
        (1..100).for_each(|n| timeline.push(n * 1_000, &mut blocks));
        let mut rows = Rows::new();
        blocks.checkpoint_begin(&mut rows);
        assert!(!blocks.checkpoint_step(1, &mut rows));
        timeline.replace(&[], &mut blocks);
        assert!(blocks.checkpoint_step(100, &mut rows));
        assert_eq!(rows.len(), 1, "the others were dropped before their turn");
        blocks.checkpoint_done();
        let mut rows = Rows::new();
        blocks.checkpoint_begin(&mut rows);
        assert!(rows.iter().any(|(key, value)| key == row(1) && value.is_none()));
    }
}
