//! Links from the published test cases when they are at hand, our own, and random ones.

use std::fmt::Write;

use super::super::ai::{self, Charset};
use super::super::tests::fixture;
use super::*;

fn parse(uri: &str) -> Result<DigitalLink, LinkError> {
    DigitalLink::parse(uri, ParseOptions::default())
}

fn strict() -> ParseOptions {
    ParseOptions { zero_suppressed: false, alphas: false, unknown_ais: false }
}

#[test]
fn published_parse_cases() {
    let Some(cases) = fixture("digital-link-parse.jsonl") else {
        return;
    };
    let mut seen = 0;
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let options = ParseOptions {
            zero_suppressed: case["zeroSuppressed"] == 1,
            alphas: case["alphas"] == 1,
            unknown_ais: case["unknownAIs"] == 1,
        };
        let result = DigitalLink::parse(case["uri"].as_str().unwrap(), options);
        match &result {
            Ok(link) => assert_eq!(case["ai"], link.unbracketed(), "{line}"),
            Err(error) => assert!(!error.why.is_empty()),
        }
        assert_eq!(case["ok"], result.is_ok(), "{line} {result:?}");
        seen += 1;
    }
    assert!(seen > 50, "only {seen} cases");
}

#[test]
fn published_generate_cases() {
    let Some(cases) = fixture("digital-link-generate.jsonl") else {
        return;
    };
    let mut seen = 0;
    for line in cases.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let result = DigitalLink::from_element_string(case["ai"].as_str().unwrap());
        assert_eq!(case["ok"], result.is_ok(), "{line} {result:?}");
        if let Ok(link) = result {
            let stem = case["stem"].as_str().unwrap_or(CANONICAL_STEM);
            assert_eq!(case["uri"], link.to_uri(stem), "{line}");
        }
        seen += 1;
    }
    assert!(seen > 9, "only {seen} cases");
}

#[test]
fn a_link_is_taken_apart() {
    let uri = "HTTPS://shop.example.com:8443/a/b/01/9520123456788/10/L1/21/A%2Fb\
               ?17=301231&linkType=gs1%3Apip&99=x%28y&context=home+page&empty#top";
    let link = parse(uri).unwrap();
    assert_eq!(link.stem(), "HTTPS://shop.example.com:8443/a/b");
    assert_eq!(link.get("01"), Some("09520123456788"));
    assert_eq!(link.get("21"), Some("A/b"));
    assert_eq!(link.get("99"), Some("x(y"));
    assert_eq!(link.get("11"), None);
    assert_eq!(link.other_value("linkType"), Some("gs1:pip"));
    assert_eq!(link.other_value("context"), Some("home page"));
    assert_eq!(link.other_value("empty"), Some(""));
    assert_eq!(link.path(), "/01/09520123456788/10/L1/21/A%2Fb");
    assert_eq!(link.bracketed(), r"(01)09520123456788(10)L1(21)A/b(17)301231(99)x\(y");
    assert_eq!(link.unbracketed(), "^010952012345678810L1^21A/b^1730123199x(y");
    let canonical = "https://id.gs1.org/01/09520123456788/10/L1/21/A%2Fb?17=301231&99=x%28y";
    assert_eq!(link.canonical(), canonical);
    assert_eq!(link.to_string(), canonical);
    assert_eq!(link.subject().unwrap().path(), "/01/09520123456788/21/A%2Fb");
    let again = DigitalLink::parse_target("/01/09520123456788?linkType=all", strict()).unwrap();
    assert_eq!(again.stem(), "");
    assert_eq!(again.subject(), Some(link.subject().unwrap().to_model()));
    let slash = DigitalLink::parse_target("/01/09520123456788/?linkType=all", strict()).unwrap();
    assert_eq!(slash.canonical(), again.canonical());
    assert_eq!(parse("https://a/8004/9520614141234567").unwrap().subject(), None);
}

#[test]
fn canonical_sorts_by_identifier() {
    let link = parse("https://a/01/09520123456788?99=x&3103=000195&17=201225&10").unwrap_err();
    assert_eq!(link.ai.unwrap().as_str(), "10");
    let link = parse("https://a/01/09520123456788?99=x&3103=000195&17=201225&b=1").unwrap();
    let canonical = "https://id.gs1.org/01/09520123456788?17=201225&3103=000195&99=x";
    assert_eq!(link.canonical(), canonical);
    let fixed_first = "https://b/01/09520123456788?3103=000195&17=201225&99=x";
    assert_eq!(link.to_uri("https://b/"), fixed_first);
}

#[test]
fn the_last_key_in_the_path_counts() {
    let link = parse("https://a/01/x/gtin/01/09520123456788/21/01").unwrap();
    assert_eq!(link.stem(), "https://a/01/x/gtin");
    assert_eq!(link.get("21"), Some("01"));
    let link = parse("https://a/414/9520123456788/254/414").unwrap();
    assert_eq!(link.key().ai.as_str(), "414");
}

