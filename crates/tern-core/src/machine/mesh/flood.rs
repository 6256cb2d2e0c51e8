//! Flooding: each record goes to everybody once, the newest wins, and old or forged ones go nowhere.
//!
//! Checks from the cheapest to the dearest: a member's, newer than what is known, within its rate, signed, readable. What a lossy moment
//! swallowed comes with the next digest: at each new link, and now and then with one neighbour.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::effect::{LinkId, MeshEffect};
use super::node::Mesh;
use super::topology::Held;
use crate::promise::Refusal;
use crate::wire::mesh::record::body;
use crate::wire::mesh::{Adjacency, Kind, LinkFrame, Neighbour, Profile, Record, Stamp, encode_frame};
use crate::words::limits::{
    ADJACENCY_GAIN_GAP, DIGEST_EVERY, LINKS_MAX, RECORD_AGE_MOST, RECORD_BURST, RECORD_EVERY, RECORD_REFRESH,
    RECORDS_PER_FRAME,
};
use crate::words::{NodeId, Span};

/// Own records and what waits to be sent on.
#[derive(Debug, Default)]
pub(super) struct Flood {
    pub profile_due: bool,
    pub adjacency_due: Option<u64>,
    sequences: BTreeMap<Kind, u64>,
    /// The own records as they were last signed.
    pub own: BTreeMap<Kind, Record>,
    last_adjacency_at: u64,
    refresh_at: u64,
    digest_at: u64,
    /// To be sent, with the neighbour that it came from.
    pending: Vec<(Stamp, Option<NodeId>)>,
    /// Sequences of this node's key that somebody else made after this node had overtaken them.
    overtaken: u32,
}

impl Flood {
    pub fn due(&self) -> Option<u64> {
        let refresh = Some(self.refresh_at).filter(|at| *at > 0);
        self.adjacency_due.into_iter().chain(refresh).min()
    }
}

/// Tokens of one origin: a burst, then one each [`RECORD_EVERY`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    spent: u32,
    since: u64,
}

impl Budget {
    pub fn take(&mut self, now: u64) -> bool {
        let regained = now.saturating_sub(self.since) / RECORD_EVERY.0;
        if regained > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(regained).unwrap_or(u32::MAX));
            self.since = now;
        }
        let allowed = self.spent < RECORD_BURST;
        self.spent += u32::from(allowed);
        allowed
    }
}

impl Mesh {
    /// A link is there that was not: told soon, together with others.
    pub(super) fn gained(&mut self) {
        let soon = (self.flood.last_adjacency_at + ADJACENCY_GAIN_GAP).max(self.now.boot);
        let due = self.flood.adjacency_due.get_or_insert(soon);
        *due = (*due).min(soon);
    }

    /// A link is gone: told at once.
    pub(super) fn lost(&mut self) {
        self.flood.adjacency_due = Some(self.now.boot);
    }

    /// Signs and sends own records that are due.
    pub(super) fn publish(&mut self) {
        let now = self.now.boot;
        if self.flood.refresh_at <= now {
            self.flood.refresh_at = now + RECORD_REFRESH;
            self.flood.profile_due = true;
            self.flood.adjacency_due = Some(now);
        }
        if core::mem::take(&mut self.flood.profile_due) {
            let profile =
                Profile { incarnation: self.incarnation, zone: self.here.zone.clone(), facts: self.here.facts.clone() };
            self.sign_own(Kind::Profile, body(&profile));
        }
        if self.flood.adjacency_due.is_some_and(|at| at <= now) {
            self.flood.adjacency_due = None;
            self.flood.last_adjacency_at = now;
            self.topology.changed = true;
            let adjacency = self.adjacency();
            self.sign_own(Kind::Adjacency, body(&adjacency));
        }
    }

    fn adjacency(&self) -> Adjacency {
        let counting = self.links.iter().filter(|(_, link)| link.counts() && !self.leaving);
        let neighbours = counting.map(|(node, link)| Neighbour { node: *node, rtt_us: link.told_rtt_us });
        Adjacency {
            incarnation: self.incarnation,
            link_addresses: self.here.link_addresses.clone(),
            main_addresses: self.here.main_addresses.clone(),
            neighbours: neighbours.take(LINKS_MAX).collect(),
            disputed: self.disputed.keys().copied().take(4).collect(),
            leaving: self.leaving,
        }
    }

