//! One file after the other from one node: over the shortest way there is, and on from where it broke off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tern_core::words::NodeId;
use tokio::sync::mpsc;

use super::part::{Left, Part};
use crate::files::aside::{Stop, blocking, while_wanted};
use crate::files::content::{self, Arriving, GROUPS_AHEAD, Held, WAY_MAX};
use crate::files::outline::Outline;
use crate::files::source;
use crate::files::wire::{Ask, Event, Kind, Outlined, Trouble, Wanted, hear};
use crate::overlay::calls::Call;
use crate::overlay::peers::{Peers, is_direct};
use crate::stage::Cache;

/// Tries in a row that bring nothing.
const TRIES_MAX: u32 = 6;
/// Between two tries: a route that broke is found anew meanwhile.
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// How long a direct path may take to show itself, where the mesh knows a way over others.
const DIRECT_WAIT: Duration = Duration::from_millis(250);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Between two words on how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Troubles of one file among many; the others are copied nevertheless.
#[must_use]
pub fn is_of_one_file(kind: Kind) -> bool {
    matches!(kind, Kind::Exists | Kind::NoPermission | Kind::NoSuchFile | Kind::Refused | Kind::Changed | Kind::Invalid)
}

/// Fetches from one node, and counts.
pub struct Fetch {
    peers: Peers,
    from: NodeId,
    pub force: bool,
    events: mpsc::Sender<Event>,
    told: Instant,
    way: Vec<NodeId>,
    pub files: u64,
    pub bytes: u64,
    pub resumed_bytes: u64,
    pub unchanged: u64,
}

impl Fetch {
    pub fn new(peers: Peers, from: NodeId, force: bool, events: mpsc::Sender<Event>) -> Self {
        let (told, way) = (Instant::now(), Vec::new());
        Self { peers, from, force, events, told, way, files: 0, bytes: 0, resumed_bytes: 0, unchanged: 0 }
    }

    /// Hops of the way that was used last.
    pub fn hops(&self) -> u32 {
        self.way.len().max(1) as u32
    }

    /// Copies the file `path` of that node to `target`.
    ///
    /// # Errors
    /// [`Trouble`]: there is no target, or it is what it was; what came is kept beside it.
    pub async fn file(&mut self, path: &[u8], target: &Path, mode: u32) -> Result<(), Trouble> {
        let (outlined, outline) = self.outline(path, false).await?;
        match there(target, &outline).await? {
            There::Same => {
                self.unchanged += 1;
                self.count(outline.size());
                return Ok(());
            }
            There::Other if !self.force => {
                let message = format!("{} is there. Nothing was overwritten; --force does", target.display());
                return Err(Trouble::new(Kind::Exists, message));
            }
            There::Other | There::Nothing => {}
        }
        let (part, left) = self.part(target, &outline).await?;
        let done = outline.offset(left.groups).min(outline.size());
        self.resumed_bytes += done;
        self.count(done);
        let part = match outlined.whole {
            Some(whole) if left.groups == 0 => {
                self.count(whole.len() as u64);
                if !whole.is_empty() && !outline.fits(0, &whole) {
                    return Err(Trouble::new(Kind::Damaged, "a file that is not what its name says"));
                }
                blocking(move || part.write(0, &whole).map(|()| part)).await?
            }
            Some(_) => part,
            None => {
                let wanted = Wanted { id: outlined.id, path: path.to_vec(), way: Vec::new(), first: left.groups };
                self.content(wanted, &outline, part).await?
            }
        };
        let force = self.force;
        blocking(move || part.finish(mode, force)).await?;
        self.files += 1;
        Ok(())
    }

    /// Brings the content of the file `path` of that node into the cache, unless it is there. Returns where it is, and the rights
    /// of the file.
    ///
    /// # Errors
    /// [`Trouble`]; what came stays for the next try.
    pub async fn content_of(&mut self, path: &[u8], cache: &Cache) -> Result<(PathBuf, u32), Trouble> {
        let (outlined, outline) = self.outline(path, true).await?;
        let Outlined { id, size, mode, .. } = outlined;
        // Of two that want it the second finds it.
        let _alone = cache.alone(id).await;
        if let Some(there) = cache.find(id) {
            self.unchanged += 1;
            return Ok((there, mode));
        }
        let target = cache.place(id);
        let (mut part, left) = self.part(&target, &outline).await?;
        if size > 0 {
            let wanted = Wanted { id, path: path.to_vec(), way: Vec::new(), first: left.groups };
            part = self.content(wanted, &outline, part).await?;
        }
        blocking(move || part.finish(0o400, true)).await?;
        cache.add(id, size);
        self.files += 1;
        Ok((target, mode))
    }

