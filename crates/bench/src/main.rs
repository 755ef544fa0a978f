//! `bench`: what `cargo xtask bench` starts beside the program: loads that speak HTTP to it, and
//! the limits of the same machine with nothing of ours in them. Each is one process that prints
//! one line of JSON with its figures when it is done. It is not part of the program.

mod dice;
mod flags;
mod http;
mod limits;
mod load;
mod moment;
mod people;
mod reading;
mod streams;
mod touches;

use std::process::ExitCode;

use flags::Flags;

/// Whatever went wrong, as text for whoever started us.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

type Work = fn(&Flags) -> Result<(), Trouble>;

/// Name, what it does.
const WORKS: &[(&str, Work)] = &[
    ("people", people::register),
    ("rich", people::register_rich),
    ("crowd", people::register_crowd),
    ("ingest", load::ingest),
    ("decide", load::decide),
    ("get", load::get),
    ("read", reading::read),
    ("streams", streams::run),
    ("fold", limits::fold::run),
    ("fjall", limits::tree::run),
    ("replay", limits::replay::run),
    ("static", limits::fixed::run),
    ("jetstream", limits::jetstream::run),
    ("disk", limits::disk::run),
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let Some((_, work)) = WORKS.iter().find(|(own, _)| *own == name) else {
        let names: Vec<&str> = WORKS.iter().map(|(own, _)| *own).collect();
        eprintln!(
            "bench WORK [--flag value]...; cargo xtask bench starts it: {}",
            names.join(", ")
        );
        return ExitCode::from(2);
    };
    match Flags::read(args).and_then(|flags| work(&flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("bench {name}: {trouble}");
            ExitCode::FAILURE
        }
    }
}
