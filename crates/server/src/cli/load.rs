//! `everbond load`: realistic lives against a running server at a fixed rate, so that somebody can
//! size a machine before they buy it. Open loop: a call's time counts from the moment at which it
//! was due, so a server that stalls cannot hide it by holding up the load.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use super::demo::company;
use super::http::Client;
use super::lives::{Lives, Town};
use super::{Command, Failed, Given, failed, say};
use crate::app::random_text;

pub const LOAD: Command = Command {
    name: "load",
    takes: "",
    summary: "Realistic touches to a running server, to size a machine",
    about: "Registers a printer with its units, shops, a campaign and a journey, makes most people \
            owners, and then lets them live: ads, visits, orders, parcels, use, trouble, help, \
            recommendations, resale. A fifth of the people does well over half of it. The touches \
            stay where they are sent, so take a server that is only there to be tried; best from \
            another machine than the server's. Times count from the moment at which a call was \
            due.",
    flags: &[
        ("url", "URL", "The server [http://127.0.0.1:8480]"),
        ("key", "KEY", "A secret key; better in the variable EVERBOND_KEY"),
        ("people", "N", "How many people there are [10000]"),
        ("units", "N", "How many units there are to be bought [10000]"),
        ("touches-per-second", "N", "How much comes in [1000]"),
        ("seconds", "N", "How long, after everybody is registered [60]"),
        ("seed", "N", "Which lives; the same seed gives the same [300]"),
    ],
    settings: &[],
    examples: &[
        ("everbond load --touches-per-second 5000", "key in EVERBOND_KEY"),
        (
            "everbond load --people 1000000 --units 1000000 --touches-per-second 20000",
            "what a large maker sends, for a minute",
        ),
    ],
    run,
};

const KEY_VARIABLE: &str = "EVERBOND_KEY";
/// Calls that can be under way at once.
const CALLERS: usize = 64;
/// Touches of a call at most; at low rates a call has fewer, as single events have.
const BATCH: usize = 100;
const CALLS_PER_SECOND: u64 = 50;
/// Percent of the people who have a unit at the beginning.
const OWNERS: u64 = 60;
const REGISTER_BATCH: usize = 1_000;

struct Asked {
    url: String,
    key: String,
    people: usize,
    units: u32,
    rate: u64,
    seconds: u64,
    seed: u64,
}

fn read(given: &Given) -> Result<Asked, Failed> {
    let number = |flag: &str, default: u64, most: u64| -> Result<u64, Failed> {
        let Some(text) = given.value(flag) else { return Ok(default) };
        match text.parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(Failed::Usage(format!("--{flag} takes a number from 1 to {most}"))),
        }
    };
    if let Some(word) = given.words.first() {
        return Err(Failed::Usage(format!("load takes no {word:?}; see 'everbond help load'")));
    }
    let key = given.value("key").map(str::to_owned).or_else(|| std::env::var(KEY_VARIABLE).ok());
    let key = key.ok_or_else(|| {
        Failed::Usage(format!("load needs a secret key: --key or the variable {KEY_VARIABLE}"))
    })?;
    Ok(Asked {
        url: given.value("url").unwrap_or("http://127.0.0.1:8480").to_owned(),
        key,
        people: number("people", 10_000, 50_000_000)? as usize,
        units: number("units", 10_000, 50_000_000)? as u32,
        rate: number("touches-per-second", 1_000, 1_000_000)?,
        seconds: number("seconds", 60, 7 * 86_400)?,
        seed: number("seed", 300, u64::MAX)?,
    })
}

fn run(given: Given) -> Result<(), Failed> {
    let asked = read(&given)?;
    super::serve::in_tokio(work(asked))
}

async fn work(asked: Asked) -> Result<(), Failed> {
    let mut api = Client::new(&asked.url, Some(asked.key.clone()))?;
    say(format_args!("registering a company with {} units", asked.units))?;
    company::register(&mut api, asked.seed, asked.units).await?;
    let town = Town { lives: asked.people, units: (1, asked.units), skewed: true };
    let mut lives = Lives::new(asked.seed, &town);
    let begun = Instant::now();
    let owners = register_owners(&mut api, &mut lives).await?;
    let seconds = begun.elapsed().as_secs_f64().max(0.001);
    say(format_args!("{owners} owners registered, {:.0} a second", owners as f64 / seconds))?;
    let before = Disk::of(&mut api).await?;
    let counts = live(&asked, lives).await?;
    let after = Disk::of(&mut api).await?;
    summary(&asked, &counts, &before, &after)
}

