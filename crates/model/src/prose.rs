//! Longer texts in fewer bytes, by a table of letters that often follow one another in what
//! people and machines write of products in English and German. A text is packed by itself and
//! the table is part of the program: it says nothing of anybody, and to erase a text it is enough
//! to erase its bytes.
//!
//! A byte is the number of a symbol of up to eight bytes; 255 says that the next byte stands for
//! itself (Boncz, Neumann, Leis: FSST: Fast Random Access String Compression, 2020).

mod symbols;

use std::sync::LazyLock;

use fsst::{Compressor, Symbol};

use crate::bytes::Corrupt;
use symbols::SYMBOLS;

const AS_IT_IS: u8 = 255;
const SYMBOL_BYTES: usize = 8;

static PACKER: LazyLock<Compressor> = LazyLock::new(|| {
    let symbols = UNPACKED.map(|bytes| Symbol::from_slice(&bytes));
    Compressor::rebuild_from(symbols, LENGTHS)
});

/// The symbols with room behind them, so that each is copied as a whole.
static UNPACKED: [[u8; SYMBOL_BYTES]; SYMBOLS.len()] = unpacked();
static LENGTHS: [u8; SYMBOLS.len()] = lengths();

const fn unpacked() -> [[u8; SYMBOL_BYTES]; SYMBOLS.len()] {
    let mut all = [[0; SYMBOL_BYTES]; SYMBOLS.len()];
    let mut code = 0;
    while code < SYMBOLS.len() {
        let mut at = 0;
        while at < SYMBOLS[code].len() {
            all[code][at] = SYMBOLS[code][at];
            at += 1;
        }
        code += 1;
    }
    all
}

const fn lengths() -> [u8; SYMBOLS.len()] {
    let mut all = [0; SYMBOLS.len()];
    let mut code = 0;
    while code < SYMBOLS.len() {
        all[code] = SYMBOLS[code].len() as u8;
        code += 1;
    }
    all
}

/// `None` if it would not be shorter.
pub fn pack(text: &str) -> Option<Vec<u8>> {
    let packed = PACKER.compress(text.as_bytes());
    (packed.len() < text.len()).then_some(packed)
}

pub fn unpack(packed: &[u8]) -> Result<String, Corrupt> {
    let mut text = vec![0; packed.len() * SYMBOL_BYTES];
    let (mut len, mut codes) = (0, packed.iter());
    while let Some(code) = codes.next() {
        if *code == AS_IT_IS {
            text[len] = *codes.next().ok_or(Corrupt("a packed text ends too early"))?;
            len += 1;
            continue;
        }
        let symbol = UNPACKED.get(usize::from(*code));
        let symbol = symbol.ok_or(Corrupt("a packed text has an unknown symbol"))?;
        text[len..len + SYMBOL_BYTES].copy_from_slice(symbol);
        len += usize::from(LENGTHS[usize::from(*code)]);
    }
    text.truncate(len);
    String::from_utf8(text).map_err(|_| Corrupt("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        for text in ["", "a", "Die Tür schließt nicht mehr.", "\u{10ffff}\0", &all] {
            assert_eq!(unpack(&PACKER.compress(text.as_bytes())).as_deref(), Ok(text));
            assert!(pack(text).is_none_or(|packed| packed.len() < text.len()));
        }
    }

    /// None of these stands in the sample.
    #[test]
    fn sentences_become_little_more_than_half() {
        for text in [
            "After the thunderstorm the thermostat lost its schedule and the heating stayed off.",
            "Nach dem Gewitter hat der Thermostat seinen Zeitplan vergessen und heizt nicht.",
        ] {
            let packed = pack(text).expect("it gets shorter");
            assert!(packed.len() * 3 < text.len() * 2, "{} of {}", packed.len(), text.len());
            assert_eq!(unpack(&packed).as_deref(), Ok(text));
        }
        assert_eq!(pack("QZX#QZX#QZX#QZX#"), None);
    }

    #[test]
    fn broken_bytes_are_an_error() {
        assert!(unpack(&[AS_IT_IS]).is_err());
        assert!(unpack(&[AS_IT_IS - 1]).is_err());
        assert!(unpack(&[AS_IT_IS, 0xff]).is_err());
    }
}
