//! Folders that nobody needs go away, whatever rights their task left them.
//!
//! A task may take the right to write from a folder of its own, and what is in such a folder cannot be removed by the very user who
//! owns it. It is given back then, to folders only: files need no rights to go.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tern_core::words::limits::CHECKPOINT_FILES_MAX;

/// What its owner needs of a folder to empty it.
const OWNERS: u32 = 0o700;

/// Removes a file, or a folder with all that is in it. What is not there is removed already. Blocks: it may take long.
///
/// # Errors
/// The system's; a part of it may be gone.
pub fn remove(path: &Path) -> io::Result<()> {
    remove_by(path, |path| {
        let folder = fs::symlink_metadata(path)?.is_dir();
        if folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    })
}

/// A second try is made once, and only for want of rights.
fn remove_by(path: &Path, mut step: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let removed = match step(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => open_up(path).and_then(|()| step(path)),
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Gives the owner all rights to a folder and to those within it. Links are not followed.
fn open_up(root: &Path) -> io::Result<()> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let meta = fs::symlink_metadata(&folder)?;
        if !meta.is_dir() {
            continue;
        }
        let mode = meta.permissions().mode();
        if mode & OWNERS != OWNERS {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode | OWNERS))?;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
        if open.len() > CHECKPOINT_FILES_MAX {
            let why = format!("{}: more than {CHECKPOINT_FILES_MAX} folders", root.display());
            return Err(io::Error::other(why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A user for whom modes count: root ignores them.
    const NOBODY: u32 = 65_534;

    /// The rights of a thread are its own. What runs in here is bound by modes, whoever runs the tests.
    fn bound_by_modes(act: impl FnOnce() + Send + 'static) {
        let bound = move || {
            if nix::unistd::geteuid().is_root() {
                nix::unistd::setfsuid(nix::unistd::Uid::from_raw(NOBODY));
            }
            act();
        };
        thread::spawn(bound).join().expect("it went well");
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its rights");
    }

    /// Two folders in each other and a file in each, all without a right to write.
    fn read_only(root: &Path) -> PathBuf {
        let (one, two) = (root.join("one"), root.join("one/two"));
        fs::create_dir_all(&two).expect("folders");
        for folder in [&two, &one] {
            fs::write(folder.join("state"), b"1").expect("a file");
            set_mode(&folder.join("state"), 0o400);
            set_mode(folder, 0o500);
        }
        one
    }

    #[test]
    fn a_folder_that_its_task_left_read_only_is_removed_by_its_owner() {
        bound_by_modes(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let left = read_only(folder.path());
            let refused = fs::remove_dir_all(&left).expect_err("modes count here");
            assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
            remove(&left).expect("removed");
            assert!(!left.exists());
            // Nor may it be closed to reading, and a link is no way out.
            let (left, other) = (read_only(folder.path()), folder.path().join("other"));
            fs::create_dir(&other).expect("a folder");
            set_mode(&left, 0o700);
            std::os::unix::fs::symlink(&other, left.join("link")).expect("a link");
            for path in [&left.join("two"), &left, &other] {
                set_mode(path, 0);
            }
            remove(&left).expect("removed");
            let mode = fs::metadata(&other).expect("it is there").permissions().mode() & 0o777;
            assert_eq!((left.exists(), mode), (false, 0));
            remove(&left).expect("it is not there");
            remove(folder.path()).expect("all of it");
        });
    }

    #[test]
    fn a_second_try_is_the_last_and_made_for_want_of_rights_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = read_only(folder.path());
        for (kind, tries) in [(ErrorKind::PermissionDenied, 2), (ErrorKind::StorageFull, 1)] {
            let mut tried = 0;
            let removed = remove_by(&left, |_| {
                tried += 1;
                Err(kind.into())
            });
            assert_eq!((removed.expect_err("it stays").kind(), tried), (kind, tries));
        }
        remove(folder.path()).expect("all of it");
    }
}