async fn register_owners(api: &mut Client, lives: &mut Lives) -> Result<usize, Failed> {
    let (mut count, mut from) = (0, 0);
    loop {
        let (touches, next) = lives.owners(OWNERS, from, REGISTER_BATCH);
        if touches.is_empty() {
            return Ok(count);
        }
        (count, from) = (count + touches.len(), next);
        let body = Value::from(touches);
        let mut answer = api.send("POST", "/v1/touches", &body).await?;
        while answer.status == 503 {
            tokio::time::sleep(Duration::from_secs(answer.retry_after_s.unwrap_or(1))).await;
            answer = api.send("POST", "/v1/touches", &body).await?;
        }
        super::demo::story::taken(answer.success()?)?;
    }
}

/// What came of the calls so far.
#[derive(Default)]
struct Counts {
    accepted: u64,
    duplicates: u64,
    refused: u64,
    /// Answers with 503; the call is repeated.
    busy: u64,
    /// The first refusal, in the server's words.
    reason: Option<String>,
    /// Microseconds of each call, in the order of their ends.
    times: Vec<u32>,
    seconds: f64,
}

impl Counts {
    fn add(&mut self, answer: &Value, time: Duration) {
        let count = |name: &str| answer[name].as_u64().unwrap_or(0);
        self.accepted += count("accepted");
        self.duplicates += count("duplicates");
        self.refused += count("refused");
        self.times.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
        if count("refused") > 0 && self.reason.is_none() {
            let results = answer["results"].as_array().into_iter().flatten();
            let first = results.into_iter().find(|result| result["status"] == "refused");
            self.reason = first.and_then(|result| result["detail"].as_str()).map(str::to_owned);
        }
    }
}

/// Median, 99th percentile and the longest, in milliseconds.
fn percentiles(times: &[u32]) -> (f64, f64, f64) {
    if times.is_empty() {
        return (0.0, 0.0, 0.0);
    }
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
        f64::from(sorted[place - 1]) / 1e3
    };
    (at(0.5), at(0.99), at(1.0))
}

/// The lives and the moment of the next call, which belong together.
struct Plan {
    lives: Mutex<Lives>,
    next: AtomicU64,
    begun: Instant,
    /// Touches of a call, and calls in all.
    batch: usize,
    calls: u64,
    rate: u64,
    /// Names this run's messages, so that a second run's are not taken for its own.
    run: String,
}

async fn live(asked: &Asked, lives: Lives) -> Result<Counts, Failed> {
    let batch = (asked.rate / CALLS_PER_SECOND).clamp(1, BATCH as u64);
    let plan = Arc::new(Plan {
        lives: Mutex::new(lives),
        next: AtomicU64::new(0),
        begun: Instant::now(),
        batch: batch as usize,
        calls: (asked.rate * asked.seconds).div_ceil(batch),
        rate: asked.rate,
        run: random_text(8),
    });
    let counts = Arc::new(Mutex::new(Counts::default()));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let api = Client::new(&asked.url, Some(asked.key.clone()))?;
        callers.spawn(caller(plan.clone(), counts.clone(), api));
    }
    let mut progress = Progress::new(asked.seconds);
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let result = loop {
        tokio::select! {
            ended = callers.join_next() => match ended {
                None => break Ok(()),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => break Err(failure),
                Some(Err(error)) => break Err(failed(error)),
            },
            _ = tick.tick() => progress.show(&*counts.lock().await),
            signal = super::serve::until_signal() => break signal,
        }
    };
    callers.shutdown().await;
    progress.end();
    result?;
    let mut counts = std::mem::take(&mut *counts.lock().await);
    counts.seconds = plan.begun.elapsed().as_secs_f64();
    Ok(counts)
}

/// Takes the next moment, waits for it, and sends what happened.
async fn caller(
    plan: Arc<Plan>,
    counts: Arc<Mutex<Counts>>,
    mut api: Client,
) -> Result<(), Failed> {
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.calls {
            return Ok(());
        }
        let seconds = (number * plan.batch as u64) as f64 / plan.rate as f64;
        let due = plan.begun + Duration::from_secs_f64(seconds);
        tokio::time::sleep_until(due.into()).await;
        let mut touches = plan.lives.lock().await.touches(plan.batch);
        for (at, touch) in touches.iter_mut().enumerate() {
            touch["id"] = format!("{}-{number}-{at}", plan.run).into();
        }
        let body = Value::from(touches);
        let answer = loop {
            let answer = api.send("POST", "/v1/touches", &body).await?;
            if answer.status != 503 {
                break answer.success()?;
            }
            counts.lock().await.busy += 1;
            tokio::time::sleep(Duration::from_secs(answer.retry_after_s.unwrap_or(1))).await;
        };
        counts.lock().await.add(&answer, due.elapsed());
    }
}

