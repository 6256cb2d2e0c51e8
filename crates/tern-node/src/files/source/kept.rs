//! What is never copied, neither from here nor to here: the folders in which nodes keep their keys, whichever node of this machine
//! they belong to. With a key of an admin's folder any member could make itself one.

use std::path::{Path, PathBuf};

use crate::files::wire::{Kind, Trouble};
use crate::home::{CHECKPOINTS, WORK};

/// By this a state folder is known; it is there from its first start.
const MARK: &str = "grid/roll";

/// Whether a folder is the state folder of a node.
#[must_use]
pub fn is_state(folder: &Path) -> bool {
    folder.join(MARK).symlink_metadata().is_ok()
}

/// A path as it leads after all links, or that of its folder where it is not there itself.
fn real(path: &Path) -> PathBuf {
    let parent = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(parent).unwrap_or_else(|| path.to_owned())
}

/// Refuses what lies in a state folder. Blocks for a moment.
///
/// # Errors
/// [`Kind::Refused`]
pub fn check(path: &Path) -> Result<(), Trouble> {
    match real(path).ancestors().find(|folder| is_state(folder)) {
        None => Ok(()),
        Some(folder) => {
            let message = format!("{} is a node's state folder: nothing in it is copied", folder.display());
            Err(Trouble::new(Kind::Refused, message))
        }
    }
}

/// As [`check`], for what is read: what tasks made is fetched from their work folders, and what they go on from as a checkpoint.
///
/// # Errors
/// [`Kind::Refused`]
pub fn check_read(path: &Path) -> Result<(), Trouble> {
    let real = real(path);
    let state = real.ancestors().find(|folder| is_state(folder));
    let open = |name| state.and_then(|state| real.strip_prefix(state.join(name)).ok());
    let below = |name| open(name).is_some_and(|below| below.components().next().is_some());
    if below(WORK) || below(CHECKPOINTS) { Ok(()) } else { check(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_state_folder_is_refused_by_whatever_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, beside) = (folder.path().join("state"), folder.path().join("beside"));
        std::fs::create_dir_all(state.join("grid")).expect("a folder");
        std::fs::create_dir(&beside).expect("a folder");
        std::fs::write(state.join(MARK), b"").expect("a file");
        std::fs::write(state.join("key"), b"").expect("a file");
        std::os::unix::fs::symlink(&state, beside.join("link")).expect("a link");
        let crooked = beside.join("../state/grid/admin.key");
        for path in [&state, &state.join("key"), &state.join("new"), &beside.join("link/grid/recovery"), &crooked] {
            assert_eq!(check(path).expect_err("it is kept").kind, Kind::Refused, "{}", path.display());
        }
        std::fs::create_dir_all(state.join("checkpoints/1-00000001")).expect("a folder");
        assert!(check_read(&state.join("checkpoints/1-00000001/1/x")).is_ok());
        for path in [state.join("checkpoints"), state.join("checkpoints/../key"), state.join("journal.redb")] {
            assert_eq!(check_read(&path).expect_err("it is kept").kind, Kind::Refused, "{}", path.display());
        }
        for path in [folder.path(), &beside, &beside.join("file"), &folder.path().join("state2")] {
            assert!(check(path).is_ok(), "{}", path.display());
        }
    }
}
