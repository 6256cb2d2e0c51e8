//! Links: heartbeats out, silence noticed, and the choice whom to dial and whom to let go.
//!
//! The connection's own time-out is far too slow to notice a death (it waits three probe time-outs and starts anew with every packet
//! sent), so each end promises in every heartbeat when the next one comes, and is judged by its own promise.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::effect::{CloseReason, LinkId, MeshEffect};
use super::node::Mesh;
use super::topology::Known;
use crate::decide::links::{Candidate, LINKS_WANTED_MAX, wanted};
use crate::decide::route::lost_parts;
use crate::wire::mesh::beat::{self, Beat};
use crate::words::limits::{
    BEAT_BATTERY, BEAT_BUSY, BEAT_DOWN_LEAST, BEAT_IDLE, BEAT_SUSPECT_LEAST, DIAL_AGAIN_FIRST, DIAL_AGAIN_MOST,
    LINK_SURPLUS, NODE_ADDRESSES_MAX, RTT_TELL_GAP, TRAFFIC_LASTS,
};
use crate::words::{NodeId, Span};

/// Heartbeats whose sending time is remembered, to tell the round trip of their echo.
const SENT_KEPT: usize = 8;
/// After so many failures in a row a member counts as unreachable, and is tried now and then.
const FAILURES_TOLERATED: u32 = 3;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    Alive,
    /// A heartbeat is late: nothing new is sent there.
    Suspect,
    /// So late that the link is not told of any more. The connection stays: what was late may come.
    Silent,
}

/// One link to one peer.
#[derive(Debug)]
pub(super) struct Link {
    pub id: LinkId,
    pub outgoing: bool,
    pub incarnation: u64,
    pub pulse: Pulse,
    /// When the last heartbeat was heard, boot time.
    pub heard_at: u64,
    /// When the peer promised the next one.
    interval: Span,
    heard_sequence: u32,
    sent_sequence: u32,
    sent: [(u32, u64); SENT_KEPT],
    pub send_at: u64,
    last_interval: Span,
    pub rtt_us: Option<u32>,
    /// As it stands in the adjacency.
    pub told_rtt_us: u32,
    told_at: u64,
    pub traffic_until: u64,
    pub wanted: bool,
    pub peer_wants: bool,
    surplus_since: Option<u64>,
}

impl Link {
    pub fn new(id: LinkId, outgoing: bool, incarnation: u64, now: u64) -> Self {
        Self {
            id,
            outgoing,
            incarnation,
            pulse: Pulse::Alive,
            heard_at: now,
            interval: BEAT_IDLE,
            heard_sequence: 0,
            sent_sequence: 0,
            sent: [(0, 0); SENT_KEPT],
            send_at: now,
            last_interval: BEAT_IDLE,
            rtt_us: None,
            told_rtt_us: 1_000,
            told_at: 0,
            traffic_until: 0,
            wanted: true,
            peer_wants: true,
            surplus_since: None,
        }
    }

    pub fn counts(&self) -> bool {
        self.pulse != Pulse::Silent
    }

    fn suspect_at(&self) -> u64 {
        self.heard_at + Span((3 * self.interval.0).max(BEAT_SUSPECT_LEAST.0))
    }

    fn silent_at(&self) -> u64 {
        self.heard_at + Span((4 * self.interval.0).max(BEAT_DOWN_LEAST.0))
    }

    /// When something of it falls due.
    pub fn due(&self) -> u64 {
        let judged = match self.pulse {
            Pulse::Alive => self.suspect_at(),
            Pulse::Suspect => self.silent_at(),
            Pulse::Silent => u64::MAX,
        };
        judged.min(self.send_at)
    }

    pub fn forgive(&mut self, late: u64, now: u64) {
        self.heard_at = (self.heard_at + Span(late)).min(now);
    }

