//! `everbond import`: a file of touches, to a running server or straight into a data folder.
//!
//! Where it got to stands in a file beside the imported one after every acknowledged batch, so an
//! import that was broken off goes on from there. A row is counted once whatever happens: each has
//! an id of its own or gets one from its contents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::entry::Body;
use model::outcome::Outcome;
use model::touch::Touch;
use serde_json::{Map, Value, json};

use super::folder::{TARGET_FLAGS, Target, time_text};
use super::http::Client;
use super::{Command, FOLDER_SETTINGS, Failed, Given, failed, say};
use crate::app::now;
use crate::ingest::Bad;
use crate::ingest::table::{Columns, Csv, Ndjson, Row};
use crate::json as write;

pub const IMPORT: Command = Command {
    name: "import",
    takes: "FILE",
    summary: "Bring in a file of touches: CSV or NDJSON",
    about: "Without --url the data folder is opened directly, which is fastest, and no server may \
            use it meanwhile. Run it again after it was broken off and it goes on where it was; \
            rows that were counted are not counted twice. Rows that are refused are written to \
            FILE.refused with their reasons; correct them in FILE and import it again. Stay with one \
            of the two ways for a file: the same row sent to a server and put into the folder \
            counts as two.",
    flags: &[
        ("format", "FORMAT", "csv or ndjson; follows from the name when not given"),
        (
            "map",
            "FILE",
            "Which column is what, one line each: kind = \"order.placed\" or user = Customer no",
        ),
        ("restart", "", "Read from the beginning again; rows that were counted stay counted once"),
        TARGET_FLAGS[0],
        TARGET_FLAGS[1],
    ],
    settings: FOLDER_SETTINGS,
    examples: &[
        ("everbond import orders.csv --map orders.map", "into ./everbond-data"),
        (
            "everbond import touches.ndjson --url http://127.0.0.1:8480",
            "to a running server, key in EVERBOND_KEY",
        ),
    ],
    run,
};

/// Touches that are acknowledged together.
const BATCH: usize = 2_000;
/// Of a batch over HTTP, below the limit on a body.
const BATCH_BYTES: usize = 3 * 1024 * 1024;
const EXAMPLES: usize = 5;

enum Rows {
    Csv(Csv<BufReader<File>>),
    Ndjson(Ndjson<BufReader<File>>),
}

impl Iterator for Rows {
    type Item = std::io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rows::Csv(rows) => rows.next(),
            Rows::Ndjson(rows) => rows.next(),
        }
    }
}

/// How far an import got; what stands in the file beside.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Rows that begin before it are done.
    offset: u64,
    rows: u64,
    accepted: u64,
    duplicates: u64,
    refused: u64,
    reasons: BTreeMap<String, Reason>,
}

#[derive(Clone, Debug, Default)]
struct Reason {
    count: u64,
    examples: Vec<String>,
}

impl Progress {
    fn refuse(&mut self, code: &str, example: String) {
        self.refused += 1;
        let reason = self.reasons.entry(code.to_owned()).or_default();
        reason.count += 1;
        if reason.examples.len() < EXAMPLES {
            reason.examples.push(example);
        }
    }
}

struct Waiting {
    line: u64,
    touch: Touch,
}

fn run(given: Given) -> Result<(), Failed> {
    let [file] = &given.words[..] else {
        return Err(Failed::Usage("name one file: everbond import FILE".into()));
    };
    let path = PathBuf::from(file);
    let mut rows = open(&given, &path)?;
    let mut target = Target::of(&given, true)?;
    let result = super::serve::in_tokio(import(&given, &path, &mut rows, &mut target));
    if let Target::Folder(folder) = target {
        folder.close()?;
    }
    result
}

