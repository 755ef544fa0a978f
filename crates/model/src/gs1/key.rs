//! The two GS1 keys that Everbond lives by, and the subject they make together: a product unit
//! (GTIN and serial) or, with an empty serial, its model (GTIN alone).
//!
//! Kept true: a `Gtin` always has a right check digit; a `Serial` holds 0 to 20 characters of
//! character set 82; the byte form of a `Subject` sorts exactly as the `Subject` does.
//! This is not a Digital Link parser: see `link` for URIs as they arrive from outside.

use std::fmt;
use std::str::FromStr;

use super::{check, percent};

/// The most characters that a serial (AI 21) may have.
pub const SERIAL_CHARS_MAX: usize = 20;

/// The most bytes that [`Subject::to_bytes`] gives: 8 of the GTIN and those of the serial.
pub const SUBJECT_BYTES_MAX: usize = 8 + SERIAL_CHARS_MAX;

const GTIN_LIMIT: u64 = 100_000_000_000_000;

/// A Global Trade Item Number, in 14 digits, its check digit verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin(u64);

/// The serial of one unit (AI 21): 1 to 20 characters of character set 82, or empty when it stands
/// for the model itself. Held inline and padded with zero bytes, which are in no character set, so
/// comparing the padded arrays compares the texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial {
    bytes: [u8; SERIAL_CHARS_MAX],
    len: u8,
}

/// One product unit, or the model when `serial` is empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub gtin: Gtin,
    pub serial: Serial,
}

/// What is wrong with a text or byte form given as a key. Positions are bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    GtinLength { found: usize },
    GtinCharacter { at: usize, found: char },
    GtinCheckDigit { expected: u8, found: u8 },
    SerialLength { found: usize },
    SerialCharacter { at: usize, found: char },
    SubjectPath { at: usize },
    SubjectBytes { found: usize },
}

impl Gtin {
    /// No product's, for what is about to be read.
    pub const NONE: Gtin = Gtin(0);

    /// From the number of 14 digits; leading zeros do not count.
    pub fn from_u64(number: u64) -> Result<Gtin, KeyError> {
        if number >= GTIN_LIMIT {
            return Err(KeyError::GtinLength { found: number.to_string().len() });
        }
        let found = (number % 10) as u8;
        let expected = check_digit_of(number / 10);
        if found != expected {
            return Err(KeyError::GtinCheckDigit { expected, found });
        }
        Ok(Gtin(number))
    }

    /// From 13 digits without their check digit, which is added. For making test and demo data and
    /// for importing lists that leave it out.
    pub fn from_body(body: u64) -> Result<Gtin, KeyError> {
        if body >= GTIN_LIMIT / 10 {
            return Err(KeyError::GtinLength { found: body.to_string().len() + 1 });
        }
        Ok(Gtin(body * 10 + u64::from(check_digit_of(body))))
    }

    /// The number of 14 digits.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// The same sum as `check::check_digit`, on a number instead of text, because it runs on each
/// GTIN read from storage.
fn check_digit_of(mut body: u64) -> u8 {
    let mut sum = 0;
    while body > 0 {
        sum += u64::from(PAIR_SUMS[(body % 100) as usize]);
        body /= 100;
    }
    ((10 - sum % 10) % 10) as u8
}

/// What two digits add to the sum: the right one three times.
const PAIR_SUMS: [u8; 100] = {
    let mut sums = [0; 100];
    let mut pair = 0;
    while pair < sums.len() {
        sums[pair] = (pair % 10 * 3 + pair / 10) as u8;
        pair += 1;
    }
    sums
};

impl FromStr for Gtin {
    type Err = KeyError;

    /// Takes GTIN-8, -12, -13 and -14; the shorter ones are the longer ones without leading zeros.
    fn from_str(text: &str) -> Result<Gtin, KeyError> {
        if let Some((at, found)) = text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
            return Err(KeyError::GtinCharacter { at, found });
        }
        if !matches!(text.len(), 8 | 12 | 13 | 14) {
            return Err(KeyError::GtinLength { found: text.len() });
        }
        let number = text.bytes().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        Gtin::from_u64(number)
    }
}

impl Gtin {
    fn write(self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut digits = [b'0'; 14];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.write_str(std::str::from_utf8(&digits).expect("digits are text"))
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Debug for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gtin({self})")
    }
}

impl Serial {
    /// No serial: the model itself.
    pub const NONE: Serial = Serial { bytes: [0; SERIAL_CHARS_MAX], len: 0 };

