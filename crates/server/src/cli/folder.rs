//! Where a command works: on a data folder that no server uses, or on a running server.

use std::path::Path;

use model::entry::Body;
use model::id::Time;
use model::outcome::Outcome;
use runtime::{Handle, Pace, Running};
use storage::{DataDir, RealDisk};

use super::http::Client;
use super::{Failed, Given, failed};
use crate::config::Config;
use crate::serve::{Folder, open_folder};

/// The flags of commands that can do both.
pub const TARGET_FLAGS: [(&str, &str, &str); 2] = [
    ("url", "URL", "Speak to the server that runs there, instead of opening a data folder"),
    ("key", "KEY", "The secret key for --url; better in the variable EVERBOND_KEY"),
];

/// The environment's secret key, so that it need not stand where every user can read it.
const KEY_VARIABLE: &str = "EVERBOND_KEY";

pub enum Target {
    Server(Client),
    Folder(OpenFolder),
}

/// A data folder that this process holds, with the one loop running.
pub struct OpenFolder {
    pub engine: Handle<RealDisk>,
    running: Running,
    /// Holds the folder's lock until the loop has written its last.
    _data: std::sync::Arc<DataDir>,
}

impl Target {
    /// By `--url`, else the data folder; `fresh`: it may be made.
    pub fn of(given: &Given, fresh: bool) -> Result<Target, Failed> {
        if let Some(url) = given.value("url") {
            let key = given.value("key").map(str::to_owned);
            let key = key.or_else(|| std::env::var(KEY_VARIABLE).ok());
            if key.is_none() {
                return Err(Failed::Usage(format!(
                    "--url needs a secret key: --key or the variable {KEY_VARIABLE}"
                )));
            }
            return Ok(Target::Server(Client::new(url, key)?));
        }
        if given.has("key") {
            return Err(Failed::Usage("--key goes with --url".into()));
        }
        let config = given.config()?;
        if !fresh {
            must_exist(&config.data)?;
        }
        Ok(Target::Folder(OpenFolder::open(config)?))
    }
}

/// A command that only looks must not make a folder where there is none.
pub fn must_exist(data: &Path) -> Result<(), Failed> {
    if data.join("FORMAT").exists() {
        return Ok(());
    }
    Err(failed(format_args!("there is no data folder at {}; name it with --data", data.display())))
}

impl OpenFolder {
    pub fn open(config: Config) -> Result<OpenFolder, Failed> {
        let Folder { data, core, .. } = open_folder(&config).map_err(in_use)?;
        let (engine, running) = runtime::start(core, Pace::default(), crate::app::now, |_| ());
        Ok(OpenFolder { engine, running, _data: data })
    }

    /// One body, which must be accepted.
    pub fn submit(&self, body: Body) -> Result<(), Failed> {
        let answers = self.engine.submit_blocking(vec![body]);
        let answers =
            answers.map_err(|_| failed("the log takes no more; see if the disk is full"))?;
        match answers.into_iter().next() {
            Some((_, Outcome::Refused(refusal))) => Err(failed(refusal.detail)),
            _ => Ok(()),
        }
    }

    pub fn close(self) -> Result<(), Failed> {
        let OpenFolder { engine, running, _data } = self;
        drop(engine);
        Ok(running.stop()?)
    }
}

fn in_use(error: crate::serve::StartError) -> Failed {
    use crate::serve::StartError;
    use storage::StorageError;
    match error {
        StartError::Storage(error @ StorageError::Locked { .. }) => {
            failed(format_args!("{error}; stop it first, or speak to it with --url and --key"))
        }
        error => error.into(),
    }
}

/// `2026-11-22T10:00:00.000Z`
pub fn time_text(time: Time) -> String {
    crate::json::time_text(time)
}
