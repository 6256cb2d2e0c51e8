//! A content on its way: given by the node that has it, checked and passed on by those between, checked and written by the last.
//!
//! Each hop is a stream of its own between two nodes, so that no packet is encrypted twice. What passes is checked group by group
//! against the name that the last node asked for; a hop holds a few groups in memory and writes nothing down.
//!
//! ```text
//! size or refusal, hashes of all groups, then for each wanted group: 0 and its bytes, or 1 and why there are no more
//! ```

pub mod hand;

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use iroh::endpoint::{RecvStream, SendStream};
use tern_core::words::NodeId;
use tokio::sync::mpsc;

use super::aside::{Stop, Waiting};
use super::outline::{ContentId, FILE_BYTES_MAX, Outline};
use super::source::{self, Stamp};
use super::wire::{Ask, Kind, Trouble, Wanted, hear, say};
use super::{Service, names};
use crate::overlay::calls::Call;
use crate::overlay::peers::Peers;
use hand::{Hand, Room};

/// Groups that wait on a hop between reading and writing, if [`hand`] has room for them.
pub const GROUPS_AHEAD: usize = 4;
/// Nodes on a way.
pub const WAY_MAX: usize = 16;
/// Stands before a group, and before the reason why there is none.
const GROUP: u8 = 0;
const TROUBLE: u8 = 1;

fn broken(error: impl std::fmt::Display) -> Trouble {
    Trouble::new(Kind::Broken, error.to_string())
}

/// Answers [`Ask::Content`].
pub async fn serve(peers: &Peers, wanted: Wanted, mut send: SendStream) {
    let gone = send.stopped();
    let work = async {
        match wanted.way.split_first() {
            None => give(peers.files(), wanted, &mut send).await,
            Some((next, rest)) => pass(peers, *next, Wanted { way: rest.to_vec(), ..wanted.clone() }, &mut send).await,
        }
    };
    let served = tokio::select! {
        biased;
        served = work => served,
        // Before the first group is there, nothing else would tell.
        _ = gone => Err(broken("who asked for a content went away")),
    };
    if let Err(trouble) = served {
        tracing::debug!(%trouble, "a content was not given to its end");
    }
    let _closed = send.finish();
}

async fn begin(send: &mut SendStream, outline: &Outline) -> Result<(), Trouble> {
    say(send, &Ok::<u64, Trouble>(outline.size())).await?;
    send.write_all(&outline.groups().concat()).await.map_err(broken)
}

async fn give(service: &Arc<Service>, wanted: Wanted, send: &mut SendStream) -> Result<(), Trouble> {
    let (groups, mut read) = mpsc::channel(GROUPS_AHEAD);
    let (opened, outline) = tokio::sync::oneshot::channel();
    let service = service.clone();
    let waiting = Waiting::default();
    let stop = waiting.stop();
    tokio::task::spawn_blocking(move || read_groups(&service, &wanted, &stop, opened, &groups));
    match outline.await.map_err(broken)? {
        Ok(outline) => begin(send, &outline).await?,
        Err(trouble) => return say(send, &Err::<u64, Trouble>(trouble)).await,
    }
    while let Some(group) = read.recv().await {
        put(send, group).await?;
    }
    Ok(())
}

/// A group with its mark before it, and its place in memory.
pub type Held = (Bytes, Room);
type Opened = tokio::sync::oneshot::Sender<Result<Arc<Outline>, Trouble>>;

