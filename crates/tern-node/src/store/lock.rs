//! One agent a folder: a lock that the kernel releases however its holder ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::StoreError;
use crate::home::Home;

/// Held as long as this lives. The file stays; only the lock on it counts.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, but for a child that is just being spawned and holds the file, too.
        let _ = self.file.unlock();
    }
}

/// Takes the folder for this process, and makes it where it is not there.
///
/// # Errors
/// [`StoreError::InUse`] with the holder's pid, or [`StoreError::Io`].
pub fn lock(home: &Home) -> Result<Lock, StoreError> {
    let path = home.agent_lock();
    let folder = home.path();
    if !folder.is_dir() {
        crate::home::make_folder(folder).map_err(StoreError::io("the state folder cannot be made", folder))?;
    }
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = opened.map_err(StoreError::io("the lock cannot be opened", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder may be just writing it: then nobody is named.
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(StoreError::InUse { folder: folder.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(StoreError::io("the lock cannot be taken", &path)(source)),
    }
    let pid = format!("{}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.write_all_at(pid.as_bytes(), 0));
    match written {
        Err(error) if !super::error::is_full(&error) => Err(StoreError::io("the lock cannot be written", &path)(error)),
        // On a full disk the lock holds all the same; only its holder cannot be named.
        _ => Ok(Lock { file }),
    }
}

/// Makes the folders that results lie in, with names that survive a power cut.
///
/// # Errors
/// [`StoreError::Io`] or [`StoreError::Full`].
pub fn lay_out(home: &Home) -> Result<(), StoreError> {
    let folders = [home.segments(), home.outputs(), home.jobs()];
    let missing: Vec<_> = folders.into_iter().filter(|folder| !folder.is_dir()).collect();
    for folder in &missing {
        crate::home::make_folder(folder).map_err(StoreError::io("cannot be made", folder))?;
    }
    if missing.is_empty() { Ok(()) } else { super::job::sync_folder(home.path()) }
}

/// The process that holds the folder, where one does and says so.
#[must_use]
pub fn holder(home: &Home) -> Option<u32> {
    let mut file = File::open(home.agent_lock()).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text).ok()?;
            text.trim().parse().ok()
        }
        _ => None,
    }
}
