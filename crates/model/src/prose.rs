//! Longer texts in fewer bytes: a letter's code depends on the letter before it, and what follows
//! often has a short one. How often is counted in a sample of what people and machines write of
//! products, which is part of the program: packed texts say nothing of one another, and to erase
//! one it is enough to erase its bytes.
//!
//! A text is the codes of its bytes (Huffman's, canonical, highest bit first). One that the sample
//! does not have behind the byte before is an escape and then its code behind anything; one that
//! it does not have at all is two escapes and eight bits. The last byte is filled with the start
//! of two escapes, which is too short to be anything else.

mod codes;

use std::sync::LazyLock;

use crate::bytes::Corrupt;
use codes::{CODE_BITS_MAX, Codes, ESCAPE};

const SAMPLE: &str = include_str!("prose/sample.txt");
/// Before the first letter of a text: each line of the sample is one.
const START: u8 = b'\n';
/// The row of what stands behind a byte that the sample does not have.
const ANYTHING: usize = 0;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of(SAMPLE));

/// A code and, in the lowest five bits, its length.
type Code = u32;
const LENGTH_BITS: u32 = 5;
const NO_CODE: Code = 0;
const RAW_BITS: u32 = 8;
const LETTER_BITS_MAX: u32 = 2 * CODE_BITS_MAX + RAW_BITS;
/// The bits that come next are a code of this length (above eight bits) for this byte (below).
type Step = u16;
/// Instead of a byte: another row has it.
const ESCAPED: Step = 1 << 15;

struct Table {
    /// Which row each byte is followed by.
    rows: [u8; 256],
    codes: Vec<[Code; 256]>,
    /// Two escapes of each row and eight bits, whose beginning fills a last byte.
    ends: Vec<Code>,
    steps: Vec<[Step; 1 << CODE_BITS_MAX]>,
}

impl Table {
    fn of(sample: &str) -> Table {
        let mut behind = vec![[0u32; 256]; 256];
        let mut anywhere = [0u32; 256];
        for line in sample.lines() {
            let mut before = START;
            for byte in line.bytes() {
                behind[usize::from(before)][usize::from(byte)] += 1;
                anywhere[usize::from(byte)] += 1;
                before = byte;
            }
        }
        let mut table = Table { rows: [0; 256], codes: vec![], ends: vec![], steps: vec![] };
        table.add(&anywhere);
        for (before, counts) in behind.iter().enumerate().filter(|(_, counts)| **counts != [0; 256])
        {
            table.rows[before] = table.codes.len() as u8;
            table.add(counts);
        }
        table
    }

    fn add(&mut self, counts: &[u32; 256]) {
        let mut own = [NO_CODE; ESCAPE + 1];
        let mut steps = [0; 1 << CODE_BITS_MAX];
        for (symbol, bits, len) in Codes::of(counts).all() {
            own[symbol] = bits << LENGTH_BITS | len;
            let first = (bits << (CODE_BITS_MAX - len)) as usize;
            let letter = if symbol == ESCAPE { ESCAPED } else { symbol as Step };
            steps[first..first + (1 << (CODE_BITS_MAX - len))].fill(letter | (len as Step) << 8);
        }
        let escape = own[ESCAPE];
        let row = std::array::from_fn(|byte| match (own[byte], self.codes.first()) {
            (NO_CODE, Some(anything)) => join(escape, anything[byte]),
            (NO_CODE, None) => join(escape, (byte as Code) << LENGTH_BITS | RAW_BITS),
            (code, _) => code,
        });
        let end = self.ends.first().copied().unwrap_or(RAW_BITS);
        self.codes.push(row);
        self.ends.push(join(escape, end));
        self.steps.push(steps);
    }

    fn row_behind(&self, byte: u8) -> usize {
        usize::from(self.rows[usize::from(byte)])
    }

    fn pack(&self, text: &[u8], longest: usize) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(longest + 8);
        let (mut held, mut bits) = (0u64, 0);
        let mut row = self.row_behind(START);
        for byte in text {
            let code = self.codes[row][usize::from(*byte)];
            let (next, len) = split(code);
            held = held << len | u64::from(next);
            bits += len;
            if bits >= u32::BITS {
                bits -= u32::BITS;
                out.extend_from_slice(&((held >> bits) as u32).to_be_bytes());
                if out.len() > longest {
                    return None;
                }
            }
            row = self.row_behind(*byte);
        }
        let fill = bits.next_multiple_of(8) - bits;
        let left = held.checked_shl(u64::BITS - bits).unwrap_or(0)
            | first_bits(self.ends[row], fill) >> bits;
        out.extend_from_slice(&left.to_be_bytes()[..bits.div_ceil(8) as usize]);
        (out.len() <= longest).then_some(out)
    }

    fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, Corrupt> {
        let mut text = Vec::with_capacity(packed.len() * 3);
        let mut input = Bits { left: packed, held: 0, len: 0 };
        let mut row = self.row_behind(START);
        loop {
            input.refill();
            let Bits { held, len, .. } = input;
            match self.letter(&mut input, row) {
                Some(byte) => {
                    text.push(byte);
                    row = self.row_behind(byte);
                }
                None if len < 8 && held == first_bits(self.ends[row], len) => return Ok(text),
                None => return Err(Corrupt("a packed text ends too early")),
            }
        }
    }

    fn letter(&self, input: &mut Bits, row: usize) -> Option<u8> {
        let step = self.steps[row][(input.held >> (u64::BITS - CODE_BITS_MAX)) as usize];
        input.take(u32::from((step & !ESCAPED) >> 8))?;
        match step & ESCAPED == 0 {
            true => Some(step as u8),
            false if row == ANYTHING => input.take(RAW_BITS).map(|raw| raw as u8),
            false => self.letter(input, ANYTHING),
        }
    }
}

