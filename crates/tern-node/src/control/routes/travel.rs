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

const FROM_ABOVE: &str = "Nothing was accepted. Submit from a folder above all files, and name them relative to it.";

/// The files that travel; none where nothing was said of any.
pub(super) fn stage(request: &SubmitRequest) -> Result<Option<Stage>, Refused> {
    let SubmitRequest { inputs, outputs, stage: found, .. } = request;
    if inputs.is_empty() && outputs.is_empty() && !found {
        return Ok(None);
    }
    if inputs.len().max(outputs.len()) > TASK_FILES_MAX {
        return Err(limit("names of files", TASK_FILES_MAX as u64, inputs.len().max(outputs.len()) as u64));
    }
    let base = names::path(&request.cwd);
    for name in inputs {
        check_kind(&base, name)?;
    }
    if *found {
        check_arguments(request, &base)?;
    }
    let (inputs, outputs) = (template(inputs, "the input")?, template(outputs, "the output")?);
    Ok(Some(Stage { inputs, outputs, found: *found }))
}

fn template(said: &[Bytes], which: &str) -> Result<Template, Refused> {
    for name in said {
        check_argument(name, which)?;
        if name.is_empty() || name.first() == Some(&b'/') || climbs(name) {
            let message = format!("{which} {name:?} lies outside of the folder that the job is submitted from");
            return Err(outside(message, FROM_ABOVE));
        }
        if names::path(name).components().all(|part| part == Component::CurDir) {
            let message = format!("{which} {name:?} is the whole folder that the job is submitted from");
            return Err(outside(
                message,
                "Nothing was accepted. Name the files and folders in it that the tasks need.",
            ));
        }
    }
    if said.is_empty() {
        return Ok(Template::default());
    }
    Template::parse(said, None, false).map_err(refused_template)
}

/// What is neither a file nor a folder has no content that could travel: a pipe would be waited for without end.
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

/// With `--stage`, arguments are the names of files: those that lead out of the folder would be missed elsewhere.
fn check_arguments(request: &SubmitRequest, base: &Path) -> Result<(), Refused> {
    let words = request.argv.iter().chain(request.rows.iter().flatten().flatten());
    let leads_out = |word: &&Bytes| climbs(word) && leaves(word) && base.join(names::path(word)).is_file();
    match words.into_iter().find(leads_out) {
        Some(word) => {
            let message =
                format!("the argument {word:?} is a file outside of the folder that the job is submitted from");
            Err(outside(message, FROM_ABOVE))
        }
        None => Ok(()),
    }
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

fn climbs(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'/').any(|part| part == b"..")
}

fn outside(message: String, advice: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "outside", message, advice)
}
