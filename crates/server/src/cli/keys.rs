//! `everbond keys`: makes, lists and drops the keys of the server API.

use model::entry::{Body, KeyScope};
use serde_json::json;

use super::folder::{TARGET_FLAGS, Target, time_text};
use super::{Command, FOLDER_SETTINGS, Failed, Given, failed, say};
use crate::auth::new_key;
use crate::serve::key_of;

pub const NEW: Command = Command {
    name: "keys new",
    takes: "",
    summary: "Make a key and print it",
    about: "The key is shown this once; only a hash of it is kept. A write key can only send \
            touches and may be public, in a web page for instance. A secret key can do everything.",
    flags: &[
        ("write", "", "A write key"),
        ("secret", "", "A secret key"),
        ("name", "NAME", "What it is for, to tell it apart later"),
        TARGET_FLAGS[0],
        TARGET_FLAGS[1],
    ],
    settings: FOLDER_SETTINGS,
    examples: &[
        ("everbond keys new --secret --name 'shop back end'", "in ./everbond-data, before a start"),
        (
            "everbond keys new --write --url http://127.0.0.1:8480",
            "at a running server, key in EVERBOND_KEY",
        ),
    ],
    run: make,
};

pub const LIST: Command = Command {
    name: "keys list",
    takes: "",
    summary: "List the keys",
    about: "",
    flags: &TARGET_FLAGS,
    settings: FOLDER_SETTINGS,
    examples: &[("everbond keys list", "of ./everbond-data")],
    run: list,
};

pub const DROP: Command = Command {
    name: "keys drop",
    takes: "ID",
    summary: "Make a key useless",
    about: "ID is its beginning, as 'keys list' shows it: wk_ or sk_ and 8 letters.",
    flags: &TARGET_FLAGS,
    settings: FOLDER_SETTINGS,
    examples: &[("everbond keys drop wk_h1zhhd1v", "nobody can use it from now on")],
    run: drop_key,
};

fn make(given: Given) -> Result<(), Failed> {
    let scope = match (given.has("write"), given.has("secret")) {
        (true, false) => KeyScope::Write,
        (false, true) => KeyScope::Secret,
        _ => return Err(Failed::Usage("say which: --write or --secret".into())),
    };
    if let Some(word) = given.words.first() {
        return Err(Failed::Usage(format!("keys new takes no {word:?}; name it with --name")));
    }
    let name = given.value("name").unwrap_or("made on the command line");
    match Target::of(&given, true)? {
        Target::Folder(folder) => {
            let (_, text) = new_key(scope);
            folder.submit(Body::PutKey(key_of(scope, name, &text)))?;
            folder.close()?;
            say(text)
        }
        Target::Server(mut client) => super::serve::in_tokio(async {
            let scope = if scope == KeyScope::Write { "write" } else { "secret" };
            let body = json!({"scope": scope, "name": name});
            let made = client.send("POST", "/v1/keys", &body).await?.success()?;
            let text = made["key"].as_str();
            say(text.ok_or_else(|| failed("the server did not name the key"))?)
        }),
    }
}

fn list(given: Given) -> Result<(), Failed> {
    match Target::of(&given, false)? {
        Target::Folder(folder) => {
            let lines: Vec<String> = folder
                .engine
                .state()
                .keys()
                .map(|key| {
                    let scope = if key.scope == KeyScope::Write { "write" } else { "secret" };
                    format!("{}  {scope:6}  {}  {}", key.id, time_text(key.made), key.name)
                })
                .collect();
            folder.close()?;
            show(lines)
        }
        Target::Server(mut client) => super::serve::in_tokio(async {
            let answer = client.get("/v1/keys").await?.success()?;
            let keys = answer["items"].as_array();
            let keys = keys.ok_or_else(|| failed("the server did not list its keys"))?;
            let word = |key: &serde_json::Value, name: &str| {
                key[name].as_str().unwrap_or_default().to_owned()
            };
            let line = |key: &serde_json::Value| {
                let (id, scope, name) = (word(key, "id"), word(key, "scope"), word(key, "name"));
                format!("{id}  {scope:6}  {}  {name}", word(key, "made"))
            };
            show(keys.iter().map(line).collect())
        }),
    }
}

fn show(lines: Vec<String>) -> Result<(), Failed> {
    if lines.is_empty() {
        return say("there are no keys; make one with 'everbond keys new --secret'");
    }
    say(lines.join("\n"))
}

fn drop_key(given: Given) -> Result<(), Failed> {
    let [id] = &given.words[..] else {
        return Err(Failed::Usage("name one key: everbond keys drop ID".into()));
    };
    // Whoever pastes the whole key means its id.
    let id = id.splitn(3, '_').take(2).collect::<Vec<_>>().join("_");
    match Target::of(&given, false)? {
        Target::Folder(folder) => {
            let known = folder.engine.state().key(&id).is_some();
            let dropped = if known {
                folder.submit(Body::DropKey { id: id.as_str().into() })
            } else {
                Err(failed(format_args!("there is no key {id}; see 'everbond keys list'")))
            };
            folder.close()?;
            dropped?;
        }
        Target::Server(mut client) => super::serve::in_tokio(async {
            client
                .call("DELETE", &format!("/v1/keys/{id}"), "", Default::default())
                .await?
                .success()
        })
        .map(drop)?,
    }
    say(format_args!("{id} is of no use any more"))
}
