//! Pictures of where the time goes: `perf` watches the program under one load, and its stacks are
//! drawn as bars, callers above, as wide as their share. Frames of libraries are drawn as the
//! library, so that our own functions can be seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::process::{self, Process};
use super::server::{KEY, Server};
use super::{Bench, Trouble, plots};

const PEOPLE: u64 = 200_000;
const STREAMS: u64 = 2_000;
const SECONDS: u64 = 8;
/// Until the load runs evenly.
const WARM_SECONDS: u64 = 3;
const WIDTH: f64 = 1200.0;
const HIGH: f64 = 17.0;
/// Narrower bars are left out.
const LEAST: f64 = 0.002;
const OWN: [&str; 5] = ["model", "engine", "storage", "runtime", "server"];

/// File name, title, and the load, which ends by itself.
type Load = fn(&Bench, &Server) -> Result<Process, Trouble>;
const PICTURES: [(&str, &str, Load); 3] = [
    ("profile-touch.svg", "Touches: bytes in to acknowledge", touches),
    ("profile-decision.svg", "Decisions", decisions),
    ("profile-fanout.svg", "A change to open companions", fan_out),
];

fn seconds() -> String {
    (WARM_SECONDS + SECONDS + 4).to_string()
}

fn touches(bench: &Bench, server: &Server) -> Result<Process, Trouble> {
    let flags = [("people", PEOPLE.to_string()), ("connections", "32".to_owned())];
    let more = [("shape", "native".to_owned()), ("first-id", "1".to_owned())];
    let all: Vec<_> = flags.into_iter().chain(more).chain([("seconds", seconds())]).collect();
    bench.on(server, "ingest", &all)
}

fn decisions(bench: &Bench, server: &Server) -> Result<Process, Trouble> {
    let flags = [("people", PEOPLE.to_string()), ("connections", "32".to_owned())];
    let more = [("preview", "true".to_owned()), ("seconds", seconds())];
    bench.on(server, "decide", &flags.into_iter().chain(more).collect::<Vec<_>>())
}

fn fan_out(bench: &Bench, server: &Server) -> Result<Process, Trouble> {
    process::start(
        &bench.bench,
        &[
            ("streams", String::new()),
            ("addr", server.addr.to_string()),
            ("key", KEY.to_owned()),
            ("pid", server.pid().to_string()),
            ("streams", STREAMS.to_string()),
            ("rate", "1000".to_owned()),
            ("seconds", (WARM_SECONDS + SECONDS + 8).to_string()),
        ],
    )
}

/// Measures and writes the pictures.
pub fn draw(bench: &Bench) -> Result<(), Trouble> {
    if Command::new("perf").arg("--version").output().is_err() {
        return Err("perf is missing: apt-get install linux-perf".into());
    }
    let folder = bench.root.join("docs/performance");
    for (name, title, load) in PICTURES {
        bench.say(title);
        let data = bench.folder.join(name);
        let server = Server::start(&bench.root, &bench.everbond, &data, 4_096)?;
        let mut flags = vec![("people", PEOPLE.to_string())];
        if name.contains("fanout") {
            flags = vec![("people", STREAMS.to_string()), ("codes", "yes".to_owned())];
        }
        bench.on(&server, "people", &flags)?.finish()?;
        server.settle()?;
        let process = load(bench, &server)?;
        std::thread::sleep(std::time::Duration::from_secs(WARM_SECONDS));
        let stacks = watch(server.pid(), &bench.folder.join("perf.data"))?;
        process.finish()?;
        server.stop()?;
        std::fs::write(folder.join(name), picture(title, &stacks))?;
        let total: u64 = stacks.values().sum();
        bench.say(&format!("{name}: {total} samples"));
    }
    Ok(())
}

/// What each stack, from the thread's name down, was seen how often.
type Stacks = BTreeMap<Vec<String>, u64>;

fn watch(pid: u32, file: &Path) -> Result<Stacks, Trouble> {
    // It also says that it failed when a thread of the program ended meanwhile.
    Command::new("perf")
        .args(["record", "--quiet", "--freq", "499", "--call-graph", "dwarf,8192", "--output"])
        .arg(file)
        .args(["--pid", &pid.to_string(), "--", "sleep", &SECONDS.to_string()])
        .stdout(Stdio::null())
        .status()?;
    if std::fs::metadata(file).map_or(0, |recorded| recorded.len()) < 4_096 {
        return Err("perf could not watch the program; kernel.perf_event_paranoid?".into());
    }
    let script: Child = Command::new("perf")
        .args(["script", "--no-inline", "--fields", "comm,ip,sym,dso", "--input"])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = script.wait_with_output()?;
    Ok(stacks(&String::from_utf8_lossy(&output.stdout)))
}

/// A sample is the thread's name, then a line for each frame, the innermost first, then nothing.
fn stacks(script: &str) -> Stacks {
    let mut stacks = Stacks::new();
    for sample in script.split("\n\n") {
        let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
        let Some(thread) = lines.next() else { continue };
        let mut stack = vec![thread.trim().trim_end_matches(':').to_owned()];
        let frames: Vec<&str> = lines.collect();
        for frame in frames.iter().rev() {
            let name = name_of(frame);
            if !name.is_empty() && stack.last() != Some(&name) {
                stack.push(name);
            }
        }
        *stacks.entry(stack).or_default() += 1;
    }
    stacks
}

