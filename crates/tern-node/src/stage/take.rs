//! The owner's side: what a lent task made is fetched and put where it would have been made here; then its end is taken.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tern_core::promise::{Exit, Outcome};
use tern_core::wire::{Made, MadeFile, Message, TaskFiles};
use tern_core::words::{Bytes, GrantId, NodeId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Return, Stager, bad_name};
use crate::files::aside::blocking;
use crate::files::names;
use crate::files::receive::fetch::Fetch;
use crate::files::source::kept;
use crate::files::wire::{Kind, Trouble};
use crate::node::input::Peer;

/// Files with standard output and error that no message holds, fetched from the borrower.
pub type Long = [Option<PathBuf>; 2];

/// As sysexits has it: an output file cannot be made.
const CANTCREAT: u8 = 73;

impl Stager {
    /// Fetches what the tasks of these ends made, and hands each end to the loop when its files are in their places. What cannot be
    /// fetched now is not handed on: the borrower says it again.
    pub fn take(&self, wish: Return) {
        let stager = self.clone();
        self.runtime.spawn(async move { stager.take_all(wish).await });
    }

    async fn take_all(&self, wish: Return) {
        let Return { from, message, base, declared } = wish;
        let Message::Results { grant, outcomes, output, made } = message else { return };
        let mut running = JoinSet::new();
        let ends = outcomes.into_iter().zip(output).zip(made).zip(declared);
        // All at once: what is said again while the first wait for their turn is dropped then, and not kept until its own.
        let ends: Vec<_> = ends.filter(|(((end, _), _), _)| self.begin_return(grant, end.attempt.task)).collect();
        for (((mut outcome, mut output), made), files) in ends {
            let task = outcome.attempt.task;
            let Ok(place) = self.going.clone().acquire_owned().await else { return };
            let (stager, base) = (self.clone(), base.clone());
            running.spawn(async move {
                // What it said comes first: it is told also where what it made has no place.
                let mut taken = stager.take_long((from, grant, task), &made).await;
                if taken.is_ok() {
                    let saved = stager.take_checkpoint(from, &mut outcome, &made).await;
                    taken = saved.and(taken);
                }
                if let Ok(long) = &taken {
                    let placed = stager.take_one(from, &made, &base, &files).await;
                    stager.note_room(grant, task, placed.as_ref().err());
                    let (long, goes) = (long.clone(), said(placed, &mut outcome, &mut output));
                    taken = if goes { seal(&long, &mut output.1).await.map(|()| long) } else { Ok(Long::default()) };
                    if goes && let Ok(long) = &taken {
                        stager.hand_on((from, grant), outcome, output, long.clone()).await;
                    }
                }
                drop(place);
                if let Err(trouble) = taken {
                    tracing::warn!(%trouble, task, "output of a lent task did not come; it is asked for again");
                    stager.note_room(grant, task, Some(&trouble));
                }
                stager.end_return(grant, task);
            });
        }
        while running.join_next().await.is_some() {}
    }

    async fn hand_on(&self, (from, grant): (NodeId, GrantId), outcome: Outcome, output: (Bytes, Bytes), long: Long) {
        let message = Message::Results { grant, outcomes: vec![outcome], output: vec![output], made: Vec::new() };
        // A loop that has ended takes it at its next start, from the borrower.
        let _ended = self.peers.to_loop().send(Peer::Returned { from, message, long }).await;
    }

    /// Standard output and error that no message holds.
    async fn take_long(&self, (from, grant, task): (NodeId, GrantId, u32), made: &Made) -> Result<Long, Trouble> {
        let (events, _unheard) = mpsc::channel(1);
        let mut fetch = Fetch::new(self.peers.clone(), from, true, events);
        let mut long = Long::default();
        for (which, path) in made.long.iter().enumerate() {
            let Some(path) = path else { continue };
            let place = self.long_place(grant, task, which);
            fetch.file(path, &place, 0o600).await?;
            long[which] = Some(place);
        }
        Ok(long)
    }

    async fn take_one(&self, from: NodeId, made: &Made, base: &Path, files: &TaskFiles) -> Result<(), Trouble> {
        let (events, _unheard) = mpsc::channel(1);
        let mut fetch = Fetch::new(self.peers.clone(), from, true, events);
        for file in &made.files {
            let Target { place, said } = target(base, file, files)?;
            let (root, target) = (base.to_owned(), place.clone());
            blocking(move || prepare(&root, &place, &said)).await?;
            let path = [&made.base[..], b"/", &file.name[..]].concat();
            // What nobody named and the task never had may hold what it would have added to.
            let mut meant = files.inputs.iter().chain(&files.outputs);
            fetch.force = meant.any(|known| names::path(&file.name).starts_with(names::path(known)));
            fetch.file(&path, &target, file.mode).await.map_err(|trouble| gone(unseen(trouble, &target)))?;
        }
        Ok(())
    }
}

/// Makes both durable. What is added to an error output that is a file stands behind it.
async fn seal(long: &Long, stderr: &mut Bytes) -> Result<(), Trouble> {
    let added = if long[1].is_some() { std::mem::take(stderr) } else { Bytes::default() };
    let long = long.clone();
    blocking(move || {
        for (which, path) in long.iter().enumerate() {
            let Some(path) = path else { continue };
            let sealed = fs::OpenOptions::new().append(true).open(path).and_then(|mut file| {
                file.write_all(if which == 1 { &added } else { &[] })?;
                file.sync_all()
            });
            // Whatever it is, it is no reason for the task to fail.
            sealed.map_err(|error| Trouble::new(Kind::Io, format!("{}: {error}", path.display())))?;
        }
        Ok(())
    })
    .await
}

