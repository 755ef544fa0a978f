//! `everbond demo`: the real server with a company on it, one person's story in time lapse, some
//! hundred other lives, and a unit that whoever watches can make theirs. Everything goes through
//! the server's own HTTP interface; nothing in the server knows of the demo.

pub mod company;
pub mod story;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::gs1::{Gtin, Serial, Subject};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::company::{CAMPAIGN, GTIN, OTHERS_FROM, UNITS, YOURS, claim_code};
use self::story::{Story, taken};
use super::http::Client;
use super::lives::{Lives, Town};
use super::serve::{in_tokio, log_to_stderr, make_two_keys, prepare_process, until_signal};
use super::{ALL_SETTINGS, Command, Failed, Given, failed, say};
use crate::app::random_text;
use crate::config::LogLevel;
use crate::qr::qr_terminal;
use crate::serve::{Started, start};

pub const DEMO: Command = Command {
    name: "demo",
    takes: "",
    summary: "A company with 300 products and its customers, live",
    about: "Starts the real server on a fresh folder, registers a printer, shops, a campaign and a \
            journey over its own API, tells one person's story step by step, and lets some hundred \
            other lives go on until Ctrl-C. Scan the code that it prints, or open the address: \
            that printer can be yours. For your phone, give an address that it can reach: \
            --listen 0.0.0.0:8480 --public-url http://192.168.1.20:8480.",
    flags: &[
        ("fast", "", "Do not wait between the steps of the story"),
        ("once", "", "Stop when the story is over, instead of going on until Ctrl-C"),
        ("wipe", "", "Forget the story's person at its end"),
        ("seed", "N", "Which other lives there are; the same seed gives the same"),
    ],
    settings: ALL_SETTINGS,
    examples: &[
        ("everbond demo", "on this machine, in a folder that is gone afterwards"),
        ("everbond demo --data ./demo-data", "keeps what happened"),
    ],
    run,
};

const LIVES: usize = 400;
const STEP_WAIT: Duration = Duration::from_secs(4);
/// Touches of other lives, twice a second.
const LIVES_STEP: usize = 10;
const DEVICE_WAIT: Duration = Duration::from_secs(8);
const DEVICE_WAIT_FAST: Duration = Duration::from_secs(2);

fn run(given: Given) -> Result<(), Failed> {
    let mut config = given.config()?;
    let seed = match given.value("seed") {
        Some(seed) => seed.parse().map_err(|_| Failed::Usage("--seed takes a number".into()))?,
        None => 300,
    };
    if !given.sets("log_level") {
        config.log_level = LogLevel::Warn;
    }
    if config.company == "Everbond" {
        config.company = "Paperbird".into();
    }
    let own = (!given.sets("data")).then(Scratch::new).transpose()?;
    if let Some(own) = &own {
        config.data = own.0.clone();
    }
    log_to_stderr(config.log_level, config.log_format);
    prepare_process();
    in_tokio(async {
        let started = start(config).await?;
        let result = show(&started, &given, seed).await;
        say("stopping")?;
        started.stop().await?;
        result
    })
}

/// A data folder of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Failed> {
        let path = std::env::temp_dir().join(format!("everbond-demo-{}", random_text(8)));
        std::fs::create_dir(&path)
            .map_err(|error| failed(format_args!("{}: {error}", path.display())))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        tracing::warn!(%error, folder = %path.display(), "the demo's folder is still there");
    }
}

