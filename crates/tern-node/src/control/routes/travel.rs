//! The files that a request names, before anything is accepted: what can never travel is refused by its name.

use std::path::{Component, Path};

use axum::http::StatusCode;
use tern_core::words::limits::TASK_FILES_MAX;
use tern_core::words::template::Template;
use tern_core::words::{Bytes, Stage};

use super::accept::{check_argument, limit, refused_template};
use crate::control::api::SubmitRequest;
use crate::control::words::Refused;
use crate::files::names;
use crate::files::source::kept;
use crate::stage::names::plain;

const FROM_ABOVE: &str = "Nothing was accepted. Submit from a folder above all files, and name them relative to it.";
/// Tasks of a job whose names are looked at on the disk before it is accepted; of longer jobs the first.
const LOOKED_AT_MAX: usize = 1 << 16;

/// The files that travel; none where nothing was said of any. Blocks: `command` is rendered, and names are looked for on the disk.
pub(super) fn travelling(request: &SubmitRequest, command: &Template) -> Result<Option<Stage>, Refused> {
    let SubmitRequest { inputs, outputs, stage: found, .. } = request;
    if inputs.is_empty() && outputs.is_empty() && !found {
        return Ok(None);
    }
    if inputs.len().max(outputs.len()) > TASK_FILES_MAX {
        return Err(limit("names of files", TASK_FILES_MAX as u64, inputs.len().max(outputs.len()) as u64));
    }
    let (inputs, outputs) = (template(inputs, "the input")?, template(outputs, "the output")?);
    let base = names::path(&request.cwd);
    let rows = request.rows.as_deref().unwrap_or_default();
    let none = vec![Vec::new()];
    for (row, number) in if rows.is_empty() { &none } else { rows }.iter().take(LOOKED_AT_MAX).zip(1..) {
        let taken = inputs.render(row, number);
        for name in &taken {
            check_place(&base, name, "the input")?;
            check_kind(&base, name)?;
        }
        let brought = outputs.render(row, number);
        for name in &brought {
            check_place(&base, name, "the output")?;
        }
        if *found {
            check_arguments(&base, &command.render(row, number), &[taken, brought].concat())?;
        }
    }
    Ok(Some(Stage { inputs, outputs, found: *found }))
}

fn template(said: &[Bytes], which: &str) -> Result<Template, Refused> {
    for name in said {
        check_argument(name, which)?;
        check_said(name, which)?;
    }
    if said.is_empty() {
        return Ok(Template::default());
    }
    Template::parse(said, None, false).map_err(refused_template)
}

fn check_said(name: &Bytes, which: &str) -> Result<(), Refused> {
    if name.is_empty() || name.first() == Some(&b'/') || name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        let message = format!("{which} {name:?} lies outside of the folder that the job is submitted from");
        return Err(outside(message, FROM_ABOVE));
    }
    if names::path(name).components().all(|part| part == Component::CurDir) {
        let message = format!("{which} {name:?} is the whole folder that the job is submitted from");
        return Err(outside(message, "Nothing was accepted. Name the files and folders in it that the tasks need."));
    }
    Ok(())
}

/// A name as a task has it; one in full that lies in the folder is said relative to it later.
fn check_place(base: &Path, name: &Bytes, which: &str) -> Result<(), Refused> {
    if plain(base, name).is_none() {
        check_said(name, which)?;
    }
    let place = base.join(names::path(name));
    kept::check(&place).map_err(|trouble| outside(trouble.message, "Nothing was accepted. Name other files."))
}

/// What is neither a file nor a folder has no content that could travel.
fn check_kind(base: &Path, name: &Bytes) -> Result<(), Refused> {
    match std::fs::metadata(base.join(names::path(name))) {
        Ok(meta) if !meta.is_file() && !meta.is_dir() => {
            let message = format!("the input {name:?} is neither a file nor a folder");
            let advice = "Nothing was accepted. Write what it gives into a file, and name that.";
            Err(Refused::new(StatusCode::BAD_REQUEST, "bad_argument", message, advice))
        }
        // What is not there may come to be before its task starts.
        _ => Ok(()),
    }
}

/// With `--stage`, arguments are the names of files: what leads out of the folder would be missed, or lost, elsewhere, and a folder
/// would be there without what lies in it.
fn check_arguments(base: &Path, argv: &[Bytes], named: &[Bytes]) -> Result<(), Refused> {
    if let Some(word) = argv.iter().find(|word| leaves(word)) {
        let message = format!("the argument {word:?} leads out of the folder that the job is submitted from");
        return Err(outside(message, FROM_ABOVE));
    }
    let is_named = |name: &Bytes| named.iter().any(|known| names::path(name).starts_with(names::path(known)));
    let is_full = |word: &&Bytes| {
        let name = plain(base, word).filter(|name| !is_named(name));
        let read = name.and_then(|name| std::fs::read_dir(base.join(names::path(&name))).ok());
        read.is_some_and(|mut entries| entries.next().is_some())
    };
    if let Some(word) = argv.iter().skip(1).find(is_full) {
        let message =
            format!("the argument {word:?} is a folder with files in it, and --stage takes none of them along");
        let advice =
            "Nothing was accepted. Name it by --in, so that it goes along, or by --out, if the tasks only write to it.";
        return Err(Refused::new(StatusCode::BAD_REQUEST, "bad_argument", message, advice));
    }
    Ok(())
}

/// Whether a relative name leads above the folder that it starts in.
fn leaves(name: &[u8]) -> bool {
    let mut depth = 0_i32;
    for part in names::path(name).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

fn outside(message: String, advice: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "outside", message, advice)
}
