//! Checkpoints of tasks on the disk: one folder for each attempt, and what the task had written by then.
//!
//! An attempt begins with a copy of the last checkpoint that counts and leaves its own in a folder that has its name. So a
//! checkpoint counts or does not: nothing that an attempt does to its folder changes the one before, and which one counts stands
//! in the results, which are written when the folder is on the disk.

mod discard;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tern_core::promise::State;
use tern_core::words::limits::CHECKPOINT_FILES_MAX;
use tern_core::words::{Attempt, JobId};

pub use self::discard::{discard, remove};
use super::protocol::Said;
use crate::home::Home;
use crate::store::key::random_u64;

/// Tells a program where its checkpoints are.
pub const VARIABLE: &[u8] = b"TERN_CHECKPOINT_DIR";
/// Folders within folders.
const DEPTH_MAX: usize = 64;

/// All files and folders below one, folders before what is in them. Links are not followed. The limit bounds memory.
fn walk(root: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (name, meta) = (folder.join(entry.file_name()), entry.metadata()?);
            if found.len() >= CHECKPOINT_FILES_MAX || name.components().count() > DEPTH_MAX {
                let why = format!(
                    "{}: more than {CHECKPOINT_FILES_MAX} files, or {DEPTH_MAX} folders in each other",
                    root.display()
                );
                return Err(io::Error::other(why));
            }
            if meta.is_dir() {
                open.push(name.clone());
            }
            found.push((name, meta));
        }
    }
    Ok(found)
}

/// Makes the folder of an attempt, with all that is in `from` if that is there. Called in the process that becomes the task.
///
/// # Errors
/// The system's; a checkpoint with more files than the limit.
pub fn prepare(from: &Path, folder: &Path) -> io::Result<()> {
    remove(folder)?;
    crate::home::make_folder(folder)?;
    if from.as_os_str().is_empty() || !from.is_dir() {
        return Ok(());
    }
    let mut modes = Vec::new();
    for (name, meta) in walk(from)? {
        let (source, target) = (from.join(&name), folder.join(&name));
        if meta.is_dir() {
            fs::create_dir(&target)?;
            modes.push((target, meta.permissions()));
        } else if meta.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if meta.is_file() {
            fs::copy(&source, &target)?;
        }
    }
    // At the end: a folder may forbid its own filling.
    modes.into_iter().try_for_each(|(path, mode)| fs::set_permissions(path, mode))
}

/// Writes what the task wrote before, so that what it writes now comes behind it.
///
/// # Errors
/// The system's; the file is shorter than it was.
pub fn repeat(said: &Said, to: &mut impl Write) -> io::Result<()> {
    let mut file = File::open(OsString::from_vec(said.file.0.clone()))?;
    file.seek(SeekFrom::Start(said.offset))?;
    let copied = io::copy(&mut file.take(said.len), to)?;
    if copied < said.len { Err(io::Error::from(ErrorKind::UnexpectedEof)) } else { to.flush() }
}

/// Makes a checkpoint durable, with its name. Nothing to do where the attempt has no folder.
///
/// # Errors
/// The system's: it does not count then.
pub fn sync(home: &Home, attempt: &Attempt) -> io::Result<()> {
    let folder = home.checkpoint(attempt);
    if !folder.is_dir() {
        return Ok(());
    }
    sync_tree(&folder)?;
    // Up to the state folder: all of these may be new.
    for above in folder.ancestors().skip(1).take(4) {
        File::open(above)?.sync_all()?;
    }
    Ok(())
}

