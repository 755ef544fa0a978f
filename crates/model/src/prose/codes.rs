//! Huffman's codes of at most some bits, canonical: the shorter come first, and of one length the
//! lower symbols.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A step of decoding looks at as many bits, and its table has a place for each of their values.
pub const CODE_BITS_MAX: u32 = 9;
/// Stands for every byte that has no code of its own.
pub const ESCAPE: usize = 256;
/// What a byte that was counted once weighs; and what the escape does, for each such byte.
const ONCE: u64 = 16;
const ESCAPE_WEIGHS: u64 = 8;

pub struct Codes {
    lengths: Vec<(usize, u32)>,
}

impl Codes {
    pub fn of(counts: &[u32; 256]) -> Codes {
        let mut weights: Vec<(usize, u64)> = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(byte, count)| (byte, u64::from(*count) * ONCE))
            .collect();
        weights.push((ESCAPE, (weights.len() as u64 * ESCAPE_WEIGHS).max(ONCE)));
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut least = total >> CODE_BITS_MAX;
        loop {
            weights.iter_mut().for_each(|(_, weight)| *weight = (*weight).max(least));
            let mut lengths = lengths(&weights);
            if lengths.iter().all(|(_, len)| *len <= CODE_BITS_MAX) {
                lengths.sort_by_key(|(symbol, len)| (*len, *symbol));
                return Codes { lengths };
            }
            least += least / 8 + 1;
        }
    }

    /// Each symbol's bits and how many there are.
    pub fn all(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        let mut next = (0, 0);
        self.lengths.iter().map(move |(symbol, len)| {
            let bits = next.0 << (len - next.1);
            next = (bits + 1, *len);
            (*symbol, bits, *len)
        })
    }
}

/// Of a code for each weight, by joining the two lightest again and again.
fn lengths(weights: &[(usize, u64)]) -> Vec<(usize, u32)> {
    let mut lengths: Vec<(usize, u32)> = weights.iter().map(|(symbol, _)| (*symbol, 0)).collect();
    let mut trees: BinaryHeap<Reverse<(u64, usize, Vec<usize>)>> = weights
        .iter()
        .enumerate()
        .map(|(at, (_, weight))| Reverse((*weight, at, vec![at])))
        .collect();
    let mut number = weights.len();
    while let (Some(Reverse((light, _, one))), Some(Reverse((next, _, other)))) =
        (trees.pop(), trees.pop())
    {
        let both = [one, other].concat();
        both.iter().for_each(|at| lengths[*at].1 += 1);
        trees.push(Reverse((light + next, number, both)));
        number += 1;
    }
    lengths
}
