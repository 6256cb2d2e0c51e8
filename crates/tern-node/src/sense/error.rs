//! What can go wrong when one looks at a machine. Nothing is changed by looking, so every failure may be tried again.

use std::path::PathBuf;

/// A look that failed.
#[derive(Debug, thiserror::Error)]
pub enum SenseError {
    /// The system would not give the file.
    #[error("cannot read {}: {source}; is the process file system mounted, and may this user read it?", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file does not look as this program knows it.
    #[error("{} holds {found:?}, where {wanted} was expected; nothing was measured", path.display())]
    Form { path: PathBuf, wanted: &'static str, found: String },
    /// The system call failed.
    #[error("{call} failed: {source}")]
    Call { call: &'static str, source: std::io::Error },
}

impl SenseError {
    /// Names what was found, cut so that a hostile file cannot fill a terminal.
    #[cfg(target_os = "linux")]
    pub(super) fn form(path: impl Into<PathBuf>, wanted: &'static str, found: &str) -> Self {
        Self::Form { path: path.into(), wanted, found: found.chars().take(80).collect() }
    }
}
