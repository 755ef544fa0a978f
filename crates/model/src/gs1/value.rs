//! Testing the value of an application identifier: its parts, their lengths and characters, and
//! what each part means (a date, a country, a check digit).
//!
//! Dates are tested for being on the calendar, never against today: this code has no clock.
//! Company prefixes are tested for being digits, not for being licensed.

use std::borrow::Cow;
use std::fmt;

use super::ai::{Charset, Part};
use super::{check, codes, coupon};

/// What a part of a value is tested for, beyond its characters and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The mod-10 check digit at the end.
    CheckDigit,
    /// The check character pair at the end.
    CheckPair,
    /// A GS1 company prefix starts at this offset: at least four digits.
    CompanyPrefix(u8),
    Date,
    DateDayOptional,
    LongDate,
    HourMinute,
    Hour,
    MinuteOrSecond,
    Country,
    CountryOr999,
    CountryLetters,
    Currency,
    Sex,
    Iban,
    PercentEncoded,
    YesNo,
    Hyphen,
    NonZero,
    Zero,
    Winding,
    PieceOfTotal,
    NoLeadingZero,
    HasNonDigit,
    ImporterIndex,
    MediaType,
    PlaceInSequence,
    PackageType,
    Latitude,
    Longitude,
    Coupon,
    PositiveOffer,
}

/// What is wrong with a value: the byte it is at and a sentence that says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    pub at: usize,
    pub why: Cow<'static, str>,
}

impl ValueError {
    pub(super) fn new(at: usize, why: impl Into<Cow<'static, str>>) -> ValueError {
        ValueError { at, why: why.into() }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.why)
    }
}

impl std::error::Error for ValueError {}

const COMPANY_PREFIX_DIGITS_MIN: usize = 4;

/// Takes the parts off the front of the text, one by one, and tests each.
pub(super) fn check(parts: &[Part], text: &str) -> Result<(), ValueError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(ValueError::new(0, "the value is empty; give it or leave the identifier out"));
    }
    let mut start = 0;
    for part in parts {
        if start == bytes.len() && part.optional {
            break;
        }
        let end = bytes.len().min(start + usize::from(part.len_max));
        let piece = &bytes[start..end];
        check_charset(part.charset, piece).map_err(|error| shifted(error, start))?;
        if piece.len() < usize::from(part.len_min) {
            let missing = usize::from(part.len_min) - piece.len();
            let why = format!("the value is too short; {missing} more characters are needed here");
            return Err(ValueError::new(bytes.len(), why));
        }
        for test in part.tests.iter().flatten() {
            run(*test, piece).map_err(|error| shifted(error, start))?;
        }
        start = end;
    }
    if start < bytes.len() {
        let why = format!("the value is too long; it ends after {start} characters at the most");
        return Err(ValueError::new(start, why));
    }
    Ok(())
}

fn shifted(error: ValueError, start: usize) -> ValueError {
    ValueError { at: error.at + start, why: error.why }
}

fn check_charset(charset: Charset, piece: &[u8]) -> Result<(), ValueError> {
    let (test, text): (fn(u8) -> bool, _) = match charset {
        Charset::Digits => (|byte| byte.is_ascii_digit(), "only digits are allowed here"),
        Charset::Set82 => (
            check::is_charset_82,
            "only letters a-z and A-Z, digits and !\"%&'()*+,-./:;<=>?_ are allowed here",
        ),
        Charset::Set39 => {
            (check::is_charset_39, "only capitals A-Z, digits, # - and / are allowed here")
        }
        Charset::Set64 => (
            check::is_charset_64,
            "only a-z, A-Z, digits, - and _ are allowed here, with up to two = at the end",
        ),
    };
    let body = match charset {
        Charset::Set64 => {
            let padding = piece.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
            &piece[..piece.len() - padding]
        }
        _ => piece,
    };
    match body.iter().position(|byte| !test(*byte)) {
        None => Ok(()),
        Some(at) => Err(ValueError::new(at, text)),
    }
}

/// The number that these digits write; a test before has seen to it that they are digits.
fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'))
}

