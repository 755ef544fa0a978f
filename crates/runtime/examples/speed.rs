//! How fast the loop's own work is, without HTTP: touches into log and state in groups, a
//! checkpoint every so many, then the replay of the whole log. For profiles; what users see is
//! measured by `cargo xtask bench`.
//!
//! `cargo run --release -p runtime --example speed -- FOLDER [PEOPLE] [TOUCHES] [MEMORY_MIB]`

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::alias::{Alias, AliasKind};
use model::entry::Body;
use model::gs1::{Gtin, Serial, Subject};
use model::id::{Digest, Time};
use model::kind::Kind;
use model::touch::{Channel, Source, Touch};
use model::value::{Map, Value};
use runtime::{Core, Options, Told};
use storage::{DataDir, DiskStore, LogOptions, Store};

const GTIN: &str = "09506000134352";
const GROUP: usize = 2_000;
const KINDS: [&str; 6] = [
    "product.used",
    "page.viewed",
    "product.reported",
    "guide.viewed",
    "product.failed",
    "cart.added",
];

fn journey() -> String {
    let mut text = format!(
        "journey: bench\napplies_to: {{ models: [\"{GTIN}\"] }}\nkind: ad_hoc\n\
         stages: [interested, engaged, installing, support]\nmoves:\n"
    );
    for number in 0..10 {
        text += &format!("  - {{ on: other.kind{number}, to: engaged }}\n");
    }
    for number in 0..8 {
        text += &format!(
            "  - {{ on: product.used, to: support, from: [interested], \
             when: 'touch.properties.temp == {} && bond.touches > {number}' }}\n",
            200 + number
        );
    }
    text += "  - { on: page.viewed, to: engaged, from: [none, interested], \
             when: 'touch.properties.program == \"eco\"' }\n";
    text += "  - { on: product.failed, to: support, when: 'touch.properties.temp > 20' }\n";
    text
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^ (x >> 27)
    }
}

fn touch(dice: &mut Dice, who: u64, unit: u64, kind: &str, now: Time) -> Body {
    let kind = Kind::new(kind).expect("a kind");
    let mut touch = Touch::new(kind, now, Source::Native);
    touch.trusted = true;
    touch.channel = Some(Channel::Device);
    touch.id = Digest(u128::from(dice.next()) << 64 | u128::from(dice.next()));
    let alias = |kind, name: String| Alias::new(kind, &name).expect("an alias");
    touch.aliases = vec![
        alias(AliasKind::User, format!("user-{who:08}")),
        alias(AliasKind::Anonymous, format!("anon-{who:08}")),
    ];
    let gtin: Gtin = GTIN.parse().expect("a GTIN");
    let serial = Serial::new(&format!("S{unit:07}")).expect("a serial number");
    touch.products = vec![Subject::unit(gtin, serial)];
    let properties = [
        ("program", Value::text("eco 40")),
        ("temp", Value::Int((dice.next() % 60) as i64)),
        ("kwh", Value::Float((dice.next() % 1000) as f64 / 1000.0)),
        ("ok", Value::Bool(true)),
    ];
    touch.properties = properties.into_iter().collect::<Map>();
    Body::Touch(touch)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u64| {
        arguments.get(at).map_or(default, |text| text.parse().expect("a number"))
    };
    let folder = arguments.get(1).expect("name a folder");
    let (people, touches) = (number(2, 200_000), number(3, 1_000_000));
    let memory = number(4, 8_192) as usize * 1024 * 1024;
    let _ = std::fs::remove_dir_all(folder);
    let (data, mut core) = open(Path::new(folder), memory);
    let mut now = Time(1_767_225_600_000);
    let config = vec![vec![Body::PutJourney { source: journey().into() }]];
    core.submit(now, &config, &mut Told::default()).expect("it is taken");
    let mut dice = Dice(7);
    let resident = resident_bytes();
    // Everybody once, tied to a unit of their own.
    let first: Vec<Body> =
        (0..people).map(|who| touch(&mut dice, who, who, "product.installed", now)).collect();
    run("first touches", &mut core, first, &mut now);
    let more: Vec<Body> = (0..touches)
        .map(|_| {
            let who = dice.next() % people;
            let kind = KINDS[(dice.next() % KINDS.len() as u64) as usize];
            touch(&mut dice, who, who, kind, now)
        })
        .collect();
    run("touches", &mut core, more, &mut now);
    checkpoint(&mut core);
    let state = core.state();
    println!(
        "memory: {} bytes a person by RSS, {} by count",
        (resident_bytes() - resident) / people,
        state.read().bytes_here() as u64 / people,
    );
    let all = people + touches;
    let log = core.reader().disk_bytes().expect("the log can be measured");
    println!("disk: log {} bytes a touch, store {}", log / all, store_bytes(&core) / all);
    drop(state);
    core.close().expect("it closes");
    drop(data);
    replay(Path::new(folder), all);
}

