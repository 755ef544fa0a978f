//! One simulated life of a workspace: the real engine and runtime on a disk that fails, driven by
//! the workload, watched by the checker. The same seed gives the same bytes.

use std::sync::Arc;

use engine::State;
use model::entry::{Body, Seq};
use model::id::Time;
use model::outcome::Outcome;
use runtime::core::purge_log;
use runtime::{Core, Options, Told};
use storage::sim_disk::{SimDisk, Survival};
use storage::{LogOptions, MemStore, Store};

use crate::check::Checker;
use crate::workload::Workload;

/// 2026-01-01T09:00:00Z
const START: Time = Time(1_767_258_000_000);

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub steps: usize,
    /// The disk's operation at which the power fails, counted from the start; then the dice choose
    /// the next one, if `crashes` says so.
    pub crash_at: Option<u64>,
    /// About one crash in so many operations; 0: none but `crash_at`.
    pub crashes: u64,
}

/// What a run came to; equal for equal plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub hash: [u8; 32],
    pub bytes: u64,
    pub entries: Seq,
    pub crashes: u64,
    pub wipes: u64,
    pub operations: u64,
    pub sent: u64,
}

struct Run {
    load: Workload,
    checker: Checker,
    disk: SimDisk,
    store: Arc<MemStore>,
    core: Option<Core<SimDisk, MemStore>>,
    now: Time,
    plan: Plan,
    crashes: u64,
    closing: bool,
    /// Operations of the disks before this one.
    before: u64,
}

/// Runs a plan. A broken invariant panics with what was expected.
pub fn run(plan: Plan) -> Report {
    let disk = SimDisk::new();
    let mut run = Run {
        load: Workload::new(plan.seed),
        checker: Checker::default(),
        disk,
        store: Arc::new(MemStore::new()),
        core: None,
        now: START,
        plan,
        crashes: 0,
        closing: false,
        before: 0,
    };
    run.arm();
    run.start();
    let foundation = run.load.foundation();
    while !run.submit(vec![foundation.clone()]) {}
    for _ in 0..plan.steps {
        run.step();
    }
    run.finish()
}

impl Run {
    fn core(&mut self) -> &mut Core<SimDisk, MemStore> {
        self.core.as_mut().expect("the core runs between crashes")
    }

    fn arm(&mut self) {
        let at = match (self.plan.crash_at, self.plan.crashes) {
            (Some(at), _) if self.crashes == 0 => Some(at),
            (_, 0) => None,
            (_, every) => Some(5 + self.load.dice.below(every as usize * 2) as u64),
        };
        if let Some(at) = at {
            self.disk.crash_at(at);
        }
    }

    /// Opens what the disk and the store hold, again and again if the power fails meanwhile.
    fn start(&mut self) {
        loop {
            let options = Options {
                log: LogOptions { segment_bytes: 32 << 10, salt: Some(self.plan.seed) },
                // So little that records leave all the time.
                memory: 4_000,
            };
            match Core::open(self.disk.clone(), self.store.clone(), options) {
                Ok((core, _)) => {
                    self.core = Some(core);
                    break;
                }
                Err(_) if self.disk.is_off() => self.power_fails(),
                Err(error) => panic!("seed {}: {error}", self.plan.seed),
            }
        }
        self.check_after_start();
    }

    fn check_after_start(&mut self) {
        let core = self.core.as_ref().expect("just opened");
        let state = core.state();
        let state = state.read();
        self.checker.after_start(&state, &core.reader());
        if self.checker.wipes == 0 {
            // Wiped records cannot be folded again, so this holds for logs without wipes.
            let mut again = State::open(None);
            runtime::replay(&mut again, &core.reader(), 1).expect("the log is whole");
            assert_eq!(again.hash(), state.hash(), "seed {}: replay differs", self.plan.seed);
        }
    }

    fn power_fails(&mut self) {
        self.core = None;
        self.crashes += 1;
        let survival = match self.load.dice.below(4) {
            0 => Survival::Synced,
            1 => Survival::All,
            2 => {
                let most = self.disk.last_write_len() + 1;
                Survival::Torn(self.load.dice.below(most))
            }
            _ => Survival::Sectors(self.load.dice.next()),
        };
        self.before += self.disk.operations();
        self.disk = self.disk.survivor(survival);
        self.store = Arc::new(self.store.crash());
        self.arm();
    }

