//! The data plane: packets of this node and of others, put on the link that leads on.
//!
//! A packet is what the main endpoint would have sent as one UDP datagram, with eighteen bytes in front. It is encrypted from end
//! to end by that endpoint, and once more by each link; whoever passes it on learns who talks to whom and nothing else. Nodes are
//! named by the first eight bytes of their keys, so that no hop has to decompress a point of the curve for a packet.
//!
//! ```text
//! 0 kind  1 hops left  2..10 to  10..18 from  [ 18..20 number  20 part ]  payload
//! ```
//!
//! A packet that a narrow link cannot take whole travels as two parts, which meet again at its end.

mod end;
mod onward;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::{BufMut, Bytes, BytesMut};
use iroh::endpoint::Connection;
use tern_core::machine::mesh::{FarRoute, LinkId, Route};
use tern_core::wire::mesh::beat::PACKET;
use tern_core::words::NodeId;
use tokio::sync::mpsc;

pub use end::{DATAGRAMS_OUT, LinkEnd};
use onward::Onward;

/// Bytes of a packet that is carried in any case, in two parts if need be. With its header it fits into a datagram of most links.
pub const MAIN_MTU: u16 = 1_350;

/// The first bytes of a node's key.
pub type Prefix = [u8; 8];

/// Half of a packet; the other half is elsewhere.
pub const PART: u8 = 3;
const HEADER: usize = 18;
const PART_HEADER: usize = HEADER + 3;
/// Hops that a packet may make; routes that disagree for a moment may send it in a circle.
const HOPS_MAX: u8 = 16;
/// Packets that wait for this node's main endpoint; more are lost, as a network may.
pub const INBOX_MAX: usize = 4096;
/// Halves that wait for their other halves.
const HALVES_MAX: usize = 256;
/// Datagrams taken from a link at once.
pub const BATCH: usize = 64;

pub fn prefix(node: &NodeId) -> Prefix {
    std::array::from_fn(|at| node.0[at])
}

/// A packet for this node, whole.
pub struct Packet {
    pub from: Prefix,
    pub data: Bytes,
}

#[derive(Default)]
struct Tables {
    links: HashMap<LinkId, Arc<LinkEnd>>,
    routes: HashMap<Prefix, Arc<LinkEnd>>,
    /// To nodes of other zones; asked where there is no route of its own.
    far: HashMap<Prefix, Arc<LinkEnd>>,
}

/// What it did, for people and benchmarks.
#[derive(Debug, Default)]
pub struct Counts {
    pub forwarded: AtomicU64,
    pub dropped: AtomicU64,
}

/// All links, and the routes over them.
pub struct Fabric {
    pub me: Prefix,
    tables: RwLock<Tables>,
    inbox: mpsc::Sender<Packet>,
    numbers: AtomicU16,
    halves: std::sync::Mutex<HashMap<(Prefix, u16), (u8, Bytes)>>,
    pub counts: Counts,
    /// A link that was idle carries packets: both its ends must promise more heartbeats before it dies, not half a second later.
    pub stirred: tokio::sync::Notify,
}

impl std::fmt::Debug for Fabric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fabric({:?})", self.counts)
    }
}

impl Fabric {
    /// A fabric without links, and where its packets come out.
    pub fn new(me: &NodeId) -> (Arc<Self>, mpsc::Receiver<Packet>) {
        let (inbox, packets) = mpsc::channel(INBOX_MAX);
        let fabric = Self {
            me: prefix(me),
            tables: RwLock::default(),
            inbox,
            numbers: AtomicU16::default(),
            halves: std::sync::Mutex::default(),
            counts: Counts::default(),
            stirred: tokio::sync::Notify::new(),
        };
        (Arc::new(fabric), packets)
    }

    pub fn add(&self, id: LinkId, connection: Connection) -> Arc<LinkEnd> {
        let end = Arc::new(LinkEnd::new(id, connection));
        self.change(|tables| tables.links.insert(id, end.clone()));
        end
    }

    pub fn remove(&self, id: LinkId) -> Option<Arc<LinkEnd>> {
        self.change(|tables| {
            tables.routes.retain(|_, end| end.id != id);
            tables.far.retain(|_, end| end.id != id);
            tables.links.remove(&id)
        })
    }

