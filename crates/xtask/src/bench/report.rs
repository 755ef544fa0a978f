//! The one table on the screen, and what is kept of a whole run: `docs/performance/latest.json`,
//! a line of `history.jsonl`, and the plots. The tables of the page are made from `latest.json`
//! like those that are made from the code.

use std::fmt::Write as _;
use std::fs;

use super::goals::{HEAD, LINES};
use super::{Bench, Trouble, machine, plots};

const FOLDER: &str = "docs/performance";

pub fn tell(bench: &Bench, whole: bool) -> Result<(), Trouble> {
    let rows = rows(bench);
    println!("\n{}", aligned(&rows));
    let machine = machine_rows(bench);
    for (name, value) in &machine {
        println!("{name}: {value}");
    }
    for note in &bench.notes {
        println!("note: {note}");
    }
    if bench.quick {
        println!(
            "This was quick: small sizes, short times. It shows what changed, not what holds."
        );
    }
    if whole && bench.notes.iter().all(|note| !note.contains("broke off")) {
        keep(bench, &rows, &machine)?;
        println!("written into {FOLDER}; 'cargo xtask tables' puts the tables into the page");
    }
    match bench.notes.iter().any(|note| note.contains("broke off")) {
        true => Err("not every row could be measured".into()),
        false => Ok(()),
    }
}

fn rows(bench: &Bench) -> Vec<Vec<String>> {
    LINES.iter().filter_map(|line| line.cells(&bench.figures)).collect()
}

fn machine_rows(bench: &Bench) -> Vec<(&'static str, String)> {
    let mut rows = bench.machine.clone();
    if let Some(sync) = bench.figures.get("disk.p50_ms") {
        rows.push(("fdatasync of 4 KiB, median", format!("{sync:.2} ms")));
    }
    rows.push(("people and units", bench.people.to_string()));
    rows.push(("date", machine::date()));
    let minutes = bench.begun.elapsed().as_secs() / 60;
    rows.push(("it took", format!("{minutes} minutes")));
    rows
}

/// For the screen: columns as wide as their widest cell.
fn aligned(rows: &[Vec<String>]) -> String {
    let head: Vec<String> = HEAD.iter().map(|cell| (*cell).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let wide =
        |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEAD.len()).map(wide).collect();
    let mut out = String::new();
    for row in all {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn keep(
    bench: &Bench,
    rows: &[Vec<String>],
    machine: &[(&'static str, String)],
) -> Result<(), Trouble> {
    let folder = bench.root.join(FOLDER);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("latest.json"), latest(bench, rows, machine))?;
    let path = folder.join("history.jsonl");
    let mut history = fs::read_to_string(&path).unwrap_or_default();
    let figures: Vec<String> =
        bench.figures.0.iter().map(|(name, value)| format!("{}:{value}", text(name))).collect();
    let commit = machine.iter().find(|(name, _)| *name == "commit");
    let commit = commit.map_or(String::new(), |(_, commit)| commit.clone());
    writeln!(
        history,
        "{{\"commit\":{},\"date\":{},\"people\":{},\"figures\":{{{}}}}}",
        text(&commit),
        text(&machine::date()),
        bench.people,
        figures.join(",")
    )?;
    fs::write(path, &history)?;
    for (name, plot) in plots::all(&bench.figures, &history) {
        fs::write(folder.join(name), plot)?;
    }
    Ok(())
}

/// One row of a table on one line, so that `cargo xtask tables` can read it without a parser.
fn latest(bench: &Bench, rows: &[Vec<String>], machine: &[(&'static str, String)]) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| text(cell)).collect();
        format!("    [{}]", cells.join(", "))
    };
    let lines = |rows: Vec<String>| rows.join(",\n");
    let machine: Vec<String> =
        machine.iter().map(|(name, value)| row(&[(*name).to_owned(), value.clone()])).collect();
    let measured: Vec<String> = rows.iter().map(|cells| row(cells)).collect();
    let notes: Vec<String> = bench.notes.iter().map(|note| format!("    {}", text(note))).collect();
    let figures = bench.figures.0.iter();
    let figures: Vec<String> =
        figures.map(|(name, value)| format!("    {}: {value}", text(name))).collect();
    format!(
        "{{\n  \"machine\": [\n{}\n  ],\n  \"measured\": [\n{}\n  ],\n  \"notes\": [\n{}\n  ],\n  \
         \"figures\": {{\n{}\n  }}\n}}\n",
        lines(machine),
        lines(measured),
        lines(notes),
        lines(figures)
    )
}

/// A JSON text.
fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The rows that stand under a name in `latest.json`.
fn rows_of(latest: &str, name: &str) -> Vec<Vec<String>> {
    let begin = format!("\"{name}\": [");
    let part = latest.split_once(&begin).map_or("", |(_, rest)| rest);
    let part = part.split_once("\n  ]").map_or(part, |(part, _)| part);
    part.lines().filter(|line| line.contains('[')).map(crate::tables::literals).collect()
}

/// For the page.
pub fn measured_table(latest: &str) -> String {
    crate::tables::table(&HEAD, rows_of(latest, "measured"))
}

pub fn machine_table(latest: &str) -> String {
    crate::tables::table(&["machine", ""], rows_of(latest, "machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_was_kept() {
        let latest = "{\n  \"machine\": [\n    [\"cores\", \"2\"],\n    [\"disk\", \"a \\\"b\\\"\"]\n  ],\n\
            \"measured\": [\n    [\"x\", \"1/s\"]\n  ],\n}";
        assert_eq!(rows_of(latest, "machine"), [["cores", "2"], ["disk", "a \"b\""]]);
        assert_eq!(rows_of(latest, "measured"), [["x", "1/s"]]);
        assert!(machine_table(latest).contains("| cores | 2 |"));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row: Vec<String> = (0..HEAD.len()).map(|at| "x".repeat(at + 1)).collect();
        let text = aligned(&[row]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("x     xx")), "{text}");
    }
}
