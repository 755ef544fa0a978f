//! `cargo xtask`: checks of the source that the compiler does not make, and the tables in the
//! documentation that are made from the code. It uses std only, so that it is built in a moment.

mod bench;
mod code;
mod docs;
mod parts;
mod source;
mod tables;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask tidy     check the source and the documentation; the last line sums up
cargo xtask tables   write the tables of the documentation anew from the code
cargo xtask bench    measure the release build on this machine; --help says what it takes
cargo xtask ratchet  write the list of long functions anew; it may only shrink";

fn main() -> ExitCode {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the workspace is two folders up");
    let word = std::env::args().nth(1).unwrap_or_default();
    let done = match word.as_str() {
        "tidy" => return if tidy::run(&root) { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        "bench" => {
            let args: Vec<String> = std::env::args().skip(2).collect();
            bench::run(&root, &args).map(|()| String::new()).map_err(|error| error.to_string())
        }
        "tables" => tables::write(&root),
        "ratchet" => code::write_ratchet(&root),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