/// Where a file goes.
struct Target {
    place: PathBuf,
    /// As much of it as the job itself named: its owner may have put links there. Empty: none.
    said: PathBuf,
}

/// Of a job that names its outputs nothing else is taken.
fn target(base: &Path, file: &MadeFile, files: &TaskFiles) -> Result<Target, Trouble> {
    let name = names::inside(&file.name).filter(|name| !name.as_os_str().is_empty());
    let name = name.ok_or_else(|| bad_name(&file.name))?;
    let mut named = files.outputs.iter().map(|output| names::path(output)).filter(|output| name.starts_with(output));
    let said = match named.next() {
        Some(said) => base.join(said),
        None if files.outputs.is_empty() => PathBuf::new(),
        None => return Err(bad_name(&file.name)),
    };
    Ok(Target { place: base.join(name), said })
}

/// Makes the folders on the way. What the job did not name itself is written through no link: the other node chose the name. Blocks.
fn prepare(base: &Path, target: &Path, said: &Path) -> Result<(), Trouble> {
    let declared = |path: &Path| said.starts_with(path);
    kept::check(base)?;
    let below = target.strip_prefix(base).unwrap_or(target);
    let mut path = base.to_owned();
    for part in below.parent().unwrap_or(Path::new("")).components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) if declared(&path) && path.is_dir() => {}
            Ok(_) => {
                let message = format!("{} is no folder: nothing is written through it", path.display());
                return Err(Trouble::new(Kind::Refused, message));
            }
            Err(_) => match fs::create_dir(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(Trouble::at(&path, &error));
                }
                _ => {}
            },
        }
    }
    kept::check(target)?;
    match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_dir() || (!declared(target) && !meta.is_file()) => {
            let message = format!("{} is there and is no regular file", target.display());
            Err(Trouble::new(Kind::Exists, message))
        }
        _ => Ok(()),
    }
}

/// Nothing is overwritten that the task had not seen.
fn unseen(trouble: Trouble, target: &Path) -> Trouble {
    if trouble.kind != Kind::Exists {
        return trouble;
    }
    let message = format!(
        "{} is there, is something else, and the task had not seen it: nothing was overwritten. Name it by --out if tasks replace it, \
         by --in if they add to it",
        target.display()
    );
    Trouble::new(Kind::Exists, message)
}

/// Its borrower has begun anew and has it no more: the task runs again when the lease is over, and has not failed.
fn gone(trouble: Trouble) -> Trouble {
    if trouble.kind == Kind::NoSuchFile { Trouble::new(Kind::Io, trouble.to_string()) } else { trouble }
}

/// Whether the end may be handed on. What will never have its place makes the task fail, and its error output says why.
fn said(taken: Result<(), Trouble>, outcome: &mut Outcome, output: &mut (Bytes, Bytes)) -> bool {
    let Err(trouble) = taken else { return true };
    // The folder of the job, or the file there, may be gone: neither comes again by itself.
    let never =
        matches!(trouble.kind, Kind::NoPermission | Kind::Refused | Kind::Exists | Kind::Invalid | Kind::NoSuchFile);
    tracing::warn!(%trouble, task = outcome.attempt.task, never, "what a lent task made is not in its place");
    if never {
        fails(outcome, output, &trouble);
    }
    never
}

/// A task whose outputs will never be where they should fails, and its error output says why.
pub fn fails(outcome: &mut Outcome, output: &mut (Bytes, Bytes), trouble: &Trouble) {
    outcome.exit = Exit::Code(CANTCREAT);
    output.1.0.extend_from_slice(format!("tern: an output has no place: {trouble}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_borrower_chooses_no_place_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path();
        let file = |name: &str| MadeFile { name: name.into(), size: 1, mode: 0o644 };
        let none = TaskFiles::default();
        let named = TaskFiles { outputs: vec!["out".into()], ..TaskFiles::default() };
        assert!(target(base, &file("a/b"), &none).is_ok());
        for bad in ["../a", "/etc/passwd", "", "a/../b", "a\0"] {
            assert!(target(base, &file(bad), &none).is_err(), "{bad}");
        }
        assert!(target(base, &file("out/a"), &named).is_ok() && target(base, &file("out"), &named).is_ok());
        assert!(target(base, &file("outer"), &named).is_err() && target(base, &file("a"), &named).is_err());

        let elsewhere = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(elsewhere.path(), base.join("link")).expect("a link");
        let unsaid = Path::new("");
        assert_eq!(prepare(base, &base.join("link/x"), unsaid).expect_err("a link").kind, Kind::Refused);
        assert!(prepare(base, &base.join("link/x"), &base.join("link")).is_ok(), "the job itself named it");
        // Below what it named the other node chose: `out` is the job's, a link in it is not.
        fs::create_dir(base.join("out")).expect("a folder");
        std::os::unix::fs::symlink(elsewhere.path(), base.join("out/cfg")).expect("a link");
        let below = target(base, &file("out/cfg/x"), &named).expect("below an output");
        assert_eq!(prepare(base, &below.place, &below.said).expect_err("a link").kind, Kind::Refused);
        assert!(!elsewhere.path().join("x").exists());
        std::os::unix::fs::symlink(elsewhere.path().join("y"), base.join("y")).expect("a link");
        assert_eq!(prepare(base, &base.join("y"), unsaid).expect_err("a link").kind, Kind::Exists);
        assert!(prepare(base, &base.join("deep/er/x"), unsaid).is_ok() && base.join("deep/er").is_dir());
    }
}
