//! Whether the process lives, whether it can take work, and its numbers: `/healthz`, `/readyz`,
//! `/metrics`. The numbers are one table; none of them says anything of a person.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth;
use crate::problem::Problem;
use crate::route::{Route, Who};

/// Below this no new work is taken: a checkpoint needs room to finish.
pub const FREE_BYTES_LEAST: u64 = 64 << 20;

/// What is on the disk, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskNumbers {
    pub free: u64,
    pub log: u64,
    pub store: u64,
    /// Whether merging the store fails; its data is safe.
    pub store_in_trouble: bool,
}

/// Asks the disk.
pub type AskDisk = Arc<dyn Fn() -> DiskNumbers + Send + Sync>;

pub fn routes(disk: AskDisk) -> Vec<Route> {
    let started = Instant::now();
    let (ready_disk, numbers_disk) = (disk.clone(), disk);
    vec![
        Route {
            method: "get",
            path: "/healthz",
            who: Who::Public,
            tag: "Running it",
            summary: "Whether the process lives",
            about: "Answers as long as the process can answer at all. Restart it when it does not.",
            query: &[],
            body: Value::Null,
            answer: (200, state_schema()),
            problems: &[],
            handler: get(|| async { json_answer(&json!({"ok": true, "version": VERSION})) }),
        },
        Route {
            method: "get",
            path: "/readyz",
            who: Who::Public,
            tag: "Running it",
            summary: "Whether it can take work",
            about: "503 when the log takes no more or the disk is nearly full. Send no new \
                    requests here meanwhile.",
            query: &[],
            body: Value::Null,
            answer: (200, state_schema()),
            problems: &["stopping", "disk_full"],
            handler: get(move |State(app): State<App>| async move { ready(&app, ready_disk()) }),
        },
        Route {
            method: "get",
            path: "/metrics",
            who: Who::Public,
            tag: "Running it",
            summary: "Numbers for Prometheus",
            about: "Text exposition format 0.0.4. Without a key only for callers on the same \
                    machine that came through no proxy; others need a secret key.",
            query: &[],
            body: Value::Null,
            answer: (200, json!({"type": "string", "contentMediaType": "text/plain"})),
            problems: &["no_key", "bad_key", "not_allowed"],
            handler: get(
                move |peer: ConnectInfo<SocketAddr>, headers: HeaderMap, app| async move {
                    let State(app): State<App> = app;
                    metrics(&app, peer.0, &headers, &numbers_disk, started)
                },
            ),
        },
    ]
}

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

fn state_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "version": {"type": "string"}},
        "example": {"ok": true, "version": VERSION},
    })
}

fn ready(app: &App, disk: DiskNumbers) -> Result<Response, Problem> {
    if app.engine.gauges().stopped.load(Ordering::Relaxed) {
        return Err(Problem::new("stopping", "the log takes no more"));
    }
    if disk.free < FREE_BYTES_LEAST {
        return Err(Problem::new("disk_full", "there are less than 64 MiB left").retry_after(30));
    }
    let position = app.engine.state().seq();
    Ok(json_answer(&json!({"ok": true, "version": VERSION, "position": position})))
}