fn open(given: &Given, path: &Path) -> Result<Rows, Failed> {
    let name = path.display();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format = given.value("format").unwrap_or(match ending {
        "csv" | "tsv" | "txt" => "csv",
        "ndjson" | "jsonl" | "json" => "ndjson",
        _ => "",
    });
    let file = File::open(path).map_err(|error| failed(format_args!("{name}: {error}")))?;
    let input = BufReader::with_capacity(1 << 18, file);
    match format {
        "csv" => {
            let columns = match given.value("map") {
                Some(map) => {
                    let text = std::fs::read_to_string(map)
                        .map_err(|error| failed(format_args!("{map}: {error}")))?;
                    Columns::parse(&text).map_err(|problem| in_file(map, problem))?
                }
                None => Columns::default(),
            };
            let csv = Csv::open(input, &columns, now());
            let csv = csv.map_err(|problem| in_file(&name.to_string(), problem))?;
            let places: Vec<String> =
                csv.columns().map(|(column, place)| format!("  {column} → {place}")).collect();
            say(format_args!("columns of {name}:\n{}", places.join("\n")))?;
            Ok(Rows::Csv(csv))
        }
        "ndjson" if given.has("map") => {
            Err(Failed::Usage("--map is for CSV; NDJSON names its fields itself".into()))
        }
        "ndjson" => Ok(Rows::Ndjson(Ndjson::open(input, now()))),
        "" => Err(Failed::Usage(format!("{name}: say --format csv or --format ndjson"))),
        other => Err(Failed::Usage(format!("--format {other:?} is neither csv nor ndjson"))),
    }
}

fn in_file(name: &str, problem: crate::ingest::Problem) -> Failed {
    let place = problem.place.map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
    failed(format_args!("{name}{place}: {}; {}", problem.detail, problem.hint))
}

async fn import(
    given: &Given,
    path: &Path,
    rows: &mut Rows,
    target: &mut Target,
) -> Result<(), Failed> {
    let total = std::fs::metadata(path)?.len();
    let beside = sibling(path, "everbond-import");
    let mut progress =
        if given.has("restart") { Progress::default() } else { read_progress(&beside, total)? };
    let from = progress.offset;
    if from > 0 {
        say(format_args!("going on behind row {}", progress.rows))?;
    }
    let mut refused = RefusedFile::new(path, from > 0);
    let mut bar = Bar::new(total, from);
    let mut batch: Vec<Waiting> = Vec::with_capacity(BATCH);
    let mut bytes = 0;
    for row in rows {
        let Row { offset, line, touch } = row?;
        if offset < from {
            continue;
        }
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            deliver(target, &mut batch, &mut progress).await?;
            bytes = 0;
            progress.offset = offset;
            write_progress(&beside, total, &progress)?;
            bar.show(&progress);
        }
        progress.rows += 1;
        match touch {
            Ok(touch) => {
                if matches!(target, Target::Server(_)) {
                    bytes += json_of(&touch).to_string().len() + 1;
                }
                batch.push(Waiting { line, touch });
            }
            Err(bad) => {
                refused.add(line, &bad)?;
                progress.refuse(bad.code, format!("line {line}: {}", bad.reason()));
            }
        }
    }
    deliver(target, &mut batch, &mut progress).await?;
    progress.offset = total;
    bar.end(&progress);
    // A finished import leaves nothing behind but what was refused.
    if let Err(error) = std::fs::remove_file(&beside)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    summary(&progress, refused.made)
}

async fn deliver(
    target: &mut Target,
    batch: &mut Vec<Waiting>,
    progress: &mut Progress,
) -> Result<(), Failed> {
    if batch.is_empty() {
        return Ok(());
    }
    match target {
        Target::Server(client) => send(client, batch, progress).await?,
        Target::Folder(folder) => {
            let lines: Vec<u64> = batch.iter().map(|row| row.line).collect();
            let bodies = batch.drain(..).map(|row| Body::Touch(row.touch)).collect();
            let answers = folder.engine.submit(bodies).await;
            let answers = answers.map_err(|busy| {
                let problem = crate::problem::Problem::from(busy);
                failed(format_args!("{}", problem.to_json()["detail"]))
            })?;
            for (line, (_, outcome)) in lines.into_iter().zip(answers) {
                match outcome {
                    Outcome::Accepted(_) => progress.accepted += 1,
                    Outcome::Duplicate => progress.duplicates += 1,
                    Outcome::Refused(refusal) => {
                        progress.refuse(refusal.code, format!("line {line}: {}", refusal.detail))
                    }
                }
            }
        }
    }
    batch.clear();
    Ok(())
}

