//! Finding a program the way a shell does: by the PATH of the job, not by that of the warden.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Folders looked through at most: a PATH is a page of text, not a database.
const FOLDERS_MAX: usize = 256;
/// What execvp(3) uses where there is no PATH.
const DEFAULT: &[u8] = b"/bin:/usr/bin";

/// The folders of a PATH; relative ones are those of the job's folder.
#[must_use]
pub fn folders(path: Option<&[u8]>, cwd: &[u8]) -> Vec<PathBuf> {
    let cwd = Path::new(OsStr::from_bytes(cwd));
    path.unwrap_or(DEFAULT)
        .split(|byte| *byte == b':')
        .take(FOLDERS_MAX)
        .map(|folder| cwd.join(OsStr::from_bytes(folder)))
        .collect()
}

/// What became of a search.
pub enum Found {
    At(CString),
    /// It is there but may not be run.
    NotExecutable(PathBuf),
    Nowhere,
}

/// Looks for `name`, which holds no slash.
#[must_use]
pub fn search(name: &[u8], folders: &[PathBuf]) -> Found {
    let mut refused = None;
    for folder in folders {
        let path = folder.join(OsStr::from_bytes(name));
        let Ok(meta) = std::fs::metadata(&path) else { continue };
        if !meta.is_file() {
            continue;
        }
        if nix::unistd::access(&path, nix::unistd::AccessFlags::X_OK).is_err() {
            refused.get_or_insert(path);
            continue;
        }
        if let Ok(path) = CString::new(path.into_os_string().into_vec()) {
            return Found::At(path);
        }
    }
    refused.map_or(Found::Nowhere, Found::NotExecutable)
}
