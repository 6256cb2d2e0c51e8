//! The folder that a machine's files are looked for in: `/`, or that of a machine which a test describes.
//!
//! What is read may be anything, since a container or a driver can write it: it is cut at a greatest length, and names
//! in a folder at a greatest number.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Bytes of a file that are looked at. `/proc/cpuinfo` has about two thousand a CPU; the first CPUs suffice.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 1024;

/// Where the files of a machine begin.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self::system()
    }
}

impl Root {
    /// This machine.
    #[must_use]
    pub fn system() -> Self {
        Self("/".into())
    }

    /// The machine whose files lie below this folder.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// `path` without a leading slash.
    pub(in crate::sense) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    pub(in crate::sense) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// Whether this user may do that with the file.
    pub(in crate::sense) fn may(&self, path: impl AsRef<Path>, what: AccessFlags) -> bool {
        access(&self.path(path), what).is_ok()
    }

    /// The text of a file, without blanks, line ends and NULs around it; none where there is no text in it.
    pub(in crate::sense) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(path)).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number that is all of a file.
    pub(in crate::sense) fn number(&self, path: impl AsRef<Path>) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, in their order; none where it cannot be listed.
    pub(in crate::sense) fn names(&self, path: impl AsRef<Path>) -> Option<Vec<String>> {
        let entries = fs::read_dir(self.path(path)).ok()?.take(ENTRIES_MAX);
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Some(names)
    }

    /// The last part of what a link points to.
    pub(in crate::sense) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_link(self.path(path)).ok()?.file_name()?.to_str().map(str::to_owned)
    }

    /// The value behind `NAME=` in a file of such lines.
    pub(in crate::sense) fn value(&self, path: impl AsRef<Path>, name: &str) -> Option<String> {
        let text = self.text(path)?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(|value| value.trim().to_owned()))
    }
}
