//! `cargo xtask bench`: measures the release build on this machine, each figure beside the limit of
//! the same machine in the same run. This crate only starts programs, one process each, and writes
//! down what they say; the loads and limits are in the crate `bench`.
//!
//! Everything is bounded in count and time, listens on the loopback only, and is ended by its
//! process id.

mod client;
mod figures;
mod goals;
mod machine;
mod peers;
mod plots;
mod process;
mod profile;
mod report;
mod rows;
mod server;

pub use report::{machine_table, measured_table};

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use figures::Figures;
use server::Server;

pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

const HELP: &str = "\
cargo xtask bench [FLAGS]
  --quick          smaller sizes, about two minutes; nothing is written into docs/
  --people N       persons, and as many units (1,000,000; with --quick 100,000)
  --only ROW,ROW   only these rows:
                   disk fold ingest decide wipe read start replay beyond memory streams
                   growth peers
  --growth         also the growth to ten times as many people
  --profile        no figures, but the pictures of where the time goes; needs perf
  --keep           leave the folder with all data in place and say where it is";

/// What is measured, and what was found so far.
pub struct Bench {
    root: PathBuf,
    everbond: PathBuf,
    bench: PathBuf,
    folder: PathBuf,
    people: u64,
    quick: bool,
    begun: Instant,
    machine: Vec<(&'static str, String)>,
    figures: Figures,
    /// What whoever reads the figures must know: what was skipped, and why.
    notes: Vec<String>,
    /// The server that most rows share.
    shared: Option<Server>,
    /// Touches sent to it so far: the next id.
    next_id: u64,
    /// The shared folder's size and touches when only the people were in it.
    loaded: (u64, u64),
}

struct Asked {
    quick: bool,
    growth: bool,
    profile: bool,
    keep: bool,
    people: Option<u64>,
    only: Option<Vec<String>>,
}

fn read(args: &[String]) -> Result<Asked, Trouble> {
    let mut asked = Asked {
        quick: false,
        growth: false,
        profile: false,
        keep: false,
        people: None,
        only: None,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{HELP}"));
        match arg.as_str() {
            "--quick" => asked.quick = true,
            "--growth" => asked.growth = true,
            "--profile" => asked.profile = true,
            "--keep" => asked.keep = true,
            "--people" => asked.people = Some(value()?.replace([',', '_'], "").parse()?),
            "--only" => asked.only = Some(value()?.split(',').map(str::to_owned).collect()),
            _ => return Err(format!("what is {arg:?}?\n{HELP}").into()),
        }
    }
    for name in asked.only.iter().flatten() {
        if !rows::ROWS.iter().any(|(own, ..)| own == name) {
            return Err(format!("there is no row {name:?}\n{HELP}").into());
        }
    }
    Ok(asked)
}

/// Measures, prints one table, and keeps it if all of it was measured at full size.
pub fn run(root: &Path, args: &[String]) -> Result<(), Trouble> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let asked = read(args)?;
    let (everbond, bench) = release(root)?;
    let folder = std::env::temp_dir().join(format!("everbond-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let people = asked.people.unwrap_or(if asked.quick { 100_000 } else { 1_000_000 });
    // Now, because the tree may change while everything is measured.
    let machine = machine::describe(&folder, root);
    let mut own = Bench {
        root: root.to_owned(),
        everbond,
        bench,
        folder,
        people,
        quick: asked.quick,
        begun: Instant::now(),
        machine,
        figures: Figures::default(),
        notes: Vec::new(),
        shared: None,
        next_id: 1,
        loaded: (0, 0),
    };
    let measured = if asked.profile { profile::draw(&own) } else { own.measure(&asked) };
    own.shared = None;
    if asked.keep {
        println!("the folder is {}", own.folder.display());
    } else {
        std::fs::remove_dir_all(&own.folder)?;
    }
    measured?;
    if asked.profile {
        return Ok(());
    }
    let whole = !asked.quick && asked.only.is_none();
    report::tell(&own, whole)
}

impl Bench {
    /// A row that fails leaves the others standing: it is named, and the run fails at its end.
    fn measure(&mut self, asked: &Asked) -> Result<(), Trouble> {
        for (name, about, work) in rows::ROWS {
            let chosen = match &asked.only {
                Some(only) => only.iter().any(|own| own == name),
                None => *name != "growth" || asked.growth,
            };
            if !chosen {
                continue;
            }
            self.say(&format!("{name}: {about}"));
            if let Err(trouble) = work(self) {
                self.note(format!("{name} broke off: {trouble}"));
            }
        }
        Ok(())
    }

    fn say(&self, what: &str) {
        eprintln!("[{:4} s] {what}", self.begun.elapsed().as_secs());
    }

    fn note(&mut self, what: String) {
        self.say(&what);
        self.notes.push(what);
    }

    /// Seconds of a row: at full size, and with `--quick`.
    fn seconds(&self, full: f64, quick: f64) -> f64 {
        if self.quick { quick } else { full }
    }

    fn bench(&self, args: &[(&str, String)]) -> Result<Figures, Trouble> {
        process::start(&self.bench, args)?.finish()
    }
}

/// Each is built alone: features that only the loads need must not get into the program.
fn release(root: &Path) -> Result<(PathBuf, PathBuf), Trouble> {
    for package in ["server", "bench"] {
        let build = Command::new("cargo")
            .args(["build", "--release", "-p", package])
            .current_dir(root)
            .status()?;
        if !build.success() {
            return Err("the release build failed".into());
        }
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    Ok((target.join("release/everbond"), target.join("release/bench")))
}
