//! One end of a link, and how much may wait on it: what waits there delays the heartbeats by which the link is judged.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use iroh::endpoint::Connection;
use tern_core::machine::mesh::LinkId;

/// Datagrams that can wait to be sent on a link, bytes. More than one stream's window.
pub const DATAGRAMS_OUT: usize = 2 * 1024 * 1024;
/// How long a packet may wait there, by the link's own speed.
const QUEUE_TIME: Duration = Duration::from_millis(100);
/// Bytes that may wait on a link whose speed is not known, and on the slowest.
const QUEUE_FIRST: usize = 256 * 1024;
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
    /// Bytes that may wait on it: heartbeats wait behind them, and a link whose heartbeats are late is taken for dead.
    most: AtomicUsize,
}

impl LinkEnd {
    pub fn new(id: LinkId, connection: Connection) -> Self {
        let (packets, put, most) = (AtomicUsize::default(), AtomicUsize::default(), AtomicUsize::new(QUEUE_FIRST));
        Self { id, connection, packets, put, most }
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
        let a_second = self.put.swap(0, Relaxed) as f64 / after.as_secs_f64().max(1e-3);
        let in_time = (a_second * QUEUE_TIME.as_secs_f64()) as usize;
        // One that has nothing waiting is faster than what it was given.
        let least = if self.waiting() > 0 { QUEUE_LEAST } else { QUEUE_FIRST };
        self.most.store(in_time.clamp(least, DATAGRAMS_OUT), Relaxed);
    }
}
