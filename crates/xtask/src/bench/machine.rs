//! The machine that everything was measured on, and what a process takes of it. Linux.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::Trouble;

/// Names and values, as they stand in the report.
pub fn describe(folder: &Path, root: &Path) -> Vec<(&'static str, String)> {
    let first = |path: &str, key: &str| -> String {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory: u64 = first("/proc/meminfo", "MemTotal")
        .split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    vec![
        ("processor", first("/proc/cpuinfo", "model name")),
        ("cores", cores.to_string()),
        ("memory", format!("{:.1} GiB", memory as f64 / 1024.0 / 1024.0)),
        ("kernel", kernel.trim().to_owned()),
        ("disk", disk_of(folder)),
        ("processes that wanted a core before the start", busy()),
        ("commit", commit(root)),
    ]
}

/// The load average of the last minute: what others were doing.
fn busy() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// File system and device of the folder.
fn disk_of(folder: &Path) -> String {
    let output = Command::new("df").args(["--output=fstype,source"]).arg(folder).output();
    let text =
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
    let words: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    words.join(" on ")
}

pub fn resident_bytes(pid: u32) -> Result<f64, Trouble> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kib * 1024.0)
}

/// User and system time so far. The kernel counts it in hundredths.
pub fn cpu_seconds(pid: u32) -> Result<f64, Trouble> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind = stat.rsplit_once(')').ok_or("no stat")?.1;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = (ticks(11).ok_or("no utime")?, ticks(12).ok_or("no stime")?);
    Ok((user + system) / 100.0)
}

/// What the folder takes on the disk.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// The commit that is measured; a mark when the tree has changes.
fn commit(root: &Path) -> String {
    let git = |args: &[&str]| -> String {
        let output = Command::new("git").args(args).current_dir(root).output();
        output.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changed.is_empty() { "" } else { "+" };
    format!("{}{mark}", git(&["rev-parse", "--short=10", "HEAD"]))
}

/// `2026-11-24`
pub fn date() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
