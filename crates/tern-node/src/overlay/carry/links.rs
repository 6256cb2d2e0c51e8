//! Connections to neighbours: dialled and accepted, their frames and datagrams carried both ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use iroh::endpoint::{Connection, ConnectionError, RecvStream};
use iroh::{Endpoint, EndpointAddr, EndpointId, TransportAddr};
use tern_core::machine::mesh::{CloseReason, LinkId, MeshEvent};
use tern_core::wire::mesh::beat::PACKET;
use tern_core::words::NodeId;
use tern_core::words::limits::LINK_FRAME_BYTES_MAX;
use tokio::sync::{mpsc, watch};

use crate::overlay::actor::Said;
use crate::overlay::carry::fabric::{BATCH, Fabric, PART};
use crate::overlay::carry::handshakes;
use crate::overlay::carry::ways::Directory;
use crate::overlay::door::join;
use crate::overlay::door::members::FORBIDDEN;
use crate::overlay::{JOIN_ALPN, LINK_ALPN};

/// How long one try to reach a member may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// A frame that began must end within this; who holds one back holds nothing else.
const FRAME_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last frames of a link have to arrive before it is closed.
pub const LAST_WORDS: Duration = Duration::from_millis(300);
/// Frames that may wait for one neighbour; one that reads slower is closed.
const FRAMES_MAX: usize = 1024;
/// How often it is told that packets come over a link: several times before it would be suspect without its heartbeats.
const ALIVE_EVERY: Duration = Duration::from_millis(150);

/// What every link needs.
#[derive(Clone)]
pub struct Shared {
    pub endpoint: Endpoint,
    pub fabric: Arc<Fabric>,
    pub to_actor: mpsc::Sender<Said>,
    pub numbers: Arc<AtomicU64>,
    pub directory: Directory,
    /// Moves when this machine's addresses change.
    pub ground: watch::Receiver<u64>,
    pub door: join::Door,
}

/// A new link, for the actor.
pub struct Opened {
    pub peer: NodeId,
    pub link: LinkId,
    pub outgoing: bool,
    /// Frames to be written.
    pub frames: mpsc::Sender<Vec<u8>>,
}

/// Accepts neighbours and those who knock with a ticket, until the endpoint closes.
pub async fn accept(shared: Shared) {
    let endpoint = shared.endpoint.clone();
    handshakes::accept(&endpoint, move |connection| {
        let shared = shared.clone();
        async move {
            if connection.alpn() == JOIN_ALPN {
                join::serve(connection, shared.to_actor, &shared.door).await;
            } else {
                run(connection, false, shared).await;
            }
        }
    })
    .await;
}

/// Dials a member once.
pub async fn dial(peer: NodeId, addresses: Vec<SocketAddr>, shared: Shared) {
    // To those who are kept apart, a way without addresses, which fails at once.
    let addresses = if shared.directory.is_near(&peer) { addresses } else { Vec::new() };
    let connected = tokio::time::timeout(DIAL_TIMEOUT, connect(&shared, &peer, addresses)).await;
    match connected {
        Ok(Ok(connection)) => return run(connection, true, shared).await,
        Ok(Err(error)) => tracing::debug!(%peer, error, "a member could not be reached"),
        Err(_) => tracing::debug!(%peer, "a member did not answer in time"),
    }
    let _ended = shared.to_actor.send(Said::Mesh(MeshEvent::DialFailed { peer })).await;
}

/// Begins anew when this machine's addresses change meanwhile: what was sent from nowhere would be repeated after a second only.
async fn connect(shared: &Shared, peer: &NodeId, addresses: Vec<SocketAddr>) -> Result<Connection, String> {
    let id = EndpointId::from_bytes(&peer.0).map_err(|error| error.to_string())?;
    let target = EndpointAddr::from_parts(id, addresses.into_iter().map(TransportAddr::Ip));
    let mut ground = shared.ground.clone();
    loop {
        ground.mark_unchanged();
        tokio::select! {
            connected = shared.endpoint.connect(target.clone(), LINK_ALPN) => {
                return connected.map_err(|error| error.to_string());
            }
            Ok(()) = ground.changed() => {}
        }
    }
}

/// Carries a link until it ends.
pub async fn run(connection: Connection, outgoing: bool, shared: Shared) {
    let peer = NodeId(*connection.remote_id().as_bytes());
    if !shared.directory.is_near(&peer) {
        return connection.close(0u32.into(), b"not a neighbour");
    }
    let link = LinkId(shared.numbers.fetch_add(1, Relaxed));
    let (frames, to_write) = mpsc::channel(FRAMES_MAX);
    shared.fabric.add(link, connection.clone());
    shared.directory.linked(&peer, &connection);
    if shared.to_actor.send(Said::Opened(Opened { peer, link, outgoing, frames })).await.is_err() {
        return;
    }
    let ended = tokio::select! {
        ended = write(&connection, to_write) => ended,
        ended = read_frames(&connection, link, &shared.to_actor) => ended,
        ended = read_datagrams(&connection, link, &shared) => ended,
    };
    tracing::debug!(%peer, ?link, why = ended.err(), "a link ended");
    if shared.fabric.link(link).is_none() {
        // It was this end that let go, and the other one is told why in a moment.
        let _late = tokio::time::timeout(2 * LAST_WORDS, connection.closed()).await;
    }
    if let Some(ConnectionError::ApplicationClosed(closed)) = connection.close_reason()
        && let Some(why) = reason(closed.error_code.into_inner())
    {
        let _ended = shared.to_actor.send(Said::Mesh(MeshEvent::Refused { link, why })).await;
        if closed.error_code == FORBIDDEN.into() {
            let _ended = shared.to_actor.send(Said::SentAway(peer)).await;
        }
    }
    connection.close(0u32.into(), b"done");
    shared.fabric.remove(link);
    let _ended = shared.to_actor.send(Said::Mesh(MeshEvent::LinkClosed { link })).await;
}

