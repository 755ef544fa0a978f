//! Reading Digital Link URIs, from the text to a checked [`DigitalLink`].

use super::super::ai::{self, Ai, AiCode};
use super::super::percent;
use super::{
    DigitalLink, Element, LINK_BYTES_MAX, LinkError, ParseOptions, check_attribute,
    check_qualifier_order,
};

const UNKNOWN_AI_CHARS_MAX: usize = 90;

/// Names that earlier versions of the standard allowed instead of numbers.
const ALPHAS: [(&str, &str); 27] = [
    ("billTo", "411"),
    ("cpid", "8010"),
    ("cpsn", "8011"),
    ("cpv", "22"),
    ("gcn", "255"),
    ("gdti", "253"),
    ("giai", "8004"),
    ("ginc", "401"),
    ("gln", "414"),
    ("glnProd", "416"),
    ("glnx", "254"),
    ("gmn", "8013"),
    ("grai", "8003"),
    ("gsin", "402"),
    ("gsrn", "8018"),
    ("gsrnp", "8017"),
    ("gtin", "01"),
    ("itip", "8006"),
    ("lot", "10"),
    ("party", "417"),
    ("payTo", "415"),
    ("purchasedFrom", "412"),
    ("refno", "8020"),
    ("ser", "21"),
    ("shipFor", "413"),
    ("shipTo", "410"),
    ("srin", "8019"),
];

/// A piece of the URI and the byte that it starts at.
#[derive(Clone, Copy)]
struct Piece<'a> {
    at: usize,
    text: &'a str,
}

impl<'a> Piece<'a> {
    fn split(self, separator: char) -> impl Iterator<Item = Piece<'a>> {
        let start = self.text.as_ptr() as usize;
        self.text.split(separator).map(move |text| {
            let offset = text.as_ptr() as usize - start;
            Piece { at: self.at + offset, text }
        })
    }

    fn split_once(self, separator: char) -> (Piece<'a>, Option<Piece<'a>>) {
        match self.text.split_once(separator) {
            None => (self, None),
            Some((before, after)) => {
                let at = self.at + before.len() + separator.len_utf8();
                (Piece { at: self.at, text: before }, Some(Piece { at, text: after }))
            }
        }
    }
}

pub(super) fn parse(uri: &str, options: ParseOptions) -> Result<DigitalLink, LinkError> {
    check_characters(uri)?;
    let schemes = ["https://", "http://", "HTTPS://", "HTTP://"];
    let Some(scheme) = schemes.iter().find(|scheme| uri.starts_with(**scheme)) else {
        return Err(LinkError::new(0, None, "a Digital Link starts with https:// or http://"));
    };
    let after = &uri[scheme.len()..];
    let host = &after[..after.find(['/', '?', '#']).unwrap_or(after.len())];
    let path_at = scheme.len() + host.len();
    if host.is_empty() || host.starts_with(':') {
        return Err(LinkError::new(path_at, None, "a host name is missing after the scheme"));
    }
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    if let Some(bad) = host.bytes().position(|byte| !host_byte(byte)) {
        let why = "this cannot be in a host name; write host or host:port";
        return Err(LinkError::new(scheme.len() + bad, None, why));
    }
    parse_rest(uri, path_at, options)
}

pub(super) fn parse_target(target: &str, options: ParseOptions) -> Result<DigitalLink, LinkError> {
    check_characters(target)?;
    if !target.starts_with('/') {
        return Err(LinkError::new(0, None, "a request target starts with /"));
    }
    parse_rest(target, 0, options)
}

/// Everything that RFC 3986 lets stand in a URI, and no more than is reasonable of it.
fn check_characters(uri: &str) -> Result<(), LinkError> {
    if uri.len() > LINK_BYTES_MAX {
        let why = format!("the link is longer than {LINK_BYTES_MAX} bytes; shorten it");
        return Err(LinkError::new(LINK_BYTES_MAX, None, why));
    }
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    match uri.char_indices().find(|(_, c)| !u8::try_from(*c).is_ok_and(allowed)) {
        None => Ok(()),
        Some((at, found)) => {
            let why = format!("{found:?} cannot stand in a URI as it is; percent-encode it");
            Err(LinkError::new(at, None, why))
        }
    }
}

