//! The settings: one table with each setting's name, default and meaning. The file, the
//! environment, the flags, the help and the documentation are all made from its rows. Settings are
//! read here once; everything else receives values.
//!
//! A flag wins over the environment, the environment over the file, the file over the default.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// All settings, with values that cannot be wrong.
#[derive(Clone, Debug)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// Without a slash at the end; `None`: it follows from `listen`.
    pub public_url: Option<String>,
    pub company: String,
    pub checkpoint_seconds: u32,
    pub memory_mib: u64,
    pub backup_days: u32,
    pub log_level: LogLevel,
    pub log_format: LogFormat,
    pub first_write_key: Option<String>,
    pub first_secret_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// One row of the table. The flag is `--` and the name with dashes, the variable `EVERBOND_` and
/// the name in capitals, the key in the file the name itself.
pub struct Setting {
    pub name: &'static str,
    /// What stands after the flag: `FOLDER`.
    pub value: &'static str,
    /// Empty: there is none.
    pub default: &'static str,
    pub about: &'static str,
    pub set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Setting {
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }
}

const PREFIX: &str = "EVERBOND_";
/// Names the file where no flag does.
pub const CONFIG_VARIABLE: &str = "EVERBOND_CONFIG";
/// Read when it is there and no other file is named.
pub const CONFIG_FILE: &str = "everbond.toml";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "data",
        value: "FOLDER",
        default: "./everbond-data",
        about: "Where everything is kept. One process uses it at a time.",
        set: |config, text| {
            if text.is_empty() {
                return Err("name a folder".into());
            }
            config.data = text.into();
            Ok(())
        },
    },
    Setting {
        name: "listen",
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8480",
        about: "Where to listen. 0.0.0.0:8480 for every network card; port 0 takes a free one.",
        set: |config, text| {
            let wrong = || format!("{text:?} is not an address and port, such as 127.0.0.1:8480");
            config.listen = text.parse().map_err(|_| wrong())?;
            Ok(())
        },
    },
    Setting {
        name: "public_url",
        value: "URL",
        default: "",
        about: "How the world reaches this server; goes into links and QR codes. \
                Follows from 'listen' when not set.",
        set: |config, text| {
            let url = text.trim_end_matches('/');
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' '])) {
                return Err(format!("{text:?} is not a URL such as https://id.example.com"));
            }
            config.public_url = Some(url.to_owned());
            Ok(())
        },
    },
    Setting {
        name: "company",
        value: "NAME",
        default: "Everbond",
        about: "The company's name as its customers know it.",
        set: |config, text| {
            if text.trim().is_empty() || text.len() > 200 {
                return Err("write a name of 1 to 200 bytes".into());
            }
            config.company = text.trim().to_owned();
            Ok(())
        },
    },
    Setting {
        name: "checkpoint_seconds",
        value: "SECONDS",
        default: "1",
        about: "How often what changed is written to the store: bounds how much of the log \
                a start reads again. 1 to 3600.",
        set: |config, text| {
            config.checkpoint_seconds = number(text, 1, 3600)? as u32;
            Ok(())
        },
    },
    Setting {
        name: "memory_mib",
        value: "MIB",
        default: "auto",
        about: "About how much memory records and blocks of the store may take; the rest is read \
                from the store when it is touched. 64 to 1048576, or auto: half of what the \
                machine, or the container, has.",
        set: |config, text| {
            config.memory_mib = match text {
                "auto" => crate::machine::memory_mib() / 2,
                text => number(text, 64, 1_048_576)?,
            };
            Ok(())
        },
    },
    Setting {
        name: "backup_days",
        value: "DAYS",
        default: "30",
        about: "After this many days no backup of yours holds a wiped person any more; \
                stated on receipts. 0 to 3650.",
        set: |config, text| {
            config.backup_days = number(text, 0, 3650)? as u32;
            Ok(())
        },
    },
    Setting {
        name: "log_level",
        value: "LEVEL",
        default: "info",
        about: "error, warn, info or debug.",
        set: |config, text| {
            config.log_level = match text {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                "info" => LogLevel::Info,
                "debug" => LogLevel::Debug,
                _ => return Err(format!("{text:?} is none of error, warn, info, debug")),
            };
            Ok(())
        },
    },
    Setting {
        name: "log_format",
        value: "FORMAT",
        default: "text",
        about: "text or json, one line each, on standard error.",
        set: |config, text| {
            config.log_format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(format!("{text:?} is neither text nor json")),
            };
            Ok(())
        },
    },
    Setting {
        name: "first_write_key",
        value: "KEY",
        default: "",
        about: "A write key (wk_<8 letters>_<24 or more>) to make when the folder has no keys yet.",
        set: |config, text| {
            config.first_write_key = Some(key(text, "wk")?);
            Ok(())
        },
    },
    Setting {
        name: "first_secret_key",
        value: "KEY",
        default: "",
        about: "A secret key (sk_<8 letters>_<24 or more>) to make when the folder has no keys \
                yet. Better in the environment than in a flag, which every user can read.",
        set: |config, text| {
            config.first_secret_key = Some(key(text, "sk")?);
            Ok(())
        },
    },
];

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a whole number from {least} to {most}")),
    }
}

