//! Connections to other members, wherever they are: made when somebody wants one, kept while it is used.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::{Endpoint, EndpointAddr, EndpointId};
use tern_core::words::NodeId;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::actor::Said;
use super::calls::{self, Call};
use super::grid::GridAsk;
use super::work::ToLoop;
use super::{CALL_ALPN, PATH_ALPN};
use crate::files;
use crate::overlay::carry::endpoints::STREAMS_MAX;
use crate::overlay::carry::ground;
use crate::overlay::carry::ways::Directory;
use crate::overlay::door::members::{FORBIDDEN, Members};

/// How long a member may take to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections of one member at once: one that each end has made, and those by which paths are looked for.
pub(super) const CONNECTIONS_MAX: usize = 8;
/// How long it may take until one more question can be asked over a connection.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to show that somebody is at its other end: more than a round trip anywhere on Earth.
const STALE_AFTER: Duration = Duration::from_millis(700);

/// How often, for how long and how soon again a new path is looked for when this machine has moved.
const MEND_TRIES: u32 = 12;
const MEND_TIMEOUT: Duration = Duration::from_millis(500);
const MEND_AGAIN: Duration = Duration::from_millis(100);

/// Why another node did not do what it was asked. Nothing was changed here; what it did there before, it says itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    #[error("node {node} cannot be reached: {why}")]
    Unreachable { node: NodeId, why: String },
    #[error("the connection to node {node} broke: {why}. It may be tried again")]
    Broken { node: NodeId, why: String },
    /// The other node's own words.
    #[error("{0}")]
    Refused(String),
}

/// The connection over which this node asks one member.
#[derive(Default)]
struct Line {
    open: Mutex<Option<Connection>>,
    /// Held by whoever dials: the others wait for what comes of it. What came of the last that failed, and how many did.
    dial: tokio::sync::Mutex<(u64, String)>,
    /// Dials that have failed.
    failed: AtomicU64,
    /// The member has made one meanwhile.
    came: Notify,
}

impl Line {
    fn live(&self) -> Option<Connection> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().filter(|known| known.close_reason().is_none())
    }

    fn set(&self, connection: &Connection) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
    }
}

/// The main endpoint with its open connections; all copies are one.
#[derive(Clone)]
pub struct Peers {
    endpoint: Endpoint,
    directory: Directory,
    members: Members,
    /// Those over which this node asks, one a member.
    open: Arc<Mutex<HashMap<NodeId, Arc<Line>>>>,
    /// All of them, whoever made them.
    served: Arc<Mutex<HashMap<NodeId, Vec<Connection>>>>,
    to_loop: ToLoop,
    to_actor: mpsc::Sender<Said>,
    files: Arc<files::Service>,
    /// Moves when this machine's addresses change.
    ground: watch::Receiver<u64>,
    /// Members to whom a path is looked for because of that.
    mending: Arc<Mutex<BTreeSet<NodeId>>>,
}

impl Peers {
    pub fn new(
        endpoint: Endpoint,
        directory: Directory,
        members: Members,
        to_loop: ToLoop,
        to_actor: mpsc::Sender<Said>,
        ground: watch::Receiver<u64>,
    ) -> Self {
        let (open, served, files, mending) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        Self { endpoint, directory, members, open, served, to_loop, to_actor, files, ground, mending }
    }

    /// What this node remembers of files that it gives.
    pub fn files(&self) -> &Arc<files::Service> {
        &self.files
    }

    /// This node.
    pub fn me(&self) -> NodeId {
        NodeId(*self.endpoint.id().as_bytes())
    }

