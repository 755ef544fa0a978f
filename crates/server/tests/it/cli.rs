//! The program as people run it: its help, its checks, imports that break off, a start and a stop.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("everbond-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder can be made");
        Scratch(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    fn data(&self) -> String {
        self.0.join("data").display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_everbond"));
    command.args(args).stdin(Stdio::null()).env_remove("EVERBOND_KEY");
    command
}

/// Exit code, standard output, standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    let out = command(args).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    (out.status.code().unwrap_or(-1), text(out.stdout), text(out.stderr))
}

fn good(args: &[&str]) -> String {
    let (code, out, err) = run(args);
    assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
    out
}

fn fails(args: &[&str], code: i32, expected: Expect) {
    let (found, _, err) = run(args);
    expected.assert_eq(&err);
    assert_eq!(found, code);
}

#[test]
fn the_help_teaches() {
    expect![[r#"
        everbond 0.1.0: gives every product an identity, records what it and its owner
        touch, and answers with the right experience at the right moment.

        Commands:
          demo           A company with 300 products and its customers, live
          serve          Run the server
          import         Bring in a file of touches: CSV or NDJSON
          load           Realistic touches to a running server, to size a machine
          journey check  Check journey files before they are published
          keys new       Make a key and print it
          keys list      List the keys
          keys drop      Make a key useless
          wipe           Forget one person, physically
          inspect        Look into a data folder: sizes, counts, checks
          help           Explain a command, or the settings

        Begin here:
          everbond demo         a company with 300 products and its customers, live
          everbond serve --dev  an empty server, with keys to try it

        'everbond help COMMAND' explains a command, 'everbond help settings' the settings.
        While the server runs, its API is explained at /docs.
    "#]]
    .assert_eq(&good(&["help"]));
    assert_eq!(good(&[]), good(&["--help"]));
    assert_eq!(good(&["help", "import"]), good(&["import", "--help"]));
    let settings = good(&["help", "settings"]);
    for word in ["EVERBOND_LISTEN", "--listen ADDRESS:PORT", "[127.0.0.1:8480]", "everbond.toml"] {
        assert!(settings.contains(word), "{word}");
    }
    let keys = good(&["help", "keys"]);
    assert!(keys.contains("everbond keys new") && keys.contains("everbond keys drop ID"));
    for line in
        [good(&["help", "demo"]), good(&["help", "load"]), settings, keys].join("\n").lines()
    {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn slips_are_refused_with_what_was_meant() {
    fails(
        &["serv"],
        2,
        expect![[r#"
        everbond: there is no command "serv"; did you mean 'serve'?
    "#]],
    );
    fails(
        &["serve", "--liste", "x"],
        2,
        expect![[r#"
        everbond: there is no flag --liste; did you mean --listen?
        Try 'everbond serve --help'.
    "#]],
    );
    fails(
        &["keys", "mak"],
        2,
        expect![[r#"
        everbond: there is no command "keys mak"; there are: keys new, keys list, keys drop
    "#]],
    );
    fails(
        &["keys", "new"],
        2,
        expect![[r#"
        everbond: say which: --write or --secret
    "#]],
    );
    fails(
        &["inspect", "--data", "/nowhere"],
        1,
        expect![[r#"
        everbond: there is no data folder at /nowhere; name it with --data
    "#]],
    );
    fails(
        &["serve", "--memory-mib", "lots"],
        1,
        expect![[r#"
        everbond: --memory-mib: "lots" is not a whole number from 64 to 1048576
    "#]],
    );
    let out = command(&["serve"]).env("EVERBOND_LISTN", "x").output().expect("it runs");
    let err = String::from_utf8_lossy(&out.stderr);
    expect![[r#"
        everbond: EVERBOND_LISTN: there is no such variable; did you mean EVERBOND_LISTEN?
    "#]]
    .assert_eq(&err);
}

#[test]
fn a_journeys_mistakes_are_shown_where_they_are() {
    let scratch = Scratch::new("journey");
    let file = scratch.write(
        "j.yaml",
        "journey: j\napplies_to: { all: true }\nkind: guided\nstages: [seen, owned]\nmoves:\n  \
         - { on: product.viewed, to: sen }\n  \
         - { on: order.placed, to: owned, when: 'touch.money.amont > 3.0' }\n",
    );
    let (code, out, _) = run(&["journey", "check", &file]);
    expect![[r#"
        j.yaml:6:31: moves[0].to: there is no stage sen; did you mean seen?
         6 |   - { on: product.viewed, to: sen }
           |                               ^

        j.yaml:7:49: moves[1].when: touch has no money; did you mean touch.properties.money?
         7 |   - { on: order.placed, to: owned, when: 'touch.money.amont > 3.0' }
           |                                                 ^

        2 mistakes in 1 of 1 files
    "#]]
    .assert_eq(&out.replace(&file, "j.yaml"));
    assert_eq!(code, 3);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../journeys/printer.yaml");
    assert!(good(&["journey", "check", shipped]).contains("fine: \"printer\""));
}

const ORDERS: &str = "kind,time,user,gtin,serial,amount,currency,Store\n\
    order.placed,2026-10-01T10:00:00Z,u1,09506000134352,A1,299.00,USD,Berlin\n\
    product.used,2026-10-06T10:00:00Z,u1,09506000134352,A1,,,\n\
    product.used,2026-10-06T10:00:00Z,u1,09506000134352,A1,,,\n\
    Bad Kind,2026-10-06T10:00:00Z,u2,09506000134352,A1,,,\n";

#[test]
fn an_import_counts_each_row_once_and_keeps_what_it_refused() {
    let scratch = Scratch::new("import");
    let (file, data) = (scratch.write("orders.csv", ORDERS), scratch.data());
    let first = good(&["import", &file, "--data", &data]);
    assert!(first.contains("Store → properties.Store"), "{first}");
    assert!(first.contains("3 accepted, 0 were there already, 1 refused"), "{first}");
    assert!(first.contains("line 5: kind: \"Bad Kind\" is not the name of a kind"), "{first}");
    let refused = fs::read_to_string(format!("{file}.refused")).expect("it is there");
    assert!(refused.contains("\nBad Kind,2026-10-06"), "{refused}");
    assert!(!Path::new(&format!("{file}.everbond-import")).exists());
    let second = good(&["import", &file, "--data", &data]);
    assert!(second.contains("0 accepted, 3 were there already, 1 refused"), "{second}");
    let replayed = good(&["inspect", "--replay", "--data", &data]);
    assert!(replayed.ends_with("they are the same\n"), "{replayed}");
    assert!(good(&["inspect", "--verify", "--data", &data]).contains("every record is right"));
    let entry = good(&["inspect", "--entry", "1", "--data", &data]);
    assert!(entry.contains("\"amount\": \"299.00\""), "{entry}");
}

const ROWS: usize = 60_000;

#[test]
fn an_import_that_was_killed_goes_on_and_counts_nothing_twice() {
    let scratch = Scratch::new("killed");
    let mut text = String::new();
    for n in 0..ROWS {
        // Half of them without an id, and some of those alike.
        let id = if n % 2 == 0 { format!(",\"id\":\"m{n}\"") } else { String::new() };
        let user = n / 7;
        text.push_str(&format!(
            "{{\"kind\":\"product.used\",\"time\":\"2026-10-06T10:00:00Z\",\
             \"aliases\":{{\"user\":\"u{user}\"}},\"gtin\":\"09506000134352\"{id}}}\n"
        ));
    }
    let (file, data) = (scratch.write("touches.ndjson", &text), scratch.data());
    let beside = format!("{file}.everbond-import");
    let mut child = command(&["import", &file, "--data", &data])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let begun = Instant::now();
    while !Path::new(&beside).exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never got anywhere");
        assert!(child.try_wait().expect("it is ours").is_none(), "it ended too soon");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it runs");
    child.wait().expect("it was killed");
    let second = good(&["import", &file, "--data", &data]);
    assert!(second.contains("going on behind row"), "{second}");
    assert!(second.contains(", 0 refused"), "{second}");
    let inside = good(&["inspect", "--data", &data]);
    assert!(inside.contains(&format!("touches          {ROWS}\n")), "{inside}");
    let third = good(&["import", &file, "--data", &data]);
    assert!(third.contains(&format!("0 accepted, {ROWS} were there already")), "{third}");
}

/// A server that is stopped when the test is over, whatever came of it.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(data: &str) -> Server {
        let mut child = command(&["serve", "--data", data, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut lines = log.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening")).expect("it listens");
        let addr = line.split("addr=").nth(1).and_then(|rest| rest.split(' ').next());
        let url = format!("http://{}", addr.expect("it says where"));
        // The rest is read, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, url }
    }

    /// Asks it to stop; its exit code.
    fn stop(mut self) -> i32 {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("there is kill");
        assert!(asked.success());
        self.child.wait().expect("it is ours").code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_running_server_takes_an_import_and_stops_when_asked() {
    let scratch = Scratch::new("server");
    let (file, data) = (scratch.write("orders.csv", ORDERS), scratch.data());
    let key = good(&["keys", "new", "--secret", "--name", "test", "--data", &data]);
    let key = key.trim();
    let server = Server::start(&data);
    let to_server = ["--url", server.url.as_str(), "--key", key];
    let args = [&["import", file.as_str()], &to_server[..]].concat();
    let first = good(&args);
    assert!(first.contains("3 accepted, 0 were there already, 1 refused"), "{first}");
    let second = good(&args);
    assert!(second.contains("0 accepted, 3 were there already, 1 refused"), "{second}");
    let made = good(&[&["keys", "new", "--write", "--name", "web"], &to_server[..]].concat());
    assert!(made.starts_with("wk_"), "{made}");
    let list = good(&[&["keys", "list"], &to_server[..]].concat());
    assert!(list.contains("test") && list.contains("web"), "{list}");
    assert!(!list.contains(key), "a secret is shown once");
    good(&[&["keys", "drop", made.trim()], &to_server[..]].concat());
    let (code, _, err) = run(&["inspect", "--data", &data]);
    assert!(code == 1 && err.contains("is in use by process"), "{err}");
    let wrong =
        [&["import", file.as_str()], &["--url", &server.url, "--key", "sk_x_y"][..]].concat();
    let (code, _, err) = run(&wrong);
    assert!(code == 1 && err.contains("This key is not known"), "{err}");
    assert_eq!(server.stop(), 0);
    let list = good(&["keys", "list", "--data", &data]);
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn a_load_is_lived_by_its_people_and_counted() {
    let scratch = Scratch::new("load");
    let data = scratch.data();
    let key = good(&["keys", "new", "--secret", "--name", "test", "--data", &data]);
    let key = key.trim();
    let (code, _, err) = run(&["load", "--url", "http://127.0.0.1:1", "--people", "many"]);
    assert!(code == 2 && err.contains("secret key"), "{err}");
    let (code, _, err) = run(&["load", "--key", key, "--people", "many"]);
    assert!(code == 2 && err.contains("--people takes a number"), "{err}");
    let server = Server::start(&data);
    let args = ["load", "--url", server.url.as_str(), "--key", key, "--people", "200"];
    let more = ["--units", "150", "--touches-per-second", "300", "--seconds", "2"];
    let first = good(&[&args[..], &more[..]].concat());
    assert!(first.contains("registering a company with 150 units"), "{first}");
    assert!(first.contains("600 touches accepted"), "{first}");
    assert!(first.contains("0 refused, 0 duplicates"), "{first}");
    assert!(first.contains("from due to acknowledged: p50"), "{first}");
    let owners = first.split(" owners registered").next().and_then(|text| text.lines().last());
    let owners: u64 = owners.and_then(|text| text.parse().ok()).expect("it says how many");
    assert!((80..=150).contains(&owners), "{first}");
    // The same people go on: nothing of the second run is taken for the first's.
    let second = good(&[&args[..], &more[..]].concat());
    assert!(second.contains("600 touches accepted"), "{second}");
    assert_eq!(server.stop(), 0);
    let inside = good(&["inspect", "--data", &data]);
    assert!(inside.contains(&format!("touches          {}\n", 2 * (600 + owners))), "{inside}");
}

#[test]
fn a_wipe_leaves_nothing_and_prints_its_receipt() {
    let scratch = Scratch::new("wipe");
    let data = scratch.data();
    let touches = scratch.write(
        "t.ndjson",
        "{\"kind\":\"product.used\",\"aliases\":{\"user\":\"someone-or-other\"},\
         \"properties\":{\"note\":\"the lamp says xyzzy-plugh and nothing else\"}}\n\
         {\"kind\":\"product.used\",\"aliases\":{\"user\":\"somebody-else\"}}\n",
    );
    good(&["import", &touches, "--data", &data]);
    let (code, found, _) = run(&["inspect", "--find", "someone-or-other", "--data", &data]);
    assert!(code == 3 && found.contains(".log at byte"), "{found}");
    // A longer text stands in the log in fewer bytes, and is found all the same.
    let (code, found, _) = run(&["inspect", "--find", "xyzzy-plugh", "--data", &data]);
    assert_eq!((code, &*found), (3, "entry 1 of the log, in a packed text\n"));
    let nothing = good(&["inspect", "--find", "", "--data", &data]);
    assert_eq!(nothing, "no file of the folder holds it\n");
    let (code, _, err) = run(&["wipe", "--person", "user:someone-or-other", "--data", &data]);
    assert!(code == 2 && err.contains("say --yes"), "{err}");
    let receipt = good(&["wipe", "--person", "user:someone-or-other", "--yes", "--data", &data]);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect("it is JSON");
    assert_eq!(receipt["complete"], true);
    assert_eq!(receipt["signature"]["alg"], "Ed25519");
    for gone in ["someone-or-other", "xyzzy-plugh"] {
        let left = good(&["inspect", "--find", gone, "--data", &data]);
        assert_eq!(left, "no file of the folder holds it\n");
    }
    let (code, _, _) = run(&["inspect", "--find", "somebody-else", "--data", &data]);
    assert_eq!(code, 3, "the other person is still there");
}

#[test]
fn the_demo_tells_its_story_over_http() {
    let scratch = Scratch::new("demo");
    let story = good(&[
        "demo",
        "--fast",
        "--once",
        "--wipe",
        "--listen",
        "127.0.0.1:0",
        "--data",
        &scratch.data(),
    ]);
    let mut rest = story.as_str();
    for part in [
        "/01/09506000134352/21/PB-0001",
        "Mia taps on an ad",
        "Having a look",
        "Getting serious",
        "'50 dollars off, here and today'",
        "why: ",
        "The till takes her code",
        "On its way; her menu begins with: Where is my printer?",
        "Setting it up",
        "It prints its first page",
        "paper jam by itself",
        "her menu begins with: Clear the paper jam",
        "A friend of the house",
        "1 visits, 1 orders",
        "Mia is forgotten",
        "\"complete\": true",
    ] {
        let at = rest.find(part);
        rest = &rest[at.unwrap_or_else(|| panic!("{part:?} does not come in\n{story}"))..];
    }
}