/// `address symbol (file)`: our own function, or whose it is.
fn name_of(frame: &str) -> String {
    let rest = frame.trim().split_once(' ').map_or("", |(_, rest)| rest);
    let (symbol, file) = rest.rsplit_once(" (").unwrap_or((rest, ""));
    if file.contains("kernel") || file.starts_with("[vdso") {
        return "kernel".to_owned();
    }
    if file.starts_with("[unknown") {
        return String::new();
    }
    let symbol = plain(symbol);
    let library = symbol.split("::").next().unwrap_or_default();
    match library {
        own if OWN.contains(&own) => symbol,
        "_rjem_malloc" | "_rjem_sdallocx" | "_rjem_je_malloc" => "allocator".to_owned(),
        name if name.contains("rjem") => "allocator".to_owned(),
        name if name.contains("mem") && !symbol.contains("::") => "copying memory".to_owned(),
        // What starts a thread says nothing.
        "core" | "std" | "alloc" | "" | "[unknown]" | "clone3" | "start_thread" => String::new(),
        name if !symbol.contains("::") => format!("system: {name}"),
        name => name.to_owned(),
    }
}

/// Without type parameters, closures and the like; `<a::B as c::D>::e` becomes `a::B::e`.
fn plain(symbol: &str) -> String {
    let mut inner = symbol.trim();
    let mut owned;
    if let Some(rest) = inner.strip_prefix('<')
        && let Some((of, method)) = rest.rsplit_once(">::")
    {
        let of = of.split(" as ").next().unwrap_or(of).trim_start_matches(['&', '<']);
        owned = format!("{of}::{method}");
        inner = &owned;
    }
    let (mut out, mut depth) = (String::new(), 0_usize);
    for c in inner.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    owned = out.replace("::{closure#0}", "").replace("::{{closure}}", "").replace("::::", "::");
    owned.trim_matches(':').to_owned()
}

#[derive(Default)]
struct Node {
    count: u64,
    below: BTreeMap<String, Node>,
}

fn picture(title: &str, stacks: &Stacks) -> String {
    let mut root = Node::default();
    for (stack, count) in stacks {
        let mut node = &mut root;
        node.count += count;
        for name in stack {
            node = node.below.entry(name.clone()).or_default();
            node.count += count;
        }
    }
    let (mut inside, mut deep) = (String::new(), 0);
    bars(&root, 0.0, 0, root.count as f64, &mut inside, &mut deep);
    let head = format!("<text x=\"0\" y=\"14\">{title}: {} samples</text>\n", root.count);
    plots::svg(WIDTH as u32, (deep as f64 * HIGH + 26.0) as u32, title, &(head + &inside))
}

fn bars(node: &Node, left: f64, depth: usize, all: f64, out: &mut String, deep: &mut usize) {
    let mut x = left;
    let mut below: Vec<(&String, &Node)> = node.below.iter().collect();
    below.sort_by_key(|(_, node)| std::cmp::Reverse(node.count));
    for (name, own) in below {
        let share = own.count as f64 / all;
        if share < LEAST {
            continue;
        }
        *deep = (*deep).max(depth + 1);
        let (wide, y) = (share * WIDTH, 22.0 + depth as f64 * HIGH);
        let ours = OWN.iter().any(|own| name.starts_with(&format!("{own}::")));
        let class = if ours { "a" } else { "b" };
        let name = name.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(
            out,
            "<g><title>{name} {:.1} %</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.0}\" \
             width=\"{:.1}\" height=\"{:.0}\" rx=\"1\"/>",
            share * 100.0,
            (wide - 0.7).max(0.3),
            HIGH - 1.5
        );
        // A letter is about six wide.
        let room = (wide / 6.0) as usize;
        if room > 4 {
            let last = name.rmatch_indices("::").nth(1).map_or(0, |(at, _)| at + 2);
            let short: String = name[last..].chars().take(room - 1).collect();
            let _ = write!(
                out,
                "<text class=\"in\" x=\"{:.1}\" y=\"{:.0}\">{short}</text>",
                x + 3.0,
                y + 11.5
            );
        }
        out.push_str("</g>\n");
        bars(own, x, depth + 1, all, out, deep);
        x += wide;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_by_our_function_or_their_library() {
        let named = |frame: &str| name_of(frame);
        let own = "55d1 engine::table::Table<K,V>::open (/usr/bin/everbond)";
        assert_eq!(named(own), "engine::table::Table::open");
        let method = "1 <engine::record::Person as engine::table::Record>::read (/bin/everbond)";
        assert_eq!(named(method), "engine::record::Person::read");
        assert_eq!(named("1 <hyper::proto::h1::Conn<I,B,T>>::poll (/bin/everbond)"), "hyper");
        assert_eq!(named("ffff clear_page_erms ([kernel.kallsyms])"), "kernel");
        assert_eq!(named("1 __memmove_avx512 (/lib/libc.so.6)"), "copying memory");
        assert_eq!(named("ffffffffffffffff [unknown] ([unknown])"), "");
        assert_eq!(named("1 core::ops::function::FnOnce::call_once (/bin/everbond)"), "");
    }

    #[test]
    fn equal_stacks_are_counted_and_drawn() {
        let sample = "loop \n\t1 engine::b (/x)\n\t2 engine::a (/x)\n\n";
        let seen = stacks(&format!("{sample}{sample}loop \n\t2 engine::a (/x)\n\n"));
        let a = ["loop", "engine::a"].map(str::to_owned).to_vec();
        let b = ["loop", "engine::a", "engine::b"].map(str::to_owned).to_vec();
        assert_eq!(seen, Stacks::from([(a, 1), (b, 2)]));
        let svg = picture("t", &seen);
        assert!(svg.contains("<title>engine::b 66.7 %</title>"), "{svg}");
    }
}