#[test]
fn element_strings_are_read() {
    let read = |text: &str| match DigitalLink::from_element_string(text) {
        Ok(link) => link.canonical().replace(CANONICAL_STEM, ""),
        Err(error) => error.to_string(),
    };
    for (text, expected) in [
        ("(01)09520123456788(21)A/b", "/01/09520123456788/21/A%2Fb"),
        (r"(21)a\(01)b(01)09520123456788", "/01/09520123456788/21/a%2801%29b"),
        ("^010952012345678821A/b^17301231", "/01/09520123456788/21/A%2Fb?17=301231"),
        ("]d2010952012345678810L\u{1d}21S", "/01/09520123456788/10/L/21/S"),
        ("\u{1d}1730123101095201234567889912", "/01/09520123456788?17=301231&99=12"),
        ("(235)x(01)09520123456788", "/01/09520123456788/235/x"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    for (text, expected) in [
        ("", "byte 0: an element string starts with"),
        ("01095", "byte 0: an element string starts with"),
        ("(01", "byte 0: two to four digits in brackets"),
        ("(01)09520123456789", "byte 17, (01): the check digit here should be 8"),
        (r"(99)a\(b c(01)09520123456788", "byte 8, (99): only letters"),
        ("(89)x(01)09520123456788", "byte 0, (89): (89) is no application identifier"),
        ("(99)x", "byte 0: there is no primary key"),
        ("(01)09520123456788(21)a(21)b", "byte 23, (21): (21) is here a second time"),
        ("(01)09520123456788(235)a(21)b", "byte 18, (235): after (01) the path has"),
        ("(8004)9520614(21)b", "byte 13, (21): (21) is no data attribute"),
        ("^0109520123456789", "byte 16, (01): the check digit"),
        ("^01095", "byte 6, (01): the value is too short"),
        ("^04", "byte 1: no application identifier"),
        ("^01é0952012345678", "byte 3, (01): only digits"),
    ] {
        assert!(read(text).starts_with(expected), "{text}: {}", read(text));
    }
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (uri, expected) in [
        ("ftp://a/01/09520123456788", "byte 0: a Digital Link starts with https://"),
        ("https:///01/09520123456788", "byte 8: a host name is missing"),
        ("https://:80/01/09520123456788", "byte 11: a host name is missing"),
        ("https://u@a/01/09520123456788", "byte 9: this cannot be in a host name"),
        ("https://a/", "byte 9: the path has no GS1 key"),
        ("https://a", "byte 9: the path has no GS1 key"),
        ("https://a/gtin/09520123456788", "byte 10, (01): names for identifiers were withdrawn"),
        ("https://a/01/09520123456788/21/", "byte 31, (01): identifiers and values do not come"),
        ("https://a/01/09520123456788//", "byte 29, (01): identifiers and values do not come"),
        ("https://a/01/", "byte 13, (01): the value is empty"),
        ("https://a/01/09520123456788/21", "byte 30, (01): identifiers and values do not come"),
        ("https://a/01/09520123456789", "byte 26, (01): the check digit here should be 8"),
        ("https://a/01/9520123456789", "byte 25, (01): the check digit here should be 8"),
        ("https://a/01/0952012345678%38x", "byte 29, (01): the value is too long"),
        ("https://a/01/09520123456788/21/a%20b", "byte 32, (21): only letters"),
        ("https://a/01/09520123456788/21/%41%2", "byte 34, (21): % is not followed"),
        ("https://a/01/09520123456788/21/a b", "byte 32: ' ' cannot stand in a URI"),
        ("https://a/01/09520123456788/21/é", "byte 31: 'é' cannot stand in a URI"),
        ("https://a/01/09520123456788/21/a/10/b", "byte 33, (10): after (01) the path has"),
        ("https://a/01/09520123456788/21/a/21/b", "byte 33, (21): (21) is here for the second"),
        ("https://a/01/09520123456788/99/b", "byte 28, (99): (99) does not follow (01)"),
        ("https://a/00/006141411234567890/21/b", "byte 32, (21): nothing follows (00)"),
        ("https://a/01/09520123456788/254/b", "byte 28, (254): after (01) the path has only"),
        ("https://a/01/09520123456788/x/b", "byte 28, (01): this is no application identifier"),
        ("https://a/01/09520123456788?21=b", "byte 28, (21): (21) qualifies (01)"),
        ("https://a/01/09520123456788?254=b", "byte 28, (254): (254) is no data attribute"),
        ("https://a/01/09520123456788?a=1&99=b+c", "byte 36, (99): only letters"),
        ("https://a/01/09520123456788?99=a&99=a", "byte 33, (99): (99) is here for the second"),
        ("https://a/01/09520123456788?12345=a", "byte 28: keys of digits"),
        ("https://a/01/09520123456788?17=241301", "byte 33, (17): the month"),
        ("https://a/01/09520123456788?89=1", "byte 28, (89): (89) is no application identifier"),
    ] {
        let error = parse(uri).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{uri}: {error}");
    }
    let long = format!("https://a/01/09520123456788?x={}", "y".repeat(LINK_BYTES_MAX));
    assert_eq!(parse(&long).unwrap_err().at, LINK_BYTES_MAX);
    let short = DigitalLink::parse("https://a/01/9520123456788", strict()).unwrap_err();
    assert!(short.to_string().contains("too short"), "{short}");
    assert!(DigitalLink::parse_target("01/09520123456788", strict()).is_err());
}

/// A small generator (SplitMix64) so that each run takes the same random walk.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A value that passes the checks of this identifier, or `None` when luck was out.
    fn value(&mut self, row: &Ai) -> Option<String> {
        for _ in 0..60 {
            let mut value = String::new();
            for part in row.parts {
                let spread = usize::from(part.len_max - part.len_min) + 1;
                let len = usize::from(part.len_min) + self.below(spread);
                let chars: &[u8] = match part.charset {
                    Charset::Digits => b"0123456789",
                    Charset::Set82 => b"!\"%&'()*+,-./09:;<=>?AZ_az5555",
                    Charset::Set39 => b"#-/09AZ55555",
                    Charset::Set64 => b"-_09AZaz",
                };
                value.extend((0..len).map(|_| char::from(*self.pick(chars))));
            }
            if row.check(&value).is_ok() {
                return Some(value);
            }
        }
        None
    }

    /// A link made of random elements; sometimes refused, as identifiers are mixed freely.
    fn link(&mut self) -> Option<DigitalLink> {
        let mut text = String::new();
        let keys: Vec<&Ai> = ai::all().iter().filter(|row| row.key.is_some()).collect();
        let key = *self.pick(&keys);
        write!(text, "({}){}", key.first, self.value(key)?.replace('(', "\\(")).unwrap();
        let list: &[&str] = match key.key.unwrap() {
            [] => &[],
            lists => lists[self.below(lists.len())],
        };
        for code in list {
            if self.below(2) == 0 {
                let value = self.value(ai::find(code).unwrap())?.replace('(', "\\(");
                write!(text, "({code}){value}").unwrap();
            }
        }
        for _ in 0..self.below(5) {
            let row = self.pick(ai::all());
            let value = self.value(row)?.replace('(', "\\(");
            write!(text, "({}){value}", row.last).unwrap();
        }
        DigitalLink::from_element_string(&text).ok()
    }
}

#[test]
fn random_links_survive_every_form() {
    let mut random = Random(7);
    let mut made = 0;
    for _ in 0..4000 {
        let Some(link) = random.link() else {
            continue;
        };
        made += 1;
        let canonical = link.canonical();
        let read = DigitalLink::parse(&canonical, strict()).unwrap();
        assert_eq!(read.canonical(), canonical);
        assert_eq!(read.path(), link.path());
        let elsewhere = link.to_uri("http://192.0.2.1:80/some/01/where");
        assert_eq!(parse(&elsewhere).unwrap().canonical(), canonical);
        let element_string = link.bracketed();
        assert_eq!(DigitalLink::from_element_string(&element_string), Ok(link.clone()));
        let scanned = link.unbracketed();
        assert_eq!(DigitalLink::from_element_string(&scanned).unwrap().canonical(), canonical);
    }
    assert!(made > 500, "only {made} links were made");
}

#[test]
fn random_damage_never_panics() {
    let mut random = Random(11);
    let bytes = b"0123456789/?&=%#^()\\+.:[]aZ \xC3\xA9\x1d";
    let mut accepted = 0;
    for round in 0..6000 {
        let mut text = match (round % 3, random.link()) {
            (0, Some(link)) => link.canonical().into_bytes(),
            (1, Some(link)) => link.bracketed().into_bytes(),
            (2, Some(link)) => link.unbracketed().into_bytes(),
            _ => (0..random.below(60)).map(|_| *random.pick(bytes)).collect(),
        };
        for _ in 0..=random.below(4) {
            let at = random.below(text.len() + 1);
            match random.below(3) {
                0 => text.insert(at, *random.pick(bytes)),
                1 if at < text.len() => drop(text.remove(at)),
                _ => text.truncate(text.len().max(4) - random.below(3)),
            }
        }
        let text = String::from_utf8_lossy(&text);
        let options = ParseOptions { zero_suppressed: true, alphas: true, unknown_ais: true };
        let results = [
            DigitalLink::parse(&text, options),
            DigitalLink::parse_target(&text, options),
            DigitalLink::from_element_string(&text),
        ];
        for result in results {
            match result {
                Ok(link) => {
                    accepted += 1;
                    let again = DigitalLink::parse(&link.canonical(), options).unwrap();
                    assert_eq!(again.canonical(), link.canonical());
                }
                Err(error) => assert!(error.at <= text.len(), "{text}: {error}"),
            }
        }
    }
    assert!(accepted > 100, "only {accepted} were accepted");
}
