//! The program `everbond`. Everything is in the library; here is only the way in.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::pages::ask();
    server::cli::run(std::env::args_os().skip(1).collect())
}