    /// The nodes on the way to a member, itself last; empty: none is known.
    pub async fn way(&self, node: &NodeId) -> Vec<NodeId> {
        let (reply, answer) = oneshot::channel();
        let asked = self.to_actor.send(Said::Ask(GridAsk::Reach { node: *node, reply })).await;
        match asked {
            Ok(()) => answer.await.map(|reach| reach.path).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    pub fn to_loop(&self) -> &ToLoop {
        &self.to_loop
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn line(&self, node: &NodeId) -> Arc<Line> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).entry(*node).or_default().clone()
    }

    /// Takes note of a connection for as long as the answer lives. None, and it is closed: its key is no member, or has too many.
    pub(super) fn serve(&self, node: &NodeId, connection: &Connection) -> Option<Served> {
        {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            let of_node = served.entry(*node).or_default();
            of_node.retain(|known| known.close_reason().is_none());
            if of_node.len() >= CONNECTIONS_MAX {
                connection.close(503u32.into(), b"this member has as many connections as it may have");
                return None;
            }
            of_node.push(connection.clone());
        }
        let served = Served { peers: self.clone(), node: *node, id: connection.stable_id() };
        // Noted first and asked then: who is removed in this moment is either not admitted any more, or found in the list.
        if self.members.has(&node.0) {
            return Some(served);
        }
        connection.close(FORBIDDEN.into(), b"this key is not in this grid");
        None
    }

    /// A connection that the other side made serves both ways. It is taken before an older one, and before one that is being dialled: whoever
    /// makes one has none that it could use, mostly because it began anew, and the older one leads to a life that is over.
    pub fn accepted(&self, node: &NodeId, connection: &Connection) {
        let line = self.line(node);
        line.set(connection);
        line.came.notify_waiters();
    }

    /// The connection to a member, made if need be.
    ///
    /// # Errors
    /// [`CallError::Unreachable`]
    pub async fn connection(&self, node: &NodeId) -> Result<Connection, CallError> {
        let unreachable = |why: String| CallError::Unreachable { node: *node, why };
        // Also what other nodes name comes here.
        if !self.members.has(&node.0) {
            return Err(unreachable("it is no member of this grid".to_owned()));
        }
        let line = self.line(node);
        if let Some(known) = self.usable(node, &line) {
            return Ok(known);
        }
        let before = line.failed.load(Ordering::Acquire);
        let mut dial = line.dial.lock().await;
        let mut came = std::pin::pin!(line.came.notified());
        came.as_mut().enable();
        if let Some(known) = self.usable(node, &line) {
            return Ok(known);
        }
        if dial.0 != before {
            // Somebody tried while this one waited.
            return Err(unreachable(dial.1.clone()));
        }
        let id = EndpointId::from_bytes(&node.0).map_err(|error| unreachable(error.to_string()))?;
        let target = EndpointAddr::from_parts(id, self.directory.ways(&id));
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.endpoint.connect(target, CALL_ALPN));
        let connection = tokio::select! {
            made = connecting => match made {
                Ok(made) => made.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
            },
            () = came => match line.live() {
                // It is served already.
                Some(theirs) => return Ok(theirs),
                None => Err("what it dialled itself ended at once".to_owned()),
            },
        };
        let connection = connection.map_err(|why| {
            *dial = (before + 1, why.clone());
            line.failed.store(before + 1, Ordering::Release);
            unreachable(why)
        })?;
        line.set(&connection);
        // It serves the other node's calls as well.
        tokio::spawn(calls::serve(connection.clone(), *node, self.clone()));
        Ok(connection)
    }

    /// The connection that is used, or else the newest that there is.
    fn usable(&self, node: &NodeId, line: &Line) -> Option<Connection> {
        line.live().or_else(|| {
            let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            let calls = |known: &&Connection| known.close_reason().is_none() && known.alpn() == CALL_ALPN;
            let newest = served.get(node)?.iter().rev().find(calls)?.clone();
            line.set(&newest);
            Some(newest)
        })
    }