fn run(test: Test, piece: &[u8]) -> Result<(), ValueError> {
    use Test::*;
    match test {
        CheckDigit => check_digit(piece),
        CheckPair => check_pair(piece),
        CompanyPrefix(offset) => company_prefix(piece, usize::from(offset)),
        Date => date(piece, false, true),
        DateDayOptional => date(piece, true, true),
        LongDate => date(piece, false, false),
        HourMinute => {
            hour(&piece[..2])?;
            minute(&piece[2..]).map_err(|error| shifted(error, 2))
        }
        Hour => hour(piece),
        MinuteOrSecond => minute(piece),
        Country | CountryOr999 | CountryLetters | Currency => code(test, piece),
        Iban => iban(piece),
        PercentEncoded => percent_encoded(piece),
        PieceOfTotal => place(number(&piece[..2]), number(&piece[2..])),
        PlaceInSequence => place_in_sequence(piece),
        Coupon => coupon::check_coupon(piece),
        PositiveOffer => coupon::check_positive_offer(piece),
        _ => simple(test, piece),
    }
}

/// The tests that are one condition and one sentence.
fn simple(test: Test, piece: &[u8]) -> Result<(), ValueError> {
    let zero = |byte: &u8| *byte == b'0';
    let media = |kind: u64| (1..=10).contains(&kind) || (80..=99).contains(&kind);
    let (ok, why) = match test {
        Test::Sex => (matches!(piece, [b'0' | b'1' | b'2' | b'9']), "this is 0, 1, 2 or 9"),
        Test::YesNo => (matches!(piece, [b'0' | b'1']), "this is 0 for no or 1 for yes"),
        Test::Hyphen => (piece == b"-", "only a hyphen may stand here, for below zero"),
        Test::NonZero => (!piece.iter().all(zero), "this must not be all zeros"),
        Test::Zero => (piece.iter().all(zero), "this must be 0"),
        Test::Winding => (matches!(piece, [b'0' | b'1' | b'9']), "the winding is 0, 1 or 9"),
        Test::NoLeadingZero => {
            (piece.len() < 2 || piece[0] != b'0', "this must not begin with 0; leave zeros out")
        }
        Test::HasNonDigit => (
            !piece.iter().all(u8::is_ascii_digit),
            "this must have at least one character that is not a digit",
        ),
        Test::ImporterIndex => (
            piece.iter().all(|byte| check::is_charset_64(*byte)),
            "the importer index is a letter, a digit, - or _",
        ),
        Test::MediaType => (media(number(piece)), "the media type is 01 to 10 or 80 to 99"),
        Test::PackageType => (
            piece.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
            "a package type code has capitals and digits only",
        ),
        Test::Latitude => (number(piece) <= 1_800_000_000, "the latitude is over 1800000000"),
        Test::Longitude => (number(piece) <= 3_600_000_000, "the longitude is over 3600000000"),
        _ => unreachable!("run sends every other test elsewhere"),
    };
    if ok { Ok(()) } else { Err(ValueError::new(0, why)) }
}

fn check_digit(piece: &[u8]) -> Result<(), ValueError> {
    if check::has_valid_check_digit(piece) {
        return Ok(());
    }
    let last = piece.len() - 1;
    let expected = check::check_digit(&piece[..last]).expect("the part has digits only");
    let why = format!("the check digit here should be {expected}; one of the digits is mistyped");
    Err(ValueError::new(last, why))
}

fn check_pair(piece: &[u8]) -> Result<(), ValueError> {
    if check::has_valid_check_character_pair(piece) {
        return Ok(());
    }
    let last = piece.len().saturating_sub(2);
    let why = match check::check_character_pair(&piece[..last]) {
        Some([a, b]) => format!(
            "the check characters here should be {}{}; a character before them is mistyped",
            char::from(a),
            char::from(b)
        ),
        None => "the value is too short to end in two check characters".to_string(),
    };
    Err(ValueError::new(last, why))
}

fn company_prefix(piece: &[u8], offset: usize) -> Result<(), ValueError> {
    let prefix = piece.get(offset..offset + COMPANY_PREFIX_DIGITS_MIN);
    let Some(prefix) = prefix else {
        return Err(ValueError::new(piece.len(), "too short to hold a GS1 company prefix"));
    };
    match prefix.iter().position(|byte| !byte.is_ascii_digit()) {
        None => Ok(()),
        Some(at) => Err(ValueError::new(
            offset + at,
            "this should be part of a GS1 company prefix, which has digits only",
        )),
    }
}