    fn next_beat(&mut self, interval: Span, now: u64) -> Beat {
        self.sent_sequence = self.sent_sequence.wrapping_add(1);
        self.sent[self.sent_sequence as usize % SENT_KEPT] = (self.sent_sequence, now);
        self.send_at = now + interval;
        self.last_interval = interval;
        Beat {
            sequence: self.sent_sequence,
            interval_ms: u16::try_from(interval.as_ms()).unwrap_or(u16::MAX),
            echo: self.heard_sequence,
            echo_age_us: u32::try_from(now.saturating_sub(self.heard_at) / 1_000).unwrap_or(u32::MAX),
            wanted: self.wanted,
            hears: self.pulse == Pulse::Alive,
        }
    }

    /// The smoothed round trip, from the echo of a heartbeat that this end sent.
    fn measure(&mut self, beat: &Beat, now: u64) {
        let (sequence, at) = self.sent[beat.echo as usize % SENT_KEPT];
        if sequence != beat.echo || sequence == 0 {
            return;
        }
        let whole = u32::try_from(now.saturating_sub(at) / 1_000).unwrap_or(u32::MAX);
        let sample = whole.saturating_sub(beat.echo_age_us).max(1);
        self.rtt_us = Some(self.rtt_us.map_or(sample, |rtt| rtt - rtt / 8 + sample / 8));
        // An echo counts once: what is echoed again was held by the peer, not by the network.
        self.sent[beat.echo as usize % SENT_KEPT] = (0, 0);
    }
}

impl Mesh {
    /// A datagram that is no packet. Of a connection that has not introduced itself it is dropped.
    pub(super) fn datagram(&mut self, link: LinkId, bytes: &[u8], out: &mut Vec<MeshEffect>) {
        let Some(peer) = self.peer_of(link) else { return };
        match beat::decode(bytes) {
            Ok(beat::Datagram::Beat(beat)) => self.heard_beat(peer, &beat),
            Ok(beat::Datagram::Vitals(batch)) => self.heard_vitals(peer, &batch, out),
            Err(_) => self.refuse(crate::promise::Refusal::Malformed),
        }
    }

    pub(super) fn peer_of(&self, link: LinkId) -> Option<NodeId> {
        self.links.iter().find(|(_, known)| known.id == link).map(|(peer, _)| *peer)
    }

