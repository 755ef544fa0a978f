//! What the source looks like: headers, lengths of functions and lines, no `unwrap`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::source::{self, Source};
use crate::tidy::Untidy;
use crate::{parts, source::Function};

/// A function fits a screen.
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;
/// Functions that were longer when this was first checked, with their lengths. A row may shrink or
/// go; it may not grow, and no row may be added.
const RATCHET: &str = "crates/xtask/long_functions.txt";

/// Every file says what it is before anything else; a file of tests may leave it to its parent.
pub fn headers(root: &Path) -> Vec<Untidy> {
    let (code, _) = parts::code_and_tests(root);
    let begins = |path: &Path| fs::read_to_string(path).unwrap_or_default().starts_with("//! ");
    let bare = code.into_iter().filter(|path| !begins(path));
    bare.map(|path| {
        let mend = "begin with //! and say what it is, is not, and keeps true";
        Untidy::new(format!("{}:1", source::short(root, &path)), "it has no header", mend)
    })
    .collect()
}

/// Functions outside tests that are longer than they may be, and rows that promise too much.
pub fn long_functions(root: &Path) -> Vec<Untidy> {
    let list = fs::read_to_string(root.join(RATCHET)).unwrap_or_default();
    let may = read_ratchet(&list);
    let mut found = Vec::new();
    let mut met = Vec::new();
    for (path, function) in too_long(root) {
        let key = format!("{path} {}", function.name);
        let place = format!("{path}:{}", function.line);
        let what = format!("{} has {} lines", function.name, function.lines);
        match may.get(&key) {
            None => {
                let mend = format!("divide it; a function has at most {FUNCTION_LINES}");
                found.push(Untidy::new(place, what, mend));
            }
            Some(most) if function.lines > *most => {
                let mend = format!("it may have {most} and only shrink: divide it");
                found.push(Untidy::new(place, what, mend));
            }
            Some(most) if function.lines < *most => {
                let mend = "it shrank: run 'cargo xtask ratchet' so that it stays so";
                found.push(Untidy::new(place, what, mend));
            }
            Some(_) => {}
        }
        met.push(key);
    }
    for key in may.keys().filter(|key| !met.contains(key)) {
        let mend = "run 'cargo xtask ratchet', which takes the row out";
        found.push(Untidy::new(RATCHET, format!("{key} is no longer too long"), mend));
    }
    found
}

fn too_long(root: &Path) -> Vec<(String, Function)> {
    let (code, _) = parts::code_and_tests(root);
    let mut found = Vec::new();
    for path in code {
        let functions = Source::functions(&Source::read(&path).without_tests());
        let long = functions.into_iter().filter(|function| function.lines > FUNCTION_LINES);
        found.extend(long.map(|function| (source::short(root, &path), function)));
    }
    found
}

/// One row: file, function, lines. Of two functions of one name in a file the longer counts.
fn read_ratchet(list: &str) -> BTreeMap<String, usize> {
    let mut rows = BTreeMap::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, lines)) = line.rsplit_once(' ') {
            let lines = lines.parse().unwrap_or(FUNCTION_LINES);
            let most = rows.entry(key.to_owned()).or_insert(lines);
            *most = lines.max(*most);
        }
    }
    rows
}

/// Writes the list anew. Refuses when a function grew or a new one is too long.
pub fn write_ratchet(root: &Path) -> Result<String, String> {
    let path = root.join(RATCHET);
    let before = fs::read_to_string(&path).ok().map(|list| read_ratchet(&list));
    let mut list = String::from("# Functions longer than a screen; the numbers may only shrink.\n");
    let long = too_long(root);
    for (file, function) in &long {
        let key = format!("{file} {}", function.name);
        let may = before.as_ref().map_or(Some(usize::MAX), |rows| rows.get(&key).copied());
        if may.is_none_or(|most| function.lines > most) {
            return Err(format!("{key} has {} lines: divide it instead", function.lines));
        }
        list.push_str(&format!("{key} {}\n", function.lines));
    }
    fs::write(path, list).map_err(|error| format!("{RATCHET}: {error}"))?;
    Ok(format!("{} functions are longer than {FUNCTION_LINES} lines", long.len()))
}

