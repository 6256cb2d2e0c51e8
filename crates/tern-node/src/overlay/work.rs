//! Frames of the machine that shares work: to each peer one stream, opened with the first frame.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;

use iroh::endpoint::{RecvStream, SendStream};
use tern_core::words::{NodeId, limits};
use tokio::sync::mpsc;

use super::peers::Peers;
use crate::node::input::{Input, Peer};
use crate::overlay::carry::links;

/// Frames that may wait for one peer; more are lost, as a network may.
const PEER_QUEUE_MAX: usize = 256;
/// What may wait for the loop from all peers together.
const TO_LOOP_MAX: usize = 1024;

/// Where what peers say goes; bounded, so that a slow node slows its peers and nothing else.
pub type ToLoop = mpsc::Sender<Peer>;

/// A queue before the loop's own. The loop takes from a thread's queue, which may block: a thread of its own waits there.
pub fn to_loop(into: SyncSender<Input>) -> ToLoop {
    let (queue, mut waiting) = mpsc::channel(TO_LOOP_MAX);
    let carry = move || {
        while let Some(peer) = waiting.blocking_recv() {
            if into.send(Input::Peer(peer)).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("tern-peers".to_owned()).spawn(carry) {
        tracing::error!(%error, "no thread for what peers say: this node shares no work");
    }
    queue
}

/// Hands each frame to its peer's queue; one that is full or gone loses it, and the core repeats what matters.
pub async fn distribute(mut outbound: mpsc::Receiver<(NodeId, Vec<u8>)>, peers: Peers) {
    let mut queues: HashMap<NodeId, mpsc::Sender<Vec<u8>>> = HashMap::new();
    while let Some((to, frame)) = outbound.recv().await {
        queues.retain(|_, queue| !queue.is_closed());
        let queue = queues.entry(to).or_insert_with(|| {
            let (queue, frames) = mpsc::channel(PEER_QUEUE_MAX);
            tokio::spawn(write(to, frames, peers.clone()));
            queue
        });
        if queue.try_send(frame).is_err() {
            tracing::debug!(%to, "a frame was dropped: the peer's queue is full");
        }
    }
}

/// Writes over whichever connection leads to the peer. A frame that finds it ended goes over the next, once; where there is none
/// it is dropped with what waits behind it: the core repeats what matters, and would not want it late.
async fn write(to: NodeId, mut frames: mpsc::Receiver<Vec<u8>>, peers: Peers) {
    let mut stream = None;
    while let Some(frame) = frames.recv().await {
        let mut written = write_one(&peers, &to, &mut stream, &frame).await;
        if written.is_err() {
            stream = None;
            written = write_one(&peers, &to, &mut stream, &frame).await;
        }
        if let Err(error) = written {
            return tracing::debug!(%to, %error, "frames were dropped");
        }
    }
}

/// The stream in use, by the connection that it belongs to.
type Open = Option<(usize, SendStream)>;

async fn write_one(peers: &Peers, to: &NodeId, stream: &mut Open, frame: &[u8]) -> Result<(), String> {
    let Ok(length) = u32::try_from(frame.len()) else { return Ok(()) };
    let connection = peers.connection(to).await.map_err(|error| error.to_string())?;
    let id = connection.stable_id();
    if stream.as_ref().is_none_or(|(of, _)| *of != id) {
        *stream = Some((id, connection.open_uni().await.map_err(|error| error.to_string())?));
    }
    let Some((_, open)) = stream else { return Ok(()) };
    open.write_all(&length.to_le_bytes()).await.map_err(|error| error.to_string())?;
    open.write_all(frame).await.map_err(|error| error.to_string())
}

/// Reads one stream of frames to its end.
pub async fn receive(mut stream: RecvStream, from: NodeId, to_loop: ToLoop) {
    loop {
        match links::frame(&mut stream, limits::FRAME_BYTES_MAX).await {
            Ok(bytes) => {
                if to_loop.send(Peer::Frame { from, bytes }).await.is_err() {
                    return;
                }
            }
            Err(why) => return tracing::debug!(%from, %why, "a stream of frames ended"),
        }
    }
}
