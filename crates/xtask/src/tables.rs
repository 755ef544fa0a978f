//! Tables in the documentation that are made from tables in the code, so that neither can say
//! something else. In a page they stand between `<!-- table: name -->` and `<!-- end -->`.

use std::fs;
use std::path::Path;

use crate::bench;
use crate::source;
use crate::tidy::Untidy;

/// Makes the table in the page from the text of the source file.
type Make = fn(&str) -> String;

/// Name in the page, source file, how its rows are made.
const TABLES: &[(&str, &str, Make)] = &[
    ("settings", "crates/server/src/config.rs", settings),
    ("metrics", "crates/server/src/health.rs", metrics),
    ("problems", "crates/server/src/problem.rs", problems),
    ("kinds", "crates/model/src/kind.rs", kinds),
    ("events", "crates/server/src/ingest/mapping.rs", events),
    ("fields", "crates/engine/src/condition/schema.rs", fields),
    ("functions", "crates/engine/src/condition/schema.rs", functions),
    ("limits", "crates/model/src/limits.rs", limits),
    ("measured", "docs/performance/latest.json", bench::measured_table),
    ("machine", "docs/performance/latest.json", bench::machine_table),
];

const END: &str = "<!-- end -->";

/// Tables whose page and code differ.
pub fn stale(root: &Path) -> Vec<Untidy> {
    let mut found = Vec::new();
    let mut met = Vec::new();
    for path in source::files(&root.join("docs")) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let place = source::short(root, &path);
        match renewed(root, &text, &mut met) {
            Ok(new) if new == text => {}
            Ok(_) => {
                let what = "a table differs from the code";
                found.push(Untidy::new(place, what, "run 'cargo xtask tables'"));
            }
            Err(what) => found.push(Untidy::new(place, what, "see crates/xtask/src/tables.rs")),
        }
    }
    for (name, file, _) in TABLES.iter().filter(|row| !met.contains(&row.0.to_owned())) {
        let what = format!("no page has the table {name}");
        found.push(Untidy::new(*file, what, format!("<!-- table: {name} --> and {END}")));
    }
    found
}

/// Writes all tables anew.
pub fn write(root: &Path) -> Result<String, String> {
    let mut met = Vec::new();
    for path in source::files(&root.join("docs")) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let new = renewed(root, &text, &mut met)
            .map_err(|what| format!("{}: {what}", source::short(root, &path)))?;
        if new != text {
            fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(format!("{} tables are as the code has them", met.len()))
}

fn renewed(root: &Path, text: &str, met: &mut Vec<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<!-- table: ") {
        let head = rest[at..].find("-->").map(|end| at + end + 3).ok_or("a mark has no end")?;
        let name = rest[at + 12..head - 3].trim();
        let end = rest[head..].find(END).map(|end| head + end);
        let end = end.ok_or_else(|| format!("the table {name} has no {END}"))?;
        let row = TABLES.iter().find(|row| row.0 == name);
        let (_, file, make) = row.ok_or_else(|| format!("there is no table {name}"))?;
        let code = fs::read_to_string(root.join(file)).unwrap_or_default();
        let table = make(&code);
        if table.lines().count() < 5 {
            return Err(format!("the rows of {name} are not found in {file}"));
        }
        out.push_str(&format!("{}\n{table}", &rest[..head]));
        met.push(name.to_owned());
        rest = &rest[end..];
    }
    out.push_str(rest);
    Ok(out)
}

pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut out = line(&head);
    out.push_str(&format!("|{}\n", "---|".repeat(head.len())));
    for cells in rows {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        out.push_str(&line(&cells));
    }
    out
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// The part of the source from `from` to the next `to`.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let rest = text.split_once(from).map_or("", |(_, rest)| rest);
    rest.split_once(to).map_or(rest, |(part, _)| part)
}

/// The texts in quotes, in order, as the program has them.
pub fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '/' && chars.peek() == Some(&'/') {
            while chars.next_if(|c| *c != '\n').is_some() {}
        }
        if c != '"' {
            continue;
        }
        let mut own = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => match chars.next() {
                    Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                    Some('n') => own.push('\n'),
                    Some(c) => own.push(c),
                    None => {}
                },
                c => own.push(c),
            }
        }
        found.push(own);
    }
    found
}

fn settings(text: &str) -> String {
    let list = between(text, "pub const SETTINGS", "\n];");
    let rows = list.split("Setting {").skip(1).map(|row| {
        let field = |name: &str| {
            let part = between(row, &format!("{name}: "), "set: ");
            literals(part).into_iter().next().unwrap_or_default()
        };
        let name = field("name");
        let flag = format!("--{} {}", name.replace('_', "-"), field("value"));
        let variable = format!("EVERBOND_{}", name.to_uppercase());
        let default = code(&field("default"));
        vec![code(&name), code(&flag), code(&variable), default, field("about")]
    });
    table(&["in the file", "flag", "in the environment", "default", "meaning"], rows)
}

fn metrics(text: &str) -> String {
    let list = between(text, "const METRICS", "\n];");
    let rows = list.split("row(").skip(1).map(|row| {
        let own = literals(row);
        vec![code(&own[0]), own[1].clone(), own[2].clone()]
    });
    table(&["name", "type", "meaning"], rows)
}