fn key(text: &str, prefix: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('_').collect();
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    match parts[..] {
        [own, id, secret]
            if own == prefix
                && id.len() == 8
                && secret.len() >= 24
                && plain(id)
                && plain(secret) =>
        {
            Ok(text.to_owned())
        }
        // What was given may be a secret, so it is not repeated.
        _ => Err(format!(
            "a key is {prefix}_, 8 and then at least 24 lower-case letters and digits, joined by _"
        )),
    }
}

/// Why the settings cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSetting {
    /// `everbond.toml:3`, `EVERBOND_LISTEN`, `--listen`
    pub place: String,
    pub what: String,
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for BadSetting {}

impl Default for Config {
    fn default() -> Config {
        let mut config = Config {
            data: PathBuf::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            company: String::new(),
            checkpoint_seconds: 0,
            memory_mib: 0,
            backup_days: 0,
            log_level: LogLevel::Info,
            log_format: LogFormat::Text,
            first_write_key: None,
            first_secret_key: None,
        };
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            (setting.set)(&mut config, setting.default).expect("defaults are valid");
        }
        config
    }
}

impl Config {
    /// `file`: its name and text. `flags`: name of the setting and value.
    pub fn read(
        file: Option<(&str, &str)>,
        environment: &[(String, String)],
        flags: &[(&'static str, String)],
    ) -> Result<Config, BadSetting> {
        let mut config = Config::default();
        if let Some((name, text)) = file {
            for (line, key, value) in read_file(name, text)? {
                let place = format!("{name}:{line}");
                let setting = named(&key).map_err(|what| at(&place, what))?;
                (setting.set)(&mut config, &value).map_err(|what| at(&place, what))?;
            }
        }
        for (variable, value) in environment {
            if let Some(setting) = from_variable(variable)? {
                (setting.set)(&mut config, value).map_err(|what| at(variable, what))?;
            }
        }
        for (name, value) in flags {
            let setting = named(name).map_err(|what| at(name, what))?;
            (setting.set)(&mut config, value).map_err(|what| at(&setting.flag(), what))?;
        }
        Ok(config)
    }

    /// From the process's environment and the file that `named` or it names.
    pub fn load(
        named: Option<&Path>,
        flags: &[(&'static str, String)],
    ) -> Result<Config, BadSetting> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .filter_map(|(name, value)| Some((name, value.into_string().ok()?)))
            .collect();
        let from_environment =
            environment.iter().find(|(name, _)| name == CONFIG_VARIABLE).map(|(_, path)| path);
        let file = match (named, from_environment) {
            (Some(path), _) => Some(path.to_path_buf()),
            (None, Some(path)) => Some(path.into()),
            (None, None) => Some(PathBuf::from(CONFIG_FILE)).filter(|path| path.exists()),
        };
        let text = match &file {
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| at(&name, format!("it cannot be read: {error}")))?;
                Some((name, text))
            }
            None => None,
        };
        let file = text.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        Config::read(file, &environment, flags)
    }

    /// The store's share of the memory, for blocks that were read.
    pub fn cache_bytes(&self) -> u64 {
        self.memory_mib * 1024 * 1024 / 4
    }

    /// What records may take.
    pub fn memory_bytes(&self) -> usize {
        (self.memory_mib * 1024 * 1024 / 4 * 3) as usize
    }
}

fn at(place: &str, what: impl Into<String>) -> BadSetting {
    BadSetting { place: place.into(), what: what.into() }
}

fn named(name: &str) -> Result<&'static Setting, String> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let near = nearest(name, SETTINGS.iter().map(|setting| setting.name));
        match near {
            Some(near) => format!("there is no setting {name:?}; did you mean {near:?}?"),
            None => format!("there is no setting {name:?}; see 'everbond help settings'"),
        }
    })
}

/// Orchestrators put variables of their own beside ours (`EVERBOND_PORT_8480_TCP`), so one that
/// resembles no setting is left alone; one that does is a slip and refused.
fn from_variable(variable: &str) -> Result<Option<&'static Setting>, BadSetting> {
    let found = SETTINGS.iter().find(|setting| setting.variable() == variable);
    if found.is_some() || variable == CONFIG_VARIABLE {
        return Ok(found);
    }
    let name = variable[PREFIX.len()..].to_ascii_lowercase();
    match nearest(&name, SETTINGS.iter().map(|setting| setting.name)) {
        Some(near) => {
            let near = format!("{PREFIX}{}", near.to_ascii_uppercase());
            Err(at(variable, format!("there is no such variable; did you mean {near}?")))
        }
        None => Ok(None),
    }
}

