//! `everbond serve`: starts the server and waits for the signal to stop.

use model::entry::{Body, KeyScope};
use tokio::signal::unix::{SignalKind, signal};

use super::{ALL_SETTINGS, Command, Failed, Given, failed, say};
use crate::auth::new_key;
use crate::config::{Config, LogFormat, LogLevel};
use crate::serve::{Started, key_of, start};

pub const SERVE: Command = Command {
    name: "serve",
    takes: "",
    summary: "Run the server",
    about: "Keeps everything in one data folder and needs nothing else. Stops by itself on \
            SIGTERM or Ctrl-C, with nothing lost.",
    flags: &[("dev", "", "Make a write key and a secret key and print them, to try things")],
    settings: ALL_SETTINGS,
    examples: &[
        ("everbond serve", "on this machine only, data in ./everbond-data"),
        ("everbond serve --dev", "the same, and prints keys to try it with"),
        (
            "everbond serve --listen 0.0.0.0:8480 --public-url https://id.example.com",
            "behind a proxy that adds TLS",
        ),
    ],
    run,
};

fn run(given: Given) -> Result<(), Failed> {
    let config = given.config()?;
    if let Some(word) = given.words.first() {
        return Err(Failed::Usage(format!("serve takes no {word:?}; see 'everbond help serve'")));
    }
    log_to_stderr(config.log_level, config.log_format);
    prepare_process();
    in_tokio(async {
        let dev = given.has("dev");
        let started = start(config.clone()).await?;
        tell_keys(&started, &config, dev).await?;
        tokio::select! {
            signal = until_signal() => signal?,
            // The log failed. What is durable is safe; a new start reads it, so the process ends
            // and whoever supervises it starts it again.
            () = started.loop_ended() => tracing::error!("the log takes no more"),
        }
        tracing::info!("stopping");
        started.stop().await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Runs on the machine's cores until done.
pub fn in_tokio<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // Blocking reads of a request that was cut off must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}

/// Waits for SIGTERM or SIGINT.
pub async fn until_signal() -> Result<(), Failed> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn tell_keys(started: &Started, config: &Config, dev: bool) -> Result<(), Failed> {
    if dev {
        let (write, secret) = make_two_keys(started).await?;
        say(format_args!("write key:  {write}\nsecret key: {secret}"))?;
        return Ok(());
    }
    if started.app.engine.state().keys().next().is_none() {
        let data = config.data.display();
        tracing::warn!(
            "there are no keys yet, so nobody can send anything; stop, run 'everbond keys new \
             --secret --data {data}' and start again, or start with --dev"
        );
    }
    Ok(())
}

/// A write key and a secret key, made and stored.
pub async fn make_two_keys(started: &Started) -> Result<(String, String), Failed> {
    let mut texts = Vec::with_capacity(2);
    for scope in [KeyScope::Write, KeyScope::Secret] {
        let (_, text) = new_key(scope);
        let body = Body::PutKey(key_of(scope, "dev", &text));
        let put = started.app.submit(body).await;
        put.map_err(|problem| failed(problem.to_json()["detail"].clone()))?;
        texts.push(text);
    }
    let secret = texts.pop().expect("two were made");
    Ok((texts.pop().expect("two were made"), secret))
}

/// A second call changes nothing.
pub fn log_to_stderr(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let lines = lines.with_target(false);
    let set = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(lines.finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish())
        }
    };
    set.unwrap_or_default();
}

/// What a process that serves needs beside its log lines.
pub fn prepare_process() {
    stop_when_the_loop_panics();
    raise_file_limit();
}

/// A request that panics is answered with 500. The loop, a checkpoint or a purge that panics may
/// have left the state half changed: the process ends, and the next start reads the log.
fn stop_when_the_loop_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let thread = std::thread::current();
        if thread.name().is_some_and(|name| name.starts_with("everbond-")) {
            std::process::abort();
        }
    }));
}

/// Every live stream is an open file; the usual limit of 1,024 is for people, not servers.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum, maximum: now.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}
