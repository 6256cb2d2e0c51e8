//! A portable binary at work: it says its version and maps two words, with an empty environment, in an empty folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::capture;

/// Fails unless both answers are exactly right.
pub fn works(tern: &Path, version: &str) -> Result<(), String> {
    let folder = Folder::new()?;
    let home = folder.0.display().to_string();
    says(tern, &folder, &["--version"], &format!("tern {version}\n"))?;
    says(tern, &folder, &["--home", &home, "map", "-k", "echo {}", ":::", "a", "b"], "a\nb\n")
}

fn says(tern: &Path, folder: &Folder, words: &[&str], right: &str) -> Result<(), String> {
    let mut command = Command::new(tern);
    command.args(words).env_clear().current_dir(&folder.0).stdin(Stdio::null());
    let text = capture(command)?;
    if text == right { Ok(()) } else { Err(format!("tern {} printed {text:?}, not {right:?}", words.join(" "))) }
}

/// A folder that goes when the trial ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        // Not below the build: the path of a socket is bounded.
        let path = std::env::temp_dir().join(format!("tern-dist-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
