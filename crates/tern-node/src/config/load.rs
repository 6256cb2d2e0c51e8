//! Reading the settings from all their sources.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Env, Format, Serialized, Toml};
use serde::Serialize;

use super::settings::Config;
use super::{check, place};
use crate::home::Home;

/// The system's file.
const SYSTEM_FILE: &str = "/etc/tern/config.toml";

/// What flags may set; they win over all else.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<std::net::SocketAddr>,
}

/// The files to read; absent ones count as empty.
#[derive(Clone, Debug)]
pub struct Sources {
    pub system: PathBuf,
    pub user: PathBuf,
}

impl Sources {
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self { system: SYSTEM_FILE.into(), user: home.config() }
    }
}

/// What is wrong with a setting, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// `trit.literal`
    pub key: String,
    /// The file with its line, `TERN_SLOTS`, or `a flag`.
    pub place: String,
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}: {}", self.place, self.what);
        }
        write!(f, "{}: {}: {}", self.place, self.key, self.what)
    }
}

/// Why the settings cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}. Correct it; `tern config check` reads it again")]
    Wrong(Wrong),
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
}

/// Settings with the sources they came from.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    figment: Figment,
    files: Vec<(PathBuf, String)>,
}

/// The settings of `home`.
///
/// # Errors
/// [`ConfigError`]
pub fn load(home: &Home, flags: &Flags) -> Result<Config, ConfigError> {
    load_from(&Sources::of(home), flags).map(|loaded| loaded.config)
}

/// The settings from these files, the environment and flags.
///
/// # Errors
/// [`ConfigError`]
pub fn load_from(sources: &Sources, flags: &Flags) -> Result<Loaded, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    let mut files = Vec::new();
    for path in [&sources.system, &sources.user] {
        let Some(text) = read(path)? else { continue };
        if let Some((line, what)) = place::syntax_error(&text) {
            let place = format!("{}:{line}", path.display());
            return Err(ConfigError::Wrong(Wrong { key: String::new(), place, what }));
        }
        figment = figment.merge(Toml::file_exact(path));
        files.push((path.clone(), text));
    }
    let known = known_keys();
    // Names reach the filter as they stand in the environment.
    let is_known =
        move |key: &figment::value::UncasedStr| known.contains(&key.as_str().to_ascii_lowercase().replace("__", "."));
    let environment = Env::prefixed("TERN_").filter(is_known).split("__");
    figment = figment.merge(environment).merge(Serialized::defaults(flags));
    let config = match figment.extract::<Config>() {
        Ok(config) => config,
        Err(error) => return Err(ConfigError::Wrong(explain(&error, &figment, &files))),
    };
    if let Some((path, what)) = check::first_wrong(&config) {
        let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
        let place = origin(&figment, &files, &path);
        return Err(ConfigError::Wrong(Wrong { key: path.join("."), place, what }));
    }
    Ok(Loaded { config, figment, files })
}

/// Each key with where its value came from.
#[must_use]
pub fn origins(loaded: &Loaded) -> Vec<(String, String)> {
    let place = |key: String| {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let place = origin(&loaded.figment, &loaded.files, &path);
        (key, place)
    };
    known_keys().into_iter().map(place).collect()
}

fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Every key, `trit.literal` for those in tables. The environment sets these alone: tasks inherit other names that begin
/// with `TERN_`, which are no settings.
fn known_keys() -> Vec<String> {
    let simple = ["slots", "keep_jobs", "log", "listen", "peers"];
    let mesh = ["enabled", "name", "zone", "flat_members", "mdns", "port_mapping", "tailscale", "files"];
    let work = ["cache_mib", "drain_below", "yield_to_owner", "leave_one"];
    let balance = ["mode", "hogs", "hold_percent"];
    let trit = ["hysteresis", "literal", "load", "sample_seconds"];
    let scum = ["cpu_weight", "memory_weight", "age_weight", "cores", "protected"];
    let within = |table: &'static str| move |key: &str| format!("{table}.{key}");
    let tables = mesh
        .map(within("mesh"))
        .into_iter()
        .chain(work.map(within("work")))
        .chain(balance.map(within("balance")))
        .chain(trit.map(within("trit")))
        .chain(scum.map(within("scum")));
    simple.iter().map(|key| (*key).to_owned()).chain(tables).collect()
}

fn explain(error: &figment::Error, figment: &Figment, files: &[(PathBuf, String)]) -> Wrong {
    let mut path = error.path.clone();
    let what = match &error.kind {
        Kind::UnknownField(name, expected) => {
            if path.last() != Some(name) {
                path.push(name.clone());
            }
            format!("there is no such key; here there are {}", expected.join(", "))
        }
        Kind::UnknownVariant(found, words) => not_among(&format!("{found:?}"), words),
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => match words_of(figment, &path) {
            Some(words) => not_among(&shown(found), words),
            None => format!("must be {}, and is {}", wanted_words(wanted), shown(found)),
        },
        other => other.to_string(),
    };
    let place = match error.metadata.as_ref() {
        Some(metadata) => place_of(metadata, files, &path),
        None => origin(figment, files, &path),
    };
    Wrong { key: path.join("."), place, what }
}

fn not_among(found: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("must be one of {}, and is {found}", words.join(", "))
}

/// The words that a key may have, where it has words: what is said of one that cannot be.
fn words_of(figment: &Figment, path: &[String]) -> Option<&'static [&'static str]> {
    let error = figment.clone().merge((path.join("."), "?")).extract::<Config>().err()?;
    match error.kind {
        Kind::UnknownVariant(_, words) if error.path == path => Some(words),
        _ => None,
    }
}

/// What a reader of the file is told for the name of a type.
fn wanted_words(wanted: &str) -> &str {
    match wanted {
        "u8" => "a whole number, 0 to 255",
        "u16" => "a whole number, 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "a boolean" => "true or false",
        "char" | "a string" | "string" => "text in quotes",
        "a sequence" => "a list",
        "map" | "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// A value as it stands in the file.
fn shown(found: &Actual) -> String {
    match found {
        Actual::Bool(is) => is.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Char(text) => format!("{text:?}"),
        Actual::Str(text) => format!("{text:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// Where the value of `path` came from, in words.
fn origin(figment: &Figment, files: &[(PathBuf, String)], path: &[String]) -> String {
    match figment.find_metadata(&path.join(".")) {
        Some(metadata) => place_of(metadata, files, path),
        None => "default".to_owned(),
    }
}

fn place_of(metadata: &figment::Metadata, files: &[(PathBuf, String)], path: &[String]) -> String {
    if let Some(file) = metadata.source.as_ref().and_then(figment::Source::file_path) {
        let text = files.iter().find(|(known, _)| known == file).map(|(_, text)| text.as_str());
        let line = text.and_then(|text| place::line(text, path));
        return line.map_or_else(|| file.display().to_string(), |line| format!("{}:{line}", file.display()));
    }
    if metadata.name.contains("environment") {
        return format!("TERN_{}", path.join("__").to_uppercase());
    }
    if metadata.name.contains("Flags") { "a flag".to_owned() } else { "default".to_owned() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