    fn sign_own(&mut self, kind: Kind, body: Vec<u8>) {
        let sequence = self.flood.sequences.entry(kind).or_insert(0);
        *sequence += 1;
        let stamp = Stamp { origin: self.me, kind, sequence: *sequence };
        let record = Record::sign(&self.roll.grid(), stamp, body, self.signer.sign());
        self.flood.own.insert(kind, record);
        self.flood.pending.push((stamp, None));
    }

    /// One record from a neighbour.
    pub(super) fn record(&mut self, record: Record, from: NodeId) {
        let stamp = record.stamp;
        if stamp.origin == self.me {
            return self.own_record(&record);
        }
        let now = self.now.boot;
        let Some(known) = self.nodes.get_mut(&stamp.origin) else { return self.refuse(Refusal::NotAMember) };
        if known.sequence(stamp.kind) >= stamp.sequence {
            // Floods meet: most of these are the same record by another way.
            return self.refuse(Refusal::OldRecord);
        }
        if !known.budget.take(now) {
            return self.refuse(Refusal::TooOften);
        }
        if !record.is_genuine(&self.roll.grid(), self.verify) {
            return self.refuse(Refusal::Forged);
        }
        match stamp.kind {
            Kind::Profile => match record.profile() {
                Ok(profile) => known.profile = Some(Held { record, value: profile, heard_at: now }),
                Err(_) => return self.refuse(Refusal::Malformed),
            },
            Kind::Adjacency => match record.adjacency() {
                Ok(adjacency) => self.take_adjacency(stamp.origin, record, adjacency),
                Err(_) => return self.refuse(Refusal::Malformed),
            },
        }
        self.flood.pending.push((stamp, Some(from)));
    }

    fn take_adjacency(&mut self, origin: NodeId, record: Record, adjacency: Adjacency) {
        let now = self.now.boot;
        let disputed = adjacency.disputed.contains(&self.me);
        if let Some(known) = self.nodes.get_mut(&origin) {
            let before = known.adjacency.as_ref().map(|held| &held.value);
            if before.map(|before| &before.main_addresses) != Some(&adjacency.main_addresses) {
                self.topology.moved.push(origin);
            }
            let moved = before.map(|before| &before.link_addresses) != Some(&adjacency.link_addresses);
            if moved {
                (known.failures, known.dial_at) = (0, now);
                self.topology.save = true;
            }
            known.adjacency = Some(Held { record, value: adjacency, heard_at: now });
        }
        self.topology.changed = true;
        if disputed {
            self.topology.own_key_disputed = Some(origin);
        }
    }

    /// A record under this node's own key. One of an earlier life is overtaken; one that overtakes again comes from a second
    /// machine with the same key.
    fn own_record(&mut self, record: &Record) {
        let mine = self.flood.sequences.entry(record.stamp.kind).or_insert(0);
        let own = self.flood.own.get(&record.stamp.kind).is_some_and(|own| own == record);
        if record.stamp.sequence < *mine || own {
            return;
        }
        if !record.is_genuine(&self.roll.grid(), self.verify) {
            return self.refuse(Refusal::Forged);
        }
        *mine = record.stamp.sequence;
        self.flood.overtaken += 1;
        match record.stamp.kind {
            Kind::Profile => self.flood.profile_due = true,
            Kind::Adjacency => self.gained(),
        }
        if self.flood.overtaken > 4 {
            self.refuse(Refusal::DuplicateKey);
            self.topology.own_key_disputed = Some(self.me);
        }
    }

    pub(super) fn stamps(&self) -> impl Iterator<Item = (Stamp, &Record)> {
        let others = self.nodes.values().flat_map(|known| {
            let profile = known.profile.as_ref().map(|held| &held.record);
            profile.into_iter().chain(known.adjacency.as_ref().map(|held| &held.record))
        });
        self.flood.own.values().chain(others).map(|record| (record.stamp, record))
    }

    pub(super) fn send_digest(&self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let stamps: Vec<Stamp> = self.stamps().map(|(stamp, _)| stamp).collect();
        // An empty one, too: it asks for everything.
        let mut parts = stamps.chunks(RECORDS_PER_FRAME);
        let mut part = parts.next().unwrap_or_default();
        loop {
            out.push(MeshEffect::Frame { link, bytes: encode_frame(&LinkFrame::Digest(part.to_vec())) });
            match parts.next() {
                Some(next) => part = next,
                None => break,
            }
        }
    }