async fn write(connection: &Connection, mut frames: mpsc::Receiver<Vec<u8>>) -> Result<(), String> {
    let mut stream = connection.open_uni().await.map_err(|error| error.to_string())?;
    while let Some(frame) = frames.recv().await {
        let length = u32::try_from(frame.len()).map_err(|_| "a frame beyond the limit".to_owned())?;
        stream.write_all(&length.to_le_bytes()).await.map_err(|error| error.to_string())?;
        stream.write_all(&frame).await.map_err(|error| error.to_string())?;
    }
    // What was said last, that the other end is no member any more, should arrive.
    let _closed = stream.finish();
    let _late = tokio::time::timeout(LAST_WORDS, stream.stopped()).await;
    Ok(())
}

async fn read_frames(connection: &Connection, link: LinkId, to_actor: &mpsc::Sender<Said>) -> Result<(), String> {
    let mut stream = connection.accept_uni().await.map_err(|error| error.to_string())?;
    loop {
        let bytes = frame(&mut stream, LINK_FRAME_BYTES_MAX).await?;
        let said = Said::Mesh(MeshEvent::Frame { link, bytes });
        to_actor.send(said).await.map_err(|_| "the node ends".to_owned())?;
    }
}

/// One frame with its length before it. It may begin whenever it likes, but then it must come.
pub async fn frame(stream: &mut RecvStream, most: usize) -> Result<Vec<u8>, String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length[..1]).await.map_err(|error| error.to_string())?;
    let rest = async {
        stream.read_exact(&mut length[1..]).await.map_err(|error| error.to_string())?;
        let length = u32::from_le_bytes(length) as usize;
        if length > most {
            return Err(format!("a frame of {length} bytes, above the limit of {most}"));
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
        Ok(bytes)
    };
    tokio::time::timeout(FRAME_TIMEOUT, rest).await.map_err(|_| "a frame that began and did not end".to_owned())?
}

/// Packets go to the fabric, everything else to the actor; there, what comes faster than it is taken is lost.
async fn read_datagrams(connection: &Connection, link: LinkId, shared: &Shared) -> Result<(), String> {
    let mut batch: Vec<Bytes> = vec![Bytes::new(); BATCH];
    let mut packets: Vec<Bytes> = Vec::with_capacity(BATCH);
    let mut told = Instant::now();
    loop {
        let count = connection.read_many_datagrams(&mut batch).await.map_err(|error| error.to_string())?;
        for datagram in &mut batch[..count] {
            match datagram.first() {
                Some(&(PACKET | PART)) => packets.push(std::mem::take(datagram)),
                _ => {
                    let said = Said::Mesh(MeshEvent::Datagram { link, bytes: datagram.to_vec() });
                    let _lost = shared.to_actor.try_send(said);
                }
            }
        }
        if !packets.is_empty() {
            let Some(end) = shared.fabric.link(link) else { return Err("this end has let go".to_owned()) };
            shared.fabric.carried(&end, packets.len());
            if told.elapsed() >= ALIVE_EVERY {
                told = Instant::now();
                let _lost = shared.to_actor.try_send(Said::Mesh(MeshEvent::Alive { link }));
            }
            shared.fabric.receive(&mut packets);
            packets.clear();
        }
    }
}

const REASONS: [CloseReason; 7] = [
    CloseReason::NotAMember,
    CloseReason::Duplicate,
    CloseReason::Replaced,
    CloseReason::Surplus,
    CloseReason::Malformed,
    CloseReason::Version,
    CloseReason::Full,
];

/// The reason behind the other end's code.
fn reason(number: u64) -> Option<CloseReason> {
    REASONS.into_iter().find(|why| u64::from(code(*why).0) == number)
}

/// What the other end reads when this one closes a link.
pub fn code(why: CloseReason) -> (u32, &'static [u8]) {
    match why {
        CloseReason::NotAMember => (403, b"this key is not in this grid"),
        CloseReason::Duplicate => (409, b"another machine lives under this key: a copied state folder?"),
        CloseReason::Replaced => (301, b"there is another link"),
        CloseReason::Surplus => (204, b"this link is not needed"),
        CloseReason::Malformed => (400, b"this is not the protocol"),
        CloseReason::Version => (426, b"another version of the protocol"),
        CloseReason::Full => (503, b"there are as many links as there may be"),
    }
}
