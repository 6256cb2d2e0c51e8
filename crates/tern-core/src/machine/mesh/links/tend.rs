//! Links: heartbeats out, silence noticed, and the choice whom to dial and whom to let go.
//!
//! The connection's own time-out is far too slow to notice a death (it waits three probe time-outs and starts anew with every packet
//! sent), so each end promises in every heartbeat when the next one comes, and is judged by its own promise.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::link::{Link, Pulse};
use crate::decide::links::{Candidate, LINKS_WANTED_MAX, wanted};
use crate::decide::route::{Graph, lost_parts, ways};
use crate::machine::mesh::effect::{CloseReason, LinkId, MeshEffect};
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::Known;
use crate::wire::mesh::beat::{self, Beat};
use crate::words::limits::{
    ADDRESSES_GATHER, BEAT_BATTERY, BEAT_BUSY, BEAT_IDLE, CUT_MENDERS, CUT_PATIENCE, DIAL_AGAIN_FIRST, DIAL_AGAIN_MOST,
    DIAL_AGAIN_SOON, DIAL_FAILURES_SOON, DIALS_LOST, DIALS_MAX, LINK_RETIRES, LINK_SURPLUS, LINKS_MAX, RTT_TELL_GAP,
    TRAFFIC_LASTS,
};
use crate::words::{NodeId, Span};

/// After so many failures in a row a member counts as unreachable, and is tried now and then.
const FAILURES_TOLERATED: u32 = 3;

impl Mesh {
    /// A datagram that is no packet. Of a connection that has not introduced itself it is dropped.
    pub(in crate::machine::mesh) fn datagram(&mut self, link: LinkId, bytes: &[u8], out: &mut Vec<MeshEffect>) {
        let Some(peer) = self.peer_of(link) else { return };
        match beat::decode(bytes) {
            Ok(beat::Datagram::Beat(beat)) => self.heard_beat(peer, &beat),
            Ok(beat::Datagram::Vitals(batch)) => self.heard_vitals(peer, &batch, out),
            Err(_) => self.refuse(crate::promise::Refusal::Malformed),
        }
    }

    pub(in crate::machine::mesh) fn peer_of(&self, link: LinkId) -> Option<NodeId> {
        self.links.iter().find(|(_, known)| known.id == link).map(|(peer, _)| *peer)
    }

    fn heard_beat(&mut self, peer: NodeId, beat: &Beat) {
        let now = self.now.boot;
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !link.hear(beat, now) {
            return;
        }
        let was = core::mem::replace(&mut link.pulse, Pulse::Alive);
        let told = u64::from(link.told_rtt_us);
        let rtt = u64::from(link.rtt_us.unwrap_or(link.told_rtt_us));
        let moved = rtt * 3 < told * 2 || rtt * 2 > told * 3;
        if was == Pulse::Silent {
            self.gained();
        } else if moved && rtt.abs_diff(told) > 100 && link.told_at + RTT_TELL_GAP <= now {
            link.told_rtt_us = link.rtt_us.unwrap_or(link.told_rtt_us);
            link.told_at = now;
            self.gained();
        }
    }

    /// How often this end sends: soon noticed where a death would matter, seldom on a battery.
    fn interval(&self, link: &Link) -> Span {
        if self.pulse.busy || link.traffic_until > self.now.boot {
            BEAT_BUSY
        } else if self.here.on_battery {
            BEAT_BATTERY
        } else {
            BEAT_IDLE
        }
    }

    pub(in crate::machine::mesh) fn alive(&mut self, link: LinkId) {
        let now = self.now.boot;
        let Some(link) = self.links.values_mut().find(|known| known.id == link) else { return };
        link.alive_at = now;
        if link.pulse == Pulse::Suspect {
            link.pulse = Pulse::Alive;
        }
    }

    pub(in crate::machine::mesh) fn traffic(&mut self, link: LinkId) {
        let Some(peer) = self.peer_of(link) else { return };
        let until = self.now.boot + TRAFFIC_LASTS;
        if let Some(link) = self.links.get_mut(&peer) {
            link.traffic_until = until;
        }
    }

    /// Sends the heartbeats that are due; one whose interval shrank is due at once.
    pub(in crate::machine::mesh) fn beat(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let intervals: Vec<(NodeId, Span)> =
            self.links.iter().map(|(peer, link)| (*peer, self.interval(link))).collect();
        for (peer, interval) in intervals {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            if link.send_at <= now || interval < link.pace {
                let bytes = beat::encode_beat(&link.next_beat(interval, now));
                out.push(MeshEffect::Datagram { link: link.id, bytes });
            }
        }
    }

    /// Notices silence.
    pub(in crate::machine::mesh) fn judge_links(&mut self) {
        let now = self.now.boot;
        let mut lost = false;
        for link in self.links.values_mut() {
            lost |= link.judge(now);
        }
        if lost {
            self.lost();
        }
    }