    /// Sends what the other end lacks. A digest in several parts lacks in each what the others hold: that is sent once too
    /// often, and dropped there by its sequence.
    pub(super) fn answer_digest(&mut self, link: LinkId, stamps: &[Stamp], out: &mut Vec<MeshEffect>) {
        let theirs: BTreeMap<(NodeId, Kind), u64> =
            stamps.iter().map(|stamp| ((stamp.origin, stamp.kind), stamp.sequence)).collect();
        let news = |stamp: &Stamp| theirs.get(&(stamp.origin, stamp.kind)).is_none_or(|seen| *seen < stamp.sequence);
        let missing: Vec<Record> =
            self.stamps().filter(|(stamp, _)| news(stamp)).map(|(_, record)| record.clone()).collect();
        for part in missing.chunks(RECORDS_PER_FRAME) {
            out.push(MeshEffect::Frame { link, bytes: encode_frame(&LinkFrame::Records(part.to_vec())) });
        }
    }

    /// Sends on what came in during this event, one frame a link.
    pub(super) fn send_flood(&mut self, out: &mut Vec<MeshEffect>) {
        let pending = core::mem::take(&mut self.flood.pending);
        if pending.is_empty() {
            return;
        }
        let wanted: BTreeSet<Stamp> = pending.iter().map(|(stamp, _)| *stamp).collect();
        let found: BTreeMap<Stamp, &Record> =
            wanted.iter().filter_map(|stamp| Some((*stamp, self.find(stamp)?))).collect();
        for (peer, link) in &self.links {
            let news = pending.iter().filter(|(_, from)| *from != Some(*peer));
            let records: Vec<Record> = news.filter_map(|(stamp, _)| found.get(stamp)).map(|it| (*it).clone()).collect();
            for part in records.chunks(RECORDS_PER_FRAME) {
                let bytes = encode_frame(&LinkFrame::Records(part.to_vec()));
                out.push(MeshEffect::Frame { link: link.id, bytes });
            }
        }
    }

    /// The record of this very sequence; None where a newer one has taken its place.
    fn find(&self, stamp: &Stamp) -> Option<&Record> {
        let record = if stamp.origin == self.me {
            self.flood.own.get(&stamp.kind)
        } else {
            let known = self.nodes.get(&stamp.origin)?;
            match stamp.kind {
                Kind::Profile => known.profile.as_ref().map(|held| &held.record),
                Kind::Adjacency => known.adjacency.as_ref().map(|held| &held.record),
            }
        };
        record.filter(|record| record.stamp == *stamp)
    }

    /// Forgets what nobody has refreshed, ends old disputes, and compares notes with one neighbour now and then.
    pub(super) fn age(&mut self) {
        let now = self.now.boot;
        let old = |heard_at: u64| heard_at + RECORD_AGE_MOST <= now;
        for known in self.nodes.values_mut() {
            if known.adjacency.as_ref().is_some_and(|held| old(held.heard_at)) {
                known.forget_adjacency();
                self.topology.changed = true;
            }
        }
        self.disputed.retain(|_, until| *until > now);
    }

    /// The neighbour to compare notes with now, if it is time.
    pub(super) fn digest_due(&mut self) -> Option<LinkId> {
        let now = self.now.boot;
        if self.flood.digest_at > now || self.links.is_empty() {
            return None;
        }
        self.flood.digest_at = now + Span(DIGEST_EVERY.0);
        let turn = (now / DIGEST_EVERY.0.max(1)) as usize % self.links.len();
        self.links.values().nth(turn).map(|link| link.id)
    }

    /// Says something about a node to people, once in the life of this process.
    pub(super) fn note_once(&mut self, about: NodeId, note: alloc::string::String, out: &mut Vec<MeshEffect>) {
        if self.noted.insert(about) {
            out.push(MeshEffect::Note(note));
        }
    }

    pub(super) fn tell_own_dispute(&mut self, out: &mut Vec<MeshEffect>) {
        if let Some(by) = self.topology.own_key_disputed.take() {
            let by = self.name_of(&by);
            let note = format!(
                "another machine uses this node's key (seen by {by}): was this state folder copied? Keep one, and on the \
                 other `tern leave`, remove the folder, and join anew"
            );
            self.note_once(self.me, note, out);
        }
    }
}