    fn step(&mut self) {
        let passed = match self.load.dice.below(20) {
            0 => self.load.dice.below(4 * 3_600_000) as i64,
            _ => self.load.dice.below(5_000) as i64,
        };
        self.now = self.now.plus(passed);
        if self.load.dice.once_in(40) {
            self.checkpoint();
            return;
        }
        let state = self.core().state();
        let submissions: Vec<Vec<Body>> = {
            let state = state.read();
            let count = 1 + self.load.dice.below(3);
            (0..count)
                .map(|_| {
                    let bodies = 1 + self.load.dice.below(4);
                    (0..bodies).map(|_| self.load.next(&state, self.now)).collect()
                })
                .collect()
        };
        // What comes after a wipe with the same names would be somebody new.
        let mut bodies = submissions.iter().flatten();
        match bodies.find(|body| matches!(body, Body::Wipe { .. })) {
            Some(wipe) => self.submit(vec![vec![wipe.clone()]]),
            None => self.submit(submissions),
        };
    }

    /// False when the power failed before the answer; then nobody knows what became of it.
    fn submit(&mut self, submissions: Vec<Vec<Body>>) -> bool {
        let now = self.now;
        let bodies: Vec<Body> = submissions.iter().flatten().cloned().collect();
        let forget = self.names_to_forget(&bodies);
        let mut told = Told::default();
        match self.core().submit(now, &submissions, &mut told) {
            Ok(answers) => {
                let answers: Vec<(Seq, Outcome)> = answers.into_iter().flatten().collect();
                let state = self.core().state();
                self.checker.acknowledged(&bodies, &answers, &told, &state.read());
                for (body, (_, outcome)) in bodies.iter().zip(&answers) {
                    if let (Body::Wipe { receipt, .. }, Outcome::Accepted(_)) = (body, outcome) {
                        let names = forget.iter().find(|(own, _)| own == receipt);
                        let names = names.map_or(&[][..], |(_, names)| names);
                        self.checker.wiped(*receipt, names);
                        self.load.forget(names);
                    }
                }
                true
            }
            Err(_) if self.disk.is_off() => {
                self.checker.maybe(&bodies);
                self.power_fails();
                self.start();
                // Whoever asked for a wipe and got no answer may or may not be wiped.
                for (receipt, names) in &forget {
                    let state = self.core().state();
                    if state.read().receipt(*receipt).is_some() {
                        self.checker.wiped(*receipt, names);
                        self.load.forget(names);
                    }
                }
                false
            }
            Err(error) => panic!("seed {}: {error}", self.plan.seed),
        }
    }

    /// All that the persons who are about to be wiped are known by.
    fn names_to_forget(&mut self, bodies: &[Body]) -> Vec<(u64, Vec<model::alias::Alias>)> {
        let state = self.core().state();
        let state = state.read();
        let wipes = bodies.iter().filter_map(|body| match body {
            Body::Wipe { person, receipt } => Some((*person, *receipt)),
            _ => None,
        });
        wipes
            .filter_map(|(person, receipt)| {
                let record = state.person(person)?;
                let names = record.aliases.iter().map(|known| known.alias.clone());
                Some((receipt, names.collect()))
            })
            .collect()
    }

    /// A checkpoint, encoded step by step while touches go on, then the purge of what was wiped.
    fn checkpoint(&mut self) {
        if !self.core().checkpoint_begin() {
            return;
        }
        let batch = loop {
            let step = if self.closing { usize::MAX } else { 1 + self.load.dice.below(8) };
            self.core().settle(step);
            self.core().warm(step).expect("the store in memory can be read");
            if let Some(batch) = self.core().checkpoint_step(step) {
                break batch;
            }
            let body = {
                let state = self.core().state();
                let state = state.read();
                self.load.next(&state, self.now)
            };
            if !self.submit(vec![vec![body]]) {
                return;
            }
        };
        self.store.commit(&batch).expect("the store in memory takes it");
        let covered = self.core().checkpoint_written();
        let reader = self.core().reader();
        let mut done = Vec::new();
        for (receipt, seqs) in covered.purges {
            match purge_log(&reader, &seqs) {
                Ok(records) => done.push(Body::Purged { receipt, records }),
                Err(_) if self.disk.is_off() => {
                    self.power_fails();
                    self.start();
                    return;
                }
                Err(error) => panic!("seed {}: {error}", self.plan.seed),
            }
        }
        self.store.purge().expect("the store in memory purges");
        self.checker.purged(&done, &self.disk, &self.store, &reader);
        if !done.is_empty() {
            self.submit(vec![done]);
        }
    }

    fn finish(mut self) -> Report {
        // The power stays on and nobody comes while the last wipes are finished.
        self.disk.crash_at(u64::MAX);
        self.closing = true;
        while self.core().state().read().purges().next().is_some() {
            self.checkpoint();
        }
        let state = self.core().state();
        let state = state.read();
        self.checker.at_the_end(&state);
        Report {
            hash: state.hash(),
            bytes: self.disk.digest(),
            entries: state.seq(),
            crashes: self.crashes,
            wipes: self.checker.wipes,
            operations: self.before + self.disk.operations(),
            sent: self.checker.sent,
        }
    }
}