    /// A serial of 1 to 20 characters of character set 82. Empty text is an error here; say
    /// [`Serial::NONE`] when the model is meant.
    pub fn new(text: &str) -> Result<Serial, KeyError> {
        let wrong = |c: char| !u8::try_from(c).is_ok_and(check::is_charset_82);
        match text.char_indices().find(|(_, c)| wrong(*c)) {
            Some((at, found)) => Err(KeyError::SerialCharacter { at, found }),
            None => Serial::of_bytes(text.as_bytes()),
        }
    }

    /// The same from its bytes, as they are read from storage.
    pub(crate) fn of_bytes(text: &[u8]) -> Result<Serial, KeyError> {
        if text.is_empty() || text.len() > SERIAL_CHARS_MAX {
            return Err(KeyError::SerialLength { found: text.len() });
        }
        let mut bytes = [0; SERIAL_CHARS_MAX];
        for (at, byte) in text.iter().enumerate() {
            if !check::is_charset_82(*byte) {
                return Err(KeyError::SerialCharacter { at, found: char::from(*byte) });
            }
            bytes[at] = *byte;
        }
        Ok(Serial { bytes, len: text.len() as u8 })
    }

    /// The same of what was a serial when it was stored: only looks whether it is text.
    pub(crate) fn of_stored(text: &[u8]) -> Option<Serial> {
        let mut bytes = [0; SERIAL_CHARS_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        (!text.is_empty() && bytes.is_ascii()).then_some(Serial { bytes, len: text.len() as u8 })
    }

    /// The serial as it is, not percent-encoded.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("every way in admits ASCII only")
    }

    /// The bytes of the serial, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bytes of the serial and zeros behind them.
    pub(crate) fn padded(&self) -> &[u8; SERIAL_CHARS_MAX] {
        &self.bytes
    }

    /// Does it stand for the model?
    pub fn is_none(&self) -> bool {
        self.len == 0
    }
}

/// Three words, the second and the third of which overlap.
impl std::hash::Hash for Serial {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for from in [0, 8, SERIAL_CHARS_MAX - 8] {
            let word: [u8; 8] = self.bytes[from..from + 8].try_into().expect("eight of twenty");
            state.write_u64(u64::from_le_bytes(word));
        }
    }
}

impl FromStr for Serial {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Serial, KeyError> {
        Serial::new(text)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({})", self.as_str())
    }
}

impl Subject {
    /// The model of this GTIN.
    pub fn model(gtin: Gtin) -> Subject {
        Subject { gtin, serial: Serial::NONE }
    }

    /// One unit. With [`Serial::NONE`] it is the model.
    pub fn unit(gtin: Gtin, serial: Serial) -> Subject {
        Subject { gtin, serial }
    }

    /// From a path as nearly everybody writes it: `/01/` and 14 digits, or with `/21/` and a serial
    /// of letters, digits, `-` and `_`. `None` says that it has to be read as a Digital Link, not
    /// that it is none.
    pub fn of_plain_path(path: &str) -> Option<Subject> {
        let (gtin, rest) = path.strip_prefix("/01/")?.split_at_checked(14)?;
        let gtin = gtin.parse().ok()?;
        if rest.is_empty() {
            return Some(Subject::model(gtin));
        }
        let serial = rest.strip_prefix("/21/")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let serial =
            if serial.bytes().all(plain) { Serial::new(serial).ok()? } else { return None };
        Some(Subject::unit(gtin, serial))
    }

    pub fn is_unit(&self) -> bool {
        !self.serial.is_none()
    }

    /// The model that a unit is of; a model gives itself.
    pub fn to_model(&self) -> Subject {
        Subject::model(self.gtin)
    }

    /// The path of its Digital Link: `/01/{gtin}` or `/01/{gtin}/21/{serial}`, the serial
    /// percent-encoded.
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// The same, into a text that is being written.
    pub fn write_path(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str("/01/")?;
        self.gtin.write(out)?;
        if self.is_unit() {
            out.write_str("/21/")?;
            percent::encode(out, self.serial.as_str())?;
        }
        Ok(())
    }