    fn heard_beat(&mut self, peer: NodeId, beat: &Beat) {
        let now = self.now.boot;
        let Some(link) = self.links.get_mut(&peer) else { return };
        // Older ones may overtake each other on the way; they say nothing new.
        if beat.sequence.wrapping_sub(link.heard_sequence) as i32 <= 0 && link.heard_sequence != 0 {
            return;
        }
        link.heard_sequence = beat.sequence;
        link.measure(beat, now);
        link.heard_at = now;
        link.interval = Span::ms(u64::from(beat.interval_ms)).clamp(BEAT_BUSY, BEAT_BATTERY);
        link.peer_wants = beat.wanted;
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

    pub(super) fn traffic(&mut self, link: LinkId) {
        let Some(peer) = self.peer_of(link) else { return };
        let until = self.now.boot + TRAFFIC_LASTS;
        if let Some(link) = self.links.get_mut(&peer) {
            link.traffic_until = until;
        }
    }

    /// Sends the heartbeats that are due; one whose interval shrank is due at once.
    pub(super) fn beat(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let intervals: Vec<(NodeId, Span)> =
            self.links.iter().map(|(peer, link)| (*peer, self.interval(link))).collect();
        for (peer, interval) in intervals {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            if link.send_at <= now || interval < link.last_interval {
                let bytes = beat::encode_beat(&link.next_beat(interval, now));
                out.push(MeshEffect::Datagram { link: link.id, bytes });
            }
        }
    }

    /// Notices silence.
    pub(super) fn judge_links(&mut self) {
        let now = self.now.boot;
        let mut lost = false;
        for link in self.links.values_mut() {
            if link.pulse == Pulse::Alive && link.suspect_at() <= now {
                link.pulse = Pulse::Suspect;
            }
            if link.pulse == Pulse::Suspect && link.silent_at() <= now {
                link.pulse = Pulse::Silent;
                lost = true;
            }
        }
        if lost {
            self.lost();
        }
    }

    pub(super) fn dial_failed(&mut self, peer: NodeId) {
        let now = self.now.boot;
        let jitter = u64::from(self.me.tag() ^ peer.tag()) % 64;
        if let Some(known) = self.nodes.get_mut(&peer) {
            known.dialling = false;
            let wait = DIAL_AGAIN_FIRST.0.saturating_mul(1 << known.failures.min(20)).min(DIAL_AGAIN_MOST.0);
            known.failures = known.failures.saturating_add(1);
            known.dial_at = now + Span(wait + wait * jitter / 256);
        }
    }

    /// Somebody says where a member may be. What is new is tried soon.
    pub(super) fn may_be_at(&mut self, peer: NodeId, addresses: Vec<SocketAddr>) {
        let now = self.now.boot;
        let Some(known) = self.nodes.get_mut(&peer) else { return };
        let before = known.heard_of.clone();
        for address in addresses {
            if !known.heard_of.contains(&address) {
                known.heard_of.insert(0, address);
                known.heard_of.truncate(NODE_ADDRESSES_MAX);
            }
        }
        if known.heard_of != before {
            (known.failures, known.dial_at) = (0, now);
            self.next_tend_now();
        }
    }

    /// Dials whom it wants, and lets go of what neither end wants.
    pub(super) fn tend_links(&mut self, out: &mut Vec<MeshEffect>) {
        let chosen = self.chosen();
        let now = self.now.boot;
        for (peer, link) in &mut self.links {
            link.wanted = chosen.contains(peer);
            if link.wanted || link.peer_wants {
                link.surplus_since = None;
            } else if *link.surplus_since.get_or_insert(now) + LINK_SURPLUS <= now {
                out.push(MeshEffect::Close { link: link.id, why: CloseReason::Surplus });
            }
        }
        let few = self.nodes.len() <= LINKS_WANTED_MAX;
        for (peer, known) in &mut self.nodes {
            let linked = self.links.get(peer).is_some_and(Link::counts);
            let wish = few || chosen.contains(peer) || !known.up;
            if linked || !wish || known.dialling || known.dial_at > now {
                continue;
            }
            let addresses = known.addresses();
            if !addresses.is_empty() {
                known.dialling = true;
                out.push(MeshEffect::Dial { peer: *peer, addresses });
            }
        }
    }

    /// The members to which a link is wanted now.
    fn chosen(&self) -> BTreeSet<NodeId> {
        let keys: Vec<NodeId> = self.nodes.keys().copied().collect();
        let above = keys.partition_point(|key| *key < self.me);
        let cut = self.cut_menders();
        let zones: Vec<&str> = self.nodes.values().map(Known::zone).collect();
        let zone_index = |zone: &str| zones.iter().position(|other| *other == zone).map_or(u32::MAX, |at| at as u32);
        let candidates: Vec<Candidate> = keys
            .iter()
            .map(|key| {
                let known = &self.nodes[key];
                let linked = self.links.get(key).is_some_and(Link::counts);
                Candidate {
                    reachable: linked || (!known.addresses().is_empty() && known.failures < FAILURES_TOLERATED),
                    zone: zone_index(known.zone()),
                    cost_us: self.topology.cost(key),
                    mends_a_cut: cut.contains(key),
                }
            })
            .collect();
        wanted(&candidates, above, zone_index(&self.here.zone)).into_iter().map(|at| keys[at]).collect()
    }

    /// The members with the smallest keys beyond each single point of failure.
    fn cut_menders(&self) -> BTreeSet<NodeId> {
        let topology = &self.topology;
        let Some(me) = topology.index_of(&self.me) else { return BTreeSet::new() };
        lost_parts(&topology.graph, me).into_iter().map(|at| topology.keys[at as usize]).collect()
    }
}
