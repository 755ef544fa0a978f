//! GS1 Digital Link URIs (GS1 Digital Link Standard: URI Syntax 1.6) and the element strings that
//! say the same in brackets or with separators.
//!
//! A [`DigitalLink`] is always right: its key, qualifiers and attributes have passed the tests of
//! their identifiers, stand in an allowed order, and none occurs twice. The compressed form of
//! the standard is not read.

mod elements;
mod uri;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use super::ai::{Ai, AiCode};
use super::key::{Gtin, Serial, Subject};
use super::percent;

/// The stem of canonical links.
pub const CANONICAL_STEM: &str = "https://id.gs1.org";

/// The longest URI or element string that is read, in bytes.
pub const LINK_BYTES_MAX: usize = 4096;

/// One identifier and its value, not encoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    pub ai: AiCode,
    pub value: String,
}

/// What one Digital Link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigitalLink {
    stem: String,
    key: Element,
    qualifiers: Vec<Element>,
    attributes: Vec<Element>,
    other: Vec<(String, String)>,
}

/// What to let pass while reading a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// Takes a GTIN of 8, 12 or 13 digits for the one of 14 with zeros in front.
    pub zero_suppressed: bool,
    /// Takes the withdrawn names for identifiers (`/gtin/.../ser/...`).
    pub alphas: bool,
    /// Takes numeric query keys that are no identifier in use for attributes.
    pub unknown_ais: bool,
}

impl Default for ParseOptions {
    fn default() -> ParseOptions {
        ParseOptions { zero_suppressed: true, alphas: false, unknown_ais: false }
    }
}

/// What is wrong with a link: the byte it is at, the identifier concerned, and a sentence that
/// says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkError {
    pub at: usize,
    pub ai: Option<AiCode>,
    pub why: Cow<'static, str>,
}

