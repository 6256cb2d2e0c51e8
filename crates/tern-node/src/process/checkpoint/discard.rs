//! Folders that nobody needs go away beside the work, whatever rights their task left them.
//!
//! Removing gigabytes takes long, so one thread does it for the whole process, one path after the other. What it has no room to
//! remember stays where it is, and so does what it had not removed when its process ended: leftovers go at the next start, or when
//! their task is over.
//!
//! A task may take the right to write from a folder of its own, and what is in such a folder cannot be removed by the very user who
//! owns it. It is given back then, to folders only: files need no rights to go.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tern_core::words::limits::CHECKPOINT_FILES_MAX;

/// What its owner needs of a folder to empty it.
const OWNERS: u32 = 0o700;

/// Paths that wait for their removal, about 200 bytes each.
const WAITING_MAX: usize = 4096;

static REMOVER: Mutex<Option<Remover>> = Mutex::new(None);

/// The thread that removes. It lives as long as somebody may tell it of a path.
struct Remover(SyncSender<PathBuf>);

impl Remover {
    fn start(waiting: usize, remove: impl Fn(&Path) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (to, paths) = sync_channel::<PathBuf>(waiting);
        let work = move || {
            for path in paths {
                if let Err(error) = remove(&path) {
                    tracing::warn!(%error, path = %path.display(), "a checkpoint that nobody needs could not be removed");
                }
            }
        };
        thread::Builder::new().name("tern-discard".to_owned()).spawn(work)?;
        Ok(Self(to))
    }

    /// How many of them it has no room for.
    fn take(&self, paths: Vec<PathBuf>) -> usize {
        paths.into_iter().filter(|path| self.0.try_send(path.clone()).is_err()).count()
    }
}

/// Removes folders and files beside the work, soon or at the next start. Returns at once.
pub fn discard(paths: Vec<PathBuf>) {
    if paths.is_empty() {
        return;
    }
    let mut remover = REMOVER.lock().unwrap_or_else(PoisonError::into_inner);
    if remover.is_none() {
        // Tried again with the next path.
        *remover = Remover::start(WAITING_MAX, remove).ok();
    }
    let all = paths.len();
    let left = remover.as_ref().map_or(all, |remover| remover.take(paths));
    if left > 0 {
        tracing::debug!(left, "checkpoints that nobody needs stay for now: too many wait to be removed");
    }
}

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
    use std::sync::mpsc;

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
    fn one_thread_removes_all_and_what_it_cannot_remember_stays() {
        let (begun, begins) = mpsc::channel();
        let (go, goes) = mpsc::channel::<()>();
        let act = move |path: &Path| {
            begun.send((path.to_owned(), thread::current().id())).expect("somebody listens");
            goes.recv().map_err(io::Error::other)
        };
        let remover = Remover::start(2, act).expect("a thread");
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(remover.take(paths(&["a"])), 0);
        let (first, thread) = begins.recv().expect("it begins");
        assert_eq!(first, Path::new("a"));
        // It is busy: two wait, and the others stay.
        assert_eq!(remover.take(paths(&["b", "c", "d", "e"])), 2);
        for next in ["b", "c"] {
            go.send(()).expect("it waits");
            assert_eq!(begins.recv().expect("it begins"), (PathBuf::from(next), thread));
        }
        drop((remover, go));
        assert!(begins.recv().is_err(), "nothing else was to be removed, and the thread ends");
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
