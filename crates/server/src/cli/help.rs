//! `everbond help`: made from the tables of commands and settings.

use std::fmt::Write as _;

use super::{COMMANDS, Command, Failed, Given, say};
use crate::config::{CONFIG_FILE, CONFIG_VARIABLE, SETTINGS, nearest};
use crate::health::VERSION;

pub const HELP: Command = Command {
    name: "help",
    takes: "[COMMAND | settings]",
    summary: "Explain a command, or the settings",
    about: "",
    flags: &[],
    settings: &[],
    examples: &[
        ("everbond help serve", "what serve does and takes"),
        ("everbond help settings", "every setting with its default"),
    ],
    run,
};

const WIDTH: usize = 80;

fn run(given: Given) -> Result<(), Failed> {
    let topic = given.words.join(" ");
    match topic.as_str() {
        "" => say(overview().trim_end()),
        "settings" => say(settings().trim_end()),
        "version" => say(format_args!("everbond {VERSION}")),
        name => {
            let of_group = |command: &&&Command| {
                command.name == name || command.name.split(' ').next() == Some(name)
            };
            let found: Vec<String> =
                COMMANDS.iter().filter(of_group).map(|command| of_command(command)).collect();
            if found.is_empty() {
                let names = COMMANDS.iter().map(|command| command.name).chain(["settings"]);
                return Err(Failed::Usage(match nearest(name, names) {
                    Some(near) => format!("there is no command {name:?}; did you mean '{near}'?"),
                    None => format!("there is no command {name:?}; see 'everbond help'"),
                }));
            }
            say(found.join("\n\n").trim_end())
        }
    }
}

/// What `everbond` says when it is asked nothing.
pub fn overview() -> String {
    let mut out = format!(
        "everbond {VERSION}: gives every product an identity, records what it and its owner\n\
         touch, and answers with the right experience at the right moment.\n\nCommands:\n"
    );
    let wide = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or(0);
    for command in COMMANDS {
        line(&mut out, format_args!("  {:wide$}  {}", command.name, command.summary));
    }
    out.push_str(
        "\nBegin here:\n  everbond demo         a company with 300 products and its customers, live\n  \
         everbond serve --dev  an empty server, with keys to try it\n\n\
         'everbond help COMMAND' explains a command, 'everbond help settings' the settings.\n\
         While the server runs, its API is explained at /docs.\n",
    );
    out
}

/// The help of one command.
pub fn of_command(command: &Command) -> String {
    let mut out = String::new();
    let takes = if command.takes.is_empty() { "" } else { " " };
    let flags =
        if command.flags.is_empty() && command.settings.is_empty() { "" } else { " [FLAGS]" };
    line(&mut out, format_args!("{}", command.summary));
    line(&mut out, format_args!("\n  everbond {}{takes}{}{flags}", command.name, command.takes));
    if !command.about.is_empty() {
        out.push('\n');
        wrap(&mut out, command.about, 0);
    }
    if !command.flags.is_empty() {
        out.push_str("\nFlags:\n");
    }
    for (name, value, about) in command.flags {
        let gap = if value.is_empty() { "" } else { " " };
        entry(&mut out, &format!("--{name}{gap}{value}"), about);
    }
    if !command.settings.is_empty() {
        out.push_str(
            "\nSettings (also in the environment and a file, see 'everbond help settings'):\n",
        );
        entry(
            &mut out,
            "--config FILE",
            &format!("Read settings from here instead of {CONFIG_FILE}."),
        );
    }
    for setting in SETTINGS.iter().filter(|row| command.settings.contains(&row.name)) {
        entry(&mut out, &format!("{} {}", setting.flag(), setting.value), &with_default(setting));
    }
    if !command.examples.is_empty() {
        out.push_str("\nExamples:\n");
    }
    for (example, about) in command.examples {
        line(&mut out, format_args!("  {example}\n      {about}"));
    }
    out
}

/// Every setting.
pub fn settings() -> String {
    let mut out = String::new();
    wrap(
        &mut out,
        &format!(
            "A flag wins over the environment, the environment over the file, the file over the \
             default. The file is {CONFIG_FILE} in the current folder, or the one that --config or \
             {CONFIG_VARIABLE} names; its lines are: key = \"value\"."
        ),
        0,
    );
    for setting in SETTINGS {
        line(&mut out, format_args!("\n{}", setting.name));
        line(&mut out, format_args!("    {} {}", setting.flag(), setting.value));
        line(&mut out, format_args!("    {}", setting.variable()));
        wrap(&mut out, &with_default(setting), 4);
    }
    out
}

fn with_default(setting: &crate::config::Setting) -> String {
    if setting.default.is_empty() {
        return setting.about.to_owned();
    }
    format!("{} [{}]", setting.about, setting.default)
}

fn entry(out: &mut String, name: &str, about: &str) {
    line(out, format_args!("  {name}"));
    wrap(out, about, 6);
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes everything");
}

fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut row = String::new();
    for word in text.split_whitespace() {
        if !row.is_empty() && indent + row.len() + 1 + word.len() > WIDTH {
            line(out, format_args!("{:indent$}{row}", ""));
            row.clear();
        }
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    line(out, format_args!("{:indent$}{row}", ""));
}