    /// Opens a stream to a member and asks for a service; the answer stands when this returns.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn call(&self, node: &NodeId, call: &Call) -> Result<(SendStream, RecvStream), CallError> {
        let connection = self.connection(node).await?;
        let broken = |why: String| CallError::Broken { node: *node, why };
        let (mut send, mut receive) = self.open(&connection).await.map_err(broken)?;
        calls::write(&mut send, call).await.map_err(broken)?;
        let answer: Result<(), String> = calls::read(&mut receive).await.map_err(broken)?;
        answer.map_err(CallError::Refused)?;
        Ok((send, receive))
    }

    /// The other end takes so many streams at once; more wait here, but not for ever.
    async fn open(&self, connection: &Connection) -> Result<(SendStream, RecvStream), String> {
        match tokio::time::timeout(OPEN_TIMEOUT, connection.open_bi()).await {
            Ok(opened) => opened.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{STREAMS_MAX} questions to it are open, and none has ended for a while")),
        }
    }

    /// Forgets whoever is no member any more, and ends all connections of its key.
    pub fn forget_strangers(&self) {
        let served = {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            let gone: Vec<NodeId> = served.keys().filter(|node| !self.members.has(&node.0)).copied().collect();
            gone.iter().filter_map(|node| served.remove(node)).flatten().collect::<Vec<_>>()
        };
        for connection in served {
            connection.close(FORBIDDEN.into(), b"this key is not in this grid");
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|node, _| self.members.has(&node.0));
    }

    /// Ends connections to a member that is down, unless something came over them since this was asked last, when `heard` bytes had come: whoever
    /// waits for an answer is told, and does not wait as long as a connection lives that says nothing.
    pub(super) fn end_silent(&self, node: &NodeId, heard: &mut Option<u64>) {
        let of_node = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned().unwrap_or_default();
        let bytes = of_node.iter().map(|connection| connection.stats().udp_rx.bytes).sum();
        if heard.replace(bytes) == Some(bytes) {
            for connection in of_node {
                connection.close(0u32.into(), b"this node is down");
            }
        }
    }

    /// A member is back, or has begun anew. What an earlier life of it had open lives on here, though nobody is at its other end: a
    /// connection over which nothing comes when it is asked for a sign of life is closed, so that what is sent next takes a new one.
    pub(super) fn end_stale(&self, node: &NodeId) {
        let of_node = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned().unwrap_or_default();
        for connection in of_node {
            let before = connection.stats().udp_rx.bytes;
            // Whoever is there acknowledges it.
            let _full = connection.send_datagram(bytes::Bytes::new());
            tokio::spawn(async move {
                tokio::time::sleep(STALE_AFTER).await;
                if connection.close_reason().is_none() && connection.stats().udp_rx.bytes == before {
                    connection.close(0u32.into(), b"nobody answers here any more");
                }
            });
        }
    }

    /// This machine's addresses have changed: connections that stand on one that is gone find another path.
    pub fn mend(&self) {
        for (node, connection) in self.connected() {
            if !ground::is_lost(&connection) {
                continue;
            }
            if self.mending.lock().unwrap_or_else(PoisonError::into_inner).insert(node) {
                let peers = self.clone();
                tokio::spawn(async move {
                    peers.find_path(&node, connection).await;
                    peers.mending.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
                });
            }
        }
    }

    /// A connection finds new paths when another one to the same node does: that one is made for nothing else. Its first packet
    /// goes where the member was, from where this machine is now. What happens at both ends then is [`PreferDirect`]'s choice.
    ///
    /// [`PreferDirect`]: crate::overlay::carry::ways::PreferDirect
    async fn find_path(&self, node: &NodeId, connection: Connection) {
        let Ok(id) = EndpointId::from_bytes(&node.0) else { return };
        let mut ground = self.ground.clone();
        for _ in 0..MEND_TRIES {
            ground.mark_unchanged();
            let target = EndpointAddr::from_parts(id, self.directory.ways(&id));
            let guide = tokio::select! {
                guide = self.endpoint.connect(target, PATH_ALPN) => guide.ok(),
                // What was sent from nowhere would be repeated after a second only.
                Ok(()) = ground.changed() => continue,
                () = tokio::time::sleep(MEND_TIMEOUT) => None,
            };
            tracing::debug!(%node, found = guide.is_some(), "a path was looked for from where this machine is now");
            tokio::time::sleep(MEND_AGAIN).await;
            if let Some(guide) = guide {
                guide.close(0u32.into(), b"done");
            }
            if connection.close_reason().is_some() || ground::is_firm(&connection) {
                return;
            }
        }
    }

    /// Those that are connected, and whether without a hop.
    pub fn paths(&self) -> Vec<(NodeId, bool)> {
        self.connected().into_iter().map(|(node, connection)| (node, is_direct(&connection))).collect()
    }

    fn connected(&self) -> Vec<(NodeId, Connection)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(|(node, line)| Some((*node, line.live()?))).collect()
    }

    /// A route changed: connections that waited for lost packets try again now and not after their next time-out.
    pub fn nudge(&self) {
        for (_, connection) in self.connected() {
            // Any answer to it tells the connection at once which of the packets before it are lost.
            let _full = connection.send_datagram(bytes::Bytes::new());
        }
    }
}

/// A connection that is served, until this is dropped.
pub(super) struct Served {
    peers: Peers,
    node: NodeId,
    id: usize,
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut served = self.peers.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_node) = served.get_mut(&self.node) {
            of_node.retain(|known| known.stable_id() != self.id);
            if of_node.is_empty() {
                served.remove(&self.node);
            }
        }
    }
}

/// Whether its packets take no hop now.
pub fn is_direct(connection: &Connection) -> bool {
    connection.paths().iter().any(|path| path.is_selected() && path.is_ip())
}
