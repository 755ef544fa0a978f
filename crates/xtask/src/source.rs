//! Reading Rust source just well enough for the checks: what is code and what is text, where a
//! function or a test module ends. It is no parser; it holds for source that rustfmt has formed.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, with its comments and the insides of its literals blanked out.
pub struct Source {
    pub text: String,
    /// As long as `text`, with the same line breaks; comments and insides of literals are spaces.
    pub code: String,
    /// For each line, whether it begins inside a literal: a text over several lines.
    pub in_literal: Vec<bool>,
}

/// A function with its length, from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

impl Source {
    pub fn read(path: &Path) -> Source {
        Source::new(fs::read_to_string(path).unwrap_or_default())
    }

    pub fn new(text: String) -> Source {
        let (code, in_literal) = blank(&text);
        Source { text, code, in_literal }
    }

    /// The code without what is compiled for tests only.
    pub fn without_tests(&self) -> String {
        let mut code = self.code.clone().into_bytes();
        let mut from = 0;
        while let Some(at) = self.code[from..].find("#[cfg(test)]").map(|at| at + from) {
            let end = end_of_item(self.code.as_bytes(), at);
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            from = end.max(at + 1);
        }
        String::from_utf8(code).expect("only whole characters were blanked")
    }

    /// The functions of this code, which is the whole or a part of it.
    pub fn functions(code: &str) -> Vec<Function> {
        let bytes = code.as_bytes();
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            let whole = at == 0 || !is_word(bytes[at - 1]);
            let name: String =
                code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !whole || name.is_empty() {
                continue;
            }
            let Some(end) = end_of_function(bytes, at) else { continue };
            let lines = code[at..end].matches('\n').count() + 1;
            found.push(Function { name, line: line_of(code, at), lines });
        }
        found
    }

    /// Modules that are declared here and live in files of their own: name, and whether they are
    /// for tests.
    pub fn modules(&self) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("mod ") {
            let whole = at == 0 || !is_word(self.code.as_bytes()[at - 1]);
            let rest = &self.code[at + 4..];
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if whole && !name.is_empty() && rest[name.len()..].starts_with(';') {
                let before = self.code[..at].trim_end();
                let before = before.strip_suffix("pub").unwrap_or(before).trim_end();
                found.push((name, before.ends_with("#[cfg(test)]")));
            }
        }
        found
    }
}

/// All files below a folder that are source of this project, in order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    const NOT_OURS: &[&str] = &[
        "target",
        "node_modules",
        "dist",
        "demo-data",
        "everbond-data",
        "test-results",
        ".svelte-kit",
        ".git",
        ".tools",
        ".venv",
        // The build machine's own.
        ".ci",
    ];
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || NOT_OURS.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// All `.rs` files of the crates.
pub fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = files(&root.join("crates"));
    found.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    found
}

/// The path from the root, with slashes.
pub fn short(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// From 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the item that an attribute at `at` belongs to ends: behind its brace or semicolon.
fn end_of_item(code: &[u8], at: usize) -> usize {
    let mut depth = 0_i32;
    for (place, byte) in code.iter().enumerate().skip(at) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth -= 1;
                if depth == 0 && *byte == b'}' {
                    return place + 1;
                }
            }
            b';' if depth == 0 => return place + 1,
            _ => {}
        }
    }
    code.len()
}

/// `None` for a function without a body.
fn end_of_function(code: &[u8], at: usize) -> Option<usize> {
    let (mut depth, mut inside) = (0_i32, 0_i32);
    for (place, byte) in code.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => inside += 1,
            b')' | b']' => {
                inside -= 1;
                if inside < 0 {
                    return None;
                }
            }
            b';' if depth == 0 && inside == 0 => return None,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(place + 1);
                }
                if depth < 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// Blanks comments and the insides of literals.
fn blank(text: &str) -> (String, Vec<bool>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut in_literal = vec![false; text.matches('\n').count() + 1];
    let (mut at, mut line) = (0, 0);
    while at < bytes.len() {
        let (end, literal) = match skipped(bytes, at) {
            Some(skip) => skip,
            None => {
                line += usize::from(bytes[at] == b'\n');
                at += 1;
                continue;
            }
        };
        for place in at..end {
            if bytes[place] == b'\n' {
                line += 1;
                in_literal[line] = literal;
            } else {
                code[place] = b' ';
            }
        }
        at = end;
    }
    (String::from_utf8(code).expect("whole characters are blanked"), in_literal)
}

/// The end of the comment or literal that begins at `at`, and whether it is a literal.
fn skipped(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return Some((at + end, false));
    }
    if rest.starts_with(b"/*") {
        return Some((end_of_comment(bytes, at), false));
    }
    let word_before = at > 0 && is_word(bytes[at - 1]);
    match rest[0] {
        b'"' => Some((end_of_text(bytes, at + 1), true)),
        b'r' | b'b' | b'c' if !word_before => {
            let raw = rest.iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
            let hashes = rest[raw..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(raw + hashes) != Some(&b'"') || raw > 2 {
                return None;
            }
            let inside = at + raw + hashes + 1;
            if !rest[..raw].contains(&b'r') {
                return (hashes == 0).then(|| (end_of_text(bytes, inside), true));
            }
            let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            let end = bytes[inside..].windows(close.len()).position(|part| part == close);
            Some((end.map_or(bytes.len(), |end| inside + end + close.len()), true))
        }
        b'\'' => end_of_char(bytes, at).map(|end| (end, true)),
        _ => None,
    }
}

fn end_of_comment(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `None` for a lifetime.
fn end_of_char(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(at + 3 + close + 1);
    }
    let text = std::str::from_utf8(&bytes[at + 1..bytes.len().min(at + 5)]);
    let text = text.or_else(|error| std::str::from_utf8(&bytes[at + 1..][..error.valid_up_to()]));
    let len = text.ok()?.chars().next()?.len_utf8();
    (bytes.get(at + 1 + len) == Some(&b'\'')).then_some(at + 2 + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let text =
            "let a = \"fn x() {\"; // }\nlet c = '{'; let b: &'a str = r#\"}\"#; /* { */ f()";
        let source = Source::new(text.to_owned());
        assert_eq!(source.code.len(), text.len());
        for gone in ['{', '}', '"'] {
            assert!(!source.code.contains(gone), "{gone}: {}", source.code);
        }
        assert!(source.code.contains("&'a str") && source.code.ends_with("f()"));
    }

    #[test]
    fn lines_within_texts_are_known() {
        let source = Source::new("let a = r\"one\ntwo\n\"; b\nc".to_owned());
        assert_eq!(source.in_literal, [false, true, true, false]);
    }

    #[test]
    fn functions_have_lengths_and_declarations_none() {
        let text = "trait T {\n    fn d(&self);\n}\nfn a() {\n    if x {\n    }\n}\nfn b() {}\n";
        let found: Vec<_> = Source::functions(&Source::new(text.to_owned()).code)
            .into_iter()
            .map(|function| (function.name, function.line, function.lines))
            .collect();
        assert_eq!(found, [("a".to_owned(), 4, 4), ("b".to_owned(), 8, 1)]);
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { x.unwrap() }\n}\nfn c() {}\n";
        let code = Source::new(text.to_owned()).without_tests();
        assert!(!code.contains("unwrap") && code.contains("fn c"));
        let declared = Source::new("#[cfg(test)]\nmod tests;\npub mod a;\nmod b {}\n".to_owned());
        assert_eq!(declared.modules(), [("tests".to_owned(), true), ("a".to_owned(), false)]);
    }
}