    /// GTIN in 8 bytes, big end first, then the serial without padding: 8 to 28 bytes.
    /// Sorts as `Ord` does.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.serial.as_bytes().len());
        bytes.extend_from_slice(&self.gtin.0.to_be_bytes());
        bytes.extend_from_slice(self.serial.as_bytes());
        bytes
    }

    /// The reverse of [`Subject::to_bytes`]; checks everything again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Subject, KeyError> {
        let broken = KeyError::SubjectBytes { found: bytes.len() };
        let Some((gtin, serial)) = bytes.split_first_chunk::<8>() else {
            return Err(broken);
        };
        let gtin = Gtin::from_u64(u64::from_be_bytes(*gtin))?;
        if serial.is_empty() {
            return Ok(Subject::model(gtin));
        }
        let serial = std::str::from_utf8(serial).map_err(|_| broken)?;
        Ok(Subject::unit(gtin, Serial::new(serial)?))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_path(f)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

impl FromStr for Subject {
    type Err = KeyError;

    /// Reads the path form, and only that: no host, no query, no other key.
    fn from_str(path: &str) -> Result<Subject, KeyError> {
        let Some(rest) = path.strip_prefix("/01/") else {
            return Err(KeyError::SubjectPath { at: 0 });
        };
        let (gtin, serial) = match rest.split_once('/') {
            None => (rest, None),
            Some((gtin, after)) => match after.strip_prefix("21/") {
                None => return Err(KeyError::SubjectPath { at: 4 + gtin.len() }),
                Some(serial) => (gtin, Some((serial, 4 + gtin.len() + 4))),
            },
        };
        let gtin = gtin.parse()?;
        let Some((serial, start)) = serial else {
            return Ok(Subject::model(gtin));
        };
        if let Some(at) = serial.find('/') {
            return Err(KeyError::SubjectPath { at: start + at });
        }
        let decoded =
            percent::decode(serial).map_err(|at| KeyError::SubjectPath { at: start + at })?;
        Ok(Subject::unit(gtin, Serial::new(&decoded)?))
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::GtinLength { found } => {
                write!(f, "a GTIN has 8, 12, 13 or 14 digits, this one has {found}")
            }
            KeyError::GtinCharacter { at, found } => {
                write!(f, "a GTIN has digits only, but byte {at} is {found:?}; take it out")
            }
            KeyError::GtinCheckDigit { expected, found } => write!(
                f,
                "the last digit of this GTIN should be {expected}, not {found}; \
                 one of its digits is mistyped"
            ),
            KeyError::SerialLength { found: 0 } => {
                f.write_str("the serial is empty; give 1 to 20 characters, or leave /21/ out")
            }
            KeyError::SerialLength { found } => {
                write!(f, "a serial has 1 to 20 characters, this one has {found}; shorten it")
            }
            KeyError::SerialCharacter { at, found } => write!(
                f,
                "byte {at} of the serial is {found:?}; a serial has letters a-z and A-Z, digits \
                 and !\"%&'()*+,-./:;<=>?_"
            ),
            KeyError::SubjectPath { at } => write!(
                f,
                "byte {at} is not as expected; write /01/GTIN or /01/GTIN/21/SERIAL with the \
                 serial percent-encoded"
            ),
            KeyError::SubjectBytes { found } => write!(
                f,
                "these {found} bytes are no subject: it is 8 bytes of GTIN and 0 to 20 of serial"
            ),
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn gtin(text: &str) -> Gtin {
        text.parse().unwrap()
    }

    fn unit(serial: &str) -> Subject {
        Subject::unit(gtin("09520123456788"), Serial::new(serial).unwrap())
    }

    #[test]
    fn gtins_of_every_length_are_one_number() {
        assert_eq!(gtin("9520123456788"), gtin("09520123456788"));
        assert_eq!(gtin("02345673").to_string(), "00000002345673");
        assert_eq!(gtin("416000336108").to_string(), "00416000336108");
        assert_eq!(gtin("9520123456788").as_u64(), 9_520_123_456_788);
        assert_eq!(Gtin::from_body(952_012_345_678), Ok(gtin("09520123456788")));
    }

    #[test]
    fn wrong_gtins_say_where_and_what() {
        let wrong = |text: &str| text.parse::<Gtin>().unwrap_err();
        assert_eq!(wrong(""), KeyError::GtinLength { found: 0 });
        assert_eq!(wrong("952012345678"), KeyError::GtinCheckDigit { expected: 2, found: 8 });
        assert_eq!(wrong("0952012345678x"), KeyError::GtinCharacter { at: 13, found: 'x' });
        assert_eq!(wrong("095201234567880"), KeyError::GtinLength { found: 15 });
        assert_eq!(Gtin::from_u64(GTIN_LIMIT), Err(KeyError::GtinLength { found: 15 }));
        assert!(Gtin::from_body(u64::MAX).is_err());
        let text = wrong("09520123456789").to_string();
        assert!(text.contains("should be 8, not 9"), "{text}");
    }

    #[test]
    fn serials_hold_the_82_characters_and_no_other() {
        let all: String =
            (0..=255_u8).map(char::from).filter(|c| Serial::new(&c.to_string()).is_ok()).collect();
        assert_eq!(all.len(), 82);
        assert_eq!(Serial::new("a b"), Err(KeyError::SerialCharacter { at: 1, found: ' ' }));
        assert_eq!(Serial::new("aé"), Err(KeyError::SerialCharacter { at: 1, found: 'é' }));
        assert_eq!(Serial::new(&"9".repeat(21)), Err(KeyError::SerialLength { found: 21 }));
        assert_eq!(Serial::new(""), Err(KeyError::SerialLength { found: 0 }));
        assert_eq!(Serial::new(&"9".repeat(20)).unwrap().as_str().len(), 20);
        assert_eq!(Serial::NONE.as_str(), "");
    }

    #[test]
    fn paths_go_out_and_come_back() {
        let odd = unit("A/b+%?&1");
        assert_eq!(odd.path(), "/01/09520123456788/21/A%2Fb%2B%25%3F%261");
        for subject in [odd, unit("SN-0001"), unit(".."), odd.to_model()] {
            assert_eq!(subject.path().parse(), Ok(subject));
        }
        assert_eq!(odd.to_model().path(), "/01/09520123456788");
        assert!(odd.is_unit() && !odd.to_model().is_unit());
        for (path, at) in [("/1/", 0), ("/01/09520123456788/10/x", 18), ("01", 0)] {
            assert_eq!(path.parse::<Subject>(), Err(KeyError::SubjectPath { at }), "{path}");
        }
        for (serial, at) in [("a/b", 23), ("%2", 22), ("a%zz", 23), ("%FF", 22)] {
            let path = format!("/01/09520123456788/21/{serial}");
            assert_eq!(path.parse::<Subject>(), Err(KeyError::SubjectPath { at }), "{path}");
        }
    }

    #[test]
    fn plain_paths_are_read_as_digital_links_are() {
        use crate::gs1::{DigitalLink, ParseOptions};
        let (mut read, mut left) = (0, 0);
        for gtin in ["09520123456788", "00000002345673", "9520123456788", "09520123456789", "é"] {
            for rest in [
                "",
                "/",
                "/21/",
                "/21/A-1_b",
                "/21/A%2F",
                "/21/A.b",
                "/21/A?x=1",
                "/10/L1",
                "/21/A#b",
                "/21/A/10/B",
                "/21/A B",
                "/21/123456789012345678901",
            ] {
                let path = format!("/01/{gtin}{rest}");
                let link = DigitalLink::parse_target(&path, ParseOptions::default());
                match Subject::of_plain_path(&path) {
                    Some(subject) => {
                        read += 1;
                        assert_eq!(link.expect(&path).subject(), Some(subject), "{path}");
                    }
                    None => left += 1,
                }
            }
        }
        assert_eq!((read, left), (4, 56));
    }

    #[test]
    fn byte_form_sorts_as_the_subject_does() {
        let mut subjects = vec![Subject::model(gtin("02345673")), unit("1").to_model()];
        for serial in ["1", "10", "2", "A", "AA", "a", "!", "zzzzzzzzzzzzzzzzzzzz"] {
            subjects.push(unit(serial));
            subjects.push(Subject::unit(gtin("02345673"), Serial::new(serial).unwrap()));
        }
        for a in &subjects {
            assert_eq!(Subject::from_bytes(&a.to_bytes()), Ok(*a));
            assert!(a.to_bytes().len() <= SUBJECT_BYTES_MAX);
            for b in &subjects {
                assert_eq!(a.cmp(b), a.to_bytes().cmp(&b.to_bytes()), "{a} {b}");
            }
        }
    }

    #[test]
    fn broken_byte_forms_are_refused() {
        let good = unit("SN1").to_bytes();
        assert_eq!(Subject::from_bytes(&good[..7]), Err(KeyError::SubjectBytes { found: 7 }));
        let mut flipped = good.clone();
        flipped[7] ^= 1;
        assert!(Subject::from_bytes(&flipped).is_err());
        let mut long = good.clone();
        long.resize(SUBJECT_BYTES_MAX + 1, b'1');
        assert_eq!(Subject::from_bytes(&long), Err(KeyError::SerialLength { found: 21 }));
        let mut zero = good;
        zero.push(0);
        assert!(Subject::from_bytes(&zero).is_err());
    }
}