fn problems(text: &str) -> String {
    let list = between(text, "pub const PROBLEMS", "\n];");
    let rows = list.lines().filter(|line| line.trim_start().starts_with("(\"")).map(|line| {
        let own = literals(line);
        let status = line.split(',').nth(1).unwrap_or_default().trim().to_owned();
        vec![code(&own[0]), status, own[1].clone(), own[2].clone()]
    });
    table(&["code", "status", "title", "what to do"], rows)
}

fn kinds(text: &str) -> String {
    let list = between(text, "pub const STANDARD", "\n];");
    let rows: Vec<String> = literals(list);
    table(&["kind", "meaning"], rows.chunks_exact(2).map(|row| vec![code(&row[0]), row[1].clone()]))
}

fn events(text: &str) -> String {
    let list = between(text, "pub const STANDARD_EVENTS", "\n];");
    let mut by_kind: Vec<(String, Vec<String>)> = Vec::new();
    for row in literals(list).chunks_exact(2) {
        let mut words = row[0].replace('_', " ");
        words[..1].make_ascii_uppercase();
        match by_kind.iter_mut().find(|(kind, _)| *kind == row[1]) {
            Some((_, names)) => names.push(words),
            None => by_kind.push((row[1].clone(), vec![words])),
        }
    }
    by_kind.sort();
    let rows = by_kind.into_iter().map(|(kind, names)| vec![code(&kind), names.join(", ")]);
    table(&["becomes", "events"], rows)
}

fn fields(text: &str) -> String {
    let list = between(text, "\nfields! {", "\n}");
    let rows = list.lines().filter(|line| line.trim_end().ends_with(';')).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let own = literals(line);
        let path = format!("{}.{}", words[1].to_lowercase(), own[0]);
        let ty = between(line, &format!("\"{}\" ", own[0]), ", \"");
        let ty = match ty {
            "TEXT" => "text",
            "TIME" => "timestamp",
            "BOOL" => "yes or no",
            "INT" => "whole number",
            "DOUBLE" => "number",
            "OPEN" => "any fields",
            other if other.contains("map(Kind::Bool)") => "yes or no by name",
            other if other.contains("list(Kind::Text)") => "list of texts",
            other => other,
        };
        vec![code(&path), ty.to_owned(), own[1].clone()]
    });
    table(&["field", "type", "meaning"], rows)
}

fn functions(text: &str) -> String {
    let list = between(text, "const FUNCTIONS", "\n];");
    let rows = list.lines().filter(|line| line.contains("(\"")).map(|line| {
        let own = literals(line);
        vec![code(&own[1]), own[2].clone()]
    });
    table(&["call", "meaning"], rows)
}

fn limits(text: &str) -> String {
    let mut about = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("/// ") {
            about = format!("{about} {comment}");
        } else if let Some(row) = line.strip_prefix("pub const ") {
            let name = row.split(':').next().unwrap_or_default();
            let value = row.rsplit(" = ").next().unwrap_or_default().trim_end_matches(';');
            let about = std::mem::take(&mut about).trim().to_owned();
            rows.push(vec![code(name), code(value), about]);
        }
    }
    table(&["limit", "value", "remark"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_the_program_has_them() {
        let text = "a(\"one \\\n    two\", \"th\\\"ree\") // \"not this\"\n, \"four\"";
        assert_eq!(literals(text), ["one two", "th\"ree", "four"]);
    }

    #[test]
    fn a_setting_becomes_a_row() {
        let text = "pub const SETTINGS: &[Setting] = &[\n    Setting {\n        name: \"memory_mib\",\n\
            value: \"MIB\",\n default: \"64\",\n about: \"How \\\n   much.\",\n set: |c, t| \"x\",\n\
            },\n];";
        let row =
            "| `memory_mib` | `--memory-mib MIB` | `EVERBOND_MEMORY_MIB` | `64` | How much. |";
        assert_eq!(settings(text).lines().nth(2), Some(row));
    }

    #[test]
    fn a_table_that_differs_is_stale_and_writing_mends_it() {
        let root = std::env::temp_dir().join(format!("everbond-tables-{}", std::process::id()));
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::create_dir_all(root.join("crates/model/src")).unwrap();
        let kinds = "pub const STANDARD: &[(u16, &str, &str)] = &[\n    (1, \"a.b\", \"c\"),\n    \
            (2, \"d.e\", \"f\"),\n    (3, \"g.h\", \"i\"),\n];";
        fs::write(root.join("crates/model/src/kind.rs"), kinds).unwrap();
        let page = "x\n<!-- table: kinds -->\n<!-- end -->\ny\n";
        fs::write(root.join("docs/a.md"), page).unwrap();
        let own = |found: &[Untidy]| found.iter().filter(|one| one.place == "docs/a.md").count();
        assert_eq!(own(&stale(&root)), 1);
        write(&root).unwrap();
        assert_eq!(own(&stale(&root)), 0);
        let text = fs::read_to_string(root.join("docs/a.md")).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert!(text.starts_with("x\n") && text.ends_with("<!-- end -->\ny\n"), "{text}");
        assert!(text.contains("| `d.e` | f |"), "{text}");
    }
}
