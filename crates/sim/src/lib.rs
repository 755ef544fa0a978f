//! The simulator: the real engine and runtime with a virtual clock, a disk that loses what was not
//! synced and fails at any operation, and a workload from a seed. Same seed, same bytes.

mod check;
mod dice;
mod run;
mod workload;

pub use run::{Plan, Report, run};

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan { seed, steps: 300, crash_at: None, crashes: 0 }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for seed in 0..3 {
            let crashing = Plan { crashes: 40, ..plan(seed) };
            let report = run(crashing);
            assert_eq!(report, run(crashing));
            assert_ne!(report.hash, run(plan(seed + 100)).hash);
        }
    }

    #[test]
    fn lives_with_crashes_lose_nothing() {
        let (mut crashes, mut wipes, mut sent) = (0, 0, 0);
        for seed in 0..25 {
            let report = run(Plan { crashes: 30, ..plan(seed) });
            crashes += report.crashes;
            wipes += report.wipes;
            sent += report.sent;
        }
        // The workload must reach what it is there to reach.
        assert!(crashes > 100 && wipes > 25 && sent > 10, "{crashes} {wipes} {sent}");
    }

    #[test]
    fn a_crash_at_every_operation_loses_nothing() {
        let short = Plan { seed: 7, steps: 40, crash_at: None, crashes: 0 };
        let operations = run(short).operations;
        assert!(operations > 50, "{operations}");
        for at in 0..operations {
            run(Plan { crash_at: Some(at), ..short });
        }
    }
}
