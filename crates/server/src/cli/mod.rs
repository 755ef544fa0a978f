//! The command line. One table of commands makes the help; each command is one file.
//!
//! Exit codes: 0 done, 1 it failed, 2 the command was not understood, 3 what was checked has
//! mistakes.

mod demo;
mod folder;
mod help;
mod http;
mod import;
mod inspect;
mod journey;
mod keys;
mod lives;
mod load;
mod serve;
mod wipe;

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg;

use crate::config::{Config, SETTINGS, nearest};

/// A command of the program.
pub struct Command {
    /// `keys new` is a command of two words.
    pub name: &'static str,
    /// What stands after the name.
    pub takes: &'static str,
    pub summary: &'static str,
    /// What the help says beyond the summary.
    pub about: &'static str,
    /// Flags of its own: name, what stands after it (empty: nothing), meaning.
    pub flags: &'static [(&'static str, &'static str, &'static str)],
    /// The settings it takes as flags.
    pub settings: &'static [&'static str],
    pub examples: &'static [(&'static str, &'static str)],
    pub run: fn(Given) -> Result<(), Failed>,
}

/// Every command.
pub const COMMANDS: &[&Command] = &[
    &demo::DEMO,
    &serve::SERVE,
    &import::IMPORT,
    &load::LOAD,
    &journey::CHECK,
    &keys::NEW,
    &keys::LIST,
    &keys::DROP,
    &wipe::WIPE,
    &inspect::INSPECT,
    &help::HELP,
];

/// What stood on the command line, sorted.
#[derive(Debug, Default)]
pub struct Given {
    pub words: Vec<String>,
    /// The command's own flags with their values; those without one have an empty value.
    flags: Vec<(&'static str, String)>,
    settings: Vec<(&'static str, String)>,
    config_file: Option<PathBuf>,
}

impl Given {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(own, _)| *own == flag)
    }

    /// The last one wins, as everywhere.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(own, _)| *own == flag).map(|(_, value)| value.as_str())
    }

    pub fn config(&self) -> Result<Config, Failed> {
        Ok(Config::load(self.config_file.as_deref(), &self.settings)?)
    }

    /// Whether the setting stood on the command line.
    pub fn sets(&self, setting: &str) -> bool {
        self.settings.iter().any(|(own, _)| *own == setting)
    }
}

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Failed {
    /// It was not understood: exit code 2.
    Usage(String),
    /// Exit code 1.
    Work(String),
    /// What was checked has mistakes, which were printed: exit code 3.
    Mistakes,
    /// Whoever read our output has gone away.
    Silent,
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed::Work(error.to_string())
    }
}

/// A failure of the work itself.
pub fn failed(what: impl fmt::Display) -> Failed {
    Failed::Work(what.to_string())
}

/// Runs the command line and says how it went.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let failure = match parse(args).and_then(|(command, given)| (command.run)(given)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    let (text, code) = match failure {
        Failed::Usage(text) => (text, 2),
        Failed::Work(text) => (text, 1),
        Failed::Mistakes => return ExitCode::from(3),
        Failed::Silent => return ExitCode::SUCCESS,
    };
    // When standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "everbond: {text}");
    ExitCode::from(code)
}

/// Prints to standard output; ends the program quietly when nobody reads it any more.
pub fn say(text: impl fmt::Display) -> Result<(), Failed> {
    writeln!(std::io::stdout(), "{text}").map_err(|_| Failed::Silent)
}

