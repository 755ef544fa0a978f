//! All checks in a row, and what they found: where, what, and how to mend it.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::{code, docs, parts, tables};

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Untidy {
    /// `crates/model/src/id.rs:12`
    pub place: String,
    pub what: String,
    pub mend: String,
}

impl Untidy {
    pub fn new(
        place: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Untidy {
        Untidy { place: place.into(), what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Untidy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.place, self.what, self.mend)
    }
}

type Check = fn(&Path) -> Vec<Untidy>;

/// Name and check, in the order in which they run.
const CHECKS: &[(&str, Check)] = &[
    ("crates use only what they may", parts::layers),
    ("every .rs file is reached by a mod", parts::reached),
    ("every .rs file begins with what it is", code::headers),
    ("no function is longer than its ratchet", code::long_functions),
    ("no line is longer than 100 columns", code::long_lines),
    ("no unwrap outside tests", code::unwraps),
    ("no words that do not belong here", docs::words),
    ("links in the documentation lead somewhere", docs::links),
    ("tables in the documentation equal the code", tables::stale),
];

/// Runs all checks; whether none found anything.
pub fn run(root: &Path) -> bool {
    let mut problems = 0;
    for (name, check) in CHECKS {
        let found = check(root);
        println!("{} {name}", if found.is_empty() { "ok  " } else { "FAIL" });
        for untidy in &found {
            println!("  {untidy}");
        }
        problems += found.len();
    }
    if let Ok(lock) = fs::read_to_string(root.join("Cargo.lock")) {
        println!("Cargo.lock names {} packages", packages(&lock));
    }
    println!("tidy: {} checks, {problems} problems", CHECKS.len());
    problems == 0
}

fn packages(lock: &str) -> usize {
    lock.lines().filter(|line| *line == "[[package]]").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_counted_and_problems_say_how_to_mend_them() {
        assert_eq!(packages("[[package]]\nname = \"a\"\n[[package]]\n"), 2);
        let untidy = Untidy::new("a.rs:1", "it is crooked", "straighten it");
        assert_eq!(untidy.to_string(), "a.rs:1: it is crooked\n    straighten it");
    }
}