/// The file is TOML without tables: `key = "text"`, `'text'`, a number, or `true`.
fn read_file(name: &str, text: &str) -> Result<Vec<(usize, String, String)>, BadSetting> {
    let mut rows: Vec<(usize, String, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim().trim_start_matches('\u{feff}'));
        let wrong = |what: &str| at(&format!("{name}:{number}"), what);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            return Err(wrong("there are no tables here; each line is: key = \"value\""));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| wrong("write: key = \"value\""))?;
        let key = key.trim().trim_matches('"').to_owned();
        if let Some((before, _, _)) = rows.iter().find(|(_, own, _)| *own == key) {
            return Err(wrong(&format!("{key:?} was already set in line {before}")));
        }
        let value = read_value(value.trim()).map_err(|what| wrong(&what))?;
        rows.push((number, key, value));
    }
    Ok(rows)
}

fn read_value(text: &str) -> Result<String, String> {
    let (value, rest) = if let Some(inner) = text.strip_prefix('\'') {
        let (value, rest) = inner.split_once('\'').ok_or("the closing ' is missing")?;
        (value.to_owned(), rest)
    } else if text.starts_with('"') {
        basic_string(text)?
    } else {
        let value = text.split('#').next().unwrap_or(text).trim();
        let plain = value.parse::<i64>().is_ok() || matches!(value, "true" | "false");
        if !plain {
            return Err(format!("put the value into quotes: \"{value}\""));
        }
        return Ok(value.to_owned());
    };
    let rest = rest.trim();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(format!("what is {rest:?} after the value?"));
    }
    Ok(value)
}

fn basic_string(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[place + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(c @ ('"' | '\\')) => value.push(c),
                _ => return Err("only \\\" \\\\ \\n and \\t can follow a backslash".into()),
            },
            c => value.push(c),
        }
    }
    Err("the closing \" is missing".into())
}

/// The name that was probably meant, if one is near enough.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (given.len() / 3).clamp(1, 3);
    let rated = names.map(|name| (distance(given, name), name));
    rated.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = "# ours\ncompany = \"From the file\" # why\nbackup_days = 7\nlisten = '[::1]:1'";
        let environment =
            env(&[("EVERBOND_COMPANY", "From outside"), ("EVERBOND_LISTEN", "[::1]:2")]);
        let flags = [("listen", "[::1]:3".to_owned())];
        let config = Config::read(Some(("f.toml", file)), &environment, &flags).expect("valid");
        assert_eq!(config.backup_days, 7);
        assert_eq!(config.company, "From outside");
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.memory_mib, crate::machine::memory_mib() / 2, "the default");
    }

    #[test]
    fn mistakes_are_named_with_place_and_remedy() {
        let read =
            |text| Config::read(Some(("f.toml", text)), &[], &[]).expect_err("bad").to_string();
        assert_eq!(
            read("company = 'x'\nlissten = \"[::1]:1\""),
            "f.toml:2: there is no setting \"lissten\"; did you mean \"listen\"?"
        );
        assert_eq!(
            read("colour = 'red'"),
            "f.toml:1: there is no setting \"colour\"; see 'everbond help settings'"
        );
        assert_eq!(
            read("backup_days = 9999"),
            "f.toml:1: \"9999\" is not a whole number from 0 to 3650"
        );
        assert_eq!(read("company = Acme"), "f.toml:1: put the value into quotes: \"Acme\"");
        assert_eq!(read("company = \"Acme"), "f.toml:1: the closing \" is missing");
        assert_eq!(
            read("[server]"),
            "f.toml:1: there are no tables here; each line is: key = \"value\""
        );
        assert_eq!(
            read("company = 'a'\ncompany = 'b'"),
            "f.toml:2: \"company\" was already set in line 1"
        );
    }

    #[test]
    fn a_slip_in_a_variable_is_refused_and_a_foreign_one_left_alone() {
        let bad = Config::read(None, &env(&[("EVERBOND_LISTN", "x")]), &[]).expect_err("bad");
        assert_eq!(
            bad.to_string(),
            "EVERBOND_LISTN: there is no such variable; did you mean EVERBOND_LISTEN?"
        );
        let foreign =
            env(&[("EVERBOND_PORT_8480_TCP", "tcp://10.0.0.1"), ("EVERBOND_FIXTURES", "/x")]);
        Config::read(None, &foreign, &[]).expect("not ours");
    }

    #[test]
    fn keys_have_a_form_and_are_not_repeated_in_the_error() {
        let bad = Config::read(None, &env(&[("EVERBOND_FIRST_SECRET_KEY", "hunter2")]), &[]);
        assert!(!bad.expect_err("bad").to_string().contains("hunter2"));
        let good = "sk_abcdefgh_0123456789abcdef01234567";
        let config = Config::read(None, &env(&[("EVERBOND_FIRST_SECRET_KEY", good)]), &[]);
        assert_eq!(config.expect("valid").first_secret_key.as_deref(), Some(good));
    }
}