/// Bits that come next, the first one highest.
struct Bits<'a> {
    left: &'a [u8],
    held: u64,
    len: u32,
}

impl Bits<'_> {
    /// Holds a letter and more, if there is so much.
    fn refill(&mut self) {
        if self.len >= LETTER_BITS_MAX {
            return;
        }
        if let Some((next, left)) = self.left.split_first_chunk() {
            self.held |= u64::from(u32::from_be_bytes(*next)) << (u32::BITS - self.len);
            (self.left, self.len) = (left, self.len + u32::BITS);
            return;
        }
        for byte in std::mem::take(&mut self.left) {
            self.held |= u64::from(*byte) << (u64::BITS - 8 - self.len);
            self.len += 8;
        }
    }

    fn take(&mut self, len: u32) -> Option<u64> {
        self.len = self.len.checked_sub(len)?;
        let taken = self.held >> (u64::BITS - len);
        self.held <<= len;
        Some(taken)
    }
}

/// At most so many bits of a code, highest in the number.
fn first_bits(code: Code, len: u32) -> u64 {
    let (bits, all) = split(code);
    match len {
        0 => 0,
        len => u64::from(bits >> (all - len)) << (u64::BITS - len),
    }
}

/// The second code behind the first.
fn join(first: Code, second: Code) -> Code {
    let (bits, len) = split(second);
    let (first_bits, first_len) = split(first);
    (first_bits << len | bits) << LENGTH_BITS | (first_len + len)
}

fn split(code: Code) -> (u32, u32) {
    (code >> LENGTH_BITS, code & ((1 << LENGTH_BITS) - 1))
}

/// `None` if it would not be shorter.
pub fn pack(text: &str) -> Option<Vec<u8>> {
    TABLE.pack(text.as_bytes(), text.len().checked_sub(1)?)
}

pub fn unpack(packed: &[u8]) -> Result<String, Corrupt> {
    String::from_utf8(TABLE.unpack(packed)?).map_err(|_| Corrupt("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn both_ways(text: &str) -> usize {
        let packed = TABLE.pack(text.as_bytes(), 4 * text.len()).unwrap();
        assert_eq!(unpack(&packed).as_deref(), Ok(text));
        packed.len()
    }

    #[test]
    fn any_text_comes_back() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        for text in ["", "a", "Die Tür schließt nicht mehr.", "\u{10ffff}\0", &all] {
            both_ways(text);
            assert!(pack(text).is_none_or(|packed| packed.len() < text.len()));
        }
        for len in 0..SAMPLE.len().min(3000) {
            if let Some(text) = SAMPLE.get(len..len + len % 97) {
                both_ways(text);
            }
        }
    }

    /// None of these stands in the sample.
    #[test]
    fn sentences_become_half() {
        for text in [
            "After the thunderstorm the thermostat lost its schedule and the heating stayed off.",
            "Nach dem Gewitter hat der Thermostat seinen Zeitplan vergessen und heizt nicht.",
        ] {
            let packed = pack(text).expect("it gets shorter");
            assert!(packed.len() * 100 < text.len() * 55, "{} of {}", packed.len(), text.len());
            assert_eq!(unpack(&packed).as_deref(), Ok(text));
        }
        assert_eq!(pack("QZX#QZX#QZX#QZX#"), None);
    }

    /// Logs are written with it: another table is another format of the data folder.
    #[test]
    fn the_table_stays_the_same() {
        let packed = TABLE.pack(SAMPLE.as_bytes(), SAMPLE.len()).unwrap();
        let digest: [u8; 32] = Sha256::digest(&packed).into();
        assert_eq!((packed.len(), &digest[..4]), (6723, &[81, 216, 142, 71][..]));
    }

    #[test]
    fn broken_bytes_are_an_error() {
        let packed = pack("The pump has stopped again.").unwrap();
        assert!(unpack(&[&packed[..], &[0]].concat()).is_err());
        let mut other = packed.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_ne!(unpack(&other), unpack(&packed));
        let mut latin = Vec::from("The pump has stopped again.");
        latin.push(0xe4);
        assert!(unpack(&TABLE.pack(&latin, 100).unwrap()).is_err());
    }
}
