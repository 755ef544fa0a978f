//! `cargo run -p sim -- --seeds N [--from S] [--steps K]`: runs seeds until one fails and names it.

use std::process::ExitCode;

use sim::{Plan, run};

fn main() -> ExitCode {
    let mut numbers = [("--seeds", 100_u64), ("--from", 0), ("--steps", 400)];
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let Some(row) = numbers.iter_mut().find(|row| row.0 == word) else {
            eprintln!("unknown option {word}; there are --seeds, --from and --steps");
            return ExitCode::from(2);
        };
        match words.next().and_then(|number| number.parse().ok()) {
            Some(number) => row.1 = number,
            None => {
                eprintln!("{word} needs a number");
                return ExitCode::from(2);
            }
        }
    }
    let [(_, seeds), (_, from), (_, steps)] = numbers;
    for seed in from..from + seeds {
        let plan = Plan { seed, steps: steps as usize, crash_at: None, crashes: 40 };
        if std::panic::catch_unwind(|| run(plan)).is_err() {
            eprintln!(
                "seed {seed} fails: cargo run -p sim -- --seeds 1 --from {seed} --steps {steps}"
            );
            return ExitCode::FAILURE;
        }
        if (seed + 1 - from).is_multiple_of(100) {
            println!("{} seeds", seed + 1 - from);
        }
    }
    println!("{seeds} seeds, no invariant broken");
    ExitCode::SUCCESS
}
