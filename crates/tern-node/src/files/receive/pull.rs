//! The side that wants files: asks what there is, fetches what is missing, and puts each thing in its place when it is whole.

use std::path::Path;
use std::sync::Arc;

use tern_core::words::Bytes;
use tokio::sync::mpsc;

use super::fetch::{self, Fetch};
use super::listing::{Listing, Refused, Source, refused_name};
use super::place::{self, Place};
use crate::files::aside::blocking;
use crate::files::names;
use crate::files::wire::{Ask, Event, Form, Kind, Listed, Order, Summary, Trouble, hear};
use crate::overlay::calls::Call;
use crate::overlay::peers::Peers;

/// Fetches what `order` says. What is whole stays, also when something else fails.
///
/// # Errors
/// [`Trouble`]
pub async fn run(peers: &Peers, order: &Order, events: &mpsc::Sender<Event>) -> Result<Summary, Trouble> {
    if order.from == peers.me() {
        return Err(Trouble::new(Kind::Invalid, "both ends are one node: cp does that"));
    }
    let mut refused = Refused::default();
    let sources = list(peers, order, &mut refused).await?;
    let sizes = sources.iter().flat_map(|source| &source.entries).filter_map(|entry| match entry.form {
        Form::File { size, .. } => Some(size),
        _ => None,
    });
    let (files, bytes) = sizes.fold((0, 0_u64), |(count, sum), size| (count + 1, sum.saturating_add(size)));
    let _unheard = events.send(Event::Total { files, bytes }).await;
    let (asked, count) = (order.clone(), sources.len());
    let place = Arc::new(blocking(move || Place::find(&asked, count)).await?);
    let mut fetch = Fetch::new(peers.clone(), order.from, order.force, events.clone());
    let mut last = Bytes::default();
    for source in sources {
        let (place, title, is_file, inbox) = (place.clone(), source.title.clone(), source.is_file(), order.inbox);
        let target = blocking(move || place.of(&title, is_file, inbox)).await?;
        last = Bytes::from(names::bytes(&target));
        take(&mut fetch, source, &target, &mut refused).await?;
    }
    let (hops, refused) = (fetch.hops(), refused.words());
    let Fetch { files, bytes, resumed_bytes, unchanged, .. } = fetch;
    Ok(Summary { files, bytes, resumed_bytes, unchanged, hops, target: last, refused })
}

async fn list(peers: &Peers, order: &Order, refused: &mut Refused) -> Result<Vec<Source>, Trouble> {
    let ask = Ask::List { sources: order.sources.clone(), recursive: order.recursive };
    let (_send, mut receive) = peers.call(&order.from, &Call::Files(ask)).await?;
    let mut listing = Listing::new(order.sources.len());
    while !listing.hear(hear::<Listed>(&mut receive).await?, refused)? {}
    Ok(listing.sources)
}

/// One source: a file, or a folder that is put together under another name if its own is free.
async fn take(fetch: &mut Fetch, source: Source, target: &Path, refused: &mut Refused) -> Result<(), Trouble> {
    let mut entries = source.entries.into_iter();
    let Some(first) = entries.next() else { return Ok(()) };
    if let Form::File { path, .. } = &first.form {
        return fetch.file(path, target, first.mode).await;
    }
    let begun = target.to_owned();
    let (root, whole) = blocking(move || place::begin_folder(&begun)).await?;
    let mut folders = vec![(root.clone(), first.mode)];
    let mut links = Vec::new();
    for entry in entries {
        let Some(name) = names::inside(&entry.name).filter(|name| !name.as_os_str().is_empty()) else {
            refused.add(refused_name(&entry.name).message);
            continue;
        };
        let (below, inside, is_folder) = (root.clone(), name.clone(), entry.form == Form::Folder);
        let path = blocking(move || place::below(&below, &inside, is_folder)).await?;
        match entry.form {
            Form::Folder => folders.push((path, entry.mode)),
            Form::File { path: from, .. } => match fetch.file(&from, &path, entry.mode).await {
                Err(trouble) if fetch::is_of_one_file(trouble.kind) => refused.add(trouble.message),
                other => other?,
            },
            Form::Link { target } if names::may_link(&name, &target) => links.push((path, names::path(&target))),
            Form::Link { .. } => {
                refused.add(format!("{} is a link that leads out of its folder", path.display()));
            }
        }
    }
    let (name, force) = (whole.then(|| target.to_owned()), fetch.force);
    let finish = move || {
        // Last, so that nothing was ever written through one.
        links.iter().try_for_each(|(path, target)| place::link(path, target, force))?;
        place::finish_folder(&folders, name.as_deref())
    };
    blocking(finish).await
}
