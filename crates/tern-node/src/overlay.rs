//! Peers: encrypted connections between admitted keys, carrying the frames of the core's messages.
//!
//! The plainest thing that works: direct connections to peers whose keys and addresses the configuration names. A node
//! is its key; a key that was not admitted is closed right after the handshake and no handler runs. Routes, discovery
//! and relays are not here yet; they will replace this folder and leave the core as it is.

mod link;
mod members;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr, endpoint::presets};
use tern_core::words::NodeId;
use tokio::sync::{Mutex, mpsc};

use crate::node::input::Input;
use members::Members;

/// Names the protocol in the handshake.
const ALPN: &[u8] = b"tern/work/1";
/// Frames that may wait for one peer; more are lost, as a network may.
const PEER_QUEUE_MAX: usize = 256;
/// Frames that may wait for the overlay as a whole.
pub const OUTBOUND_MAX: usize = 1024;

/// Whom this node talks to.
#[derive(Clone, Debug)]
pub struct OverlayOptions {
    /// The node's secret key; its `Debug` shows nothing of it.
    pub secret: SecretKey,
    pub listen: SocketAddr,
    /// Keys that may connect, and where to dial them where that is known.
    pub admitted: Vec<(NodeId, Option<SocketAddr>)>,
}

/// Why the overlay did not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("{address} cannot be listened on: {why}")]
    Listen { address: SocketAddr, why: String },
    #[error("{0} is not a public key")]
    Key(NodeId),
}

/// Queues to the peers that are connected now.
type Queues = Arc<Mutex<BTreeMap<NodeId, mpsc::Sender<Vec<u8>>>>>;

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    queues: Queues,
    to_loop: SyncSender<Input>,
}

/// A running overlay; dropping it closes its connections.
pub struct Overlay {
    endpoint: Endpoint,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Overlay {
    /// Listens, dials and carries frames until closed. `outbound` is the other end of the loop's
    /// [`ToPeers`](crate::node::ToPeers).
    ///
    /// # Errors
    /// [`OverlayError`]
    pub async fn start(
        options: OverlayOptions,
        outbound: mpsc::Receiver<(NodeId, Vec<u8>)>,
        to_loop: SyncSender<Input>,
    ) -> Result<Self, OverlayError> {
        let listen_error = |why: String| OverlayError::Listen { address: options.listen, why };
        let me = options.secret;
        let my_id = NodeId(*me.public().as_bytes());
        let members = Members::new(options.admitted.iter().map(|(node, _)| *node));
        let endpoint = Endpoint::builder(presets::Minimal)
            .secret_key(me)
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .bind_addr(options.listen)
            .map_err(|error| listen_error(error.to_string()))?
            .hooks(members)
            .alpns(vec![ALPN.to_vec()])
            .bind()
            .await
            .map_err(|error| listen_error(error.to_string()))?;
        let shared = Shared { queues: Queues::default(), to_loop };
        let mut tasks = vec![
            tokio::spawn(link::accept(endpoint.clone(), shared.clone())),
            tokio::spawn(distribute(outbound, shared.queues.clone())),
        ];
        for (node, address) in options.admitted {
            let Some(address) = address else { continue };
            let id = EndpointId::from_bytes(&node.0).map_err(|_| OverlayError::Key(node))?;
            let target = EndpointAddr::from_parts(id, [TransportAddr::Ip(address)]);
            tasks.push(tokio::spawn(link::dial(endpoint.clone(), target, shared.clone(), my_id < node)));
        }
        Ok(Self { endpoint, tasks })
    }

    /// Tells the peers and ends.
    pub async fn close(self) {
        for task in &self.tasks {
            task.abort();
        }
        self.endpoint.close().await;
    }
}

/// Hands each frame to its peer's queue; one that is full or gone loses it, and the core repeats what matters.
async fn distribute(mut outbound: mpsc::Receiver<(NodeId, Vec<u8>)>, queues: Queues) {
    while let Some((to, frame)) = outbound.recv().await {
        if let Some(queue) = queues.lock().await.get(&to)
            && queue.try_send(frame).is_err()
        {
            tracing::debug!(%to, "a frame was dropped: the peer's queue is full");
        }
    }
}
