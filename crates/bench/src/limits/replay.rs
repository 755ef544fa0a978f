//! The limit of a replay: a log of compact binary records is read, checked and folded into plain
//! records on one thread.

use std::time::Instant;

use super::Scratch;
use super::fold::{Plain, frame};
use crate::Trouble;
use crate::dice::{Dice, mix};
use crate::flags::{Figures, Flags};

/// What a compact record of a touch takes: id, two keys, kind, time, some figures.
const RECORD_BYTES: usize = 49;
const ROUNDS: usize = 3;

pub fn run(flags: &Flags) -> Result<(), Trouble> {
    let scratch = Scratch::of(flags, "replay")?;
    let people: u64 = flags.number("people")?;
    let count: u64 = flags.number("touches")?;
    let path = scratch.0.join("log");
    let mut bytes = Vec::with_capacity(count as usize * (RECORD_BYTES + 12));
    let mut dice = Dice(5);
    for _ in 0..count {
        let mut record = [0; RECORD_BYTES];
        record[16..24].copy_from_slice(&dice.below(people).to_le_bytes());
        record[24..32].copy_from_slice(&dice.below(people).to_le_bytes());
        record[32..40].copy_from_slice(&dice.next().to_le_bytes());
        frame(&record, &mut bytes);
    }
    std::fs::write(&path, &bytes)?;
    drop(bytes);
    let mut plain = Plain::new(people);
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            fold_all(&std::fs::read(&path)?, &mut plain)?;
            Ok(count as f64 / begun.elapsed().as_secs_f64())
        })
        .collect::<Result<_, Trouble>>()?;
    rates.sort_by(f64::total_cmp);
    let mut figures = Figures::default();
    figures.add("per_second", rates[ROUNDS / 2]);
    figures.print();
    Ok(())
}

fn fold_all(log: &[u8], plain: &mut Plain) -> Result<(), Trouble> {
    let mut rest = log;
    while let Some((head, behind)) = rest.split_at_checked(12) {
        let len = u32::from_le_bytes(head[..4].try_into()?) as usize;
        let (record, behind) = behind.split_at_checked(len).ok_or("the log is cut")?;
        if xxhash_rust::xxh3::xxh3_64(record) != u64::from_le_bytes(head[4..].try_into()?) {
            return Err("a record is damaged".into());
        }
        let number = |at: usize| -> Result<u64, Trouble> {
            Ok(u64::from_le_bytes(record[at..at + 8].try_into()?))
        };
        plain.fold(mix(number(16)?), mix(!number(24)?), number(32)?);
        rest = behind;
    }
    Ok(())
}
