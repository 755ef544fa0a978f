//! The plots of the page, as SVG written by hand: figures beside limits and peers, percentiles of
//! latencies, and the history. They carry their own colours for light and dark.

use std::fmt::Write as _;

use super::figures::Figures;

const STYLE: &str = "<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .soft { fill: #57606a } .line { stroke: #d0d7de; stroke-width: 1; fill: none }
  .a { fill: #0969da } .b { fill: #8c959f } .c { fill: #bf8700 }
  .la { stroke: #0969da } .lb { stroke: #8c959f } .lc { stroke: #bf8700 }
  .la, .lb, .lc { fill: none; stroke-width: 2 }
  .in { font-size: 11px; fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .soft { fill: #9198a1 } .line { stroke: #3d444d }
    .a { fill: #4493f8 } .b { fill: #6e7681 } .c { fill: #d29922 }
    .la { stroke: #4493f8 } .lb { stroke: #6e7681 } .lc { stroke: #d29922 }
  }
</style>";

/// File name and content.
pub fn all(figures: &Figures, history: &str) -> Vec<(&'static str, String)> {
    vec![
        ("limits.svg", bars(figures)),
        ("latency.svg", latency(figures)),
        ("history.svg", lines_of_history(history)),
    ]
}

pub fn svg(width: u32, height: u32, title: &str, inside: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n{STYLE}\n{inside}</svg>\n"
    )
}

/// Name, our figure, its limit, its peer; more is better.
const BARS: [(&str, &str, &str, &str); 5] = [
    ("touches", "ingest.per_second", "fold.per_second", "postgres_batch.per_second"),
    ("Segment's shape", "segment.per_second", "fold.per_second", "jetstream.per_second"),
    ("state 10x memory", "beyond.per_second", "fjall.per_second", "postgres_batch.per_second"),
    ("decisions", "decide.per_second", "static.per_second", ""),
    ("replay", "replay.per_second", "replay_limit.per_second", ""),
];

/// Three bars a group, each as a share of the group's largest.
fn bars(figures: &Figures) -> String {
    const LEFT: f64 = 150.0;
    const WIDE: f64 = 400.0;
    let mut inside = String::new();
    let mut y = 20.0;
    for (name, own, limit, peer) in BARS {
        let values = [("a", own, "Everbond"), ("b", limit, "limit"), ("c", peer, "peer")];
        let values: Vec<(&str, &str, f64)> = values
            .into_iter()
            .filter_map(|(class, key, label)| Some((class, label, figures.get(key)?)))
            .collect();
        let most = values.iter().map(|(.., value)| *value).fold(1.0, f64::max);
        let _ = writeln!(inside, "<text x=\"10\" y=\"{:.0}\">{name}</text>", y + 14.0);
        for (class, label, value) in values {
            let wide = (value / most * WIDE).max(1.0);
            let said = super::goals::shown(value, super::goals::Unit::PerSecond);
            let _ = writeln!(
                inside,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{wide:.1}\" \
                 height=\"16\" rx=\"2\"/><text class=\"soft\" x=\"{:.1}\" y=\"{:.0}\">{said} \
                 {label}</text>",
                LEFT + wide + 6.0,
                y + 13.0
            );
            y += 20.0;
        }
        y += 14.0;
    }
    svg(720, y as u32, "Figures beside their limits and peers", &inside)
}

const PERCENTILES: [&str; 7] = ["p50", "p75", "p90", "p95", "p99", "p99.9", "max"];
const LATENCIES: [(&str, &str, &str); 3] = [
    ("a", "quarter", "a batch of 100 touches"),
    ("c", "decide_quarter", "a decision"),
    ("b", "static_quarter", "the static GET"),
];

/// Percentiles to the right, milliseconds upwards on a logarithmic scale.
fn latency(figures: &Figures) -> String {
    const LEFT: f64 = 60.0;
    const STEP: f64 = 90.0;
    const LOW: f64 = 330.0;
    const DECADE: f64 = 50.0;
    // From 10 microseconds to 10 seconds.
    let height = |ms: f64| LOW - (ms.clamp(0.01, 10_000.0).log10() + 2.0) * DECADE;
    let mut inside = String::new();
    for (ms, name) in [
        (0.01, "10 µs"),
        (0.1, "0.1 ms"),
        (1.0, "1 ms"),
        (10.0, "10 ms"),
        (100.0, "0.1 s"),
        (1_000.0, "1 s"),
        (10_000.0, "10 s"),
    ] {
        let y = height(ms);
        let _ = writeln!(
            inside,
            "<path class=\"line\" d=\"M{LEFT} {y:.1}H{:.0}\"/><text class=\"soft\" x=\"52\" \
             y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT + STEP * 6.0,
            y + 4.0
        );
    }
    for (at, name) in PERCENTILES.iter().enumerate() {
        let x = LEFT + STEP * at as f64;
        let _ = writeln!(
            inside,
            "<text class=\"soft\" x=\"{x:.0}\" y=\"350\" text-anchor=\"middle\">{name}</text>"
        );
    }
    for (row, (class, key, label)) in LATENCIES.iter().enumerate() {
        let points = PERCENTILES.iter().enumerate().filter_map(|(at, name)| {
            let ms = figures.get(&format!("{key}.{name}_ms"))?;
            Some(format!("{:.0} {:.1}", LEFT + STEP * at as f64, height(ms)))
        });
        let points: Vec<String> = points.collect();
        if !points.is_empty() {
            let path = points.join("L");
            let x = 70 + row * 200;
            let _ = writeln!(
                inside,
                "<path class=\"l{class}\" d=\"M{path}\"/><rect class=\"{class}\" x=\"{x}\" \
                 y=\"370\" width=\"12\" height=\"12\" rx=\"2\"/><text x=\"{}\" \
                 y=\"381\">{label}</text>",
                x + 18
            );
        }
    }
    svg(720, 400, "Percentiles of latencies at a quarter of the throughput", &inside)
}

const OVER_TIME: [(&str, &str, &str, &str); 3] = [
    ("a", "touches", "ingest.per_second", "fold.per_second"),
    ("c", "decisions", "decide.per_second", "static.per_second"),
    ("b", "replay", "replay.per_second", "replay_limit.per_second"),
];

/// Each run as a share of its own limit, so that runs on a busy machine can be compared.
fn lines_of_history(history: &str) -> String {
    const LEFT: f64 = 60.0;
    const WIDE: f64 = 620.0;
    const LOW: f64 = 240.0;
    const HIGH: f64 = 200.0;
    let value = |line: &str, key: &str| -> Option<f64> {
        let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
        rest.split([',', '}']).next()?.parse().ok()
    };
    let runs: Vec<&str> = history.lines().filter(|line| line.starts_with('{')).collect();
    let step = WIDE / (runs.len().saturating_sub(1)).max(1) as f64;
    let mut inside = String::new();
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = LOW - share * HIGH;
        let _ = writeln!(
            inside,
            "<path class=\"line\" d=\"M{LEFT} {y:.0}H{:.0}\"/><text class=\"soft\" x=\"52\" \
             y=\"{:.0}\" text-anchor=\"end\">{:.0} %</text>",
            LEFT + WIDE,
            y + 4.0,
            share * 100.0
        );
    }
    for (row, (class, label, own, limit)) in OVER_TIME.iter().enumerate() {
        let mut path = String::new();
        for (at, run) in runs.iter().enumerate() {
            let (Some(own), Some(limit)) = (value(run, own), value(run, limit)) else { continue };
            let (x, y) = (LEFT + step * at as f64, LOW - (own / limit).min(1.0) * HIGH);
            let _ = write!(path, "{}{x:.0} {y:.1}", if path.is_empty() { "M" } else { "L" });
            let _ =
                writeln!(inside, "<circle class=\"{class}\" cx=\"{x:.0}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
        let x = 70 + row * 200;
        let _ = writeln!(
            inside,
            "<path class=\"l{class}\" d=\"{path}\"/><rect class=\"{class}\" x=\"{x}\" y=\"262\" \
             width=\"12\" height=\"12\" rx=\"2\"/><text x=\"{}\" y=\"273\">{label}</text>",
            x + 18
        );
    }
    svg(720, 290, "Share of the limit, run by run", &inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_hold_what_was_measured() {
        let mut figures = Figures::default();
        figures.set("ingest.per_second", 100_000.0);
        figures.set("fold.per_second", 200_000.0);
        figures.set("quarter.p50_ms", 1.0);
        figures.set("quarter.p99_ms", 10.0);
        let bars = bars(&figures);
        assert!(bars.contains("width=\"200.0\"") && bars.contains("100,000/s Everbond"), "{bars}");
        // One decade is the same height wherever it is.
        let latency = latency(&figures);
        assert!(latency.contains("d=\"M60 230.0L420 180.0\""), "{latency}");
        let run = "{\"figures\":{\"ingest.per_second\":100,\"fold.per_second\":200}}\n";
        assert!(lines_of_history(&run.repeat(2)).contains("M60 140.0L680 140.0"));
    }
}
