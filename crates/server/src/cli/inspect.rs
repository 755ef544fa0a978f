//! `everbond inspect`: looks into a data folder that no server uses.

use std::ops::ControlFlow;
use std::path::Path;

use engine::State;
use model::entry::{Body, Entry};
use runtime::{decode, replay};
use storage::{DataDir, Log, LogOptions, LogReader, RealDisk, find_bytes, read_log, verify_log};

use super::folder::{must_exist, time_text};
use super::{Command, FOLDER_SETTINGS, Failed, Given, failed, say};
use crate::serve::{Folder, open_folder};

pub const INSPECT: Command = Command {
    name: "inspect",
    takes: "",
    summary: "Look into a data folder: sizes, counts, checks",
    about: "Works on a folder that no server uses. Without a flag it opens the folder as a start \
            would, which cuts what a crash left half written. --verify and --find change nothing.",
    flags: &[
        ("verify", "", "Check every record of the log"),
        ("replay", "", "Fold the whole log again from the beginning and compare with the state"),
        ("entry", "N", "Print entry N of the log"),
        ("find", "TEXT", "Say which files hold TEXT: after a wipe none may"),
    ],
    settings: FOLDER_SETTINGS,
    examples: &[
        ("everbond inspect", "what is in ./everbond-data"),
        ("everbond inspect --verify --data /srv/everbond", "is every byte still right?"),
        ("everbond inspect --find ann@example.com", "is anything of her left?"),
    ],
    run,
};

fn run(given: Given) -> Result<(), Failed> {
    let config = given.config()?;
    if let Some(word) = given.words.first() {
        return Err(Failed::Usage(format!(
            "inspect takes no {word:?}; did you mean --data {word}?"
        )));
    }
    must_exist(&config.data)?;
    if given.has("verify") {
        verify(&config.data)?;
    }
    if let Some(text) = given.value("find") {
        find(&config.data, text)?;
    }
    if let Some(number) = given.value("entry") {
        let number = number.parse();
        let number = number
            .map_err(|_| Failed::Usage("--entry takes the number of an entry: 1, 2, …".into()))?;
        entry(&config.data, number)?;
    }
    if given.has("replay") {
        replay_all(open_folder(&config)?)?;
    } else if !["verify", "find", "entry"].iter().any(|flag| given.has(flag)) {
        summary(open_folder(&config)?)?;
    }
    Ok(())
}

fn summary(folder: Folder) -> Result<(), Failed> {
    use storage::Store as _;
    let Folder { data, store, core, opened } = folder;
    let reader = core.reader();
    say(format_args!("data folder      {}", data.path().display()))?;
    say(format_args!("log              {}", size(reader.disk_bytes()?)))?;
    say(format_args!("                 entries {} to {}", reader.first_seq(), reader.last_seq()))?;
    say(format_args!("checkpoint       {}", size(store.disk_bytes()?)))?;
    say(format_args!(
        "                 at entry {}, {} folded in after it",
        opened.checkpoint, opened.replayed
    ))?;
    if opened.log.torn_bytes_cut > 0 {
        say(format_args!(
            "                 {} unfinished bytes were cut",
            opened.log.torn_bytes_cut
        ))?;
    }
    say(format_args!("free             {}", size(data.free_bytes()?)))?;
    let state = core.state();
    let state = state.read();
    let meta = state.meta();
    say(format_args!("log time         {}", time_text(meta.time)))?;
    say(format_args!("persons          {}", meta.persons))?;
    say(format_args!("touches          {}", meta.touches))?;
    say(format_args!("duplicates       {}", meta.duplicates))?;
    say(format_args!("refused          {}", meta.refused))?;
    say(format_args!("models           {}", state.models().count()))?;
    say(format_args!("campaigns        {}", state.campaigns().count()))?;
    say(format_args!("places           {}", state.places().count()))?;
    for (name, version, _) in state.journeys() {
        say(format_args!("journey          {name}, version {version}"))?;
    }
    say(format_args!("keys             {}", state.keys().count()))?;
    say(format_args!("purges waiting   {}", state.purges().count()))?;
    say(format_args!("state hash       {}", hex(&state.hash())))?;
    drop(state);
    Ok(core.close()?)
}

