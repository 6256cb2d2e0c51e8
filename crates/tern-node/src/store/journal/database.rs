//! redb held at arm's length: opened on a probe, every panic and every error turned into one of ours.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Builder, Database, TableDefinition};

use super::super::StoreError;
use super::super::error::is_full;
use super::backend::Backend;

/// Bytes of pages kept in memory. The journal of ten thousand jobs is a few megabytes; the agent's whole budget is 40 MiB.
const CACHE_BYTES: usize = 4 << 20;

/// `format` (u16), `node` (32 bytes), `checkpoint` (sealed row).
pub const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// (sequence, place within its commit) → sealed entry.
pub const RECORDS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("records");
/// job → sealed job as of the checkpoint.
pub const JOBS: TableDefinition<u64, &[u8]> = TableDefinition::new("jobs");
/// (job, sequence, place) → a row of a damaged job as it was found; (job, 0, 0) is its checkpoint.
pub const ASIDE: TableDefinition<(u64, u64, u32), &[u8]> = TableDefinition::new("aside");

pub const KEY_FORMAT: &str = "format";
pub const KEY_NODE: &str = "node";
pub const KEY_CHECKPOINT: &str = "checkpoint";

/// An open redb on our backend. Dropping it writes nothing.
pub struct Store {
    db: Option<Database>,
    pub backend: Backend,
}

impl Store {
    /// An existing journal, as it would be after recovery; the file itself is not changed before
    /// [`Backend::go_live`].
    pub fn probe(path: &Path, file: File) -> Result<Self, StoreError> {
        lock(path, &file)?;
        let length = file.metadata().map_err(StoreError::io("cannot be read", path))?.len();
        if length == 0 {
            return Err(StoreError::damaged(path, "it is empty"));
        }
        Self::open(path, Backend::probe(file).map_err(StoreError::io("cannot be read", path))?)
    }

    /// An empty journal under a name of its own, until it has its first commit.
    pub fn fresh(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::io("the journal cannot be made", path))?;
        lock(path, &file)?;
        Self::open(path, Backend::fresh(file))
    }

    fn open(path: &Path, backend: Backend) -> Result<Self, StoreError> {
        let theirs = backend.clone();
        let opened = contained(path, || {
            Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(theirs).map_err(redb::Error::from)
        });
        match opened {
            Ok(db) => Ok(Self { db: Some(db), backend }),
            Err(error) => {
                backend.end();
                Err(error)
            }
        }
    }

    /// Runs something against the database; panics and errors of redb become [`StoreError`].
    pub fn with<T>(&self, path: &Path, act: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        match &self.db {
            Some(db) => contained(path, || act(db)),
            None => Err(StoreError::Failed { path: path.to_owned(), why: "it was closed".to_owned() }),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.backend.end();
        let db = self.db.take();
        // redb writes its last page on dropping, into a backend that has ended; what it panics on is of no interest.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }
}

fn lock(path: &Path, file: &File) -> Result<(), StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let folder = path.parent().unwrap_or(path).to_owned();
            Err(StoreError::InUse { folder, pid: None })
        }
        Err(TryLockError::Error(source)) => Err(StoreError::io("cannot be locked", path)(source)),
    }
}

/// Damage can make redb panic. Nothing of ours is inside when it does.
fn contained<T>(path: &Path, act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|error| translate(path, error)),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map(String::as_str);
            let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no stated reason");
            Err(StoreError::damaged(path, format!("the storage engine gave up on it: {why}")))
        }
    }
}

fn translate(path: &Path, error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(source) if is_full(&source) => StoreError::Full { path: path.to_owned() },
        redb::Error::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::damaged(path, "it is shorter than its own header says")
        }
        // redb speaks of a file that is none of its own in these kinds.
        redb::Error::Io(source)
            if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) =>
        {
            StoreError::damaged(path, source.to_string())
        }
        redb::Error::Io(source) => StoreError::Io { what: "the journal", path: path.to_owned(), source },
        redb::Error::PreviousIo => StoreError::Failed { path: path.to_owned(), why: "an earlier error".to_owned() },
        other => StoreError::damaged(path, other.to_string()),
    }
}
