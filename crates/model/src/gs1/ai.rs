//! Application identifiers: what each two to four digit code says about the value after it, and
//! what part it plays in a Digital Link.
//!
//! The rows are in `table`; a value is tested with [`Ai::check`]. The rules about which identifiers
//! must or must not stand on one item together ("req" and "ex" of the syntax dictionary) are not
//! here: they speak of all the carriers of an item at once, which one link does not show.

use std::fmt;

use super::table::TABLE;
use super::value::{self, Test, ValueError};

/// The characters that one part of a value may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// "N": digits.
    Digits,
    /// "X": character set 82.
    Set82,
    /// "Y": character set 39.
    Set39,
    /// "Z": base64url, which may end in up to two `=`.
    Set64,
}

/// One part of a value. Only the last part may vary in length; parts after an optional one are
/// optional too.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub charset: Charset,
    pub len_min: u8,
    pub len_max: u8,
    pub optional: bool,
    pub tests: [Option<Test>; 3],
}

/// The qualifiers that may follow a primary key, in order; one list for each alternative.
pub type Qualifiers = &'static [&'static [&'static str]];

/// One application identifier, or a run of them with the same rules (`3100` to `3105`).
#[derive(Debug)]
pub struct Ai {
    pub first: &'static str,
    pub last: &'static str,
    /// Of pre-defined length: no separator is needed after it in a bar code.
    pub fixed: bool,
    /// May stand in the query of a Digital Link.
    pub attribute: bool,
    pub parts: &'static [Part],
    /// `Some` when it is a primary key of Digital Links.
    pub key: Option<Qualifiers>,
    /// The data title of the General Specifications.
    pub title: &'static str,
}

/// The digits of one application identifier, such as `01` or `3103`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AiCode {
    /// Padded with zero bytes, so that comparing arrays compares texts.
    digits: [u8; 4],
}

impl AiCode {
    /// Two to four digits, whether or not such an identifier is in use.
    pub fn new(text: &str) -> Option<AiCode> {
        if !(2..=4).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut digits = [0; 4];
        digits[..text.len()].copy_from_slice(text.as_bytes());
        Some(AiCode { digits })
    }

    pub fn as_str(&self) -> &str {
        let len = self.digits.iter().position(|digit| *digit == 0).unwrap_or(4);
        std::str::from_utf8(&self.digits[..len]).expect("new admits digits only")
    }

    /// Its row, when it is in use.
    pub fn row(&self) -> Option<&'static Ai> {
        find(self.as_str())
    }
}

impl fmt::Display for AiCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AiCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AiCode({self})")
    }
}

/// The row of this identifier, given as exactly its digits.
pub fn find(code: &str) -> Option<&'static Ai> {
    let row = &TABLE.get(TABLE.partition_point(|row| row.last < code))?;
    (row.first <= code && row.first.len() == code.len()).then_some(row)
}

/// The row of the identifier that this text begins with, and its digits: how identifiers are told
/// apart in an element string without brackets.
pub fn find_prefix(text: &str) -> Option<(&str, &'static Ai)> {
    (2..=4).find_map(|len| {
        let code = text.get(..len)?;
        find(code).map(|row| (code, row))
    })
}

/// All rows, ascending.
pub fn all() -> &'static [Ai] {
    TABLE
}

/// Could this code, which is not in use, be told apart from those that are? It must neither begin
/// another nor begin with another.
pub fn is_free(code: AiCode) -> bool {
    let code = code.as_str();
    let clash = |row: &Ai| {
        let len = row.first.len().min(code.len());
        row.first[..len] <= code[..len] && code[..len] <= row.last[..len]
    };
    !TABLE.iter().any(clash)
}

impl Ai {
    /// Tests a value against charsets, lengths, check digits, dates and code lists.
    pub fn check(&self, text: &str) -> Result<(), ValueError> {
        value::check(self.parts, text)
    }

    /// Is `code` among the qualifiers of this primary key?
    pub fn is_qualified_by(&self, code: &str) -> bool {
        self.key.is_some_and(|lists| lists.iter().any(|list| list.contains(&code)))
    }

    /// The length of the value when it never varies.
    pub fn len_fixed(&self) -> Option<usize> {
        let never = |part: &Part| part.len_min == part.len_max && !part.optional;
        let all = self.parts.iter().all(never);
        all.then(|| self.parts.iter().map(|part| usize::from(part.len_max)).sum())
    }
}

impl Part {
    const fn new(charset: Charset, len_min: u8, len_max: u8) -> Part {
        Part { charset, len_min, len_max, optional: false, tests: [None; 3] }
    }

    /// Adds a test; at most three, or the table does not compile.
    pub(super) const fn is(mut self, test: Test) -> Part {
        let mut slot = 0;
        while self.tests[slot].is_some() {
            slot += 1;
        }
        self.tests[slot] = Some(test);
        self
    }

    /// Makes the part optional.
    pub(super) const fn maybe(mut self) -> Part {
        self.optional = true;
        self
    }
}

