//! A job's own folder: its inputs, and how its tasks are run. Written once and durable before the job is accepted.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tern_core::words::{Bytes, JobId, JobSpec};

use super::StoreError;
use super::rows::Rows;
use crate::home::Home;
use crate::process::protocol::Context;

/// Marks a job whose rows in the journal are damaged: its files stay although no journal knows it.
const ASIDE: &str = "aside";

/// Writes the rows (where there are any) and the context, all durable when this returns, their folders too.
///
/// # Errors
/// [`StoreError::Full`] or [`StoreError::Io`]; the folder is removed again.
pub fn write_inputs(home: &Home, job: JobId, rows: &[Vec<Bytes>], context: &Context) -> Result<(), StoreError> {
    let folder = home.job(job);
    let written = write_all(home, job, rows, context);
    if written.is_err() {
        // What cannot be removed is garbage of a job that nobody accepted; the next one of that number replaces it.
        let _ = fs::remove_dir_all(&folder);
    }
    written
}

fn write_all(home: &Home, job: JobId, rows: &[Vec<Bytes>], context: &Context) -> Result<(), StoreError> {
    let folder = home.job(job);
    // A folder of this number can only be left from a submission that was never accepted.
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("cannot be replaced", &folder)(error));
        }
        _ => {}
    }
    let jobs_are_new = make_folder(&folder)?;
    context::write(&home.context(job), context)?;
    if !rows.is_empty() {
        Rows::write(&home.inputs(job), rows)?;
    }
    sync_folder(&folder)?;
    let jobs = folder.parent().unwrap_or(home.path());
    sync_folder(jobs)?;
    if jobs_are_new {
        sync_folder(home.path())?;
    }
    Ok(())
}

/// Returns whether the folder of all jobs is new, too.
fn make_folder(folder: &Path) -> Result<bool, StoreError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            crate::home::make_folder(folder).map_err(StoreError::io("cannot be made", folder))?;
            Ok(true)
        }
        Err(error) => Err(StoreError::io("cannot be made", folder)(error)),
    }
}

/// Removes inputs and context of a job that was forgotten.
///
/// # Errors
/// [`StoreError::Io`]
pub fn discard_job(home: &Home, job: JobId) -> Result<(), StoreError> {
    let folder = home.job(job);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("cannot be removed", &folder)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the folders of jobs that `knows` does not know: of submissions that died before they were accepted, and of
/// borrowed jobs. Not to be called while tasks of such a job wait in the warden. Returns how many were removed.
///
/// # Errors
/// [`StoreError::Io`]
pub fn sweep_jobs(home: &Home, knows: impl Fn(JobId) -> bool) -> Result<usize, StoreError> {
    let folder = home.path().join("jobs");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(StoreError::io("cannot be read", &folder)(error)),
    };
    let mut swept = 0;
    for entry in entries.flatten() {
        let Some(job) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if !knows(job) && !is_aside(home, job) {
            discard_job(home, job)?;
            swept += 1;
        }
    }
    Ok(swept)
}

pub(super) fn mark_aside(home: &Home, job: JobId) -> Result<(), StoreError> {
    let folder = home.job(job);
    crate::home::make_folder(&folder).map_err(StoreError::io("cannot be made", &folder))?;
    let mark = folder.join(ASIDE);
    File::create(&mark).map(drop).map_err(StoreError::io("cannot be made", &mark))
}

/// Whether the job was put aside: it is in no state, but its results are not garbage.
#[must_use]
pub fn is_aside(home: &Home, job: JobId) -> bool {
    home.job(job).join(ASIDE).exists()
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(StoreError::io("fsync of the folder", folder))
}

pub mod context {
    //! The file that says how a job's tasks are run: folder, environment, limits. Private to this user and this machine.

    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    use std::{fs, io};

    use std::path::PathBuf;

    use tern_core::words::limits::KILL_GRACE;
    use tern_core::words::{Checkpoint, GrantId};

    use super::{Bytes, Context, Home, JobId, JobSpec, Path, StoreError};

    const MAGIC: [u8; 8] = *b"TERNCTX\n";
    /// Behind the content: CRC-32 of it (4), version (2), zero (2), magic (8).
    const TRAILER_BYTES: usize = 16;
    const VERSION: u16 = 1;

