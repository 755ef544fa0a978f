//! Percent-encoding (RFC 3986) of one path segment or query value.

use std::fmt;

/// Writes the text with everything but `A-Z a-z 0-9 - . _ ~` encoded (the unreserved characters),
/// so that it can stand anywhere in a URI.
pub(super) fn encode(out: &mut dyn fmt::Write, text: &str) -> fmt::Result {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if text.bytes().all(plain) {
        return out.write_str(text);
    }
    for byte in text.bytes() {
        if plain(byte) {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// The text with every encoded byte decoded. The error is the offset of a `%` without two hex
/// digits after it, or of the first byte that makes the result no UTF-8.
pub(super) fn decode(text: &str) -> Result<String, usize> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digit = |offset: usize| {
                let digit = bytes.get(at + offset).map(|byte| char::from(*byte));
                digit.and_then(|c| c.to_digit(16)).ok_or(at)
            };
            out.push((digit(1)? * 16 + digit(2)?) as u8);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).map_err(|error| encoded_offset(text, error.utf8_error().valid_up_to()))
}

/// Where in the encoded text the byte comes from that is at this place in the decoded text.
pub(super) fn encoded_offset(text: &str, decoded: usize) -> usize {
    let mut at = 0;
    for _ in 0..decoded {
        at += if text.as_bytes().get(at) == Some(&b'%') { 3 } else { 1 };
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        let all: String = (0..=255_u8).map(char::from).collect();
        let mut encoded = String::new();
        encode(&mut encoded, &all).unwrap();
        assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        assert_eq!(decode(&encoded), Ok(all));
    }

    #[test]
    fn bad_encodings_give_their_offset() {
        assert_eq!(decode("ab%2"), Err(2));
        assert_eq!(decode("%41%4g"), Err(3));
        assert_eq!(decode("%41b%FFc"), Err(4));
        assert_eq!(encoded_offset("%41b%42c", 3), 7);
        assert_eq!(encoded_offset("a", 9), 1);
    }
}
