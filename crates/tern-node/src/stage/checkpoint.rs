//! Checkpoints of tasks on their way: to the node that goes on from one, and back to the owner.
//!
//! Both directions are the same: the folder's files are fetched by content, so that what did not change since is not sent again. The
//! owner takes the end of a task that left a checkpoint only when the whole of it is on its disk.

use std::fs;
use std::path::Path;

use tern_core::promise::{Exit, Outcome};
use tern_core::wire::{Made, Saved};
use tern_core::words::limits::{CHECKPOINT_BYTES_MAX, CHECKPOINT_OUTPUT_BYTES_MAX};
use tern_core::words::{Bytes, NodeId};
use tokio::sync::mpsc;

use super::bring::lay;
use super::{Stager, saved_folder, saved_output};
use crate::files::aside::blocking;
use crate::files::names;
use crate::files::receive::fetch::Fetch;
use crate::files::wire::{Form, Kind, Trouble};
use crate::process::checkpoint::{remove, sync_tree};

impl Stager {
    /// The borrower's side: what a task goes on from, beside its work folder.
    pub(super) async fn bring_checkpoint(
        &self,
        from: NodeId,
        task: u32,
        folder: &Path,
        saved: Option<&Saved>,
    ) -> Result<(), Trouble> {
        let Some(saved) = saved else { return Ok(()) };
        let (events, _unheard) = mpsc::channel(1);
        let mut fetch = Fetch::new(self.peers.clone(), from, true, events);
        self.fetch_checkpoint(&mut fetch, from, &saved.folder, &saved_folder(folder, task)).await?;
        for (which, path) in saved.said.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let (content, mode) = fetch.content_of(path, &self.cache).await?;
            let size = fs::metadata(&content).map_or(0, |meta| meta.len());
            if size > CHECKPOINT_OUTPUT_BYTES_MAX {
                return Err(Trouble::new(
                    Kind::Refused,
                    format!("the task has written {size} bytes, too many to travel"),
                ));
            }
            lay(content, saved_output(folder, task, which), mode).await?;
        }
        Ok(())
    }

    /// The owner's side: the checkpoint that a task left elsewhere, durable under its name before its end is taken. One that cannot
    /// come at all does not count, and the task goes on from the one before.
    pub(super) async fn take_checkpoint(
        &self,
        from: NodeId,
        outcome: &mut Outcome,
        made: &Made,
    ) -> Result<(), Trouble> {
        if !outcome.exit.leaves_checkpoint() || made.checkpoint.is_empty() {
            return Ok(());
        }
        let place = self.home.checkpoint(&outcome.attempt);
        let part = place.with_extension("part");
        let (events, _unheard) = mpsc::channel(1);
        let mut fetch = Fetch::new(self.peers.clone(), from, true, events);
        let clear = part.clone();
        blocking(move || remove(&clear).map_err(|error| Trouble::at(&clear, &error))).await?;
        let fetched = match self.fetch_checkpoint(&mut fetch, from, &made.checkpoint, &part).await {
            Ok(()) => blocking(move || settle(&part, &place)).await,
            Err(trouble) => Err(trouble),
        };
        match fetched {
            Err(trouble) if matches!(trouble.kind, Kind::Refused | Kind::NoSuchFile | Kind::Invalid) => {
                let attempt = outcome.attempt;
                tracing::warn!(%trouble, job = %attempt.job, task = attempt.task + 1, "a checkpoint does not come: its task goes on from the one before");
                outcome.exit = Exit::Void;
                Ok(())
            }
            done => done,
        }
    }

    async fn fetch_checkpoint(
        &self,
        fetch: &mut Fetch,
        from: NodeId,
        path: &Bytes,
        target: &Path,
    ) -> Result<(), Trouble> {
        let size = |form: &Form| if let Form::File { size, .. } = form { *size } else { 0 };
        let bytes: u64 = self.listed(from, path).await?.iter().map(|entry| size(&entry.form)).sum();
        if bytes > CHECKPOINT_BYTES_MAX {
            let message = format!("the checkpoint {} has {bytes} bytes, more than travel", names::path(path).display());
            return Err(Trouble::new(Kind::Refused, message));
        }
        let folder = target.to_owned();
        let make = move || crate::home::make_folder(&folder).map_err(|error| Trouble::at(&folder, &error));
        blocking(make).await?;
        self.bring_folder(fetch, from, path, target).await
    }
}

/// All of it is here: on the disk, and then under its name.
fn settle(part: &Path, place: &Path) -> Result<(), Trouble> {
    let settled = sync_tree(part).and_then(|()| {
        // The same end was told twice, and the first came to nothing after this.
        remove(place)?;
        fs::rename(part, place)?;
        for above in place.ancestors().skip(1).take(4) {
            fs::File::open(above)?.sync_all()?;
        }
        Ok(())
    });
    settled.map_err(|error| Trouble::at(place, &error))
}