/// YYMMDD when `short`, else YYYYMMDD. Two-digit years stand for 49 years back to 50 ahead, so
/// every fourth one is a leap year for as long as 1900 and 2100 are out of that reach.
fn date(piece: &[u8], day_optional: bool, short: bool) -> Result<(), ValueError> {
    let (year, rest) = piece.split_at(if short { 2 } else { 4 });
    let year_len = year.len();
    let (year, month, day) = (number(year), number(&rest[..2]), number(&rest[2..]));
    let leap = year % 4 == 0 && (short || year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(ValueError::new(year_len, "the month of a date is 01 to 12")),
    };
    let first = if day_optional { 0 } else { 1 };
    if (first..=days).contains(&day) {
        return Ok(());
    }
    let why = format!("the day is {first:02} to {days} in this month");
    Err(ValueError::new(year_len + 2, why))
}

fn hour(piece: &[u8]) -> Result<(), ValueError> {
    if number(piece) < 24 { Ok(()) } else { Err(ValueError::new(0, "the hour is 00 to 23")) }
}

fn minute(piece: &[u8]) -> Result<(), ValueError> {
    if number(piece) < 60 {
        Ok(())
    } else {
        Err(ValueError::new(0, "minutes and seconds are 00 to 59"))
    }
}

fn code(test: Test, piece: &[u8]) -> Result<(), ValueError> {
    let listed = |list: &[u16]| {
        u16::try_from(number(piece)).is_ok_and(|number| list.binary_search(&number).is_ok())
    };
    let (ok, why) = match test {
        Test::Country => (listed(codes::COUNTRIES), "this is no ISO 3166 three-digit country code"),
        Test::CountryOr999 => (
            piece == b"999" || listed(codes::COUNTRIES),
            "this is neither an ISO 3166 three-digit country code nor 999",
        ),
        Test::Currency => {
            (listed(codes::CURRENCIES), "this is no ISO 4217 three-digit currency code")
        }
        _ => (
            codes::COUNTRY_LETTERS.binary_search_by(|letters| letters[..].cmp(piece)).is_ok(),
            "this is no ISO 3166 two-letter country code in capitals",
        ),
    };
    if ok { Ok(()) } else { Err(ValueError::new(0, why)) }
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35, modulo 97 is 1.
fn iban(piece: &[u8]) -> Result<(), ValueError> {
    if let Some(at) =
        piece.iter().position(|byte| !byte.is_ascii_digit() && !byte.is_ascii_uppercase())
    {
        return Err(ValueError::new(at, "an IBAN has capitals and digits only"));
    }
    if piece.len() < 5 {
        return Err(ValueError::new(piece.len(), "an IBAN has at least five characters"));
    }
    code(Test::CountryLetters, &piece[..2])?;
    let mut rest = 0_u32;
    for byte in piece[4..].iter().chain(&piece[..4]) {
        let value = char::from(*byte).to_digit(36).expect("capitals and digits only");
        rest = (rest * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    if rest == 1 {
        Ok(())
    } else {
        Err(ValueError::new(2, "the IBAN's check digits do not fit; a character is mistyped"))
    }
}

fn percent_encoded(piece: &[u8]) -> Result<(), ValueError> {
    for (at, byte) in piece.iter().enumerate() {
        let hex = piece.get(at + 1..at + 3);
        if *byte == b'%' && !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return Err(ValueError::new(at, "two hex digits must follow %; write % itself as %25"));
        }
    }
    Ok(())
}

fn place(piece: u64, total: u64) -> Result<(), ValueError> {
    if piece > 0 && piece <= total {
        return Ok(());
    }
    Err(ValueError::new(0, "a place in a total is 1 or more and no more than the total"))
}

fn place_in_sequence(piece: &[u8]) -> Result<(), ValueError> {
    match piece {
        [a, b'/', b] if a.is_ascii_digit() && b.is_ascii_digit() => {
            place(number(&[*a]), number(&[*b]))
        }
        _ => Err(ValueError::new(0, "this is a digit, a slash and a digit, such as 1/2")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ai;

    fn check(line: &str) -> String {
        let (code, value) = line.split_once(' ').unwrap_or((line, ""));
        match ai::find(code).unwrap().check(value) {
            Ok(()) => "ok".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn good_values() {
        for line in [
            "00 006141411234567890",
            "01 09520123456788",
            "10 !\"%&'()*+,-./:;<=>?_",
            "11 240229",
            "11 240200",
            "17 991231",
            "253 9526064000028",
            "253 9526064000028000001",
            "255 9526064000028123456789012",
            "37 1",
            "3911 978100",
            "421 276D123",
            "423 276",
            "423 276528056",
            "427 BY",
            "4302 Caf%C3%A9",
            "4307 DE",
            "4309 18000000003600000000",
            "4321 1",
            "4324 2402002359",
            "4331 000123",
            "4331 000123-",
            "7003 2402291200",
            "7007 240101240229",
            "7011 240101",
            "7030 999x",
            "7040 1AB_",
            "7041 7C",
            "7230 EUabc",
            "7241 10",
            "7250 20000229",
            "7252 9",
            "7258 2/3",
            "8001 00010000100100",
            "8003 09526064000028x",
            "8006 095201234567880102",
            "8007 DE89370400440532013000",
            "8008 24022923",
            "8008 2402292359",
            "8008 240229235958",
            "8010 9520#-/A",
            "8011 0",
            "8011 10",
            "8013 1987654Ad4X4bL5ttr2310c2K",
            "8014 1987654Ad4X4bL5ttr2310c2K",
            "8030 abc-_Z==",
            "8043 123456789012345678",
            "8043 12345678901234567890",
            "99 x",
        ] {
            assert_eq!(check(line), "ok", "{line}");
        }
    }

    #[test]
    fn bad_values_say_where_and_why() {
        for (line, expected) in [
            ("01", "byte 0: the value is empty"),
            ("01 0952012345678", "byte 13: the value is too short; 1 more"),
            ("01 095201234567888", "byte 14: the value is too long"),
            ("01 09520123456789", "byte 13: the check digit here should be 8"),
            ("01 0952012345678x", "byte 13: only digits"),
            ("10 a b", "byte 1: only letters"),
            ("10 é", "byte 0: only letters"),
            ("10 123456789012345678901", "byte 20: the value is too long"),
            ("11 241300", "byte 2: the month"),
            ("11 230229", "byte 4: the day is 00 to 28"),
            ("253 9526064000028é", "byte 13: only letters"),
            ("3911 000100", "byte 0: this is no ISO 4217"),
            ("423 276999", "byte 3: this is no ISO 3166"),
            ("423 27652", "byte 5: the value is too short"),
            ("4302 100%", "byte 3: two hex digits"),
            ("4307 de", "byte 0: this is no ISO 3166 two-letter"),
            ("4309 18000000013600000000", "byte 0: the latitude"),
            ("4309 18000000003600000001", "byte 10: the longitude"),
            ("4321 2", "byte 0: this is 0 for no"),
            ("4324 2402002360", "byte 8: minutes"),
            ("4331 000123x", "byte 6: only a hyphen"),
            ("7003 2402001200", "byte 4: the day is 01 to 29"),
            ("7040 1ABé", "byte 3: only letters"),
            ("7040 1AB!", "byte 3: the importer index"),
            ("7041 7c", "byte 0: a package type"),
            ("7241 11", "byte 0: the media type"),
            ("7250 19000229", "byte 6: the day"),
            ("7258 3/2", "byte 0: a place"),
            ("7258 1-2", "byte 0: this is a digit, a slash"),
            ("8001 00000000100100", "byte 0: this must not be all zeros"),
            ("8003 19526064000028x", "byte 0: this must be 0"),
            ("8006 095201234567880302", "byte 14: a place"),
            ("8007 DE89370400440532013001", "byte 2: the IBAN"),
            ("8007 DE8", "byte 3: an IBAN has at least"),
            ("8007 XX89370400440532013000", "byte 0: this is no ISO 3166"),
            ("8008 240229236", "byte 9: the value is too short"),
            ("8010 952A", "byte 3: this should be part of a GS1 company prefix"),
            ("8010 952", "byte 3: too short to hold"),
            ("8011 01", "byte 0: this must not begin with 0"),
            ("8013 1987654Ad4X4bL5ttr2310c2L", "byte 23: the check characters here should be 2K"),
            ("8013 1", "byte 0: the value is too short to end"),
            ("8030 a=b", "byte 1: only a-z"),
            ("8030 a===", "byte 1: only a-z"),
        ] {
            let found = check(line);
            assert!(found.starts_with(expected), "{line}: {found}");
        }
    }
}