fn parse_rest(uri: &str, path_at: usize, options: ParseOptions) -> Result<DigitalLink, LinkError> {
    let rest = Piece { at: path_at, text: &uri[path_at..] };
    let (rest, _fragment) = rest.split_once('#');
    let (path, query) = rest.split_once('?');
    let pairs = key_and_qualifiers(path, options)?;
    let (key_piece, key_code, key_row, key_value) = pairs.key;
    let key = element(key_code, key_piece.at, key_value, options, false)?;

    let codes = pairs.qualifiers.iter().map(|(_, code, _)| *code);
    check_qualifier_order(key_code, key_row, codes).map_err(|(index, why)| {
        let (piece, code, _) = pairs.qualifiers[index];
        LinkError::new(piece.at, Some(code), why)
    })?;
    let mut qualifiers = Vec::with_capacity(pairs.qualifiers.len());
    for (piece, code, value) in pairs.qualifiers {
        qualifiers.push(element(code, piece.at, value, options, false)?);
    }
    let stem = uri[..key_piece.at].trim_end_matches('/').to_string();
    let mut link = DigitalLink { stem, key, qualifiers, attributes: vec![], other: vec![] };
    if let Some(query) = query {
        parse_query(&mut link, key_row, query, options)?;
    }
    Ok(link)
}

struct Pairs<'a> {
    key: (Piece<'a>, AiCode, &'static Ai, Piece<'a>),
    qualifiers: Vec<(Piece<'a>, AiCode, Piece<'a>)>,
}