async fn send(
    client: &mut Client,
    batch: &[Waiting],
    progress: &mut Progress,
) -> Result<(), Failed> {
    let mut body = String::new();
    for row in batch {
        body.push_str(&json_of(&row.touch).to_string());
        body.push('\n');
    }
    let body = axum::body::Bytes::from(body);
    let mut tries = 0;
    let answer = loop {
        let answer =
            client.call("POST", "/v1/touches", "application/x-ndjson", body.clone()).await?;
        if !matches!(answer.status, 429 | 503) || tries == 60 {
            break answer.success()?;
        }
        tries += 1;
        tokio::time::sleep(Duration::from_secs(answer.retry_after_s.unwrap_or(1).min(30))).await;
    };
    let results = answer["results"].as_array().filter(|results| results.len() == batch.len());
    let results = results.ok_or_else(|| failed("the server did not answer for each row"))?;
    for (row, result) in batch.iter().zip(results) {
        match result["status"].as_str() {
            Some("accepted") => progress.accepted += 1,
            Some("duplicate") => progress.duplicates += 1,
            _ => progress.refuse(
                result["code"].as_str().unwrap_or("refused"),
                format!("line {}: {}", row.line, result["detail"].as_str().unwrap_or_default()),
            ),
        }
    }
    Ok(())
}

/// The touch in the native form. Its id is what the file gave, as a digest.
pub fn json_of(touch: &Touch) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("kind", touch.kind.as_str().into());
    put("time", time_text(touch.time).into());
    if touch.id.0 != 0 {
        put("id", format!("file-{:032x}", touch.id.0).into());
    }
    if !touch.aliases.is_empty() {
        put("person", touch.aliases.iter().map(|alias| Value::from(alias.to_string())).collect());
    }
    if !touch.products.is_empty() {
        put("products", touch.products.iter().map(|subject| Value::from(subject.path())).collect());
    }
    let texts = [("place", &touch.place), ("campaign", &touch.campaign)];
    for (name, value) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        put(name, (**value).into());
    }
    if let Some(channel) = touch.channel {
        put("channel", channel.name().into());
    }
    if let Some(money) = touch.money {
        put("money", write::money(money));
    }
    if let Some(location) = touch.location {
        put("location", write::location(location));
    }
    let maps =
        [("state", &touch.state), ("properties", &touch.properties), ("traits", &touch.traits)];
    for (name, map) in maps.into_iter().filter(|(_, map)| !map.is_empty()) {
        put(name, write::map(map));
    }
    Value::Object(fields)
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The file's size is written with it: a file that changed is read from its beginning.
fn read_progress(beside: &Path, total: u64) -> Result<Progress, Failed> {
    let text = match std::fs::read_to_string(beside) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Progress::default());
        }
        Err(error) => return Err(failed(format_args!("{}: {error}", beside.display()))),
    };
    let saved: Value = serde_json::from_str(&text).unwrap_or_default();
    if saved["file_bytes"].as_u64() != Some(total) {
        say("the file has changed since the last import: from the beginning")?;
        return Ok(Progress::default());
    }
    let number = |name: &str| saved[name].as_u64().unwrap_or(0);
    let mut progress = Progress {
        offset: number("offset"),
        rows: number("rows"),
        accepted: number("accepted"),
        duplicates: number("duplicates"),
        refused: number("refused"),
        reasons: BTreeMap::new(),
    };
    for (code, count) in saved["reasons"].as_object().into_iter().flatten() {
        let reason = Reason { count: count.as_u64().unwrap_or(0), examples: Vec::new() };
        progress.reasons.insert(code.clone(), reason);
    }
    Ok(progress)
}