/// Makes all that is in a folder durable, and the folder.
///
/// # Errors
/// The system's.
pub fn sync_tree(folder: &Path) -> io::Result<()> {
    for (name, meta) in walk(folder)? {
        if meta.is_file() || meta.is_dir() {
            let path = folder.join(name);
            match File::open(&path) {
                Ok(file) => file.sync_all()?,
                // A program may take away its own right to read.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(meta.permissions().mode() | 0o400))?;
                    File::open(&path)?.sync_all()?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    File::open(folder)?.sync_all()
}

/// Removes all checkpoints of a task, or of a job. What comes under that name from now on stays.
pub fn put_away(home: &Home, place: &Path) {
    static LIFE: OnceLock<u64> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // Process numbers come again, and so do those of containers that begin anew: what an earlier life left is in no one's way.
    let life = *LIFE.get_or_init(|| random_u64().unwrap_or_else(|_| std::process::id().into()));
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let aside = home.checkpoints().join(format!("gone-{life:016x}-{number}"));
    match fs::rename(place, &aside) {
        Ok(()) => discard(vec![aside]),
        // Mostly there is none.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(%error, path = %place.display(), "checkpoints that nobody needs stay until the next start");
        }
    }
}

/// What lies beside the checkpoints of these attempts of one task: nobody needs it any more.
#[must_use]
pub fn others(home: &Home, kept: &[Attempt]) -> Vec<PathBuf> {
    let Some(first) = kept.first() else { return Vec::new() };
    let names: BTreeSet<String> = kept.iter().map(Home::attempt_name).collect();
    let Ok(entries) = fs::read_dir(home.checkpoints_of(first.job, first.task)) else { return Vec::new() };
    let other = entries.flatten().filter(|entry| {
        // With what it had written by then: NAME.0, NAME.1.
        let name = entry.file_name().to_string_lossy().into_owned();
        !names.contains(name.split('.').next().unwrap_or_default())
    });
    other.map(|entry| entry.path()).collect()
}

/// At a start: removes checkpoints of jobs that are not here, and of tasks that are over.
pub fn sweep(home: &Home, state: &State) {
    let root = home.checkpoints();
    let Ok(jobs) = fs::read_dir(&root) else { return };
    for entry in jobs.flatten() {
        let name = entry.file_name();
        let id: Option<JobId> = name.to_str().and_then(|name| name.parse().ok());
        let job = id.filter(|id| id.owner_tag() == state.node().tag()).and_then(|id| state.job(id));
        let Some(job) = job.filter(|job| !job.is_settled()) else {
            put_away(home, &entry.path());
            continue;
        };
        for task in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let number = task.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            // Folders count from 1, as people do.
            if number.is_none_or(|number| number == 0 || job.is_over(number - 1)) {
                put_away(home, &task.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::words::Epoch;

    fn attempt(n: u32) -> Attempt {
        Attempt { job: JobId::new(7, 1), task: 0, round: 0, epoch: Epoch { counter: 0, keeper: 7, incarnation: 9 }, n }
    }

    #[test]
    fn an_attempt_has_a_copy_and_changes_none_but_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        let [first, second] = [1, 2].map(|n| home.checkpoint(&attempt(n)));
        prepare(Path::new(""), &first).expect("it is empty");
        assert_eq!(fs::metadata(&first).expect("it is there").permissions().mode() & 0o777, 0o700);
        fs::create_dir(first.join("deep")).expect("a folder");
        fs::write(first.join("deep/state"), b"1").expect("a file");
        fs::set_permissions(first.join("deep"), fs::Permissions::from_mode(0o500)).expect("its rights");
        sync(&home, &attempt(1)).expect("durable");
        prepare(&first, &second).expect("a copy");
        assert_eq!(fs::metadata(second.join("deep")).expect("copied").permissions().mode() & 0o777, 0o500);
        fs::set_permissions(second.join("deep"), fs::Permissions::from_mode(0o700)).expect("its rights");
        fs::write(second.join("deep/state"), b"2").expect("a file");
        // Once more: what the attempt had begun is gone.
        prepare(&first, &second).expect("a copy");
        assert_eq!(fs::read(second.join("deep/state")).expect("copied"), b"1");
        let gone = home.checkpoint(&attempt(3));
        prepare(&gone, &second).expect("what is not there was nothing");
        assert_eq!(fs::read_dir(&second).expect("it is there").count(), 0);
    }

    #[test]
    fn only_what_counts_or_runs_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        for n in 1..=4 {
            crate::home::make_folder(home.checkpoint(&attempt(n))).expect("a folder");
        }
        let said =
            |n: u32| home.checkpoints_of(attempt(n).job, 0).join(format!("{}.0", Home::attempt_name(&attempt(n))));
        fs::write(said(2), b"x").expect("a file");
        fs::write(said(3), b"x").expect("a file");
        let mut others = others(&home, &[attempt(2), attempt(4)]);
        others.sort();
        assert_eq!(others, [home.checkpoint(&attempt(1)), home.checkpoint(&attempt(3)), said(3)]);
    }

    #[test]
    fn what_an_earlier_life_under_the_same_process_number_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        for number in 0..1_000 {
            let left = home.checkpoints().join(format!("gone-{}-{number}", std::process::id()));
            fs::create_dir_all(left.join("full")).expect("folders");
        }
        let place = home.checkpoints_of(attempt(1).job, 0);
        crate::home::make_folder(home.checkpoint(&attempt(1))).expect("a folder");
        put_away(&home, &place);
        assert!(!place.exists());
    }

    #[test]
    fn what_was_said_is_repeated_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        fs::write(&path, b"0123456789").expect("a file");
        let said = |offset, len| Said { file: path.to_str().expect("text").into(), offset, len };
        let mut to = Vec::new();
        repeat(&said(2, 3), &mut to).expect("it is there");
        assert_eq!(to, b"234");
        assert!(repeat(&said(8, 3), &mut Vec::new()).is_err());
    }
}