async fn show(started: &Started, given: &Given, seed: u64) -> Result<(), Failed> {
    let (write, secret) = make_two_keys(started).await?;
    let url = format!("http://{}", reachable(started));
    let mut api = Client::new(&url, Some(secret.clone()))?;
    company::register(&mut api, seed, UNITS).await?;
    welcome(started, seed, &write, &secret)?;
    let user = format!("mia-{}", random_text(4));
    let (wait, device_wait) = match given.has("fast") {
        true => (Duration::ZERO, DEVICE_WAIT_FAST),
        false => (STEP_WAIT, DEVICE_WAIT),
    };
    let mut story = Story::new(&url, &secret, &user, wait)?;
    let mut others = Client::new(&url, Some(secret.clone()))?;
    let lives = async {
        let town = Town { lives: LIVES, units: (OTHERS_FROM, UNITS), skewed: false };
        let mut lives = Lives::new(seed, &town);
        loop {
            let touches = Value::from(lives.touches(LIVES_STEP));
            taken(others.send("POST", "/v1/touches", &touches).await?.success()?)?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let mut device = Client::new(&url, Some(secret))?;
    let told = async {
        story.play().await?;
        say("\nThat was Mia's story.")?;
        if given.has("wipe") {
            wipe(&mut api, &user).await?;
        }
        if given.has("once") {
            return Ok(());
        }
        say("The others go on. Ctrl-C to stop; w and Enter to wipe Mia.")?;
        wipe_when_asked(&mut api, &user).await
    };
    tokio::select! {
        result = lives => result,
        result = told => result,
        result = your_unit(started, &mut device, device_wait) => result,
        result = until_signal() => result,
    }
}

/// The address for this machine's own calls.
fn reachable(started: &Started) -> std::net::SocketAddr {
    let mut addr = started.addr;
    if addr.ip().is_unspecified() {
        addr.set_ip([127, 0, 0, 1].into());
    }
    addr
}

fn welcome(started: &Started, seed: u64, write: &str, secret: &str) -> Result<(), Failed> {
    let url = &started.app.settings.public_url;
    let unit = format!("{url}/01/{GTIN}/21/{YOURS}");
    say(format_args!(
        "\nThis is Paperbird, a printer maker with 300 printers, 5 shops and a campaign.\n"
    ))?;
    say(coloured(&qr_terminal(&unit)?))?;
    say(format_args!("Your printer     {unit}"))?;
    say(format_args!(
        "  its code       {}   (open the page, tap 'it is mine')",
        claim_code(seed, 1)
    ))?;
    say(format_args!("  then watch: it is switched on, used, jams and is fixed by itself"))?;
    say(format_args!("The ad           {url}/c/{CAMPAIGN}"))?;
    say(format_args!("The API          {url}/docs"))?;
    say(format_args!("\nTry it:"))?;
    say(format_args!(
        "  curl -H 'Authorization: Bearer {secret}' {url}/v1/campaigns/{CAMPAIGN}/results"
    ))?;
    say(format_args!(
        "  curl -u {write}: -H 'Content-Type: application/json' {url}/v1/touches \\\n    \
         -d '{{\"kind\":\"product.viewed\",\"aliases\":{{\"anonymous\":\"you\"}},\"gtin\":\"{GTIN}\"}}'"
    ))?;
    say("\nCtrl-C to stop.\n")
}

/// Without its colours where nobody wants them (no-color.org) or nobody sees them.
fn coloured(text: &str) -> String {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if !unwanted && std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default();
    let rest = parts.filter_map(|part| part.split_once('m')).map(|(_, plain)| plain);
    std::iter::once(first).chain(rest).collect()
}

/// The unit with the printed code: once somebody has claimed it, it lives.
async fn your_unit(started: &Started, device: &mut Client, wait: Duration) -> Result<(), Failed> {
    let gtin: Gtin = GTIN.parse().map_err(|_| failed("the demo's GTIN is not one"))?;
    let serial = Serial::new(YOURS).map_err(|_| failed("the demo's serial is not one"))?;
    let subject = Subject::unit(gtin, serial);
    let owned = || {
        let state = started.app.engine.state();
        state.product(subject).is_some_and(|product| product.owner.is_some())
    };
    let life = [
        ("product.powered_on", json!({"power": "on", "ink_percent": 100, "error": ""})),
        ("product.connected", json!({"wifi": "ok"})),
        ("product.installed", json!({"firmware": "4.1.0"})),
        ("product.used", json!({"pages": 3, "ink_percent": 92})),
        ("product.failed", json!({"error": "paper_jam"})),
        ("product.fixed", json!({"error": ""})),
        ("product.used", json!({"pages": 240, "ink_percent": 11})),
        ("product.reported", json!({"ink_percent": 100})),
    ];
    let mut next = 0;
    loop {
        tokio::time::sleep(wait).await;
        if !owned() {
            next = 0;
            continue;
        }
        let (kind, state) = &life[next];
        let touch = json!({
            "kind": kind, "products": [subject.path()], "channel": "device", "state": state,
        });
        taken(device.send("POST", "/v1/touches", &touch).await?.success()?)?;
        say(format_args!("      your printer: {kind} {state}"))?;
        // The set-up happens once, the rest again and again.
        next = if next + 1 == life.len() { 3 } else { next + 1 };
    }
}

async fn wipe_when_asked(api: &mut Client, user: &str) -> Result<(), Failed> {
    let (sender, mut asked) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line.trim() == "w" && sender.blocking_send(()).is_err() {
                return;
            }
        }
    });
    if asked.recv().await.is_some() {
        wipe(api, user).await?;
    }
    std::future::pending().await
}

async fn wipe(api: &mut Client, user: &str) -> Result<(), Failed> {
    let path = format!("/v1/persons/user:{user}");
    let answer = api.call("DELETE", &path, "", Default::default()).await?.success()?;
    let url = answer["receipt"]["url"].as_str().unwrap_or_default().to_owned();
    say("Mia is forgotten. The receipt, once nothing leads back to her:")?;
    loop {
        let receipt = api.get(&url).await?.success()?;
        if receipt["complete"] == true {
            return say(serde_json::to_string_pretty(&receipt)?);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
