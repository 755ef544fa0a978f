//! The program `everbond`. Everything is in the library; here is only the way in.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Records come and go in many sizes, in every order: this allocator gives memory back when they
/// are packed. How it is set is in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    server::cli::run(std::env::args_os().skip(1).collect())
}