    pub(in crate::machine::mesh) fn dial_failed(&mut self, peer: NodeId) {
        let now = self.now.boot;
        let jitter = u64::from(self.me.tag() ^ peer.tag()) % 64;
        let crowd = self.crowd();
        if let Some(known) = self.nodes.get_mut(&peer) {
            known.dialling = false;
            let soon = DIAL_AGAIN_FIRST.0.saturating_mul(1 << known.failures.min(20)).min(DIAL_AGAIN_SOON.0);
            let later = known.failures.saturating_sub(DIAL_FAILURES_SOON).min(20);
            let wait = soon.saturating_mul(1 << later).min(DIAL_AGAIN_MOST.0);
            let wait = if known.up { wait } else { wait.saturating_mul(crowd) };
            known.failures = known.failures.saturating_add(1);
            known.dial_at = now + Span(wait + wait * jitter / 256);
        }
    }

    /// How many times more seldom a member that is not up is dialled than by one that is alone: all who are connected look for
    /// it, and one is enough to find it.
    pub(in crate::machine::mesh) fn crowd(&self) -> u64 {
        (self.topology.ways.iter().flatten().count() / LINKS_WANTED_MAX).max(1) as u64
    }

    /// Somebody says where a member may be. What is new is tried soon.
    pub(in crate::machine::mesh) fn may_be_at(&mut self, peer: NodeId, addresses: Vec<SocketAddr>) {
        let now = self.now.boot;
        let Some(known) = self.know(&peer) else { return };
        let mut new = false;
        for address in addresses {
            new |= known.may_be_at(address);
        }
        if new {
            (known.failures, known.dial_at) = (0, now);
            // With the others that are named in this moment.
            self.next_tend = self.next_tend.min(now + ADDRESSES_GATHER);
        }
    }

    /// Dials whom it wants, and lets go of what neither end wants.
    pub(in crate::machine::mesh) fn tend_links(&mut self, out: &mut Vec<MeshEffect>) {
        let chosen = self.chosen();
        self.let_go(&chosen, out);
        if !self.roll.is_member(self.me) {
            // Sent away: nobody would let it in.
            return;
        }
        let now = self.now.boot;
        let few = !self.areas.areal && self.nodes.len() <= LINKS_WANTED_MAX;
        let dialling = self.nodes.values().filter(|known| known.dialling).count();
        let room = LINKS_MAX.saturating_sub(self.links.len() + self.greetings.len());
        let mut due: Vec<(bool, u64, NodeId)> = Vec::new();
        for (peer, known) in &self.nodes {
            let linked = self.links.get(peer).is_some_and(Link::carries);
            let first = few || chosen.contains(peer);
            let wish = first || !known.up;
            if wish
                && !linked
                && !self.greets(peer)
                && !known.dialling
                && known.dial_at <= now
                && (first || !self.is_elsewhere(peer))
            {
                due.push((!first, known.dial_at, *peer));
            }
        }
        // Those that are chosen, then those that waited longest; of these few, since one is enough to hear of all others.
        due.sort_unstable();
        let first = due.iter().filter(|(later, ..)| !later).count();
        let lost = LINKS_WANTED_MAX.saturating_sub(self.links.len() + self.greetings.len() + dialling + first);
        let most = DIALS_MAX.min(room).saturating_sub(dialling).min(first + lost.max(DIALS_LOST));
        for (_, _, peer) in due.into_iter().take(most) {
            let Some(known) = self.nodes.get_mut(&peer) else { continue };
            let addresses = known.addresses();
            if addresses.is_empty() {
                known.dial_at = now + DIAL_AGAIN_SOON;
            } else {
                known.dialling = true;
                out.push(MeshEffect::Dial { peer, addresses });
            }
        }
    }

    fn let_go(&mut self, chosen: &BTreeSet<NodeId>, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let (mut surplus, mut over) = (Vec::new(), Vec::new());
        for (peer, link) in &mut self.links {
            link.wanted = chosen.contains(peer);
            if link.wanted || link.peer_wants {
                link.surplus_since = None;
                self.topology.changed |= link.retires_at.take().is_some();
            } else if link.retires_at.is_some_and(|at| at <= now) {
                over.push(link.id);
            } else if *link.surplus_since.get_or_insert(now) + LINK_SURPLUS <= now && link.counts() {
                surplus.push(*peer);
            }
        }
        for link in over {
            self.close(link, CloseReason::Surplus, out);
        }
        self.retire(&surplus);
    }