    /// Counts, and says so now and then.
    fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            // Said again soon.
            let _full = self.events.try_send(Event::Progress { bytes: self.bytes });
        }
    }

    /// From the node itself, from end to end: everything that comes over others is checked against this.
    async fn outline(&self, path: &[u8], bare: bool) -> Result<(Outlined, Arc<Outline>), Trouble> {
        let ask = Call::Files(Ask::Outline { path: path.to_vec(), bare });
        let (_send, mut receive) = self.peers.call(&self.from, &ask).await?;
        let outlined = hear::<Result<Outlined, Trouble>>(&mut receive).await??;
        let outline = content::outline(&mut receive, outlined.size).await?;
        if outline.id() != outlined.id {
            return Err(Trouble::new(Kind::Damaged, "a name that its own outline does not lead to"));
        }
        Ok((outlined, Arc::new(outline)))
    }

    async fn part(&self, target: &Path, outline: &Arc<Outline>) -> Result<(Part, Left), Trouble> {
        let (place, outline) = (target.to_owned(), outline.clone());
        let (part, left) = while_wanted(move |stop| Part::open(&place, &outline, stop)).await?;
        if left.foreign {
            let text = format!("what was left of {} is of another content: it begins anew", target.display());
            let _unheard = self.events.send(Event::Note { text }).await;
        }
        Ok((part, left))
    }

    /// Tries until all is there or nothing comes any more.
    async fn content(&mut self, mut wanted: Wanted, outline: &Arc<Outline>, mut part: Part) -> Result<Part, Trouble> {
        let (mut failures, mut end_to_end) = (0, false);
        loop {
            self.way = if end_to_end { vec![self.from] } else { self.way().await };
            let before = wanted.first;
            let (back, ended) = self.try_content(&mut wanted, outline, part).await?;
            part = back;
            let Err(trouble) = ended else { return Ok(part) };
            match trouble.kind {
                // Somebody on the way is not honest or not sound: no one is asked to pass it on any more.
                Kind::Damaged if self.way.len() > 1 => end_to_end = true,
                Kind::Broken | Kind::Unreachable | Kind::Busy => {}
                _ => return Err(trouble),
            }
            failures = if wanted.first > before { 0 } else { failures + 1 };
            if failures >= TRIES_MAX {
                return Err(Trouble::new(trouble.kind, format!("{trouble}. The same command goes on from there")));
            }
            let _unheard = self.events.try_send(Event::Note { text: format!("{trouble}; trying again") });
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// One try. A thread writes while the next group comes.
    async fn try_content(
        &mut self,
        wanted: &mut Wanted,
        outline: &Arc<Outline>,
        part: Part,
    ) -> Result<(Part, Result<(), Trouble>), Trouble> {
        let Some((next, rest)) = self.way.split_first() else {
            let why = Trouble::new(Kind::Unreachable, format!("no way to node {} is known", self.from));
            return Ok((part, Err(why)));
        };
        let hand = match self.peers.files().memory.hand(outline.length(0)) {
            Ok(hand) => hand,
            Err(trouble) => return Ok((part, Err(trouble))),
        };
        let ask = Wanted { way: rest.to_vec(), ..wanted.clone() };
        let mut arriving = match Arriving::open(&self.peers, *next, ask).await {
            Ok(arriving) => arriving,
            Err(trouble) => return Ok((part, Err(trouble))),
        };
        let (groups, to_write) = mpsc::channel::<Held>(GROUPS_AHEAD);
        let offset = outline.offset(wanted.first);
        let writing = tokio::task::spawn_blocking(move || write(part, offset, to_write));
        let ended = loop {
            match arriving.held(&hand).await {
                Ok(Some(held)) => {
                    self.count(held.0.len() as u64 - 1);
                    if groups.send(held).await.is_err() {
                        break Ok(());
                    }
                    wanted.first += 1;
                }
                Ok(None) => break Ok(()),
                Err(trouble) => break Err(trouble),
            }
        };
        drop(groups);
        let part = writing.await.map_err(|error| Trouble::new(Kind::Io, error.to_string()))??;
        Ok((part, ended))
    }

    /// Straight there if that works without a hop, else over the nodes between.
    async fn way(&self) -> Vec<NodeId> {
        let way = self.peers.way(&self.from).await;
        if way.is_empty() {
            return way;
        }
        let Ok(connection) = self.peers.connection(&self.from).await else { return way };
        let began = Instant::now();
        while way.len() > 1 && !is_direct(&connection) && began.elapsed() < DIRECT_WAIT {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if way.len() < 2 || way.len() > WAY_MAX || is_direct(&connection) { vec![self.from] } else { way }
    }
}

/// Writes groups one behind the other until there are no more.
fn write(part: Part, mut offset: u64, mut groups: mpsc::Receiver<Held>) -> Result<Part, Trouble> {
    while let Some((group, _room)) = groups.blocking_recv() {
        part.write(offset, &group[1..])?;
        offset += group.len() as u64 - 1;
    }
    Ok(part)
}

/// What is where a file is to be.
enum There {
    Nothing,
    /// That very content.
    Same,
    Other,
}

async fn there(target: &Path, outline: &Arc<Outline>) -> Result<There, Trouble> {
    let (target, outline) = (target.to_owned(), outline.clone());
    let look = move |stop: &Stop| {
        if target.symlink_metadata().is_err() {
            return Ok(There::Nothing);
        }
        // What cannot be read is something else.
        Ok(if is_same(&target, &outline, stop).unwrap_or(false) { There::Same } else { There::Other })
    };
    while_wanted(look).await
}

/// Whether the target has that content already.
fn is_same(target: &Path, outline: &Outline, stop: &Stop) -> Result<bool, Trouble> {
    let file = source::open(target)?;
    let size = file.metadata().map_err(|error| Trouble::at(target, &error))?.len();
    Ok(size == outline.size() && Outline::read(&file, size, stop).is_ok_and(|there| there == *outline))
}
