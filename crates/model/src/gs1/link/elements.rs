//! Reading element strings: `(01)...(21)...` as people write them, `^01...^21...` and what a
//! scanner sends, with the separator FNC1 as `^` or as the control character GS.

use super::super::ai::{self, AiCode};
use super::{
    DigitalLink, Element, LINK_BYTES_MAX, LinkError, check_attribute, check_qualifier_order,
};

/// An element, the byte where its identifier starts and the byte where its value starts.
struct Found {
    element: Element,
    at: usize,
}

pub(super) fn parse_link(text: &str) -> Result<DigitalLink, LinkError> {
    if text.len() > LINK_BYTES_MAX {
        let why = format!("the element string is longer than {LINK_BYTES_MAX} bytes; shorten it");
        return Err(LinkError::new(LINK_BYTES_MAX, None, why));
    }
    let found = if text.starts_with('(') { bracketed(text)? } else { unbracketed(text)? };
    assemble(without_repetition(found)?)
}

fn checked(code: AiCode, at: usize, value: String) -> Result<Found, LinkError> {
    let Some(row) = code.row() else {
        let why = format!("({code}) is no application identifier in use; take it away");
        return Err(LinkError::new(at, Some(code), why));
    };
    // The offset is within the value; the caller adds where that begins.
    row.check(&value).map_err(|error| LinkError::new(error.at, Some(code), error.why))?;
    Ok(Found { element: Element { ai: code, value }, at })
}

fn bracketed(text: &str) -> Result<Vec<Found>, LinkError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        // Each round begins at a bracket: the first by the caller's test, the next by `value_end`.
        let close = text[at..].find(')').map(|offset| at + offset);
        let code = close.and_then(|close| AiCode::new(&text[at + 1..close]));
        let (Some(close), Some(code)) = (close, code) else {
            let why = "two to four digits in brackets are needed here; write a bracket in a value \
                       as \\(";
            return Err(LinkError::new(at, None, why));
        };
        let start = close + 1;
        let end = start + value_end(&text[start..]);
        let raw = &text[start..end];
        let element = checked(code, at, raw.replace("\\(", "(")).map_err(|mut error| {
            if code.row().is_some() {
                error.at = start + escaped_offset(raw, error.at);
            }
            error
        })?;
        found.push(element);
        at = end;
    }
    Ok(found)
}

/// Where the value ends: at the next `(` that has no backslash in front.
fn value_end(text: &str) -> usize {
    let mut brackets = text.match_indices('(').map(|(at, _)| at);
    brackets.find(|at| !text[..*at].ends_with('\\')).unwrap_or(text.len())
}

/// Where in the escaped text the byte comes from that is at this place in the value.
fn escaped_offset(raw: &str, plain: usize) -> usize {
    let mut at = 0;
    for _ in 0..plain {
        at += if raw.as_bytes()[at..].starts_with(b"\\(") { 2 } else { 1 };
    }
    at.min(raw.len())
}

fn unbracketed(text: &str) -> Result<Vec<Found>, LinkError> {
    let separator = |c: char| c == '^' || c == '\u{1d}';
    // Scanners may put the kind of symbol in front (ISO/IEC 15424), and FNC1 before all.
    let kinds = ["]C1", "]e0", "]d2", "]Q3", "]J1"];
    let kind = kinds.iter().find(|kind| text.starts_with(**kind)).map_or(0, |kind| kind.len());
    if kind == 0 && !text.starts_with(separator) {
        let why = "an element string starts with (, as in (01)09520123456788, or with ^";
        return Err(LinkError::new(0, None, why));
    }
    let mut found = Vec::new();
    let mut at = kind;
    while at < text.len() {
        if text[at..].starts_with(separator) {
            at += 1;
            continue;
        }
        let Some((digits, row)) = ai::find_prefix(&text[at..]) else {
            return Err(LinkError::new(at, None, "no application identifier in use starts here"));
        };
        let code = AiCode::new(digits).expect("the table has two to four digits");
        let start = at + digits.len();
        let rest = &text[start..];
        let mut end = start + rest.find(separator).unwrap_or(rest.len());
        if let Some(len) = row.len_fixed().filter(|_| row.fixed) {
            let limit = start + len;
            end = if text.is_char_boundary(limit) { end.min(limit) } else { end };
        }
        let element = checked(code, at, text[start..end].to_string()).map_err(|mut error| {
            error.at += start;
            error
        })?;
        found.push(element);
        at = end;
    }
    Ok(found)
}

/// Drops what says the same again, and refuses what says something else.
fn without_repetition(all: Vec<Found>) -> Result<Vec<Found>, LinkError> {
    let mut kept: Vec<Found> = Vec::with_capacity(all.len());
    for found in all {
        match kept.iter().find(|other| other.element.ai == found.element.ai) {
            None => kept.push(found),
            Some(same) if same.element.value == found.element.value => {}
            Some(_) => {
                let code = found.element.ai;
                let why = format!("({code}) is here a second time with another value; keep one");
                return Err(LinkError::new(found.at, Some(code), why));
            }
        }
    }
    Ok(kept)
}

fn assemble(mut all: Vec<Found>) -> Result<DigitalLink, LinkError> {
    let key = all.iter().position(|found| found.element.ai.row().is_some_and(|r| r.key.is_some()));
    let Some(key) = key else {
        let why = "there is no primary key, such as (01), so this is no Digital Link";
        return Err(LinkError::new(0, None, why));
    };
    let key = all.remove(key).element;
    let row = key.ai.row().expect("found by its row above");
    let lists = row.key.expect("found by its key above");
    let qualifies = |found: &Found| row.is_qualified_by(found.element.ai.as_str());
    let (mut qualifiers, attributes): (Vec<Found>, Vec<Found>) =
        all.into_iter().partition(qualifies);

    // The list that names the most of them gives the order; what it does not name is then refused.
    let named = |list: &&&[&str]| {
        qualifiers.iter().filter(|found| list.contains(&found.element.ai.as_str())).count()
    };
    if let Some(list) = lists.iter().rev().max_by_key(named) {
        let place = |found: &Found| {
            let place = list.iter().position(|code| *code == found.element.ai.as_str());
            place.unwrap_or(list.len())
        };
        qualifiers.sort_by_key(place);
    }
    let codes = qualifiers.iter().map(|found| found.element.ai);
    check_qualifier_order(key.ai, row, codes).map_err(|(index, why)| {
        let wrong = &qualifiers[index];
        LinkError::new(wrong.at, Some(wrong.element.ai), why)
    })?;
    for found in &attributes {
        check_attribute(key.ai, row, found.element.ai)
            .map_err(|why| LinkError::new(found.at, Some(found.element.ai), why))?;
    }
    let elements = |all: Vec<Found>| all.into_iter().map(|found| found.element).collect();
    Ok(DigitalLink {
        stem: String::new(),
        key,
        qualifiers: elements(qualifiers),
        attributes: elements(attributes),
        other: vec![],
    })
}