type Real = Core<storage::RealDisk, DiskStore>;

fn store_bytes(core: &Real) -> u64 {
    core.store().disk_bytes().expect("the store can be measured")
}

fn open(folder: &Path, memory: usize) -> (DataDir, Real) {
    let data = DataDir::open(folder).expect("a folder");
    let store = DiskStore::open(data.store_folder(), 256 << 20, &engine::HOT).expect("a store");
    let options = Options { memory, ..Options::default() };
    let (core, opened) = Core::open(data.log_disk(), Arc::new(store), options).expect("it opens");
    println!("opened: {opened:?}");
    (data, core)
}

fn run(what: &str, core: &mut Real, bodies: Vec<Body>, now: &mut Time) {
    let count = bodies.len();
    let begun = Instant::now();
    let mut since = Instant::now();
    let (mut longest, mut checkpoints) = (0.0_f64, 0);
    let mut bodies = bodies.into_iter();
    loop {
        let group: Vec<Body> = bodies.by_ref().take(GROUP).collect();
        if group.is_empty() {
            break;
        }
        now.0 += 7;
        let step = Instant::now();
        let mut told = Told::default();
        core.submit(*now, &[group], &mut told).expect("it is taken");
        longest = longest.max(step.elapsed().as_secs_f64());
        if since.elapsed().as_secs() >= 5 {
            checkpoint(core);
            checkpoints += 1;
            since = Instant::now();
        }
    }
    let spent = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {count} in {spent:.2} s, {:.0}/s, longest group {:.1} ms, \
         {checkpoints} checkpoints",
        count as f64 / spent,
        longest * 1e3
    );
}

fn checkpoint(core: &mut Real) {
    let begun = Instant::now();
    core.checkpoint_begin();
    let rows = loop {
        if let Some(rows) = core.checkpoint_step(1_000) {
            break rows;
        }
    };
    let encoded = begun.elapsed();
    core.store().commit(&rows).expect("it is written");
    core.checkpoint_written();
    println!(
        "  checkpoint: {} rows, {} MiB, encoded in {encoded:.1?}, written in {:.1?}",
        rows.len(),
        rows.bytes() >> 20,
        begun.elapsed() - encoded
    );
}

/// Folds the whole log into an empty state.
fn replay(folder: &Path, touches: u64) {
    let data = DataDir::open(folder).expect("a folder");
    let (log, _) = storage::Log::open(data.log_disk(), LogOptions::default()).expect("a log");
    for _ in 0..3 {
        let mut state = engine::State::open(None);
        let begun = Instant::now();
        let count = runtime::replay(&mut state, &log.reader(), 1).expect("it can be read");
        let spent = begun.elapsed().as_secs_f64();
        println!("replay: {count} in {spent:.2} s, {:.0} touches/s", touches as f64 / spent);
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
    let kib: u64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
    kib * 1024
}
