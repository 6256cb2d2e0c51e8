//! Digests: two neighbours compare what they have, and send each other what is missing.
//!
//! At each new link, now and then with one neighbour, and for a single origin whose record came too often to be taken.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::machine::mesh::effect::{LinkId, MeshEffect};
use crate::machine::mesh::node::Mesh;
use crate::promise::Refusal;
use crate::wire::mesh::{Kind, LinkFrame, Record, Stamp, encode_frame};
use crate::words::limits::{DIGEST_BURST, DIGEST_EVERY, RECORD_OWN_BURST, RECORDS_PER_FRAME};
use crate::words::{NodeId, Span};

impl Mesh {
    /// All records in the order of their origins.
    pub(in crate::machine::mesh) fn records(&self) -> impl Iterator<Item = &Record> {
        let below = self.nodes.range(..self.me);
        let above = self.nodes.range(self.me..);
        let below = below.flat_map(|(_, known)| known.records());
        below.chain(self.flood.own.values()).chain(above.flat_map(|(_, known)| known.records()))
    }

    /// Says what this node has, in parts: an empty one, too, since it asks for everything.
    pub(in crate::machine::mesh) fn send_digest(&self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let stamps: Vec<Stamp> = self.records().map(|record| record.stamp).collect();
        let mut from = NodeId([0; 32]);
        let mut rest = stamps.as_slice();
        loop {
            // An origin is never split between parts.
            let last = rest.get(..RECORDS_PER_FRAME).and_then(|part| part.last()).map(|stamp| stamp.origin);
            let end = last.map_or(rest.len(), |last| rest.partition_point(|stamp| stamp.origin < last));
            let (part, more) = rest.split_at(end);
            let to = last.filter(|_| !more.is_empty()).map_or(NodeId([0xff; 32]), before);
            let digest = LinkFrame::Digest { from, to, stamps: part.to_vec() };
            out.push(MeshEffect::Frame { link, bytes: encode_frame(&digest) });
            let Some(next) = last.filter(|_| !more.is_empty()) else { return };
            (from, rest) = (next, more);
        }
    }

    /// Sends what the other end lacks between two origins.
    pub(in crate::machine::mesh) fn answer_digest(
        &mut self,
        peer: NodeId,
        origins: RangeInclusive<NodeId>,
        stamps: &[Stamp],
        out: &mut Vec<MeshEffect>,
    ) {
        let now = self.now.boot;
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !link.digests.take(now, DIGEST_BURST) {
            return self.refuse(Refusal::TooOften);
        }
        let link = link.id;
        let theirs: BTreeMap<(NodeId, Kind), u64> =
            stamps.iter().map(|stamp| ((stamp.origin, stamp.kind), stamp.sequence)).collect();
        let news = |stamp: &Stamp| theirs.get(&(stamp.origin, stamp.kind)).is_none_or(|seen| *seen < stamp.sequence);
        let within = self.records().filter(|record| origins.contains(&record.stamp.origin));
        let missing: Vec<Record> = within.filter(|record| news(&record.stamp)).cloned().collect();
        for part in missing.chunks(RECORDS_PER_FRAME) {
            out.push(MeshEffect::Frame { link, bytes: encode_frame(&LinkFrame::Records(part.to_vec())) });
        }
    }

    /// Asks again for what came too often, from whom it came.
    pub(in crate::machine::mesh) fn ask_for_missed(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        for (origin, known) in &mut self.nodes {
            let Some(peer) = known.missed.filter(|_| known.budget.has(now, RECORD_OWN_BURST)) else { continue };
            known.missed = None;
            let Some(link) = self.links.get(&peer).or_else(|| self.links.values().next()) else { continue };
            let stamps: Vec<Stamp> = known.records().map(|record| record.stamp).collect();
            let digest = LinkFrame::Digest { from: *origin, to: *origin, stamps };
            out.push(MeshEffect::Frame { link: link.id, bytes: encode_frame(&digest) });
        }
    }

    /// The neighbour to compare notes with now, if it is time.
    pub(in crate::machine::mesh) fn digest_due(&mut self) -> Option<LinkId> {
        let now = self.now.boot;
        if self.flood.digest_at > now || self.links.is_empty() {
            return None;
        }
        self.flood.digest_at = now + Span(DIGEST_EVERY.0);
        let turn = (now / DIGEST_EVERY.0) as usize % self.links.len();
        self.links.values().nth(turn).map(|link| link.id)
    }
}

/// The key just before another one.
fn before(mut key: NodeId) -> NodeId {
    for byte in key.0.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            break;
        }
    }
    key
}
