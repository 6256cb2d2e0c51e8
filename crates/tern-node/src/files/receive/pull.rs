//! The side that wants files: asks what there is, fetches what is missing, and puts each thing in its place when it is whole.

use std::path::{Path, PathBuf};

use tern_core::words::Bytes;
use tokio::sync::mpsc;

use super::fetch::{self, Fetch};
use super::place::{self, Place};
use crate::files::names;
use crate::files::wire::{Ask, Entry, Event, Form, Kind, Listed, Order, Summary, Trouble, hear};
use crate::overlay::calls::Call;
use crate::overlay::peers::Peers;

/// Refusals that are told one by one; more are counted.
const REFUSED_TOLD_MAX: usize = 100;

/// All that one source is.
struct Source {
    title: PathBuf,
    entries: Vec<Entry>,
}

/// Fetches what `order` says. What is whole stays, also when something else fails.
///
/// # Errors
/// [`Trouble`]
pub async fn run(peers: &Peers, order: &Order, events: &mpsc::Sender<Event>) -> Result<Summary, Trouble> {
    if order.from == peers.me() {
        return Err(Trouble::new(Kind::Invalid, "both ends are one node: cp does that"));
    }
    let mut summary = Summary::default();
    let sources = list(peers, order, &mut summary).await?;
    let sizes = sources.iter().flat_map(|source| &source.entries).filter_map(|entry| match entry.form {
        Form::File { size, .. } => Some(size),
        _ => None,
    });
    let (files, bytes) = sizes.fold((0, 0_u64), |(count, sum), size| (count + 1, sum.saturating_add(size)));
    let _unheard = events.send(Event::Total { files, bytes }).await;
    let place = Place::find(order, sources.len())?;
    let mut fetch = Fetch::new(peers.clone(), order.from, order.force, events.clone());
    for source in &sources {
        let target = place.of(&source.title, &source.entries, order.inbox)?;
        summary.target = Bytes::from(names::bytes(&target));
        take(&mut fetch, source, &target, &mut summary).await?;
    }
    summary.hops = fetch.hops();
    let Fetch { files, bytes, resumed_bytes, unchanged, .. } = fetch;
    Ok(Summary { files, bytes, resumed_bytes, unchanged, ..summary })
}

async fn list(peers: &Peers, order: &Order, summary: &mut Summary) -> Result<Vec<Source>, Trouble> {
    let ask = Ask::List { sources: order.sources.clone(), recursive: order.recursive };
    let (_send, mut receive) = peers.call(&order.from, &Call::Files(ask)).await?;
    let mut sources: Vec<Source> = Vec::new();
    let mut count = 0;
    loop {
        match hear::<Listed>(&mut receive).await? {
            Listed::Source { title } => {
                let title = names::single(&title).ok_or_else(|| refused_name(&title))?;
                sources.push(Source { title, entries: Vec::new() });
            }
            Listed::Entry(entry) => {
                let Some(source) = sources.last_mut() else {
                    return Err(Trouble::new(Kind::Refused, "a list that begins in its middle"));
                };
                source.entries.push(entry);
            }
            Listed::Skipped { why, .. } => refuse(summary, why),
            Listed::End if sources.len() == order.sources.len() => return Ok(sources),
            Listed::End => return Err(Trouble::new(Kind::Refused, "a list of other sources than were named")),
            Listed::Failed(trouble) => return Err(trouble),
        }
        count += 1;
        if count > 2 * crate::files::source::ENTRIES_MAX {
            return Err(Trouble::new(Kind::Refused, "a list without an end"));
        }
    }
}

fn refused_name(name: &[u8]) -> Trouble {
    let name = String::from_utf8_lossy(name).into_owned();
    Trouble::new(Kind::Refused, format!("the name {name:?} would lead elsewhere. Nothing was written for it"))
}

fn refuse(summary: &mut Summary, why: String) {
    if summary.refused.len() < REFUSED_TOLD_MAX {
        summary.refused.push(why);
    }
}

/// One source: a file, or a folder that is put together under another name if its own is free.
async fn take(fetch: &mut Fetch, source: &Source, target: &Path, summary: &mut Summary) -> Result<(), Trouble> {
    let Some((first, rest)) = source.entries.split_first() else { return Ok(()) };
    if let Form::File { path, .. } = &first.form {
        return fetch.file(path, target, first.mode).await;
    }
    let (root, whole) = place::begin_folder(target)?;
    let mut folders = vec![(root.clone(), first.mode)];
    let mut links = Vec::new();
    for entry in rest {
        let Some(name) = names::inside(&entry.name).filter(|name| !name.as_os_str().is_empty()) else {
            refuse(summary, refused_name(&entry.name).message);
            continue;
        };
        let path = root.join(&name);
        place::is_plain_below(&root, &name)?;
        match &entry.form {
            Form::Folder => {
                place::folder(&path)?;
                folders.push((path, entry.mode));
            }
            Form::File { path: from, .. } => match fetch.file(from, &path, entry.mode).await {
                Err(trouble) if fetch::is_of_one_file(trouble.kind) => refuse(summary, trouble.message),
                other => other?,
            },
            Form::Link { target } if names::may_link(&name, target) => links.push((path, target)),
            Form::Link { .. } => {
                refuse(summary, format!("{} is a link that leads out of its folder", path.display()));
            }
        }
    }
    // Last, so that nothing was ever written through one.
    for (path, target) in links {
        place::link(&path, &names::path(target), fetch.force)?;
    }
    place::finish_folder(&folders, whole.then_some(target))
}
