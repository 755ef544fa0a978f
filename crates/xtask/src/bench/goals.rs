//! The lines of the report: which figure, beside which limit and peer, and what must be reached.

use super::figures::Figures;

/// What must be reached.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// At least this share of the limit.
    Share(f64),
    /// At most so many times the limit.
    Times(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    PerSecond,
    Ms,
    Us,
    S,
    Bytes,
    Mib,
    Count,
}

use Goal::{AtLeast, AtMost, Share, Times};
use Unit::{Bytes, Count, Mib, Ms, PerSecond, S, Us};

/// A name for the reader and the figure's key; empty where there is none.
type Beside = (&'static str, &'static str);
const NONE: Beside = ("", "");

pub struct Line {
    pub what: &'static str,
    pub key: &'static str,
    pub unit: Unit,
    pub limit: Beside,
    pub peer: Beside,
    pub goals: &'static [Goal],
}

const fn line(
    what: &'static str,
    (key, unit): (&'static str, Unit),
    limit: Beside,
    peer: Beside,
    goals: &'static [Goal],
) -> Line {
    Line { what, key, unit, limit, peer, goals }
}

const FOLD: Beside = ("log + plain maps", "fold.per_second");
const STATIC: Beside = ("static GET", "static.per_second");
const STATIC_BESIDE: Beside = ("static GET beside touches", "static_beside.per_second");
const POSTGRES: Beside = ("PostgreSQL by 500", "postgres_batch.per_second");
const JETSTREAM: Beside = ("JetStream, no sync", "jetstream.per_second");

/// In the order of the report.
pub const LINES: &[Line] = &[
    line(
        "touches/s, `/v1/touches`, 100 a batch, after fsync",
        ("ingest.per_second", PerSecond),
        FOLD,
        POSTGRES,
        &[AtLeast(150_000.0), Share(0.5)],
    ),
    line(
        "touches/s, `/v1/batch`, 100 a batch, after fsync",
        ("segment.per_second", PerSecond),
        FOLD,
        JETSTREAM,
        &[AtLeast(150_000.0), Share(0.5)],
    ),
    line("processor time of the program a touch", ("ingest.cpu_us", Us), NONE, NONE, &[]),
    line(
        "a batch at a quarter of it, p50",
        ("quarter.p50_ms", Ms),
        ("fdatasync p50", "disk.p50_ms"),
        NONE,
        &[],
    ),
    line(
        "a batch at a quarter of it, p99",
        ("quarter.p99_ms", Ms),
        ("fdatasync p99", "disk.p99_ms"),
        NONE,
        &[],
    ),
    line(
        "a batch at a quarter of it, p99.9",
        ("quarter.p99.9_ms", Ms),
        ("fdatasync p99.9", "disk.p99.9_ms"),
        NONE,
        &[],
    ),
    line(
        "touches/s, state ten times the memory budget",
        ("beyond.per_second", PerSecond),
        ("fjall alone", "fjall.per_second"),
        POSTGRES,
        &[Share(1.0)],
    ),
    line(
        "decisions meanwhile, p99",
        ("beyond_decide.p99_ms", Ms),
        ("static GET meanwhile", "beyond_static.p99_ms"),
        NONE,
        &[AtMost(5.0)],
    ),
    line(
        "decisions/s with every reason, 20,000 touches/s beside",
        ("decide.per_second", PerSecond),
        STATIC,
        NONE,
        &[AtLeast(25_000.0), Share(0.5)],
    ),
    line("the same, beside its limit", ("decide.per_second", PerSecond), STATIC_BESIDE, NONE, &[]),
    line(
        "the same, beside as many bytes in and out",
        ("decide.per_second", PerSecond),
        ("as many bytes, always the same", "static_decision.per_second"),
        NONE,
        &[],
    ),
    line(
        "a decision at a quarter of it, p50",
        ("decide_quarter.p50_ms", Ms),
        ("static GET beside touches", "static_quarter.p50_ms"),
        NONE,
        &[Times(2.0)],
    ),
    line(
        "a decision at a quarter of it, p99",
        ("decide_quarter.p99_ms", Ms),
        ("static GET beside touches", "static_quarter.p99_ms"),
        NONE,
        &[Times(2.0)],
    ),
    line("touch to changed menu, p50", ("streams.p50_ms", Ms), NONE, NONE, &[AtMost(20.0)]),
    line("touch to changed menu, p99", ("streams.p99_ms", Ms), NONE, NONE, &[AtMost(100.0)]),
    line("touch to the word `changed`, p50", ("streams.heard_p50_ms", Ms), NONE, NONE, &[]),
    line(
        "memory of an idle stream",
        ("streams.stream_bytes", Bytes),
        NONE,
        NONE,
        &[AtMost(8_000.0)],
    ),
    line(
        "kill -9, start, first decision",
        ("start.first_decision_s", S),
        NONE,
        NONE,
        &[AtMost(2.0)],
    ),
    line(
        "whole replay, entries/s",
        ("replay.per_second", PerSecond),
        ("binary log into plain maps", "replay_limit.per_second"),
        NONE,
        &[AtLeast(1_000_000.0)],
    ),
    line("disk a touch, all indexes in", ("size.touch_bytes", Bytes), NONE, NONE, &[AtMost(120.0)]),
    line("disk a registered person with a unit", ("size.person_bytes", Bytes), NONE, NONE, &[]),
    line(
        "memory a person with 3 bonds and 5 names",
        ("memory.models_bytes", Bytes),
        NONE,
        NONE,
        &[AtMost(600.0)],
    ),
    line("the same, each bond with a unit", ("memory.units_bytes", Bytes), NONE, NONE, &[]),
    line("memory of a server without people", ("memory.idle_mib", Mib), NONE, NONE, &[]),
    line(
        "wipe of a person with 10,000 touches",
        ("wipe.median_ms", Ms),
        NONE,
        NONE,
        &[AtMost(100.0)],
    ),
    line(
        "a batch while persons are wiped, p99",
        ("wipe_with.p99_ms", Ms),
        ("the same without wipes", "wipe_without.p99_ms"),
        NONE,
        &[Times(2.0)],
    ),
    line("50 touches of 100,000, p50", ("timeline.p50_ms", Ms), NONE, NONE, &[]),
    line("50 touches of 100,000, p99", ("timeline.p99_ms", Ms), NONE, NONE, &[AtMost(5.0)]),
    line("graph of 500 nodes, p50", ("graph.p50_ms", Ms), NONE, NONE, &[]),
    line("graph of 500 nodes, p99", ("graph.p99_ms", Ms), NONE, NONE, &[AtMost(20.0)]),
    line(
        "touches/s with ten times as many people",
        ("growth_10.per_second", PerSecond),
        ("with the fewer", "growth_1_both.per_second"),
        NONE,
        &[Share(0.5)],
    ),
    line(
        "processor time a touch, late",
        ("growth_1_late.cpu_us", Us),
        ("early, before and after", "growth_1_both.cpu_us"),
        NONE,
        &[Times(1.2)],
    ),
    line("touches by then", ("growth_1_late.touches_total", Count), NONE, NONE, &[]),
    line(
        "for comparison: PostgreSQL 15, one touch a transaction",
        ("postgres_single.per_second", PerSecond),
        NONE,
        NONE,
        &[],
    ),
    line(
        "for comparison: PostgreSQL 15, 500 touches a transaction",
        ("postgres_batch.per_second", PerSecond),
        NONE,
        NONE,
        &[],
    ),
    line(
        "for comparison: JetStream, bare publish, not synced",
        ("jetstream.per_second", PerSecond),
        NONE,
        NONE,
        &[],
    ),
    line(
        "for comparison: SQLite, 500 touches a transaction",
        ("sqlite_batch.per_second", PerSecond),
        NONE,
        NONE,
        &[],
    ),
    line(
        "for comparison: SQLite, one touch a transaction",
        ("sqlite_single.per_second", PerSecond),
        NONE,
        NONE,
        &[],
    ),
];

/// The head of the report's table.
pub const HEAD: [&str; 8] =
    ["what", "figure", "limit of the same run", "ratio", "peer", "ratio", "goal", "met"];

impl Line {
    /// The cells of the report, or `None` when it was not measured.
    pub fn cells(&self, figures: &Figures) -> Option<Vec<String>> {
        let value = figures.get(self.key)?;
        let beside = |(name, key): Beside| -> (String, String, Option<f64>) {
            match figures.get(key) {
                Some(other) => {
                    let said = format!("{} ({name})", shown(other, self.unit));
                    (said, ratio(value / other), Some(other))
                }
                None => (String::new(), String::new(), None),
            }
        };
        let (limit, limit_ratio, limit_value) = beside(self.limit);
        let (peer, peer_ratio, _) = beside(self.peer);
        let goal: Vec<String> = self.goals.iter().map(|goal| self.goal(*goal)).collect();
        let met = match self.met(value, limit_value) {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        };
        let what = self.what.to_owned();
        let figure = shown(value, self.unit);
        Some(vec![
            what,
            figure,
            limit,
            limit_ratio,
            peer,
            peer_ratio,
            goal.join(", "),
            met.to_owned(),
        ])
    }

    /// Whether all goals are met; `None` when there is none or what it is held against is missing.
    pub fn met(&self, value: f64, limit: Option<f64>) -> Option<bool> {
        let mut all = None;
        for goal in self.goals {
            let met = match goal {
                AtLeast(least) => value >= *least,
                AtMost(most) => value <= *most,
                Share(share) => value >= share * limit?,
                Times(times) => value <= times * limit?,
            };
            all = Some(all.unwrap_or(true) && met);
        }
        all
    }

    fn goal(&self, goal: Goal) -> String {
        match goal {
            AtLeast(least) => format!("at least {}", shown(least, self.unit)),
            AtMost(most) => format!("at most {}", shown(most, self.unit)),
            Share(share) => format!("{:.0} % of the limit", share * 100.0),
            Times(times) => format!("at most {times} times the limit"),
        }
    }
}

fn ratio(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// With a unit, and no more digits than the measuring is worth.
pub fn shown(value: f64, unit: Unit) -> String {
    let number = if value >= 100.0 {
        thousands(value)
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    match unit {
        PerSecond => format!("{}/s", thousands(value)),
        Count => thousands(value),
        Ms => format!("{number} ms"),
        Us => format!("{number} µs"),
        S => format!("{number} s"),
        Bytes => format!("{} bytes", thousands(value)),
        Mib => format!("{number} MiB"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest.to_owned()),
        None => ("", digits),
    };
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(shown(1_234_567.0, PerSecond), "1,234,567/s");
        assert_eq!(shown(0.123, Ms), "0.12 ms");
        assert_eq!((thousands(999.6), thousands(-1_000.0)), ("1,000".into(), "-1,000".into()));
    }

    #[test]
    fn a_goal_is_met_when_all_its_parts_are() {
        let ingest = &LINES[0];
        assert_eq!(ingest.met(160_000.0, Some(280_000.0)), Some(true));
        assert_eq!(ingest.met(160_000.0, Some(400_000.0)), Some(false));
        assert_eq!(ingest.met(140_000.0, Some(200_000.0)), Some(false));
        assert_eq!(ingest.met(160_000.0, None), None);
    }

    #[test]
    fn a_line_that_was_not_measured_is_left_out() {
        let mut figures = Figures::default();
        assert!(LINES.iter().all(|line| line.cells(&figures).is_none()));
        figures.set("ingest.per_second", 100_000.0);
        figures.set("fold.per_second", 200_000.0);
        let cells = LINES[0].cells(&figures).unwrap();
        assert_eq!(
            cells[..4],
            [
                "touches/s, `/v1/touches`, 100 a batch, after fsync",
                "100,000/s",
                "200,000/s (log + plain maps)",
                "0.50"
            ]
        );
        assert_eq!(cells[7], "no");
    }
}
