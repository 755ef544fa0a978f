//! `everbond wipe`: forgets one person, waits until nothing of them is left, prints the receipt.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use model::entry::Body;

use super::folder::{TARGET_FLAGS, Target, must_exist};
use super::http::Client;
use super::{Command, FOLDER_SETTINGS, Failed, Given, failed, say};
use crate::app::random_u64;
use crate::serve::start;

pub const WIPE: Command = Command {
    name: "wipe",
    takes: "",
    summary: "Forget one person, physically",
    about: "Overwrites every record of the person and waits until no file leads back to them. \
            Prints the signed receipt. It cannot be undone.",
    flags: &[
        ("person", "PERSON", "p12, or an alias such as user:u1 or email:ann@example.com"),
        ("yes", "", "Do not ask"),
        TARGET_FLAGS[0],
        TARGET_FLAGS[1],
    ],
    settings: FOLDER_SETTINGS,
    examples: &[
        ("everbond wipe --person user:u1", "in ./everbond-data, with no server running"),
        ("everbond wipe --person p12 --yes --url http://127.0.0.1:8480", "at a running server"),
    ],
    run,
};

const PURGE_WAIT: Duration = Duration::from_secs(600);

fn run(given: Given) -> Result<(), Failed> {
    let Some(person) = given.value("person") else {
        return Err(Failed::Usage("say whom: --person user:u1".into()));
    };
    if !given.has("yes") && !confirmed(person)? {
        return say("nothing was wiped");
    }
    super::serve::in_tokio(async {
        if given.has("url") {
            let Target::Server(mut client) = Target::of(&given, false)? else {
                return Err(failed("--url names no server"));
            };
            let path = format!("/v1/persons/{}", percent(person));
            let answer = client.call("DELETE", &path, "", Default::default()).await?.success()?;
            let url = answer["receipt"]["url"].as_str().or_else(|| answer["url"].as_str());
            let url = url.ok_or_else(|| failed("the server gave no receipt"))?.to_owned();
            return wait_and_print(&mut client, &url).await;
        }
        // The whole server, so that the receipt is the very one that it would give.
        let mut config = given.config()?;
        must_exist(&config.data)?;
        config.listen = ([127, 0, 0, 1], 0).into();
        let started = start(config).await?;
        let wiped = wipe_here(&started, person).await;
        started.stop().await?;
        wiped
    })
}

async fn wipe_here(started: &crate::serve::Started, named: &str) -> Result<(), Failed> {
    let person = started.app.find_person(named);
    let person = person.ok_or_else(|| failed(format_args!("there is no person {named}")))?;
    let receipt = random_u64();
    let wiped = started.app.submit(Body::Wipe { person, receipt }).await;
    wiped.map_err(|problem| failed(problem.to_json()["detail"].clone()))?;
    let mut client = Client::new(&format!("http://{}", started.addr), None)?;
    wait_and_print(&mut client, &format!("/v1/receipts/{receipt:016x}")).await
}

async fn wait_and_print(client: &mut Client, url: &str) -> Result<(), Failed> {
    let begun = Instant::now();
    loop {
        let receipt = client.get(url).await?.success()?;
        if receipt["complete"] == true {
            return say(serde_json::to_string_pretty(&receipt)?);
        }
        if begun.elapsed() > PURGE_WAIT {
            return Err(failed(format_args!(
                "the person is forgotten, but old records are still being overwritten; look at \
                 {url} later"
            )));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn confirmed(person: &str) -> Result<bool, Failed> {
    if !std::io::stdin().is_terminal() {
        return Err(Failed::Usage("there is nobody to ask; say --yes".into()));
    }
    write!(std::io::stderr(), "Forget {person} for ever? Type yes: ")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

/// As a part of a path.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@+".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
