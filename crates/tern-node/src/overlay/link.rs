//! One connection to one peer: frames out on a stream of ours, frames in on a stream of theirs.

use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::{Endpoint, EndpointAddr};
use tern_core::words::{NodeId, limits};
use tokio::sync::mpsc;

use super::{ALPN, PEER_QUEUE_MAX, Shared};
use crate::node::input::{Input, Peer};

/// Between two tries to reach a peer.
const DIAL_PAUSE: Duration = Duration::from_millis(300);
/// The same for the one of two nodes that leaves it to the other.
const SECOND_PAUSE: Duration = Duration::from_millis(1_500);
/// How long one try may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Dials a peer for ever while there is no connection to it. Where both know the other's address, the one that is `first`
/// dials and the other one finds itself connected, so that two nodes have one connection.
pub async fn dial(endpoint: Endpoint, target: EndpointAddr, shared: Shared, first: bool) {
    let peer = NodeId(*target.id.as_bytes());
    let pause = if first { DIAL_PAUSE } else { SECOND_PAUSE };
    if !first {
        tokio::time::sleep(pause).await;
    }
    loop {
        if shared.queues.lock().await.contains_key(&peer) {
            tokio::time::sleep(pause).await;
            continue;
        }
        let connecting = endpoint.connect(target.clone(), ALPN);
        match tokio::time::timeout(DIAL_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => run(connection, &shared).await,
            Ok(Err(error)) => tracing::debug!(%error, "a peer could not be reached; trying again"),
            Err(_) => tracing::debug!("a peer did not answer in time; trying again"),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Accepts admitted peers until the endpoint closes.
pub async fn accept(endpoint: Endpoint, shared: Shared) {
    while let Some(incoming) = endpoint.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                run(connection, &shared).await;
            }
        });
    }
}

/// Carries frames both ways until the connection ends. A newer connection of the same peer takes the queue over.
async fn run(connection: Connection, shared: &Shared) {
    let peer = NodeId(*connection.remote_id().as_bytes());
    let (queue, frames) = mpsc::channel(PEER_QUEUE_MAX);
    shared.queues.lock().await.insert(peer, queue.clone());
    tell(shared, Peer::Up(peer)).await;
    let ended = tokio::select! {
        ended = write(&connection, frames) => ended,
        ended = read(&connection, peer, shared) => ended,
    };
    if let Err(why) = ended {
        tracing::debug!(%peer, %why, "the connection ended");
    }
    connection.close(0u32.into(), b"done");
    let mut queues = shared.queues.lock().await;
    if queues.get(&peer).is_some_and(|current| current.same_channel(&queue)) {
        queues.remove(&peer);
        drop(queues);
        tell(shared, Peer::Down(peer)).await;
    }
}

/// The loop's queue is bounded: wait for it off the async threads, so that a slow node slows its peers and nothing else.
async fn tell(shared: &Shared, peer: Peer) {
    let to_loop = shared.to_loop.clone();
    // Fails only when the loop has ended; then nobody wants to know.
    let _ = tokio::task::spawn_blocking(move || to_loop.send(Input::Peer(peer))).await;
}

async fn write(connection: &Connection, mut frames: mpsc::Receiver<Vec<u8>>) -> Result<(), String> {
    let mut stream: SendStream = connection.open_uni().await.map_err(|error| error.to_string())?;
    while let Some(frame) = frames.recv().await {
        let length = u32::try_from(frame.len()).map_err(|_| "a frame beyond the limit".to_owned())?;
        stream.write_all(&length.to_le_bytes()).await.map_err(|error| error.to_string())?;
        stream.write_all(&frame).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn read(connection: &Connection, from: NodeId, shared: &Shared) -> Result<(), String> {
    let mut stream: RecvStream = connection.accept_uni().await.map_err(|error| error.to_string())?;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.map_err(|error| error.to_string())?;
        let length = u32::from_le_bytes(length) as usize;
        if length > limits::FRAME_BYTES_MAX {
            return Err(format!("a frame of {length} bytes, above the limit of {}", limits::FRAME_BYTES_MAX));
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
        tell(shared, Peer::Frame { from, bytes }).await;
    }
}