    /// Tells no more of links that nobody needs, so that nothing is sent over them when they are closed.
    fn retire(&mut self, surplus: &[NodeId]) {
        let topology = &self.topology;
        let Some(me) = topology.index_of(&self.me).filter(|_| !surplus.is_empty()) else { return };
        let reached = |graph: &Graph| ways(graph, me).iter().flatten().count();
        let (all, parts) = (reached(&topology.graph), lost_parts(&topology.graph, me).len());
        let mut graph = topology.graph.clone();
        for peer in surplus {
            let Some(at) = topology.index_of(peer) else { continue };
            let without = graph.without(me, at);
            // Somebody could be cut off, or sooner than now: it stays.
            if reached(&without) < all || lost_parts(&without, me).len() > parts {
                continue;
            }
            graph = without;
            if let Some(link) = self.links.get_mut(peer) {
                link.retires_at = Some(self.now.boot + LINK_RETIRES);
            }
        }
        self.gained();
    }

    /// Closes a link that nobody needs, so that a newcomer has room.
    pub(in crate::machine::mesh) fn make_room(&mut self, out: &mut Vec<MeshEffect>) -> bool {
        let spare = |link: &&Link| !link.counts() || !link.wanted && !link.peer_wants;
        let Some(link) = self.links.values().filter(spare).map(|link| link.id).min() else { return false };
        self.close(link, CloseReason::Surplus, out);
        true
    }

    /// The members to which a link is wanted now.
    fn chosen(&mut self) -> BTreeSet<NodeId> {
        let now = self.now.boot;
        let cut = self.cut_off();
        let far = self.far_doors();
        let keys: Vec<NodeId> = self.nodes.keys().copied().collect();
        let above = keys.partition_point(|key| *key < self.me);
        let own = if self.areas.areal { String::new() } else { self.zone_of(&self.me) };
        // Of one that cannot be reached nobody sees where it stands: not in another zone, or all would look for it.
        let unseen = |known: &Known| self.areas.areal || !known.up && known.zone().is_empty();
        let zone = |(key, known): (&NodeId, &Known)| if unseen(known) { own.clone() } else { self.zone_of(key) };
        let zones: Vec<String> = self.nodes.iter().map(zone).collect();
        let zone_index = |zone: &str| zones.iter().position(|other| *other == zone).map_or(u32::MAX, |at| at as u32);
        let candidates: Vec<Candidate> = keys
            .iter()
            .zip(self.nodes.values())
            .zip(&zones)
            .map(|((key, known), zone)| {
                let elsewhere = || !known.up && self.is_elsewhere(key);
                let link = self.links.get(key);
                let near = link.map_or_else(|| !elsewhere(), |link| self.is_within(link));
                let linked = self.links.get(key).is_some_and(Link::counts);
                let hopeful = known.failures < FAILURES_TOLERATED || known.dial_at + DIAL_AGAIN_MOST <= now;
                Candidate {
                    reachable: near && (linked || hopeful && known.has_address()),
                    zone: zone_index(zone),
                    cost_us: self.topology.cost(key),
                    part: cut.get(key).copied(),
                    lot: lot(&self.me, key),
                }
            })
            .collect();
        let near = wanted(&candidates, above, zone_index(&own)).into_iter().map(|at| keys[at]);
        near.chain(far).collect()
    }

    /// Who would be cut off from this node by a single death, with the number of the part that is lost together. All see the
    /// same cuts: a few look for a link across, and more of them the longer nobody finds one.
    fn cut_off(&mut self) -> BTreeMap<NodeId, u32> {
        let now = self.now.boot;
        let topology = &mut self.topology;
        let parts = topology.index_of(&self.me).map_or_else(Vec::new, |me| lost_parts(&topology.graph, me));
        if parts.is_empty() {
            topology.cut_since = None;
            return BTreeMap::new();
        }
        let age = now.saturating_sub(*topology.cut_since.get_or_insert(now));
        let steps = age / CUT_PATIENCE.0;
        let menders = if steps == 0 { 0 } else { CUT_MENDERS << steps.min(16) };
        let mut found = BTreeMap::new();
        for (number, part) in parts.iter().take(LINKS_WANTED_MAX).enumerate() {
            let keys: BTreeSet<NodeId> = part.iter().map(|at| topology.keys[*at as usize]).collect();
            let Some(first) = keys.first() else { continue };
            let mine = lot(&self.me, first);
            let before = topology.keys.iter().filter(|key| !keys.contains(*key) && lot(key, first) < mine).count();
            if before < menders {
                found.extend(keys.into_iter().map(|key| (key, number as u32)));
            }
        }
        found
    }
}

/// The same number for both nodes of a pair, and no order among pairs that anybody could foresee.
pub(in crate::machine::mesh) fn lot(one: &NodeId, other: &NodeId) -> u64 {
    let word = |node: &NodeId| {
        node.0.chunks(8).fold(0, |all, part| {
            let mut bytes = [0; 8];
            bytes[..part.len()].copy_from_slice(part);
            all ^ u64::from_le_bytes(bytes)
        })
    };
    let mut mixed = word(one) ^ word(other);
    for step in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ mixed >> 30).wrapping_mul(step);
    }
    mixed ^ mixed >> 31
}
