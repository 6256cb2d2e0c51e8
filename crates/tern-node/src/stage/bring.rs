//! The borrower's side: inputs into the cache, and from there into the folder of each task.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tern_core::wire::TaskFiles;
use tern_core::words::{Bytes, NodeId, Unfit};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::made::Inputs;
use super::{Stager, Wish, bad_name};
use crate::files::aside::blocking;
use crate::files::names;
use crate::files::receive::fetch::Fetch;
use crate::files::wire::{Ask, Entry, Form, Kind, Listed, Trouble, hear};
use crate::node::input::Peer;
use crate::overlay::calls::Call;

/// Files below one folder that is an input.
const ENTRIES_MAX: usize = 1 << 16;

impl Stager {
    /// Fetches what the tasks of a loan need, and tells the loop of each when it is ready.
    pub fn bring(&self, wish: Wish) {
        let stager = self.clone();
        self.live().insert(wish.folder.clone());
        self.runtime.spawn(async move { stager.bring_all(wish).await });
    }

    async fn bring_all(&self, wish: Wish) {
        let Wish { grant, from, base, folder: all, tasks } = wish;
        let mut running = JoinSet::new();
        for (task, files) in tasks {
            let Ok(place) = self.coming.clone().acquire_owned().await else { return };
            if !self.live().contains(&all) {
                break;
            }
            let (stager, base, folder) = (self.clone(), base.clone(), all.join(task.to_string()));
            let all = all.clone();
            running.spawn(async move {
                let saved = stager.bring_checkpoint(from, task, &all, files.saved.as_deref()).await;
                let brought = match saved {
                    Ok(()) => stager.bring_one((from, &base), folder, &files).await,
                    Err(trouble) => Err(trouble),
                };
                let inputs = brought.map_err(|trouble| {
                    tracing::warn!(%from, task, %trouble, "inputs of a borrowed task did not come");
                    if trouble.kind == Kind::StorageFull {
                        stager.cache.make_room();
                    }
                    unfit(trouble.kind)
                });
                // A loop that has ended needs no inputs.
                let _ended = stager.peers.to_loop().send(Peer::Staged { grant, task, inputs }).await;
                drop(place);
            });
        }
        while running.join_next().await.is_some() {}
        // Its folder may have been made again since.
        self.discard_unless_live(&all);
    }

    async fn bring_one(
        &self,
        (from, base): (NodeId, &Path),
        folder: PathBuf,
        files: &TaskFiles,
    ) -> Result<Inputs, Trouble> {
        let (events, _unheard) = mpsc::channel(1);
        let mut fetch = Fetch::new(self.peers.clone(), from, true, events);
        let below = |name: &Bytes| {
            names::inside(name).filter(|name| !name.as_os_str().is_empty()).ok_or_else(|| bad_name(name))
        };
        let folders = files.folders.iter().map(|name| below(name).map(|name| folder.join(name)));
        let folders = [Ok(folder.clone())].into_iter().chain(folders).collect::<Result<Vec<_>, _>>()?;
        let make = |path: &PathBuf| crate::home::make_folder(path).map_err(|error| Trouble::at(path, &error));
        blocking(move || folders.iter().try_for_each(make)).await?;
        for name in &files.inputs {
            let inside = below(name)?;
            let path = names::bytes(&base.join(&inside));
            match fetch.content_of(&path, &self.cache).await {
                Ok((content, mode)) => lay(content, folder.join(inside), mode).await?,
                // A program that does not find its file says so itself, as on one machine.
                Err(trouble) if trouble.kind == Kind::NoSuchFile => {}
                Err(trouble) if trouble.kind == Kind::Refused => {
                    self.bring_folder(&mut fetch, from, &path, &folder.join(inside)).await.map_err(|_| trouble)?;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        blocking(move || Inputs::look(folder)).await
    }

    /// What is in a folder there.
    pub(super) async fn listed(&self, from: NodeId, path: &[u8]) -> Result<Vec<Entry>, Trouble> {
        let ask = Ask::List { sources: vec![path.to_vec()], recursive: true };
        let (_send, mut receive) = self.peers.call(&from, &Call::Files(ask)).await?;
        let mut entries = Vec::new();
        loop {
            match hear::<Listed>(&mut receive).await? {
                Listed::Entry(entry) if entries.len() < ENTRIES_MAX => entries.push(entry),
                Listed::Entry(_) => return Err(Trouble::new(Kind::Refused, "a folder with too many files")),
                Listed::Source { .. } | Listed::Skipped { .. } => {}
                Listed::End => return Ok(entries),
                Listed::Failed(trouble) => return Err(trouble),
            }
        }
    }

    /// A folder: all regular files in it.
    pub(super) async fn bring_folder(
        &self,
        fetch: &mut Fetch,
        from: NodeId,
        path: &[u8],
        target: &Path,
    ) -> Result<(), Trouble> {
        for entry in self.listed(from, path).await? {
            let inside = names::inside(&entry.name).ok_or_else(|| bad_name(&entry.name))?;
            match entry.form {
                Form::File { path, .. } => {
                    let (content, mode) = fetch.content_of(&path, &self.cache).await?;
                    lay(content, target.join(inside), mode).await?;
                }
                Form::Folder => {
                    let folder = target.join(inside);
                    blocking(move || fs::create_dir_all(&folder).map_err(|error| Trouble::at(&folder, &error))).await?;
                }
                // Where they lead need not be here.
                Form::Link { .. } => {}
            }
        }
        Ok(())
    }
}

/// Copies a content to its place: a task may change its inputs, and the cache must not change with them.
pub(super) async fn lay(content: PathBuf, target: PathBuf, mode: u32) -> Result<(), Trouble> {
    let lay = move || {
        let failed = |error: std::io::Error| Trouble::at(&target, &error);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::copy(&content, &target).map_err(failed)?;
        fs::set_permissions(&target, Permissions::from_mode(mode & 0o777)).map_err(failed)
    };
    blocking(lay).await
}

fn unfit(kind: Kind) -> Unfit {
    match kind {
        Kind::StorageFull => Unfit::Disk,
        Kind::Refused => Unfit::NoFiles,
        _ => Unfit::Inputs,
    }
}
