//! The documentation and all other texts: links within the project lead somewhere, and no words
//! that do not belong here.

use std::fs;
use std::path::Path;

use crate::source;
use crate::tidy::Untidy;

/// Words that say how the work is organised, or where, rather than what the project is. Each is in
/// two parts, so that this file does not hold it.
const WORDS: [(&str, &str); 7] = [
    ("/wo", "rk/"),
    ("sha", "red/fixtures"),
    ("MISSION", ".md"),
    ("HELPERS", ".md"),
    ("FIX", "ME"),
    ("TO", "DO"),
    ("<<<<", "<<< "),
];

/// No such word in any text of the project.
pub fn words(root: &Path) -> Vec<Untidy> {
    let mut found = Vec::new();
    for path in source::files(root) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains("lock")) {
            continue;
        }
        for (word, line) in forbidden(&text) {
            let place = format!("{}:{line}", source::short(root, &path));
            found.push(Untidy::new(place, format!("{word:?} does not belong here"), "say it else"));
        }
    }
    found
}

fn forbidden(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (first, second) in WORDS {
        let word = format!("{first}{second}");
        found.extend(text.match_indices(&word).map(|(at, _)| {
            let line = source::line_of(text, at);
            (word.clone(), line)
        }));
    }
    found
}

/// Links in Markdown files that name a file or a heading of this project.
pub fn links(root: &Path) -> Vec<Untidy> {
    let mut found = Vec::new();
    let is_page = |path: &&std::path::PathBuf| path.extension().is_some_and(|end| end == "md");
    for path in source::files(root).iter().filter(is_page) {
        let text = fs::read_to_string(path).unwrap_or_default();
        for (target, line) in targets(&text) {
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let to = match file {
                "" => path.clone(),
                file => path.parent().unwrap_or(root).join(file),
            };
            let place = format!("{}:{line}", source::short(root, path));
            if !to.exists() {
                let what = format!("{target} is not there");
                found.push(Untidy::new(place, what, "correct the link"));
            } else if !heading.is_empty() {
                let page = fs::read_to_string(&to).unwrap_or_default();
                if !headings(&page).iter().any(|own| own == heading) {
                    let what = format!("{target} names a heading that is not there");
                    let mend = format!("its headings are {}", headings(&page).join(", "));
                    found.push(Untidy::new(place, what, mend));
                }
            }
        }
    }
    found
}

/// Targets of links and pictures that stay within the project, with their lines.
fn targets(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, line) in prose(text) {
        let mut rest = line;
        while let Some(place) = rest.find("](") {
            rest = &rest[place + 2..];
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            let outside = ["http:", "https:", "mailto:"].iter().any(|own| target.starts_with(own));
            if !outside && !target.is_empty() {
                found.push((target.to_owned(), at));
            }
        }
    }
    found
}

/// The lines outside code, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        if line.trim_start().starts_with("```") {
            code = !code;
            return None;
        }
        (!code).then_some((at + 1, line))
    })
}

/// As a page's own links name them: `A wipe, step by step` is `a-wipe-step-by-step`.
fn headings(text: &str) -> Vec<String> {
    let headed = prose(text).filter(|(_, line)| line.starts_with('#'));
    headed
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept =
                title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_with_their_lines() {
        let text = format!("fine\nnot {}{}\n", WORDS[0].0, WORDS[0].1);
        assert_eq!(forbidden(&text), [(format!("{}{}", WORDS[0].0, WORDS[0].1), 2)]);
        assert_eq!(forbidden("networks and homework/s"), []);
    }

    #[test]
    fn links_and_headings_are_read_outside_code() {
        let text = "# A wipe, step by step\n[a](b.md#c) and ![d](e.png)\n```\n[x](y)\n# z\n```\n\
            [f](https://g.h) [i](#a-wipe-step-by-step)\n";
        let found: Vec<String> = targets(text).into_iter().map(|(target, _)| target).collect();
        assert_eq!(found, ["b.md#c", "e.png", "#a-wipe-step-by-step"]);
        assert_eq!(headings(text), ["a-wipe-step-by-step"]);
    }

    #[test]
    fn a_dead_link_is_a_problem() {
        let root = std::env::temp_dir().join(format!("everbond-links-{}", std::process::id()));
        fs::create_dir_all(root.join("docs")).unwrap();
        fs::write(root.join("README.md"), "[a](docs/a.md#one) [b](docs/b.md) [c](docs/a.md#two)")
            .unwrap();
        fs::write(root.join("docs/a.md"), "## One\n").unwrap();
        let found: Vec<String> = links(&root).into_iter().map(|untidy| untidy.what).collect();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            found,
            ["docs/b.md is not there", "docs/a.md#two names a heading that is not there"]
        );
    }
}