/// Reads what is wanted of a file that is still what it was. Blocks.
fn read_groups(
    service: &Service,
    wanted: &Wanted,
    stop: &Stop,
    opened: Opened,
    to: &mpsc::Sender<Result<Held, Trouble>>,
) {
    let path = names::path(&wanted.path);
    let found = source::open(&path).and_then(|file| {
        let (stamp, outline) = service.outlines.of(&path, &file, stop)?;
        if outline.id() != wanted.id {
            return Err(source::changed(&path));
        }
        let hand = service.memory.hand(outline.length(0))?;
        Ok((file, stamp, outline, hand))
    });
    let (file, stamp, outline, hand) = match found {
        Ok(found) => found,
        Err(trouble) => return drop(opened.send(Err(trouble))),
    };
    if opened.send(Ok(outline.clone())).is_err() {
        return;
    }
    let here = tokio::runtime::Handle::current();
    for index in wanted.first..outline.groups().len() as u64 {
        let room = here.block_on(hand.room());
        let mut group = vec![0; outline.length(index) + 1];
        group[0] = GROUP;
        let same = file.metadata().is_ok_and(|meta| Stamp::of(&meta) == stamp);
        let read = match file.read_exact_at(&mut group[1..], outline.offset(index)) {
            Ok(()) if same => Ok((Bytes::from(group), room)),
            Ok(()) => Err(source::changed(&path)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(source::changed(&path)),
            Err(error) => Err(Trouble::at(&path, &error)),
        };
        let over = read.is_err();
        if to.blocking_send(read).is_err() || over {
            return;
        }
    }
}

/// Writes a group with its mark, or why there is none.
async fn put(send: &mut SendStream, group: Result<Held, Trouble>) -> Result<(), Trouble> {
    match group {
        Ok((group, _room)) => send.write_chunk(group).await.map_err(broken),
        Err(trouble) => {
            send.write_all(&[TROUBLE]).await.map_err(broken)?;
            say(send, &trouble).await?;
            Err(trouble)
        }
    }
}

/// Asks the next node and passes on what is right. Reading and writing do not wait for each other.
async fn pass(peers: &Peers, next: NodeId, wanted: Wanted, send: &mut SendStream) -> Result<(), Trouble> {
    let mut arriving = match Arriving::open(peers, next, wanted).await {
        Ok(arriving) => arriving,
        Err(trouble) => return say(send, &Err::<u64, Trouble>(trouble)).await,
    };
    let hand = match peers.files().memory.hand(arriving.outline.length(0)) {
        Ok(hand) => hand,
        Err(trouble) => return say(send, &Err::<u64, Trouble>(trouble)).await,
    };
    begin(send, &arriving.outline).await?;
    let (groups, mut checked) = mpsc::channel(GROUPS_AHEAD);
    let read = async move {
        loop {
            let group = arriving.held(&hand).await.transpose();
            let over = !matches!(group, Some(Ok(_)));
            if let Some(group) = group
                && groups.send(group).await.is_err()
            {
                return;
            }
            if over {
                return;
            }
        }
    };
    let write = async move {
        while let Some(group) = checked.recv().await {
            #[cfg(test)]
            let group = tampered(peers, group);
            put(send, group).await?;
        }
        Ok(())
    };
    // Who cannot write any more drops what it reads from.
    let (written, ()) = tokio::join!(write, read);
    written
}

#[cfg(test)]
fn tampered(peers: &Peers, group: Result<Held, Trouble>) -> Result<Held, Trouble> {
    if !peers.files().lies.load(std::sync::atomic::Ordering::Relaxed) {
        return group;
    }
    let (group, room) = group?;
    let mut group = group.to_vec();
    *group.last_mut().expect("its mark") ^= 1;
    Ok((group.into(), room))
}

/// A content that arrives from a node, checked.
pub struct Arriving {
    from: NodeId,
    receive: RecvStream,
    /// What it is checked against.
    pub outline: Arc<Outline>,
    next: u64,
    // Open as long as more is wanted: who asks no more closes it.
    _send: SendStream,
}

impl Arriving {
    /// Asks `from` for a content, which it has or fetches over `wanted.way`.
    ///
    /// # Errors
    /// [`Trouble`]
    pub async fn open(peers: &Peers, from: NodeId, wanted: Wanted) -> Result<Self, Trouble> {
        let (id, first) = (wanted.id, wanted.first);
        let (send, receive) = peers.call(&from, &Call::Files(Ask::Content(wanted))).await?;
        Self::begin(from, id, first, send, receive).await
    }

    /// Reads the outline and believes it only if it leads to the name.
    async fn begin(
        from: NodeId,
        id: ContentId,
        first: u64,
        send: SendStream,
        mut receive: RecvStream,
    ) -> Result<Self, Trouble> {
        let size = hear::<Result<u64, Trouble>>(&mut receive).await??;
        let outline = outline(&mut receive, size).await?;
        if outline.id() != id {
            return Err(damaged(from));
        }
        Ok(Self { from, receive, outline: Arc::new(outline), next: first, _send: send })
    }

    /// The next group, as soon as there is room for it; none: that was all.
    ///
    /// # Errors
    /// [`Kind::Damaged`]: it is not that group. Or what a node on the way said.
    pub async fn held(&mut self, hand: &Hand) -> Result<Option<Held>, Trouble> {
        let room = hand.room().await;
        Ok(self.next().await?.map(|group| (group, room)))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        if self.next >= self.outline.groups().len() as u64 {
            return Ok(None);
        }
        let wanted = self.outline.length(self.next) + 1;
        let mut group = BytesMut::with_capacity(wanted);
        while group.len() < wanted {
            let chunk = self.receive.read_chunk(wanted - group.len()).await.map_err(broken)?;
            group.put(chunk.ok_or_else(|| broken("the stream ended early"))?);
            if group[0] != GROUP {
                return Err(self.reason(group).await);
            }
        }
        if !self.outline.fits(self.next, &group[1..]) {
            return Err(damaged(self.from));
        }
        self.next += 1;
        Ok(Some(group.freeze()))
    }

    /// What the other side says instead of a group.
    async fn reason(&mut self, begun: BytesMut) -> Trouble {
        let rest = self.receive.read_to_end(super::wire::MESSAGE_BYTES_MAX).await.unwrap_or_default();
        let said = [&begun[1..], &rest].concat();
        let trouble = said.get(4..).and_then(|said| postcard::from_bytes(said).ok());
        trouble.filter(|_| begun[0] == TROUBLE).unwrap_or_else(|| damaged(self.from))
    }
}

/// Reads the hashes of a content of this size.
pub async fn outline(receive: &mut RecvStream, size: u64) -> Result<Outline, Trouble> {
    let too_large =
        || Trouble::new(Kind::Refused, format!("{size} bytes are more than the {FILE_BYTES_MAX} of a file"));
    if size > FILE_BYTES_MAX {
        return Err(too_large());
    }
    let mut hashes = vec![0; Outline::count(size) as usize * 32];
    receive.read_exact(&mut hashes).await.map_err(broken)?;
    let hashes = hashes.chunks_exact(32).map(|hash| std::array::from_fn(|at| hash[at])).collect();
    Outline::new(size, hashes).ok_or_else(too_large)
}

fn damaged(from: NodeId) -> Trouble {
    Trouble::new(Kind::Damaged, format!("what came from node {from} is not what was asked for; it was thrown away"))
}