impl LinkError {
    fn new(at: usize, ai: Option<AiCode>, why: impl Into<Cow<'static, str>>) -> LinkError {
        LinkError { at, ai, why: why.into() }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.at)?;
        if let Some(ai) = self.ai {
            write!(f, ", ({ai})")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for LinkError {}

impl DigitalLink {
    /// Reads an absolute `http` or `https` URI, of any host and with any path before the key.
    pub fn parse(uri: &str, options: ParseOptions) -> Result<DigitalLink, LinkError> {
        uri::parse(uri, options)
    }

    /// Reads what stands in a request line: path and query, without scheme and host.
    pub fn parse_target(target: &str, options: ParseOptions) -> Result<DigitalLink, LinkError> {
        uri::parse_target(target, options)
    }

    /// Reads an element string, `(01)...(21)...` or `^01...^21...`. The first primary key in it
    /// becomes the key; the order of the others does not matter; a repetition of the same value
    /// is dropped.
    pub fn from_element_string(text: &str) -> Result<DigitalLink, LinkError> {
        elements::parse_link(text)
    }

    /// The scheme, host and path before the key; empty when there was none to read.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    pub fn key(&self) -> &Element {
        &self.key
    }

    /// The qualifiers in the order of the standard.
    pub fn qualifiers(&self) -> &[Element] {
        &self.qualifiers
    }

    /// The data attributes in the order in which they were given.
    pub fn attributes(&self) -> &[Element] {
        &self.attributes
    }

    /// The query parameters that are not GS1's, decoded, such as `linkType` and `context`.
    pub fn other(&self) -> &[(String, String)] {
        &self.other
    }

    /// The first query parameter of this name that is not GS1's.
    pub fn other_value(&self, name: &str) -> Option<&str> {
        self.other.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Key, qualifiers, attributes.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        std::iter::once(&self.key).chain(&self.qualifiers).chain(&self.attributes)
    }

    /// The value of this identifier, wherever it stands.
    pub fn get(&self, ai: &str) -> Option<&str> {
        self.elements().find(|element| element.ai.as_str() == ai).map(|found| found.value.as_str())
    }

    /// The unit or model that it is about; `None` when the key is not a GTIN. Batch and variant do
    /// not make another subject.
    pub fn subject(&self) -> Option<Subject> {
        if self.key.ai.as_str() != "01" {
            return None;
        }
        let gtin: Gtin = self.key.value.parse().expect("the check of (01) asks for the same");
        let serial = self.qualifiers.iter().find(|element| element.ai.as_str() == "21");
        Some(match serial {
            None => Subject::model(gtin),
            Some(serial) => {
                let serial = Serial::new(&serial.value).expect("the check of (21) is the same");
                Subject::unit(gtin, serial)
            }
        })
    }

    /// The path: `/01/.../21/...`.
    pub fn path(&self) -> String {
        let mut out = String::new();
        self.write_path(&mut out).expect("writing to a String does not fail");
        out
    }

    /// The canonical URI: the stem of GS1, GTIN in 14 digits, attributes ascending by identifier,
    /// and nothing that is not GS1's.
    pub fn canonical(&self) -> String {
        let mut attributes: Vec<&Element> = self.attributes.iter().collect();
        attributes.sort();
        self.write_uri(CANONICAL_STEM, &attributes)
    }

    /// The URI on another stem, such as `https://example.com/shop`. Attributes of pre-defined
    /// length go first, as in an element string; those that are not GS1's are left out.
    pub fn to_uri(&self, stem: &str) -> String {
        let fixed = |element: &&Element| element.ai.row().is_some_and(|row| row.fixed);
        let mut attributes: Vec<&Element> = self.attributes.iter().filter(fixed).collect();
        attributes.extend(self.attributes.iter().filter(|element| !fixed(element)));
        self.write_uri(stem.trim_end_matches('/'), &attributes)
    }

    fn write_path(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for element in std::iter::once(&self.key).chain(&self.qualifiers) {
            write!(out, "/{}/", element.ai)?;
            percent::encode(out, &element.value)?;
        }
        Ok(())
    }

    fn write_uri(&self, stem: &str, attributes: &[&Element]) -> String {
        let mut out = String::from(stem);
        let write = |out: &mut String| -> fmt::Result {
            use fmt::Write;
            self.write_path(out)?;
            for (index, element) in attributes.iter().enumerate() {
                write!(out, "{}{}=", if index == 0 { '?' } else { '&' }, element.ai)?;
                percent::encode(out, &element.value)?;
            }
            Ok(())
        };
        write(&mut out).expect("writing to a String does not fail");
        out
    }

    /// The element string for people: `(01)...(21)...`. A `(` within a value is written `\(`.
    pub fn bracketed(&self) -> String {
        let mut out = String::new();
        for element in self.elements() {
            out += &format!("({}){}", element.ai, element.value.replace('(', "\\("));
        }
        out
    }

    /// The element string for bar codes, with `^` where the separator FNC1 goes: in front, and
    /// after each value whose identifier has no pre-defined length.
    pub fn unbracketed(&self) -> String {
        let mut out = String::new();
        let mut separate = true;
        for element in self.elements() {
            if separate {
                out.push('^');
            }
            out += &format!("{}{}", element.ai, element.value);
            separate = !element.ai.row().is_some_and(|row| row.fixed);
        }
        out
    }
}

impl fmt::Display for DigitalLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

/// Are these codes in an order that the key allows? The error is the index of the one that is not
/// and the sentence about it.
fn check_qualifier_order(
    key: AiCode,
    row: &Ai,
    qualifiers: impl Iterator<Item = AiCode> + Clone,
) -> Result<(), (usize, String)> {
    let lists = row.key.expect("called with primary keys only");
    let mut reached = 0;
    for list in lists {
        let mut rest = list.iter();
        let fits = |code: &AiCode| rest.any(|allowed| *allowed == code.as_str());
        reached = reached.max(qualifiers.clone().take_while(fits).count());
    }
    let Some(wrong) = qualifiers.clone().nth(reached) else {
        return Ok(());
    };
    let lists: Vec<String> = lists.iter().map(|list| format!("({})", list.join("), ("))).collect();
    let lists = lists.join(" or ");
    let why = if qualifiers.clone().take(reached).any(|code| code == wrong) {
        format!("({wrong}) is here for the second time; take one away")
    } else if row.is_qualified_by(wrong.as_str()) {
        format!("after ({key}) the path has {lists}, in this order; put ({wrong}) in its place")
    } else if wrong.row().is_some_and(|row| row.attribute) {
        format!("({wrong}) does not follow ({key}) in the path; write it as ?{wrong}= in the query")
    } else if lists.is_empty() {
        format!("nothing follows ({key}) in the path; take ({wrong}) away")
    } else {
        format!("after ({key}) the path has only {lists}; take ({wrong}) away")
    };
    Err((reached, why))
}

/// May this identifier stand in the query of a link with this key?
fn check_attribute(key: AiCode, key_row: &Ai, code: AiCode) -> Result<(), String> {
    if key_row.is_qualified_by(code.as_str()) {
        return Err(format!("({code}) qualifies ({key}); write it in the path as /{code}/..."));
    }
    if code.row().is_some_and(|row| !row.attribute) {
        return Err(format!("({code}) is no data attribute; it cannot go with ({key})"));
    }
    Ok(())
}