/// Finds the last primary key that is an even number of segments from the end of the path, and the
/// pairs after it. The last, because what stands in front may be anything.
fn key_and_qualifiers(path: Piece<'_>, options: ParseOptions) -> Result<Pairs<'_>, LinkError> {
    let mut segments: Vec<Piece<'_>> = path.split('/').skip(1).collect();
    // The resolver standard asks that one slash too many at the end be overlooked.
    if segments.len() > 2 && segments.last().is_some_and(|last| last.text.is_empty()) {
        segments.pop();
    }
    let key_at = |index: usize| {
        let code = segment_code(segments[index].text, options)?;
        let row = code.row().filter(|row| row.key.is_some())?;
        Some((code, row))
    };
    let mut index = segments.len();
    while index >= 2 {
        index -= 2;
        let Some((code, row)) = key_at(index) else {
            continue;
        };
        let key = (segments[index], code, row, segments[index + 1]);
        let mut qualifiers = Vec::new();
        for pair in segments[index + 2..].chunks_exact(2) {
            let Some(code) = segment_code(pair[0].text, options) else {
                let why = "this is no application identifier, but the path goes on after the key";
                return Err(LinkError::new(pair[0].at, Some(code), why));
            };
            qualifiers.push((pair[0], code, pair[1]));
        }
        return Ok(Pairs { key, qualifiers });
    }
    Err(no_key(path, &segments, key_at))
}

/// Why no key was found, as exactly as can be said.
fn no_key(
    path: Piece<'_>,
    segments: &[Piece<'_>],
    key_at: impl Fn(usize) -> Option<(AiCode, &'static Ai)>,
) -> LinkError {
    let end = path.at + path.text.len();
    if let Some((code, _)) = (0..segments.len()).rev().find_map(&key_at) {
        let why = "identifiers and values do not come in pairs after the key; a value is missing";
        return LinkError::new(end, Some(code), why);
    }
    let alpha = segments.iter().find_map(|segment| {
        let (_, code) = ALPHAS.iter().find(|(name, _)| *name == segment.text)?;
        Some((segment, *code))
    });
    if let Some((segment, code)) = alpha {
        let why = format!("names for identifiers were withdrawn; write /{code}/ instead");
        return LinkError::new(segment.at, AiCode::new(code), why);
    }
    let why = "the path has no GS1 key; it should end like /01/09520123456788";
    LinkError::new(path.at, None, why)
}

fn segment_code(segment: &str, options: ParseOptions) -> Option<AiCode> {
    let alpha = || {
        let (_, code) = ALPHAS.iter().find(|(name, _)| options.alphas && *name == segment)?;
        AiCode::new(code)
    };
    AiCode::new(segment).or_else(alpha)
}

fn parse_query(
    link: &mut DigitalLink,
    key_row: &Ai,
    query: Piece<'_>,
    options: ParseOptions,
) -> Result<(), LinkError> {
    for parameter in query.split('&').filter(|parameter| !parameter.text.is_empty()) {
        let (name, value) = parameter.split_once('=');
        let value = value.unwrap_or(Piece { at: parameter.at + parameter.text.len(), text: "" });
        let name_text = decode_lenient(name.text);
        if name_text.is_empty() || !name_text.bytes().all(|byte| byte.is_ascii_digit()) {
            link.other.push((name_text, decode_lenient(value.text)));
            continue;
        }
        let Some(code) = AiCode::new(&name_text) else {
            let why = "keys of digits are application identifiers, which have two to four";
            return Err(LinkError::new(name.at, None, why));
        };
        let wrong = |why| LinkError::new(name.at, Some(code), why);
        check_attribute(link.key.ai, key_row, code).map_err(wrong)?;
        if link.elements().any(|element| element.ai == code) {
            return Err(wrong(format!("({code}) is here for the second time; take one away")));
        }
        let attribute = element(code, name.at, value, options, true)?;
        link.attributes.push(attribute);
    }
    Ok(())
}

/// What is not GS1's is not ours to refuse: it stays as it is when it cannot be decoded.
fn decode_lenient(text: &str) -> String {
    percent::decode(&text.replace('+', " ")).unwrap_or_else(|_| text.to_string())
}

/// Decodes and checks one value. In a query, `+` stands for a space.
fn element(
    code: AiCode,
    code_at: usize,
    raw: Piece<'_>,
    options: ParseOptions,
    in_query: bool,
) -> Result<Element, LinkError> {
    let wrong = |at: usize, why| LinkError { at: raw.at + at, ai: Some(code), why };
    let text = if in_query { raw.text.replace('+', " ") } else { raw.text.to_string() };
    let decoded = percent::decode(&text)
        .map_err(|at| wrong(at, "% is not followed by two hex digits of UTF-8".into()))?;
    let short = options.zero_suppressed
        && code.as_str() == "01"
        && matches!(decoded.len(), 8 | 12 | 13)
        && decoded.is_ascii();
    let value = if short { format!("{decoded:0>14}") } else { decoded };
    let padding = if short { value.len() - percent_len(&text) } else { 0 };
    let Some(row) = code.row() else {
        check_unknown(code, &value, options)
            .map_err(|why| LinkError::new(code_at, Some(code), why))?;
        return Ok(Element { ai: code, value });
    };
    row.check(&value).map_err(|error| {
        wrong(percent::encoded_offset(&text, error.at.saturating_sub(padding)), error.why)
    })?;
    Ok(Element { ai: code, value })
}

/// The length of the text once decoded; it has been decoded before.
fn percent_len(text: &str) -> usize {
    text.len() - 2 * text.matches('%').count()
}

fn check_unknown(code: AiCode, value: &str, options: ParseOptions) -> Result<(), String> {
    if !options.unknown_ais || !ai::is_free(code) {
        return Err(format!("({code}) is no application identifier in use; take it away"));
    }
    let charset = |byte| super::super::check::is_charset_82(byte);
    if value.is_empty() || value.len() > UNKNOWN_AI_CHARS_MAX || !value.bytes().all(charset) {
        return Err(format!("a value has 1 to {UNKNOWN_AI_CHARS_MAX} characters of GS1's 82"));
    }
    Ok(())
}