fn json_answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn metrics(
    app: &App,
    peer: SocketAddr,
    headers: &HeaderMap,
    disk: &AskDisk,
    started: Instant,
) -> Result<Response, Problem> {
    let proxied = ["forwarded", "x-forwarded-for"].iter().any(|name| headers.contains_key(*name));
    if !peer.ip().is_loopback() || proxied {
        auth::secret(app, headers)?;
    }
    let text = write_metrics(app, disk(), started);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// What the metrics are read from: taken once, so that they belong together.
struct Numbers {
    uptime_s: f64,
    gauges: Gauges,
    meta: engine::Meta,
    in_memory: [(&'static str, usize); 5],
    purges: usize,
    requests: Vec<(String, u16, u64, u64)>,
    streams: usize,
    disk: DiskNumbers,
}

struct Gauges {
    queued: f64,
    groups: f64,
    bodies: f64,
    duplicates: f64,
    sync_s: f64,
    checkpoints: f64,
    checkpoint_seq: f64,
    stopped: bool,
}

/// A label in braces, or nothing, and the value.
type Samples = Vec<(String, f64)>;

struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: fn(&Numbers) -> Samples,
}

fn one(value: f64) -> Samples {
    vec![(String::new(), value)]
}

/// One row.
const fn row(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: fn(&Numbers) -> Samples,
) -> Metric {
    Metric { name, kind, help, read }
}

const METRICS: &[Metric] = &[
    row("everbond_up_seconds", "gauge", "Since the start.", |n| one(n.uptime_s)),
    row("everbond_stopped", "gauge", "1 when the log takes no more.", |n| {
        one(f64::from(u8::from(n.gauges.stopped)))
    }),
    row("everbond_position", "counter", "The last entry of the log that is folded in.", |n| {
        one(n.meta.seq as f64)
    }),
    row("everbond_persons", "gauge", "Persons ever known, less those merged or wiped.", |n| {
        one(n.meta.persons as f64)
    }),
    row("everbond_touches_total", "counter", "Touches that were folded in.", |n| {
        one(n.meta.touches as f64)
    }),
    row("everbond_duplicates_total", "counter", "Touches that were counted before.", |n| {
        one(n.gauges.duplicates)
    }),
    row("everbond_refused_total", "counter", "Entries that the fold refused.", |n| {
        one(n.meta.refused as f64)
    }),
    row("everbond_queued", "gauge", "Entries that wait for the log.", |n| one(n.gauges.queued)),
    row("everbond_groups_total", "counter", "Groups that were synced and folded in.", |n| {
        one(n.gauges.groups)
    }),
    row("everbond_entries_total", "counter", "Entries in those groups.", |n| one(n.gauges.bodies)),
    row("everbond_group_seconds_total", "counter", "Time spent on those groups.", |n| {
        one(n.gauges.sync_s)
    }),
    row("everbond_checkpoints_total", "counter", "Checkpoints written.", |n| {
        one(n.gauges.checkpoints)
    }),
    row("everbond_checkpoint_position", "gauge", "The entry the last checkpoint holds.", |n| {
        one(n.gauges.checkpoint_seq)
    }),
    row("everbond_purges_waiting", "gauge", "Wipes whose log records are not gone yet.", |n| {
        one(n.purges as f64)
    }),
    row("everbond_records_in_memory", "gauge", "Records of each kind in memory.", |n| {
        let of = |(kind, count): &(&str, usize)| (format!("{{kind=\"{kind}\"}}"), *count as f64);
        n.in_memory.iter().map(of).collect()
    }),
    row("everbond_streams", "gauge", "Open live streams.", |n| one(n.streams as f64)),
    row("everbond_requests_total", "counter", "Requests by route and status.", |n| {
        per_route(n, |count, _| count as f64)
    }),
    row("everbond_request_seconds_total", "counter", "Time until the answer began.", |n| {
        per_route(n, |_, micros| micros as f64 / 1e6)
    }),
    row("everbond_disk_free_bytes", "gauge", "Room left on the data folder's disk.", |n| {
        one(n.disk.free as f64)
    }),
    row("everbond_log_bytes", "gauge", "Size of the log.", |n| one(n.disk.log as f64)),
    row(
        "everbond_store_bytes",
        "gauge",
        "Size of the store, with what is out of date in it.",
        |n| one(n.disk.store as f64),
    ),
    row("everbond_store_trouble", "gauge", "1 when merging the store fails.", |n| {
        one(f64::from(u8::from(n.disk.store_in_trouble)))
    }),
];

fn per_route(numbers: &Numbers, value: fn(u64, u64) -> f64) -> Samples {
    let sample = |(route, status, count, micros): &(String, u16, u64, u64)| {
        (format!("{{route=\"{route}\",status=\"{status}\"}}"), value(*count, *micros))
    };
    numbers.requests.iter().map(sample).collect()
}

fn write_metrics(app: &App, disk: DiskNumbers, started: Instant) -> String {
    let gauges = app.engine.gauges();
    let (meta, in_memory, purges) = {
        let state = app.engine.state();
        (state.meta().clone(), state.in_memory(), state.purges().count())
    };
    let numbers = Numbers {
        uptime_s: started.elapsed().as_secs_f64(),
        gauges: Gauges {
            queued: gauges.queued.load(Ordering::Relaxed) as f64,
            groups: gauges.groups.load(Ordering::Relaxed) as f64,
            bodies: gauges.bodies.load(Ordering::Relaxed) as f64,
            duplicates: gauges.duplicates.load(Ordering::Relaxed) as f64,
            sync_s: gauges.sync_micros.load(Ordering::Relaxed) as f64 / 1e6,
            checkpoints: gauges.checkpoints.load(Ordering::Relaxed) as f64,
            checkpoint_seq: gauges.checkpoint_seq.load(Ordering::Relaxed) as f64,
            stopped: gauges.stopped.load(Ordering::Relaxed),
        },
        meta,
        in_memory,
        purges,
        requests: app.requests.all(),
        streams: app.hub.open(),
        disk,
    };
    let mut text = String::with_capacity(8 * 1024);
    for Metric { name, kind, help, read } in METRICS {
        let head = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        head.expect("a String takes everything");
        for (label, value) in read(&numbers) {
            writeln!(text, "{name}{label} {value}").expect("a String takes everything");
        }
    }
    text
}
