//! Private runs: a state folder for each `tern map` without an agent, so that two never collide.
//!
//! A run that did all its work leaves nothing. One that did not is kept, for its outputs and for `--home`; only so many.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::{Flock, FlockArg};
use tern_core::words::limits::{RUNS_FINISHED_KEPT_MAX, RUNS_KILLED_KEPT_MAX};

use crate::home::Home;

/// Written when a run ended in order: without it, its process was killed.
const ENDED: &str = "ended";
/// How long a warden that was told to go may take.
const GOING_MAX: Duration = Duration::from_secs(2);

/// The folder of one run.
pub(super) struct Run {
    home: Home,
}

impl Run {
    pub(super) fn create(home: &Home) -> io::Result<Self> {
        prune(home);
        let runs = home.runs();
        crate::home::make_folder(&runs)?;
        let stamp = crate::clock::now();
        // The pid alone comes again; the clock alone may be asked twice at once.
        let path = runs.join(format!("{}-{}", stamp.wall_ms, std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { home: Home::new(path) })
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    pub(super) fn keep(&self) -> io::Result<()> {
        File::create(self.home.path().join(ENDED)).map(drop)
    }

    /// The private warden was told to go and may still be putting its files away: what it leaves behind goes, too.
    pub(super) fn remove(&self) -> io::Result<()> {
        let since = Instant::now();
        loop {
            match fs::remove_dir_all(self.home.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && since.elapsed() < GOING_MAX => {
                    thread::sleep(Duration::from_millis(1));
                }
                done => return done,
            }
        }
    }
}

/// Removes the oldest runs beyond the limits. Never one that somebody holds; what cannot be removed is left.
pub(super) fn prune(home: &Home) {
    let Ok(entries) = fs::read_dir(home.runs()) else { return };
    let (mut finished, mut killed) = (Vec::new(), Vec::new());
    for path in entries.flatten().map(|entry| entry.path()) {
        let age = fs::metadata(&path).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let kind = if path.join(ENDED).exists() { &mut finished } else { &mut killed };
        kind.push((age, path));
    }
    drop_oldest(finished, RUNS_FINISHED_KEPT_MAX);
    drop_oldest(killed, RUNS_KILLED_KEPT_MAX);
}

fn drop_oldest(mut runs: Vec<(SystemTime, PathBuf)>, keep: usize) {
    let excess = runs.len().saturating_sub(keep);
    if excess == 0 {
        return;
    }
    runs.sort();
    for (_, path) in runs.into_iter().take(excess) {
        let home = Home::new(path);
        if is_free(&home.agent_lock()) && is_free(&home.warden_lock()) {
            // Best effort: the next run tries again.
            let _left = fs::remove_dir_all(home.path());
        }
    }
}

/// Whether nobody holds the lock file at `path`.
fn is_free(path: &std::path::Path) -> bool {
    match File::open(path) {
        Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_runs_go_first_and_one_that_is_held_stays() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let mut paths = Vec::new();
        for index in 0..RUNS_FINISHED_KEPT_MAX + 3 {
            let path = home.runs().join(format!("{index:04}"));
            fs::create_dir_all(&path).unwrap();
            File::create(path.join(ENDED)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(index as u64);
            File::open(&path).unwrap().set_modified(time).unwrap();
            paths.push(path);
        }
        let lock = File::create(Home::new(&paths[1]).agent_lock()).unwrap();
        // Creating a file touches its folder; the age is what the test is about.
        File::open(&paths[1]).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        let held = Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap();
        prune(&home);
        let left: Vec<bool> = paths.iter().take(4).map(|path| path.exists()).collect();
        assert_eq!(left, [false, true, false, true]);
        drop(held);
    }

    #[test]
    fn a_run_has_a_folder_that_only_its_user_can_open() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&Home::new(folder.path())).unwrap();
        let mode = fs::metadata(run.home().path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        run.remove().unwrap();
        assert!(!run.home().path().exists());
    }
}
