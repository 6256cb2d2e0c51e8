//! One end of a link, and how much may wait on it: what waits there delays the calls of everybody else.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use iroh::endpoint::Connection;
use tern_core::machine::mesh::LinkId;

/// Datagrams that can wait to be sent on a link, bytes. More than one stream's window.
pub const DATAGRAMS_OUT: usize = 2 * 1024 * 1024;
/// How long a packet may wait there, by the link's own speed.
const QUEUE_TIME: Duration = Duration::from_millis(100);
/// Bytes that may wait on a link whose speed is not known: a stream may send as much before it hears of anything. And on the slowest.
const QUEUE_FIRST: usize = DATAGRAMS_OUT;
const QUEUE_LEAST: usize = 32 * 1024;

/// Packets between two looks that are somebody's: connections that only stay open send one or two a second.
const BUSY: usize = 6;

/// This end of a link.
pub struct LinkEnd {
    pub id: LinkId,
    pub connection: Connection,
    /// Packets that it carried since somebody looked.
    packets: AtomicUsize,
    /// Bytes put on it since somebody looked.
    put: AtomicUsize,
    /// What waited on it then.
    waited: AtomicUsize,
    /// Bytes that may wait on it. Heartbeats wait behind them; where packets come, the link lives.
    most: AtomicUsize,
}

impl LinkEnd {
    pub fn new(id: LinkId, connection: Connection) -> Self {
        let (packets, put, waited) = Default::default();
        Self { id, connection, packets, put, waited, most: AtomicUsize::new(QUEUE_FIRST) }
    }

    /// It carries so many more packets. True once they are more than what keeps idle connections open.
    pub fn carry(&self, count: usize) -> bool {
        let before = self.packets.fetch_add(count, Relaxed);
        before < BUSY && before + count >= BUSY
    }

    /// Whether its death would be felt.
    pub fn is_busy(&self) -> bool {
        self.packets.load(Relaxed) >= BUSY
    }

    /// How many of these packets may go on it now, from the first on.
    pub fn admit(&self, batch: &[Bytes]) -> usize {
        let mut room = self.most.load(Relaxed).saturating_sub(self.waiting());
        let fits = batch.iter().take_while(|packet| {
            let fits = packet.len() <= room;
            room = room.saturating_sub(packet.len());
            fits
        });
        let (count, bytes) = fits.fold((0, 0), |(count, bytes), packet| (count + 1, bytes + packet.len()));
        self.put.fetch_add(bytes, Relaxed);
        count
    }

    fn waiting(&self) -> usize {
        DATAGRAMS_OUT.saturating_sub(self.connection.datagram_send_buffer_space())
    }

    /// Looks how fast it is, so long after the last time, and begins to count its packets anew.
    pub fn look(&self, after: Duration) {
        self.packets.store(0, Relaxed);
        let (put, waiting) = (self.put.swap(0, Relaxed), self.waiting());
        let waited = self.waited.swap(waiting, Relaxed);
        if waited < QUEUE_LEAST || waiting < QUEUE_LEAST {
            // It has kept up: nothing is known of its speed but that it is faster than what it was given.
            return self.most.store(QUEUE_FIRST, Relaxed);
        }
        let drained = (put + waited).saturating_sub(waiting) as f64 / after.as_secs_f64().max(1e-3);
        let in_time = (drained * QUEUE_TIME.as_secs_f64()) as usize;
        self.most.store(in_time.clamp(QUEUE_LEAST, DATAGRAMS_OUT), Relaxed);
    }
}