/// Exactly this many digits.
pub(super) const fn n(len: u8) -> Part {
    Part::new(Charset::Digits, len, len)
}

/// One to this many digits.
pub(super) const fn n_to(len: u8) -> Part {
    Part::new(Charset::Digits, 1, len)
}

/// Exactly this many of character set 82.
pub(super) const fn x(len: u8) -> Part {
    Part::new(Charset::Set82, len, len)
}

/// One to this many of character set 82.
pub(super) const fn x_to(len: u8) -> Part {
    Part::new(Charset::Set82, 1, len)
}

/// One to this many of character set 39.
pub(super) const fn y_to(len: u8) -> Part {
    Part::new(Charset::Set39, 1, len)
}

/// One to this many base64url characters.
pub(super) const fn z_to(len: u8) -> Part {
    Part::new(Charset::Set64, 1, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_and_strangers_are_not() {
        assert_eq!(find("01").unwrap().title, "GTIN");
        assert_eq!(find("3103").unwrap().title, "NET WEIGHT (kg)");
        assert_eq!(find("95").unwrap().first, "91");
        for stranger in ["", "0", "04", "89", "3106", "310", "31031", "9", "999", "0 ", "zz"] {
            assert!(find(stranger).is_none(), "{stranger:?}");
        }
        for row in all() {
            assert!(std::ptr::eq(find(row.first).unwrap(), row));
            assert!(std::ptr::eq(find(row.last).unwrap(), row));
        }
        assert_eq!(find_prefix("310300").unwrap().0, "3103");
        assert!(find_prefix("8").is_none() && find_prefix("8é99").is_none());
    }

    #[test]
    fn table_is_ascending_and_prefix_free() {
        for pair in all().windows(2) {
            assert!(pair[0].last < pair[1].first);
            assert!(!pair[1].first.starts_with(pair[0].last));
        }
        for row in all() {
            assert_eq!(row.first.len(), row.last.len());
            for part in &row.parts[..row.parts.len() - 1] {
                assert_eq!(part.len_min, part.len_max, "only the last part varies: {}", row.first);
            }
            let optional = row.parts.iter().position(|part| part.optional);
            let rest = &row.parts[optional.unwrap_or(row.parts.len())..];
            assert!(rest.iter().all(|part| part.optional), "{}", row.first);
            assert!(!row.fixed || row.len_fixed().is_some(), "{}", row.first);
            for code in row.key.iter().flat_map(|lists| lists.iter()).flat_map(|list| list.iter()) {
                assert!(find(code).is_some_and(|row| row.key.is_none()), "{code}");
            }
        }
    }

    #[test]
    fn free_codes_clash_with_none() {
        let free = |code: &str| is_free(AiCode::new(code).unwrap());
        assert!(free("89") && free("04") && free("893") && free("3106"));
        assert!(!free("01") && !free("012") && !free("31") && !free("310") && !free("9901"));
    }

    /// Compares every row with the published dictionary, when it is at hand.
    #[test]
    fn table_equals_the_dictionary() {
        let Some(dictionary) = super::super::tests::fixture("gs1-syntax-dictionary.txt") else {
            return;
        };
        let lines =
            dictionary.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), all().len());
        for (line, row) in lines.iter().zip(all()) {
            assert_eq!(describe_line(line), describe_row(row), "{line}");
        }
    }

    fn describe_line(line: &str) -> String {
        let mut words = line.split('#').next().unwrap().split_whitespace().peekable();
        let mut out = words.next().unwrap().to_string();
        let flags = words.next_if(|word| matches!(*word, "*" | "?" | "*?")).unwrap_or("");
        out += &format!(" {flags}");
        let mut key = String::new();
        for word in words {
            if let Some(qualifiers) = word.strip_prefix("dlpkey") {
                key = format!(" key{qualifiers}");
            } else if !word.contains('=') {
                let format = word.split(',').next().unwrap();
                out += &format!(" {format}:{}", word.split(',').count() - 1);
            }
        }
        out + &key
    }

    fn describe_row(row: &Ai) -> String {
        let mut out = row.first.to_string();
        if row.first != row.last {
            out += &format!("-{}", row.last);
        }
        let flag = |on: bool, text: &'static str| if on { text } else { "" };
        out += &format!(" {}{}", flag(row.fixed, "*"), flag(row.attribute, "?"));
        for part in row.parts {
            let letter = match part.charset {
                Charset::Digits => 'N',
                Charset::Set82 => 'X',
                Charset::Set39 => 'Y',
                Charset::Set64 => 'Z',
            };
            let dots = flag(part.len_min != part.len_max, "..");
            let (open, close) = if part.optional { ("[", "]") } else { ("", "") };
            let tests = part.tests.iter().flatten().count();
            out += &format!(" {open}{letter}{dots}{}{close}:{tests}", part.len_max);
        }
        if let Some(lists) = row.key {
            let lists: Vec<String> = lists.iter().map(|list| list.join(",")).collect();
            out += " key";
            out += flag(!lists.is_empty(), "=");
            out += &lists.join("|");
        }
        out
    }
}