/// A line on standard error: over itself on a terminal, now and then elsewhere.
struct Progress {
    seconds: u64,
    begun: Instant,
    shown: Instant,
    accepted: u64,
    calls: usize,
    terminal: bool,
}

impl Progress {
    fn new(seconds: u64) -> Progress {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Progress { seconds, begun: now, shown: now, accepted: 0, calls: 0, terminal }
    }

    fn show(&mut self, counts: &Counts) {
        let every = Duration::from_millis(if self.terminal { 1_000 } else { 10_000 });
        let since = self.shown.elapsed();
        if since < every {
            return;
        }
        let rate = (counts.accepted - self.accepted) as f64 / since.as_secs_f64();
        let (median, p99, _) = percentiles(&counts.times[self.calls..]);
        let line = format!(
            "{:4} of {} s  {rate:.0} touches/s  p50 {median:.1} ms  p99 {p99:.1} ms  {} refused  \
             {} times 503",
            self.begun.elapsed().as_secs(),
            self.seconds,
            counts.refused,
            counts.busy
        );
        (self.accepted, self.calls) = (counts.accepted, counts.times.len());
        self.shown = Instant::now();
        let mut out = std::io::stderr();
        // Progress that nobody can read is no reason to stop.
        let _ = if self.terminal { write!(out, "\r{line}   ") } else { writeln!(out, "{line}") };
    }

    fn end(&self) {
        if self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// What the server says of its folder; nothing where its metrics cannot be read from here.
#[derive(Default)]
struct Disk {
    bytes: f64,
    free: f64,
    persons: f64,
}

impl Disk {
    async fn of(api: &mut Client) -> Result<Disk, Failed> {
        let answer = api.get("/metrics").await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
        };
        Ok(Disk {
            bytes: value("everbond_log_bytes") + value("everbond_store_bytes"),
            free: value("everbond_disk_free_bytes"),
            persons: value("everbond_persons"),
        })
    }
}

fn summary(asked: &Asked, counts: &Counts, before: &Disk, after: &Disk) -> Result<(), Failed> {
    const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
    let rate = counts.accepted as f64 / counts.seconds.max(0.001);
    let (median, p99, longest) = percentiles(&counts.times);
    say(format_args!(
        "\n{} touches accepted in {:.1} s, {rate:.0} a second of {} asked for\n\
         {} refused, {} duplicates, {} answers with 503\n\
         from due to acknowledged: p50 {median:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms",
        counts.accepted, counts.seconds, asked.rate, counts.refused, counts.duplicates, counts.busy
    ))?;
    if let Some(reason) = &counts.reason {
        say(format_args!("the first refusal: {reason}"))?;
    }
    let grown = after.bytes - before.bytes;
    if grown > 0.0 && counts.accepted > 0 {
        let each = grown / counts.accepted as f64;
        let day = each * asked.rate as f64 * 86_400.0;
        say(format_args!(
            "the folder grew by {each:.0} bytes a touch: at this rate {:.1} GiB a day, and the \
             disk has room for {:.0} days; {:.0} people are known",
            day / GIB,
            after.free / day.max(1.0),
            after.persons
        ))?;
    }
    let kept_up = rate >= asked.rate as f64 * 0.98 && counts.busy == 0;
    say(match kept_up && p99 < 100.0 {
        true => "The machine keeps up. Double --touches-per-second until it does not.".to_owned(),
        false if kept_up => {
            format!("It keeps up, but one call in a hundred waits {p99:.0} ms or longer.")
        }
        false => format!("It does not keep up: {rate:.0} touches/s is what it takes like this."),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_measured() {
        let times: Vec<u32> = (1..=1_000).rev().map(|ms| ms * 1_000).collect();
        assert_eq!(percentiles(&times), (500.0, 990.0, 1_000.0));
        assert_eq!(percentiles(&[7_000]), (7.0, 7.0, 7.0));
        assert_eq!(percentiles(&[]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn an_answer_is_counted_with_its_first_refusal() {
        let mut counts = Counts::default();
        let answer = json!({"accepted": 2, "duplicates": 0, "refused": 1, "results": [
            {"status": "accepted"}, {"status": "refused", "detail": "no such kind"}]});
        counts.add(&answer, Duration::from_micros(1_500));
        counts.add(&answer, Duration::from_micros(2_500));
        assert_eq!((counts.accepted, counts.refused, counts.times.len()), (4, 2, 2));
        assert_eq!(counts.reason.as_deref(), Some("no such kind"));
    }
}
