//! The moves of a bond: which stages it entered, when, by what. A touch that moves a bond adds to
//! them, and only who looks at the bond reads them, so they stay in their byte form.
//!
//! Kept true: the newest [`MOVES_KEPT`] in order; the log has all of them.

use model::bytes::{Corrupt, Reader, Writer};
use model::entry::Seq;
use model::id::Time;
use model::kind::Kind;

use crate::terms::Term;

/// Moves that a bond remembers.
const MOVES_KEPT: u8 = 64;

#[derive(Clone, Default, PartialEq)]
pub struct Moves {
    len: u8,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    pub stage: Term,
    pub time: Time,
    pub seq: Seq,
    /// The touch kind or `timer:<id>` that moved it.
    pub by: Box<str>,
}

/// What moves a bond.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Kind(&'a Kind),
    Other(&'a str),
}

impl Moves {
    pub(crate) const NONE: Moves = Moves { len: 0, bytes: Vec::new() };

    pub(crate) fn push(&mut self, stage: Term, time: Time, seq: Seq, by: By<'_>) {
        if self.len >= MOVES_KEPT {
            let mut input = Reader::new(&self.bytes);
            skip(&mut input).expect("written by push");
            let first = self.bytes.len() - input.left().len();
            self.bytes.drain(..first);
            self.len -= 1;
        }
        let mut out = Writer::onto(std::mem::take(&mut self.bytes));
        stage.write(&mut out);
        out.int48(time.0);
        out.uint(seq);
        match by {
            By::Kind(kind) => kind.write(&mut out),
            // As a kind that is not a standard one.
            By::Other(text) => {
                out.uint(0);
                out.text(text);
            }
        }
        self.bytes = out.into_bytes();
        self.len += 1;
    }

    /// The oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Moved> {
        let mut input = Reader::new(&self.bytes);
        (0..self.len).map(move |_| read_one(&mut input).expect("the store checks its rows"))
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(self.len);
        if self.len > 0 {
            out.blob(&self.bytes);
        }
    }

    /// Into the memory that it has.
    pub(crate) fn read_again(&mut self, input: &mut Reader<'_>) -> Result<(), Corrupt> {
        self.len = input.u8()?;
        self.bytes.clear();
        if self.len > 0 {
            self.bytes.extend_from_slice(input.blob()?);
        }
        Ok(())
    }
}

fn read_one(input: &mut Reader<'_>) -> Result<Moved, Corrupt> {
    Ok(Moved {
        stage: Term::read(input)?,
        time: Time(input.int48()?),
        seq: input.uint()?,
        by: Kind::read(input)?.as_str().into(),
    })
}

fn skip(input: &mut Reader<'_>) -> Result<(), Corrupt> {
    Term::read(input)?;
    input.int48()?;
    input.uint()?;
    if input.uint()? == 0 {
        input.text()?;
    }
    Ok(())
}

impl std::fmt::Debug for Moves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_order() {
        let mut moves = Moves::default();
        let kind = Kind::of("order.placed");
        for seq in 0..100_u64 {
            let by = match seq % 3 {
                0 => By::Kind(&kind),
                1 => By::Other("timer:wait"),
                _ => By::Other("journey.published"),
            };
            moves.push(Term::NONE, Time(seq as i64 * 1_000 - 50_000), seq, by);
        }
        let mut out = Writer::new();
        moves.write(&mut out);
        let mut again = Moves::default();
        again.push(Term::NONE, Time(0), 1, By::Kind(&kind));
        again.read_again(&mut Reader::new(out.as_bytes())).unwrap();
        assert_eq!(again, moves);
        let seqs: Vec<Seq> = again.iter().map(|moved| moved.seq).collect();
        assert_eq!(seqs, (36..100).collect::<Vec<_>>());
        let by: Vec<Box<str>> = again.iter().take(3).map(|moved| moved.by).collect();
        let want = ["order.placed", "timer:wait", "journey.published"].map(Box::from);
        assert_eq!(by, want);
    }
}
