//! Check digits and character sets of the GS1 General Specifications.
//!
//! Everything here looks at bytes only; no identifier, no length rule. All three character sets are
//! subsets of ASCII, so a byte test is a character test.

/// The 82 characters allowed in alphanumeric values (General Specifications, "character set 82"),
/// in the order that gives each its weight in the check character pair.
const CHARSET_82: &[u8; 82] =
    b"!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// The 32 characters that a check character pair is written with: no 0, 1, I or O.
const CHARSET_32: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The weights of the check character pair, from the right.
const PRIMES: [u32; 23] =
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83];

/// The modulus of the check character pair.
const PAIR_MODULUS: u32 = 1021;

/// Is this byte one of the 82 characters ("X" in the format of an application identifier)?
pub fn is_charset_82(byte: u8) -> bool {
    matches!(byte, b'!' | b'"' | b'%'..=b'?' | b'A'..=b'Z' | b'_' | b'a'..=b'z')
}

/// Is this byte one of the 39 characters ("Y"): capitals, digits, `#`, `-` and `/`?
pub fn is_charset_39(byte: u8) -> bool {
    matches!(byte, b'#' | b'-' | b'/' | b'0'..=b'9' | b'A'..=b'Z')
}

/// Is this byte one of the base64url characters ("Z")? The padding `=` is not among them.
pub fn is_charset_64(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// The mod-10 check digit (0..=9) that belongs after these digits, or `None` when one of them is
/// not a digit. Weights are 3, 1, 3, ... from the right, so the result is the same with leading
/// zeros and without.
pub fn check_digit(digits: &[u8]) -> Option<u8> {
    let mut sum: u32 = 0;
    for (position, byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return None;
        }
        let weight = if position % 2 == 0 { 3 } else { 1 };
        // Folded at each step so that no length can overflow.
        sum = (sum + weight * u32::from(byte - b'0')) % 10;
    }
    Some(((10 - sum) % 10) as u8)
}

/// Does the last digit agree with those before it? False for fewer than two digits and for
/// anything that is not a digit.
pub fn has_valid_check_digit(digits: &[u8]) -> bool {
    match digits.split_last() {
        Some((last, rest)) if !rest.is_empty() && last.is_ascii_digit() => {
            check_digit(rest) == Some(last - b'0')
        }
        _ => false,
    }
}

/// The check character pair that belongs after this value of character set 82 (as AI 8013 carries
/// it). `None` when the value is empty, longer than the 23 weights, or has a character outside
/// the set.
pub fn check_character_pair(value: &[u8]) -> Option<[u8; 2]> {
    if value.is_empty() || value.len() > PRIMES.len() {
        return None;
    }
    let mut sum = 0;
    for (byte, prime) in value.iter().rev().zip(PRIMES) {
        let weight = CHARSET_82.iter().position(|allowed| allowed == byte)?;
        sum += prime * u32::try_from(weight).ok()?;
    }
    let rest = (sum % PAIR_MODULUS) as usize;
    Some([CHARSET_32[rest >> 5], CHARSET_32[rest & 31]])
}

/// Do the last two characters agree with those before them?
pub fn has_valid_check_character_pair(value: &[u8]) -> bool {
    match value.split_last_chunk::<2>() {
        Some((rest, pair)) => check_character_pair(rest).as_ref() == Some(pair),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_known_numbers() {
        assert_eq!(check_digit(b"0952012345678"), Some(8));
        assert_eq!(check_digit(b"952012345678"), Some(8));
        assert_eq!(check_digit(b"0234567"), Some(3));
        assert_eq!(check_digit(b"00614141123456789"), Some(0));
        assert_eq!(check_digit(b"12a"), None);
        assert!(has_valid_check_digit(b"09520123456788"));
        assert!(!has_valid_check_digit(b"09520123456789"));
        assert!(!has_valid_check_digit(b"0"));
        assert!(!has_valid_check_digit(b""));
        assert!(!has_valid_check_digit(b"0952012345678x"));
    }

    #[test]
    fn every_single_digit_slip_is_seen() {
        let good = *b"09520123456788";
        for place in 0..good.len() {
            for digit in b'0'..=b'9' {
                let mut slipped = good;
                slipped[place] = digit;
                assert_eq!(has_valid_check_digit(&slipped), slipped == good);
            }
        }
    }

    #[test]
    fn check_character_pair_of_the_standards_example() {
        assert_eq!(check_character_pair(b"1987654Ad4X4bL5ttr2310c"), Some(*b"2K"));
        assert!(has_valid_check_character_pair(b"1987654Ad4X4bL5ttr2310c2K"));
        assert!(!has_valid_check_character_pair(b"1987654Ad4X4bL5ttr2310c2L"));
        assert!(!has_valid_check_character_pair(b"1987654Ad4X4bL5ttr2301c2K"));
        assert!(!has_valid_check_character_pair(b"2K"));
        assert_eq!(check_character_pair(&[b'1'; 24]), None);
        assert_eq!(check_character_pair(b"12~"), None);
    }

    #[test]
    fn charsets_have_their_sizes() {
        let count = |test: fn(u8) -> bool| (0..=255).filter(|byte| test(*byte)).count();
        assert_eq!(count(is_charset_82), 82);
        assert_eq!(count(is_charset_39), 39);
        assert_eq!(count(is_charset_64), 64);
        assert!(CHARSET_82.iter().all(|byte| is_charset_82(*byte)));
    }
}
