//! How the crates hang together: who may use whom, and whether every file is part of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{self, Source};
use crate::tidy::Untidy;

/// Which crates of ours each crate uses. Tests may use no others.
pub const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("engine", &["model"]),
    ("storage", &["model"]),
    ("runtime", &["engine", "model", "storage"]),
    ("server", &["engine", "model", "runtime", "storage"]),
    ("sim", &["engine", "model", "runtime", "storage"]),
    ("bench", &[]),
    ("xtask", &[]),
];

/// The crates' dependencies are those of the table.
pub fn layers(root: &Path) -> Vec<Untidy> {
    let mut found = Vec::new();
    for folder in crate_folders(root) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap_or_default();
        let place = source::short(root, &manifest);
        let Some((_, may)) = MAY_USE.iter().find(|(own, _)| *own == name) else {
            let mend = "give it a row in MAY_USE, and in ARCHITECTURE.md";
            found.push(Untidy::new(place, format!("the crate {name} is not in the table"), mend));
            continue;
        };
        found.extend(compare(&place, &text, may));
        if name == "xtask" && text.split("[dependencies]").nth(1).is_some_and(has_entry) {
            found.push(Untidy::new(place, "xtask uses std only", "take the dependency out"));
        }
    }
    found
}

fn has_entry(section: &str) -> bool {
    section.lines().take_while(|line| !line.starts_with('[')).any(|line| line.contains('='))
}

fn compare(place: &str, manifest: &str, may: &[&str]) -> Vec<Untidy> {
    let mut found = Vec::new();
    let used = ours(manifest);
    for (name, section) in &used {
        if !may.contains(&name.as_str()) {
            let what = format!("{section} names {name}, which it may not use");
            let mend =
                "move what it needs to a crate that may, or change the table with the reason";
            found.push(Untidy::new(place, what, mend));
        }
    }
    for name in may {
        // A library that only the table needs.
        if used.get(*name).is_none_or(|section| section != "dependencies") && *name != "model" {
            let what = format!("it does not use {name}, which the table says");
            found.push(Untidy::new(place, what, "take it out of MAY_USE and ARCHITECTURE.md"));
        }
    }
    found
}

/// The crates of ours that a manifest names, and in which section.
fn ours(manifest: &str) -> BTreeMap<String, String> {
    let mut section = String::new();
    let mut used = BTreeMap::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section.ends_with("dependencies") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            let known = MAY_USE.iter().any(|(own, _)| *own == name);
            if known && (!used.contains_key(name) || section == "dependencies") {
                used.insert(name.to_owned(), section.clone());
            }
        }
    }
    used
}

/// Every `.rs` file is reached from the root of its crate, a test, an example or a build script.
pub fn reached(root: &Path) -> Vec<Untidy> {
    let (mut code, tests) = code_and_tests(root);
    code.extend(tests);
    let lost = source::rust_files(root).into_iter().filter(|path| !code.contains(path));
    lost.map(|path| {
        let place = source::short(root, &path);
        Untidy::new(place, "no mod declares this file", "declare it, or delete it")
    })
    .collect()
}

/// The files that are compiled for the program, and those for tests only.
pub fn code_and_tests(root: &Path) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let (mut code, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for folder in crate_folders(root) {
        for name in ["src/lib.rs", "src/main.rs", "build.rs"] {
            follow(&folder.join(name), false, &mut code, &mut tests);
        }
        for (name, for_tests) in
            [("src/bin", false), ("examples", false), ("benches", true), ("tests", true)]
        {
            for root in roots(&folder.join(name)) {
                follow(&root, for_tests, &mut code, &mut tests);
            }
        }
    }
    (code, tests)
}

fn crate_folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.retain(|path| path.join("Cargo.toml").exists());
    folders.sort();
    folders
}

fn roots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .map(|path| if path.is_dir() { path.join("main.rs") } else { path })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

fn follow(
    file: &Path,
    for_tests: bool,
    code: &mut BTreeSet<PathBuf>,
    tests: &mut BTreeSet<PathBuf>,
) {
    if !file.exists() {
        return;
    }
    let new = if for_tests { tests.insert(file.into()) } else { code.insert(file.into()) };
    if !new {
        return;
    }
    let stem = file.file_stem().unwrap_or_default();
    let parent = file.parent().unwrap_or(Path::new(""));
    let is_root = stem == "mod"
        || stem == "lib"
        || stem == "main"
        || parent.ends_with("tests") && for_tests && !parent.to_string_lossy().contains("/src/");
    let folder = if is_root { parent.to_path_buf() } else { parent.join(stem) };
    for (name, module_for_tests) in Source::read(file).modules() {
        let for_tests = for_tests || module_for_tests;
        follow(&folder.join(format!("{name}.rs")), for_tests, code, tests);
        follow(&folder.join(&name).join("mod.rs"), for_tests, code, tests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_compared_with_the_table() {
        let text = "[dependencies]\nmodel.workspace = true\nstorage = { path = \"../storage\" }\n";
        assert_eq!(compare("a", text, &["model", "storage"]), []);
        let found = compare("a", text, &["model"]);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("dependencies names storage"), "{found:?}");
        let found = compare("a", "[dev-dependencies]\nsim.workspace = true\n", &["engine"]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_file_without_a_mod_is_found() {
        let root = std::env::temp_dir().join(format!("everbond-xtask-{}", std::process::id()));
        let source = root.join("crates/model/src");
        fs::create_dir_all(&source).unwrap();
        fs::write(root.join("crates/model/Cargo.toml"), "").unwrap();
        fs::write(source.join("lib.rs"), "mod a;\n#[cfg(test)]\nmod t;\n").unwrap();
        for name in ["a.rs", "t.rs", "lost.rs"] {
            fs::write(source.join(name), "").unwrap();
        }
        let found = reached(&root);
        let (code, tests) = code_and_tests(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!((code.len(), tests.len()), (2, 1));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "crates/model/src/lost.rs");
    }
}
