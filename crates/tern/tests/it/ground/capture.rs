//! What passes on the wires of one machine, written down by `tcpdump` and searched for a text.
//!
//! A text is looked for in each packet and, since a sender may cut it anywhere, in what each stream carried as a whole:
//! TCP in the order of its bytes, UDP in the order of its packets.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;

use tempfile::TempDir;

use super::node::Node;
use super::run::{Running, until};

/// Kibibytes that the kernel keeps while `tcpdump` is busy.
const BUFFER: &str = "32768";
/// The port that throws away what it gets.
const DISCARD: u16 = 9;

/// A capture that runs.
pub struct Capture {
    node: Node,
    tcpdump: Running,
    folder: TempDir,
}

/// What was captured.
pub struct Packets {
    /// Whole, with their headers.
    whole: Vec<Vec<u8>>,
    /// What each stream carried.
    streams: Vec<Vec<u8>>,
    /// Packets that passed while `tcpdump` was too slow to see them.
    pub dropped: u64,
}

impl Capture {
    /// Captures on all interfaces of that machine, from now on: it returns when nothing escapes any more.
    pub fn start(node: &Node) -> Self {
        let folder = tempfile::Builder::new().prefix("tern-it-").tempdir().unwrap();
        let file = folder.path().join("wire.pcap");
        let file = file.to_str().unwrap();
        // As root to the end: the user to whom it would change may not write into this folder.
        let tcpdump = node.start(&["tcpdump", "-i", "any", "-n", "-U", "-Z", "root", "-B", BUFFER, "-w", file]);
        until("tcpdump listens", || tcpdump.stderr().contains("listening on").then_some(()));
        Self { node: node.clone(), tcpdump, folder }
    }

    /// Ends it; all that passed before is in it.
    pub fn stop(self) -> Packets {
        // Packets are written in the order in which they pass, so when the last one is there, all are.
        let last = format!("the last packet of {}", self.node.space());
        let socket = self.node.inside(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        socket.send_to(last.as_bytes(), (Ipv4Addr::LOCALHOST, DISCARD)).unwrap();
        let (file, mut seen) = (self.file(), 0);
        until("the last packet", || {
            let text = fs::read(&file).unwrap();
            let fresh = &text[seen..];
            seen = text.len().saturating_sub(last.len());
            holds(fresh, last.as_bytes()).then_some(())
        });
        let out = self.tcpdump.interrupt();
        let packets = read(&fs::read(file).unwrap());
        drop(self.folder);
        let dropped = out.stderr.lines().find_map(|line| line.strip_suffix(" packets dropped by kernel"));
        Packets {
            streams: streams(&packets),
            whole: packets,
            dropped: dropped.map_or(0, |count| count.parse().unwrap()),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("wire.pcap")
    }
}

impl Packets {
    pub fn count(&self) -> usize {
        self.whole.len()
    }

    /// The text passed in the clear: in one packet, or in pieces in one stream.
    pub fn hold(&self, text: &[u8]) -> bool {
        self.whole.iter().chain(&self.streams).any(|bytes| holds(bytes, text))
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Packets of a file in the order of bytes of this machine, as `tcpdump` writes it: a header of 24 bytes, and each
/// packet behind one of 16 whose third number is its length.
fn read(file: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut rest = &file[24..];
    while let Some((header, after)) = rest.split_at_checked(16) {
        let length = u32::from_ne_bytes(header[8..12].try_into().unwrap()) as usize;
        // The last one may be half written.
        let Some((packet, after)) = after.split_at_checked(length) else { break };
        packets.push(packet.to_vec());
        rest = after;
    }
    packets
}

/// What went each way between each two ends.
fn streams(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut streams: BTreeMap<Vec<u8>, Vec<(u32, &[u8])>> = BTreeMap::new();
    for (at, packet) in packets.iter().enumerate() {
        if let Some(piece) = piece(packet) {
            streams.entry(piece.stream).or_default().push((piece.place.unwrap_or(at as u32), piece.text));
        }
    }
    streams.into_values().map(join).collect()
}

/// Pieces in their order, each place once: what was sent again is there twice.
fn join(mut pieces: Vec<(u32, &[u8])>) -> Vec<u8> {
    let first = pieces[0].0;
    pieces.retain(|(_, text)| !text.is_empty());
    // Numbers of bytes begin anywhere and may pass their greatest.
    pieces.sort_by_key(|(place, text)| (place.wrapping_sub(first), std::cmp::Reverse(text.len())));
    pieces.dedup_by_key(|(place, _)| *place);
    pieces.iter().flat_map(|(_, text)| text.iter().copied()).collect()
}

struct Piece<'a> {
    /// Protocol, addresses and ports.
    stream: Vec<u8>,
    /// The number of its first byte, where the protocol counts them.
    place: Option<u32>,
    text: &'a [u8],
}

/// The text of a packet of TCP or UDP over either version of IP. Captures of all interfaces have a header of 20 bytes
/// whose first two name the protocol ("cooked v2").
fn piece(packet: &[u8]) -> Option<Piece<'_>> {
    let ip = packet.get(20..)?;
    let (protocol, addresses, rest) = match packet.get(..2)? {
        [0x08, 0x00] => {
            let header = usize::from(ip.first()? & 15) * 4;
            let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
            // A packet that is cut up only later says 0 when it is too long for its field.
            let end = if total == 0 { ip.len() } else { total.min(ip.len()) };
            (*ip.get(9)?, ip.get(12..20)?, ip.get(header..end)?)
        }
        [0x86, 0xdd] => (*ip.get(6)?, ip.get(8..40)?, ip.get(40..)?),
        _ => return None,
    };
    let (place, text) = match protocol {
        6 => (
            Some(u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?)),
            rest.get(usize::from(rest.get(12)? >> 4) * 4..)?,
        ),
        17 => (None, rest.get(8..)?),
        _ => return None,
    };
    Some(Piece { stream: [&[protocol], addresses, rest.get(..4)?].concat(), place, text })
}