    /// Writes the file with mode 0600 and makes it durable; the caller makes its folder durable.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]; what was half written is removed.
    pub fn write(path: &Path, context: &Context) -> Result<(), StoreError> {
        write_then(path, context, File::sync_data)
    }

    fn write_then(
        path: &Path,
        context: &Context,
        last: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let encoded = postcard::to_extend(context, Vec::new());
        let mut bytes = encoded.map_err(|error| StoreError::damaged(path, error.to_string()))?;
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&MAGIC);
        let written = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            file.write_all(&bytes)?;
            last(&file)
        };
        written().map_err(|error| {
            let _ = fs::remove_file(path);
            StoreError::io("the job's context cannot be written", path)(error)
        })
    }

    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Damaged`], [`StoreError::Newer`]
    pub fn read(path: &Path) -> Result<Context, StoreError> {
        let bytes = fs::read(path).map_err(StoreError::io("the job's context cannot be read", path))?;
        let Some((content, trailer)) = bytes.split_last_chunk::<TRAILER_BYTES>() else {
            return Err(StoreError::damaged(path, "it is too short"));
        };
        if trailer[8..] != MAGIC {
            return Err(StoreError::damaged(path, "it is not a job's context, or cut short"));
        }
        let version = u16::from_le_bytes([trailer[4], trailer[5]]);
        if version > VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found: version, known: VERSION });
        }
        if trailer[..4] != crc32fast::hash(content).to_le_bytes() {
            return Err(StoreError::damaged(path, "its checksum is wrong"));
        }
        postcard::from_bytes(content).map_err(|error| StoreError::damaged(path, error.to_string()))
    }

    /// The context of borrowed tasks: the environment that travels with their spec, in the root folder. One file a loan, so
    /// that no lender can write what another's tasks run with. Not durable: a borrower that dies gives its loans back.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]
    pub fn for_borrowed(home: &Home, job: JobId, grant: GrantId, spec: &JobSpec) -> Result<PathBuf, StoreError> {
        let GrantId { incarnation, n } = grant;
        let path = home.job(job).join(format!("context-{incarnation:016x}-{n}"));
        let folder = home.job(job);
        crate::home::make_folder(&folder).map_err(StoreError::io("cannot be made", &folder))?;
        let context = Context {
            cwd: "/".into(),
            env: env_of(spec),
            timeout_ms: spec.timeout_ms,
            grace_ms: grace_ms(spec),
            rlimits: spec.rlimits.clone(),
        };
        write_then(&path, &context, |_| Ok(())).map(|()| path)
    }

    /// What borrowed tasks find beside what their job sends: where programs are on this machine, and whose home it is.
    fn env_of(spec: &JobSpec) -> Vec<(Bytes, Bytes)> {
        let own = [("PATH", std::env::var_os("PATH")), ("HOME", std::env::var_os("HOME"))];
        let sent = |name: &str| spec.env.iter().any(|(sent, _)| sent.0 == name.as_bytes());
        let own = own.into_iter().filter(|(name, _)| !sent(name));
        let own = own.filter_map(|(name, value)| Some((Bytes::from(name), Bytes(value?.into_encoded_bytes()))));
        spec.env.iter().cloned().chain(own).collect()
    }

    /// Between TERM and KILL.
    #[must_use]
    pub fn grace_ms(spec: &JobSpec) -> u64 {
        let of_checkpoint = |checkpoint: &Checkpoint| u64::from(checkpoint.grace_ms);
        spec.checkpoint.as_ref().map_or(KILL_GRACE.as_ms(), of_checkpoint)
    }

    /// Where programs of borrowed tasks are looked for.
    #[must_use]
    pub fn path_of(spec: &JobSpec) -> Option<Vec<u8>> {
        env_of(spec).into_iter().find(|(name, _)| name.0 == b"PATH").map(|(_, value)| value.0)
    }

    /// Removes the context of a loan that is over, and the job's folder with the last of them.
    pub fn discard_borrowed(path: &Path) {
        // What stays is swept up at a start.
        let _ = fs::remove_file(path);
        if let Some(folder) = path.parent() {
            let _ = fs::remove_dir(folder);
        }
    }
}