/// Lines that rustfmt could not break; raw texts and texts over several lines are as they are.
pub fn long_lines(root: &Path) -> Vec<Untidy> {
    let mut found = Vec::new();
    for path in source::rust_files(root) {
        let source = Source::read(&path);
        for (at, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            let runs_on = |at: usize| source.in_literal.get(at) == Some(&true);
            let raw = ["r\"", "r#\""].iter().any(|begin| line.contains(begin));
            let text = runs_on(at) || runs_on(at + 1) || raw;
            if columns > COLUMNS && !text {
                let place = format!("{}:{}", source::short(root, &path), at + 1);
                let what = format!("the line has {columns} columns");
                found.push(Untidy::new(place, what, "break it"));
            }
        }
    }
    found
}

/// `unwrap` says nothing to whoever reads the panic; `expect` says why it holds.
pub fn unwraps(root: &Path) -> Vec<Untidy> {
    let (code, _) = parts::code_and_tests(root);
    let mut found = Vec::new();
    for path in code {
        let text = Source::read(&path).without_tests();
        for (at, _) in text.match_indices(".unwrap()") {
            let place = format!("{}:{}", source::short(root, &path), source::line_of(&text, at));
            found.push(Untidy::new(place, "unwrap outside a test", "expect(\"why it holds\")"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratchet_lets_nothing_grow() {
        let root = std::env::temp_dir().join(format!("everbond-ratchet-{}", std::process::id()));
        let source = root.join("crates/model/src");
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(root.join("crates/xtask")).unwrap();
        fs::write(root.join("crates/model/Cargo.toml"), "").unwrap();
        let function =
            |lines: usize| format!("//! a\nfn a() {{\n{}}}\n", "    b();\n".repeat(lines));
        let write = |lines| fs::write(source.join("lib.rs"), function(lines)).unwrap();
        write(80);
        assert_eq!(long_functions(&root).len(), 1, "it is not in the list");
        assert!(write_ratchet(&root).is_ok());
        assert_eq!(long_functions(&root), []);
        write(81);
        assert_eq!(long_functions(&root).len(), 1, "it grew");
        assert!(write_ratchet(&root).is_err());
        write(75);
        assert_eq!(long_functions(&root).len(), 1, "it shrank");
        assert!(write_ratchet(&root).is_ok());
        write(10);
        assert_eq!(long_functions(&root).len(), 1, "its row is left over");
        assert!(write_ratchet(&root).is_ok());
        assert_eq!(long_functions(&root), []);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn long_lines_unwraps_and_bare_files_are_found_but_not_in_texts_and_tests() {
        let root = std::env::temp_dir().join(format!("everbond-lines-{}", std::process::id()));
        let source = root.join("crates/model/src");
        fs::create_dir_all(&source).unwrap();
        fs::write(root.join("crates/model/Cargo.toml"), "").unwrap();
        let long = "x".repeat(101);
        let text = format!(
            "// {long}\nconst A: &str = r\"{long}\n{long}\n\";\nfn a() {{\n    b.unwrap();\n}}\n\
             #[cfg(test)]\nmod tests {{\n    fn c() {{ d.unwrap() }}\n}}\n"
        );
        fs::write(source.join("lib.rs"), text).unwrap();
        let places = |found: Vec<Untidy>| {
            found.into_iter().map(|untidy| untidy.place).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(places(long_lines(&root)), "crates/model/src/lib.rs:1");
        assert_eq!(places(unwraps(&root)), "crates/model/src/lib.rs:6");
        assert_eq!(places(headers(&root)), "crates/model/src/lib.rs:1");
        fs::remove_dir_all(&root).unwrap();
    }
}