/// Nothing is opened for writing, so that a damaged log stays as it is.
fn verify(data: &Path) -> Result<(), Failed> {
    let data = DataDir::open(data)?;
    let report = verify_log(&data.log_disk())?;
    say(format_args!(
        "{} records in {} segments, {}, {} of them with an erased part",
        report.records,
        report.segments,
        size(report.bytes),
        report.purged
    ))?;
    if report.torn_tail_bytes > 0 {
        say(format_args!(
            "{} unfinished bytes at the end, which a start cuts",
            report.torn_tail_bytes
        ))?;
    }
    if report.purges_pending > 0 {
        say(format_args!(
            "{} purges were broken off, which a start finishes",
            report.purges_pending
        ))?;
    }
    for damage in &report.damages {
        say(format_args!("{} is damaged at byte {}: {}", damage.file, damage.offset, damage.what))?;
    }
    if report.damages.is_empty() {
        return say("every record is right");
    }
    Err(Failed::Mistakes)
}

fn find(data: &Path, text: &str) -> Result<(), Failed> {
    let held = DataDir::open(data)?;
    let hits = find_bytes(held.path(), &[text.as_bytes()])?;
    for hit in &hits {
        say(format_args!("{} at byte {}", hit.file.display(), hit.offset))?;
    }
    let packed = find_packed(&held.log_disk(), text)?;
    for seq in &packed {
        say(format_args!("entry {seq} of the log, in a packed text"))?;
    }
    if hits.is_empty() && packed.is_empty() {
        return say("no file of the folder holds it");
    }
    Err(Failed::Mistakes)
}

/// Entries with a text that stands in the log in fewer bytes than it has. Nothing is found of
/// nothing, as in `find_bytes`.
fn find_packed(log: &RealDisk, text: &str) -> Result<Vec<u64>, Failed> {
    let mut found = Vec::new();
    if text.is_empty() {
        return Ok(found);
    }
    read_log(log, &mut |record| {
        let entry = decode(&record);
        let touch = entry.as_ref().ok().and_then(|entry| entry.body.as_touch());
        let is_plain = || record.personal.windows(text.len()).any(|part| part == text.as_bytes());
        if touch.is_some_and(|touch| touch.properties.has_text(text)) && !is_plain() {
            found.push(record.seq);
        }
    })?;
    Ok(found)
}

fn entry(data: &Path, number: u64) -> Result<(), Failed> {
    let held = DataDir::open(data)?;
    let (log, _) = Log::open(held.log_disk(), LogOptions::default())?;
    let reader = log.reader();
    let mut found = None;
    reader.read_many(&[number], |record| {
        found = Some((decode(&record), record.purged));
        ControlFlow::Continue(())
    })?;
    match found {
        None => {
            return Err(failed(format_args!(
                "there is no entry {number}; the log holds {} to {}",
                reader.first_seq(),
                reader.last_seq()
            )));
        }
        Some((Err(corrupt), _)) => return Err(failed(corrupt)),
        Some((Ok(entry), purged)) => show_entry(&entry, purged)?,
    }
    Ok(log.close()?)
}

fn show_entry(entry: &Entry, purged: bool) -> Result<(), Failed> {
    say(format_args!("entry   {}", entry.seq))?;
    say(format_args!("time    {}", time_text(entry.time)))?;
    if purged {
        say("erased  its personal part, by a wipe")?;
    }
    match &entry.body {
        Body::Touch(touch) => say(serde_json::to_string_pretty(&super::import::json_of(touch))?),
        // Debug output of a key shows the hash of its secret only.
        body => say(format_args!("{body:#?}")),
    }
}

fn replay_all(folder: Folder) -> Result<(), Failed> {
    let Folder { data, core, .. } = folder;
    let reader: LogReader<RealDisk> = core.reader();
    if reader.first_seq() > 1 {
        return Err(failed("the log does not go back to its beginning"));
    }
    let begun = std::time::Instant::now();
    let mut state = State::open(None);
    let count = replay(&mut state, &reader, 1)?;
    let seconds = begun.elapsed().as_secs_f64().max(1e-9);
    let (replayed, kept) = (state.hash(), core.state().read().hash());
    say(format_args!(
        "{count} entries folded in {seconds:.2} s, {:.0} a second",
        count as f64 / seconds
    ))?;
    say(format_args!("the folder's state  {}", hex(&kept)))?;
    say(format_args!("the replayed state  {}", hex(&replayed)))?;
    let erased = verify_log(&data.log_disk())?.purged;
    core.close()?;
    if replayed == kept {
        return say("they are the same");
    }
    if erased > 0 {
        return say(format_args!(
            "they differ, as they must: wipes have erased what {erased} records held"
        ));
    }
    Err(failed("they differ; keep this folder and report it: the fold is not exact"))
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