fn write_progress(beside: &Path, total: u64, progress: &Progress) -> Result<(), Failed> {
    let reasons: Map<String, Value> =
        progress.reasons.iter().map(|(code, reason)| (code.clone(), reason.count.into())).collect();
    let text = json!({
        "file_bytes": total,
        "offset": progress.offset,
        "rows": progress.rows,
        "accepted": progress.accepted,
        "duplicates": progress.duplicates,
        "refused": progress.refused,
        "reasons": reasons,
    });
    let fresh = sibling(beside, "new");
    let done =
        std::fs::write(&fresh, text.to_string()).and_then(|()| std::fs::rename(&fresh, beside));
    done.map_err(|error| failed(format_args!("{}: {error}", beside.display())))
}

/// Where refused rows go with their reasons; made when there is one.
struct RefusedFile {
    path: PathBuf,
    append: bool,
    made: Option<PathBuf>,
    file: Option<File>,
}

impl RefusedFile {
    fn new(path: &Path, append: bool) -> RefusedFile {
        RefusedFile { path: sibling(path, "refused"), append, made: None, file: None }
    }

    fn add(&mut self, line: u64, bad: &Bad) -> Result<(), Failed> {
        if self.file.is_none() {
            let mut options = File::options();
            let options = options.create(true).write(true).append(self.append);
            let file = options.truncate(!self.append).open(&self.path)?;
            (self.file, self.made) = (Some(file), Some(self.path.clone()));
        }
        let file = self.file.as_mut().expect("it was just opened");
        let mut text = format!("# line {line}: {}", bad.reason());
        if !bad.hint.is_empty() {
            text.push_str(&format!("; {}", bad.hint));
        }
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.write_all(bad.raw.trim_ascii_end())?;
        Ok(file.write_all(b"\n")?)
    }
}

/// Tells how far it is: in place on a terminal, a line now and then elsewhere.
struct Bar {
    total: u64,
    from: u64,
    rows_before: Option<u64>,
    begun: Instant,
    shown: Instant,
    terminal: bool,
}

impl Bar {
    fn new(total: u64, from: u64) -> Bar {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Bar { total, from, rows_before: None, begun: now, shown: now, terminal }
    }

    fn show(&mut self, progress: &Progress) {
        let rows_before = *self.rows_before.get_or_insert(progress.rows);
        let every = if self.terminal { 200 } else { 5_000 };
        if self.shown.elapsed() < Duration::from_millis(every) {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        let done = (progress.offset - self.from) as f64;
        let left = (self.total - progress.offset) as f64 * seconds / done.max(1.0);
        let rate = (progress.rows - rows_before) as f64 / seconds;
        let share = progress.offset as f64 / self.total.max(1) as f64;
        let line = format!(
            "{:5.1} %  {} rows, {rate:.0} a second, {} left",
            share * 100.0,
            progress.rows,
            duration(left)
        );
        let mut out = std::io::stderr();
        // Progress that nobody can read is no reason to stop.
        let _ = if self.terminal {
            let filled = (share * 30.0) as usize;
            write!(out, "\r[{:30}] {line}   ", "#".repeat(filled.min(30)))
        } else {
            writeln!(out, "{line}")
        };
    }

    fn end(&mut self, progress: &Progress) {
        if self.terminal && self.rows_before.is_some() {
            let _ = write!(std::io::stderr(), "\r{:90}\r", "");
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let _ = writeln!(std::io::stderr(), "{} rows read in {}", progress.rows, duration(seconds));
    }
}

fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

fn summary(progress: &Progress, refused_file: Option<PathBuf>) -> Result<(), Failed> {
    say(format_args!(
        "{} accepted, {} were there already, {} refused",
        progress.accepted, progress.duplicates, progress.refused
    ))?;
    for (code, reason) in &progress.reasons {
        say(format_args!("  {code}: {}", reason.count))?;
        for example in &reason.examples {
            say(format_args!("    {example}"))?;
        }
        let more = reason.count.saturating_sub(reason.examples.len() as u64);
        if more > 0 {
            say(format_args!("    and {more} more"))?;
        }
    }
    if let Some(path) = refused_file {
        say(format_args!("the refused rows are in {}", path.display()))?;
    }
    Ok(())
}
