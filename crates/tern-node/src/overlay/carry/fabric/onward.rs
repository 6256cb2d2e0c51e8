//! What came over one link and goes on over another, kept together: a batch stays one.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::{BATCH, LinkEnd, Prefix};

/// Packets of a batch that go on to one node.
pub struct Onward {
    pub to: Prefix,
    pub end: Arc<LinkEnd>,
    /// The longest that the link takes: to ask it for each packet would be to wait for it each time.
    pub room: usize,
    /// All of them one after the other, and where each ends: their own buffers belong to the link that they came over.
    bytes: BytesMut,
    lengths: Vec<usize>,
}

impl Onward {
    /// For at most so many bytes.
    pub fn new(to: Prefix, end: Arc<LinkEnd>, bytes: usize) -> Self {
        let room = end.connection.max_datagram_size().unwrap_or(0);
        Self { to, end, room, bytes: BytesMut::with_capacity(bytes), lengths: Vec::with_capacity(BATCH) }
    }

    /// With one hop less before it.
    pub fn add(&mut self, packet: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.put_slice(packet);
        self.bytes[begin + 1] -= 1;
        self.lengths.push(packet.len());
    }

    pub fn packets(self) -> Vec<Bytes> {
        let mut bytes = self.bytes.freeze();
        self.lengths.into_iter().map(|length| bytes.split_to(length)).collect()
    }

    pub fn count(&self) -> usize {
        self.lengths.len()
    }
}
