//! `tern config`: the settings in force, where they come from, and what is wrong with them.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;
use tern_node::config::{ConfigError, Flags, Sources, load_from, origins};

use crate::cli::failure::{CONFIG, NOINPUT};
use crate::cli::tree::{ConfigArgs, ConfigCommand};
use crate::cli::{Context, Failure, Outcome};

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(CONFIG, "config", error.to_string())
    }
}

pub fn config(context: &Context, args: ConfigArgs) -> Outcome {
    match args.command {
        ConfigCommand::Show { origin } => show(context, origin),
        ConfigCommand::Check { file } => check(context, file),
        ConfigCommand::Path => {
            let path = context.home.config();
            if context.printer.json {
                context.printer.value(&json!({"path": path, "exists": path.exists()}))?;
            } else {
                context.printer.line(&path.display().to_string())?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(context: &Context, origin: bool) -> Outcome {
    let loaded = load_from(&Sources::of(&context.home), &Flags::default())?;
    let places = origins(&loaded);
    if context.printer.json {
        let mut value = serde_json::to_value(&loaded.config)?;
        if origin {
            let places: serde_json::Map<_, _> = places.into_iter().map(|(key, place)| (key, json!(place))).collect();
            value = json!({"config": value, "origin": places});
        }
        context.printer.value(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = context.printer.out();
    let document = serde_json::to_value(&loaded.config)?;
    for (key, place) in places {
        let value = document.pointer(&format!("/{}", key.replace('.', "/")));
        let value = value.map_or_else(|| "unset".to_owned(), ToString::to_string);
        if origin {
            writeln!(out, "{key} = {value}    # {place}")?;
        } else {
            writeln!(out, "{key} = {value}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn check(context: &Context, file: Option<std::path::PathBuf>) -> Outcome {
    let mut sources = Sources::of(&context.home);
    if let Some(file) = file {
        if !file.exists() {
            return Err(Failure::new(NOINPUT, "no_input", format!("{}: there is no such file", file.display())));
        }
        sources.user = file;
    }
    load_from(&sources, &Flags::default())?;
    if context.printer.json {
        context.printer.value(&json!({"good": true}))?;
    } else {
        context.printer.line("the settings are good")?;
    }
    Ok(ExitCode::SUCCESS)
}
