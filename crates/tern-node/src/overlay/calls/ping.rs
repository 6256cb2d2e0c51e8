//! `tern ping`: how long a question and its answer take, over whatever way the mesh finds.

use std::time::{Duration, Instant};

use tern_core::words::NodeId;

use super::Call;
use crate::overlay::peers::{CallError, Peers, is_direct};

/// Bytes handed to the connection at once.
const FLOOD_BYTES: usize = 256 * 1024;

/// One round trip, and whether it took no hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    pub time: Duration,
    pub direct: bool,
}

/// Sends `bytes` there and back `count` times, one after the other.
///
/// # Errors
/// [`CallError`]
pub async fn ping(peers: &Peers, node: &NodeId, count: usize, bytes: usize) -> Result<Vec<Round>, CallError> {
    let broken = |why: String| CallError::Broken { node: *node, why };
    let (mut send, mut receive) = peers.call(node, &Call::Echo).await?;
    let connection = peers.connection(node).await?;
    let (question, mut answer) = (vec![0x2a; bytes.max(1)], vec![0; bytes.max(1)]);
    let mut rounds = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        send.write_all(&question).await.map_err(|error| broken(error.to_string()))?;
        receive.read_exact(&mut answer).await.map_err(|error| broken(error.to_string()))?;
        rounds.push(Round { time: began.elapsed(), direct: is_direct(&connection) });
    }
    // The other end sees the end of the stream; nothing is left to lose.
    let _closed = send.finish();
    Ok(rounds)
}

/// Sends so many bytes there on one stream; how long it took until the other end had all.
///
/// # Errors
/// [`CallError`]
pub async fn flood(peers: &Peers, node: &NodeId, bytes: u64) -> Result<Duration, CallError> {
    let broken = |why: String| CallError::Broken { node: *node, why };
    let (mut send, mut receive) = peers.call(node, &Call::Swallow).await?;
    let block = bytes::Bytes::from(vec![0x2a; FLOOD_BYTES]);
    let began = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let next = block.slice(..block.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        left -= next.len() as u64;
        send.write_chunk(next).await.map_err(|error| broken(error.to_string()))?;
    }
    send.finish().map_err(|error| broken(error.to_string()))?;
    match super::read::<u64>(&mut receive).await.map_err(broken)? {
        count if count == bytes => Ok(began.elapsed()),
        count => Err(broken(format!("{count} of {bytes} bytes came there"))),
    }
}