fn parse(args: Vec<OsString>) -> Result<(&'static Command, Given), Failed> {
    let (command, rest) = find_command(args)?;
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        let given = Given { words: vec![command.name.to_owned()], ..Given::default() };
        return Ok((&help::HELP, given));
    }
    let mut given = Given::default();
    let mut parser = lexopt::Parser::from_args(rest);
    while let Some(arg) = parser.next().map_err(|error| usage(command, &error.to_string()))? {
        match arg {
            Arg::Value(word) => given.words.push(text(command, word)?),
            Arg::Long("config") if !command.settings.is_empty() => {
                let path = parser.value().map_err(|error| usage(command, &error.to_string()))?;
                given.config_file = Some(path.into());
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                take_flag(command, &name, &mut parser, &mut given)?;
            }
            Arg::Short(letter) => {
                return Err(usage(command, &format!("there is no flag -{letter}")));
            }
        }
    }
    Ok((command, given))
}

fn take_flag(
    command: &'static Command,
    name: &str,
    parser: &mut lexopt::Parser,
    given: &mut Given,
) -> Result<(), Failed> {
    let value = |parser: &mut lexopt::Parser| {
        let value = parser.value().map_err(|error| usage(command, &error.to_string()))?;
        text(command, value)
    };
    if let Some((own, takes, _)) = command.flags.iter().find(|(own, ..)| *own == name) {
        let value = if takes.is_empty() { String::new() } else { value(parser)? };
        given.flags.push((own, value));
        return Ok(());
    }
    let setting = name.replace('-', "_");
    if let Some(own) = command.settings.iter().find(|own| **own == setting) {
        given.settings.push((own, value(parser)?));
        return Ok(());
    }
    let known: Vec<String> = command
        .flags
        .iter()
        .map(|(own, ..)| (*own).to_owned())
        .chain(command.settings.iter().map(|own| own.replace('_', "-")))
        .collect();
    Err(usage(
        command,
        &match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("there is no flag --{name}; did you mean --{near}?"),
            None => format!("there is no flag --{name}"),
        },
    ))
}

fn text(command: &Command, word: OsString) -> Result<String, Failed> {
    word.into_string().map_err(|_| usage(command, "an argument is not UTF-8"))
}

fn usage(command: &Command, what: &str) -> Failed {
    Failed::Usage(format!("{what}\nTry 'everbond {} --help'.", command.name))
}

/// The longest name that the words begin with. No word at all asks for help.
fn find_command(args: Vec<OsString>) -> Result<(&'static Command, Vec<OsString>), Failed> {
    let words: Vec<&str> = args.iter().map_while(|arg| arg.to_str()).collect();
    if words.is_empty() || matches!(words[0], "--help" | "-h") {
        return Ok((&help::HELP, Vec::new()));
    }
    if matches!(words[0], "--version" | "-V") {
        return Ok((&help::HELP, vec!["version".into()]));
    }
    for len in [2, 1] {
        let name = words.iter().take(len).copied().collect::<Vec<_>>().join(" ");
        if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
            return Ok((command, args[len.min(args.len())..].to_vec()));
        }
    }
    let group: Vec<&str> = COMMANDS
        .iter()
        .filter(|command| command.name.split(' ').next() == Some(words[0]))
        .map(|command| command.name)
        .collect();
    if !group.is_empty() {
        let asks = words.get(1).is_none_or(|word| matches!(*word, "--help" | "-h"));
        if asks {
            return Ok((&help::HELP, vec![words[0].into()]));
        }
        return Err(Failed::Usage(format!(
            "there is no command {:?}; there are: {}",
            words[..2].join(" "),
            group.join(", ")
        )));
    }
    let near = nearest(words[0], COMMANDS.iter().map(|command| command.name));
    Err(Failed::Usage(match near {
        Some(near) => format!("there is no command {:?}; did you mean '{near}'?", words[0]),
        None => format!("there is no command {:?}; see 'everbond help'", words[0]),
    }))
}

/// The settings that open a data folder.
pub const FOLDER_SETTINGS: &[&str] = &["data", "memory_mib"];

/// All of them.
pub const ALL_SETTINGS: &[&str] = &{
    let mut names = [""; SETTINGS.len()];
    let mut at = 0;
    while at < SETTINGS.len() {
        names[at] = SETTINGS[at].name;
        at += 1;
    }
    names
};
