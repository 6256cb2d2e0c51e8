//! Digests: two neighbours compare what they have, and send each other what is missing.
//!
//! At each new link, now and then with one neighbour, and for a single origin whose record came too often to be taken.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::flood::frames;
use crate::machine::mesh::areas::Spoken;
use crate::machine::mesh::effect::{LinkId, MeshEffect};
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::Known;
use crate::promise::Refusal;
use crate::wire::mesh::{Kind, LinkFrame, Record, Stamp, encode_frame};
use crate::words::limits::{DIGEST_BURST, DIGEST_EVERY, RECORD_OWN_BURST, RECORDS_PER_FRAME};
use crate::words::{NodeId, Span};

impl Mesh {
    /// All records in the order of their origins.
    ///
    /// `within`: with those that stay inside the zone.
    fn records(&self, within: bool) -> Vec<&Record> {
        let near = self.nodes.values().filter(|_| within).flat_map(|known| known.records());
        let far = self.areas.held.values().flat_map(|spoken| spoken.records());
        let own = self.flood.own.values().filter(|record| within || record.stamp.kind.is_for_all());
        let mut records: Vec<&Record> = near.chain(far).chain(own).collect();
        records.sort_unstable_by_key(|record| record.stamp);
        records
    }

    fn tells_all(&self, link: LinkId) -> bool {
        self.links.values().find(|known| known.id == link).is_some_and(|link| self.is_within(link))
    }

    /// Says what this node has, in parts: an empty one, too, since it asks for everything.
    pub(in crate::machine::mesh) fn send_digest(&self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let records = self.records(self.tells_all(link));
        let stamps: Vec<Stamp> = records.into_iter().map(|record| record.stamp).collect();
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
        let asked = self.records(self.tells_all(link)).into_iter();
        let asked = asked.filter(|record| origins.contains(&record.stamp.origin));
        let missing: Vec<Record> = asked.filter(|record| news(&record.stamp)).cloned().collect();
        out.extend(frames(missing.into_iter()).into_iter().map(|bytes| MeshEffect::Frame { link, bytes }));
    }

    /// Asks again for what came too often, from whom it came.
    pub(in crate::machine::mesh) fn ask_for_missed(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let near = self.nodes.iter_mut().map(|(origin, it)| (*origin, &mut it.missed, &mut it.budget));
        let far = self.areas.held.iter_mut().map(|(origin, it)| (*origin, &mut it.missed, &mut it.budget));
        let asked = near.chain(far).filter_map(|(origin, missed, budget)| {
            let free = missed.is_some() && budget.has(now, RECORD_OWN_BURST);
            Some((origin, free.then(|| missed.take())??))
        });
        let asked: Vec<(NodeId, NodeId)> = asked.collect();
        for (origin, peer) in asked {
            let Some(link) = self.links.get(&peer).or_else(|| self.links.values().next()) else { continue };
            let near = self.nodes.get(&origin).into_iter().flat_map(Known::records);
            let far = self.areas.held.get(&origin).into_iter().flat_map(Spoken::records);
            let stamps: Vec<Stamp> = near.chain(far).map(|record| record.stamp).collect();
            let digest = LinkFrame::Digest { from: origin, to: origin, stamps };
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