    pub fn link(&self, id: LinkId) -> Option<Arc<LinkEnd>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).links.get(&id).cloned()
    }

    pub fn links(&self) -> Vec<Arc<LinkEnd>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).links.values().cloned().collect()
    }

    /// Replaces all routes.
    pub fn route(&self, routes: &[Route]) {
        self.change(|tables| {
            let ends =
                routes.iter().filter_map(|route| Some((prefix(&route.to), tables.links.get(&route.link)?.clone())));
            tables.routes = ends.collect();
        });
    }

    /// Replaces all routes to other zones; the first that names a node counts.
    pub fn route_far(&self, routes: &[FarRoute]) {
        self.change(|tables| {
            let mut far = HashMap::new();
            for route in routes {
                let Some(end) = tables.links.get(&route.link) else { continue };
                for mark in route.members.as_chunks().0 {
                    far.entry(*mark).or_insert_with(|| end.clone());
                }
            }
            tables.far = far;
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether packets to that node go anywhere.
    pub fn has_way(&self, to: &Prefix) -> bool {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).routes.contains_key(to)
    }

    fn next(&self, to: &Prefix) -> Option<Arc<LinkEnd>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.routes.get(to).or_else(|| tables.far.get(to)).cloned()
    }

    /// Sends packets of this node; `contents` holds one each `segment` bytes. What has no route is lost, and the endpoint above
    /// repeats it.
    pub fn send(&self, to: Prefix, contents: &[u8], segment: usize) {
        let count = contents.len().div_ceil(segment.max(1));
        let Some(end) = self.next(&to) else {
            self.counts.dropped.fetch_add(count as u64, Relaxed);
            return;
        };
        let room = end.connection.max_datagram_size().unwrap_or(0);
        let mut buffer = BytesMut::with_capacity(contents.len() + count * HEADER);
        let mut batch = Vec::with_capacity(count);
        for payload in contents.chunks(segment.max(1)) {
            if payload.len() + HEADER <= room {
                put_header(&mut buffer, PACKET, HOPS_MAX, &to, &self.me);
                buffer.put_slice(payload);
                batch.push(buffer.split().freeze());
            } else if payload.len() <= usize::from(MAIN_MTU) {
                self.halve(&to, payload, &mut batch);
            } else {
                // A probe for larger packets: that none comes back is the answer.
                self.counts.dropped.fetch_add(1, Relaxed);
            }
        }
        self.put(&end, &batch);
    }

    fn halve(&self, to: &Prefix, payload: &[u8], batch: &mut Vec<Bytes>) {
        let number = self.numbers.fetch_add(1, Relaxed);
        let (first, second) = payload.split_at(payload.len() / 2);
        for (part, half) in [first, second].into_iter().enumerate() {
            let mut bytes = BytesMut::with_capacity(PART_HEADER + half.len());
            put_header(&mut bytes, PART, HOPS_MAX, to, &self.me);
            bytes.put_u16_le(number);
            bytes.put_u8(part as u8);
            bytes.put_slice(half);
            batch.push(bytes.freeze());
        }
    }

    /// The link's own congestion control paces them; what would wait too long is dropped, which is what the endpoint above takes
    /// as the sign to slow down.
    fn put(&self, end: &LinkEnd, batch: &[Bytes]) {
        let count = end.admit(batch);
        self.counts.dropped.fetch_add((batch.len() - count) as u64, Relaxed);
        let batch = &batch[..count];
        self.carried(end, count);
        let sent = end.connection.send_many_datagrams(batch).unwrap_or(0);
        if sent < batch.len() {
            self.counts.dropped.fetch_add((batch.len() - sent) as u64, Relaxed);
        }
    }

    /// A link carries so many packets more.
    pub fn carried(&self, end: &LinkEnd, count: usize) {
        if end.carry(count) {
            self.stirred.notify_one();
        }
    }

    /// Takes packets that came over a link: those for this node go up, others on.
    pub fn receive(&self, packets: &mut [Bytes]) {
        let mut onward: Vec<Onward> = Vec::new();
        let bytes = packets.iter().map(Bytes::len).sum();
        for packet in packets {
            let packet = std::mem::take(packet);
            if packet.len() < HEADER {
                self.counts.dropped.fetch_add(1, Relaxed);
            } else if packet[2..10] == self.me {
                self.deliver(packet);
            } else {
                self.pass_on(&packet, bytes, &mut onward);
            }
        }
        for way in onward {
            let end = way.end.clone();
            self.counts.forwarded.fetch_add(way.count() as u64, Relaxed);
            self.put(&end, &way.packets());
        }
    }

    fn pass_on(&self, packet: &[u8], bytes: usize, onward: &mut Vec<Onward>) {
        let to: Prefix = std::array::from_fn(|at| packet[2 + at]);
        // Mostly all of a batch go to one node.
        let at = match onward.iter().position(|way| way.to == to) {
            Some(at) => at,
            None => {
                let Some(end) = self.next(&to) else {
                    self.counts.dropped.fetch_add(1, Relaxed);
                    return;
                };
                onward.push(Onward::new(to, end, bytes));
                onward.len() - 1
            }
        };
        // A packet of full size that meets a narrower link is lost; the endpoint that sent it then probes for a smaller size.
        if packet[1] == 0 || packet.len() > onward[at].room {
            self.counts.dropped.fetch_add(1, Relaxed);
        } else {
            onward[at].add(packet);
        }
    }

    fn deliver(&self, packet: Bytes) {
        let from: Prefix = std::array::from_fn(|at| packet[10 + at]);
        let whole = match packet[0] {
            PACKET => Some(packet.slice(HEADER..)),
            PART if packet.len() >= PART_HEADER => self.join(from, &packet),
            _ => None,
        };
        if let Some(data) = whole
            && self.inbox.try_send(Packet { from, data }).is_err()
        {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// The whole packet, once both halves are there.
    fn join(&self, from: Prefix, packet: &Bytes) -> Option<Bytes> {
        let number = u16::from_le_bytes([packet[18], packet[19]]);
        let (part, half) = (packet[20], packet.slice(PART_HEADER..));
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        match halves.remove(&(from, number)) {
            Some((other, rest)) if other != part && part < 2 => {
                let (first, second) = if part == 0 { (half, rest) } else { (rest, half) };
                let mut whole = BytesMut::with_capacity(first.len() + second.len());
                whole.put_slice(&first);
                whole.put_slice(&second);
                Some(whole.freeze())
            }
            _ => {
                if halves.len() >= HALVES_MAX {
                    // The others of these were lost long ago.
                    halves.clear();
                }
                halves.insert((from, number), (part, half));
                None
            }
        }
    }
}

fn put_header(to_bytes: &mut BytesMut, kind: u8, hops: u8, to: &Prefix, from: &Prefix) {
    to_bytes.put_u8(kind);
    to_bytes.put_u8(hops);
    to_bytes.put_slice(to);
    to_bytes.put_slice(from);
}
