//! Flooding: each record goes to everybody once, the newest wins, and old or forged ones go nowhere.
//!
//! Checks from the cheapest to the dearest: a member's, newer than what is known, within its rate, signed, readable. What a lossy moment
//! swallowed comes with the next [`digest`](super::digest).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::machine::mesh::effect::MeshEffect;
use crate::machine::mesh::links::Budget;
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::{Held, Known};
use crate::machine::plant::Plant;
use crate::promise::Refusal;
use crate::wire::mesh::{Adjacency, Kind, LinkFrame, Record, Stamp, encode_frame};
use crate::words::NodeId;
use crate::words::limits::{
    DIGEST_BURST, LINK_FRAME_BYTES_MAX, RECORD_AGE_MOST, RECORD_BURST, RECORD_SEQUENCE_MAX, RECORDS_PER_FRAME,
};

/// Bits of the incarnation in the sequence from which a life counts, and in how far it goes beyond one that it overtakes.
pub(super) const LIFE_BITS: u32 = 20;

/// Own records and what waits to be sent on.
#[derive(Debug, Default)]
pub(in crate::machine::mesh) struct Flood {
    pub profile_due: bool,
    pub adjacency_due: Option<u64>,
    /// The sequence from which this life counts.
    pub(super) first: u64,
    pub(super) sequences: BTreeMap<Kind, u64>,
    /// What this node may still say at once.
    pub(super) budget: Budget,
    /// The own records as they were last signed.
    pub own: BTreeMap<Kind, Record>,
    pub(super) last_adjacency_at: u64,
    pub(super) refresh_at: u64,
    pub(in crate::machine::mesh) digest_at: u64,
    /// To be sent, with the neighbour that it came from.
    pub(super) pending: Vec<(Stamp, Option<NodeId>)>,
    /// To be sent back to who is behind.
    answers: Vec<(NodeId, Stamp)>,
    /// Sequences of this node's key that somebody else made after this node had overtaken them.
    pub(super) overtaken: u32,
}

impl Flood {
    /// Each life counts from somewhere else: records of an earlier one are either older, or newer and then overtaken, and not
    /// taken for those of this one.
    pub fn new(incarnation: u64) -> Self {
        Self { first: incarnation % (1 << LIFE_BITS), profile_due: true, adjacency_due: Some(0), ..Self::default() }
    }

    pub fn due(&self) -> Option<u64> {
        let refresh = Some(self.refresh_at).filter(|at| *at > 0);
        self.adjacency_due.into_iter().chain(refresh).min()
    }
}

impl Mesh {
    /// One record from a neighbour. False where that neighbour must have forged it.
    pub(in crate::machine::mesh) fn record(&mut self, record: Record, from: NodeId) -> bool {
        match self.judge_record(record, from) {
            Ok(()) => true,
            Err(why) => {
                self.refuse(why);
                why != Refusal::Forged
            }
        }
    }

    fn judge_record(&mut self, record: Record, from: NodeId) -> Result<(), Refusal> {
        let stamp = record.stamp;
        if stamp.sequence > RECORD_SEQUENCE_MAX {
            return Err(Refusal::Malformed);
        }
        if stamp.origin == self.me {
            return self.own_record(&record);
        }
        if stamp.kind.is_for_all() {
            return self.judge_spoken(record, from);
        }
        let now = self.now.boot;
        let any = self.planted(Plant::MeshAnySequence);
        if !self.links.get(&from).is_some_and(|link| self.is_within(link)) {
            // On its way when one of the two changed its zone.
            return Err(Refusal::OldRecord);
        }
        let grid = self.roll.grid();
        let verify = self.verify;
        let anew = !self.planted(Plant::MeshForgottenBars);
        let known = self.know(&stamp.origin).ok_or(Refusal::NotAMember)?;
        // Floods meet: most of these are the same record by another way.
        if known.is_old(&record, anew) && !any {
            if let Some(newer) = known.record(stamp.kind).and_then(|held| overtakes(held, &record)) {
                self.answer(newer, from);
            }
            return Err(Refusal::OldRecord);
        }
        if !known.budget.has(now, RECORD_BURST) {
            // Asked for again when it may speak again: it could be the last that it says for long.
            known.missed = Some(from);
            return Err(Refusal::TooOften);
        }
        if !record.is_genuine(&grid, verify) {
            return Err(Refusal::Forged);
        }
        // Only what it signed itself counts against it.
        known.budget.take(now, RECORD_BURST);
        match stamp.kind {
            Kind::Profile => {
                let value = record.profile().map_err(|_| Refusal::Malformed)?;
                known.profile = Some(Held { record, value, heard_at: now });
            }
            _ => {
                let value = record.adjacency().map_err(|_| Refusal::Malformed)?;
                self.take_adjacency(stamp.origin, record, value);
            }
        }
        self.flood_on(stamp, from);
        Ok(())
    }

    /// Who sent a record of an earlier or a later life gets the one that counts here: a node that began anew learns in this moment what it
    /// has to overtake. No more often than digests are answered.
    pub(in crate::machine::mesh) fn answer(&mut self, newer: Stamp, to: NodeId) {
        let now = self.now.boot;
        let allowed = self.links.get_mut(&to).is_some_and(|link| link.digests.take(now, DIGEST_BURST));
        if allowed {
            self.flood.answers.push((to, newer));
        }
    }

    /// What is new goes on to the other neighbours.
    pub(in crate::machine::mesh) fn flood_on(&mut self, stamp: Stamp, from: NodeId) {
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

    /// Sends on what came in during this event, one frame a link.
    pub(in crate::machine::mesh) fn send_flood(&mut self, out: &mut Vec<MeshEffect>) {
        let (pending, answers) = (core::mem::take(&mut self.flood.pending), core::mem::take(&mut self.flood.answers));
        if pending.is_empty() && answers.is_empty() {
            return;
        }
        let stamps = pending.iter().map(|(stamp, _)| stamp).chain(answers.iter().map(|(_, stamp)| stamp));
        let wanted: BTreeSet<Stamp> = stamps.copied().collect();
        let found: BTreeMap<Stamp, &Record> =
            wanted.iter().filter_map(|stamp| Some((*stamp, self.find(stamp)?))).collect();
        // Most links get the same: written once.
        let (mut written, mut bytes) = (Vec::new(), Vec::new());
        for (peer, link) in &self.links {
            let within = self.is_within(link);
            let branch = self.topology.tree.contains(peer);
            // Loads are told often: inside a zone they travel along its tree.
            let concerns = |kind: Kind| if within { kind != Kind::Load || branch } else { kind.is_for_all() };
            let news = pending.iter().filter(|(stamp, from)| *from != Some(*peer) && concerns(stamp.kind));
            let back = answers.iter().filter(|(to, _)| to == peer);
            let stamps = news.map(|(stamp, _)| *stamp).chain(back.map(|(_, stamp)| *stamp));
            let stamps: Vec<Stamp> = stamps.filter(|stamp| found.contains_key(stamp)).collect();
            if stamps.is_empty() {
                continue;
            }
            if stamps != written {
                bytes = frames(stamps.iter().map(|stamp| found[stamp].clone()));
                written = stamps;
            }
            out.extend(bytes.iter().map(|bytes| MeshEffect::Frame { link: link.id, bytes: bytes.clone() }));
        }
    }

    /// The record of this very sequence; None where a newer one has taken its place.
    fn find(&self, stamp: &Stamp) -> Option<&Record> {
        let record = if stamp.origin == self.me {
            self.flood.own.get(&stamp.kind)
        } else {
            let known = || self.nodes.get(&stamp.origin);
            match stamp.kind {
                Kind::Profile => known()?.profile.as_ref().map(|held| &held.record),
                Kind::Adjacency => known()?.adjacency.as_ref().map(|held| &held.record),
                kind => self.areas.held.get(&stamp.origin)?.record(kind),
            }
        };
        record.filter(|record| record.stamp == *stamp)
    }

    /// Forgets what nobody has refreshed, ends old disputes, and compares notes with one neighbour now and then.
    pub(in crate::machine::mesh) fn age(&mut self) {
        let now = self.now.boot;
        let old = |heard_at: u64| heard_at + RECORD_AGE_MOST <= now;
        for known in self.nodes.values_mut() {
            if known.adjacency.as_ref().is_some_and(|held| old(held.heard_at)) {
                known.forget_adjacency();
                self.topology.changed = true;
            }
        }
        self.disputed.retain(|_, until| *until > now);
        self.forget_the_far();
    }

    /// In a large grid members of other zones are kept in mind while there is a link to them, and no longer.
    fn forget_the_far(&mut self) {
        if !self.areas.areal {
            return;
        }
        let known = |key: &NodeId, known: &Known| {
            let said = known.profile.is_some() || known.adjacency.is_some();
            let greets = || self.greetings.values().any(|greeting| greeting.peer == *key);
            said || known.dialling
                || self.links.contains_key(key)
                || greets()
                || !known.heard_of.is_empty() && !self.is_elsewhere(key)
        };
        let gone: Vec<NodeId> = self.nodes.iter().filter(|(key, it)| !known(key, it)).map(|(key, _)| *key).collect();
        for key in gone {
            self.nodes.remove(&key);
            self.topology.changed = true;
        }
    }
}

/// The stamp of the first, where the second is behind it and from another life of the same node.
pub(in crate::machine::mesh) fn overtakes(held: &Record, record: &Record) -> Option<Stamp> {
    let ahead = held.stamp.sequence > record.stamp.sequence && held.incarnation() != record.incarnation();
    ahead.then_some(held.stamp)
}

/// Records in as many frames as they need.
pub(super) fn frames(records: impl Iterator<Item = Record>) -> Vec<Vec<u8>> {
    /// Beside the body of a record: its stamp, its signature, lengths.
    const AROUND: usize = 128;
    let (mut written, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut write = |part: &mut Vec<Record>| {
        if !part.is_empty() {
            written.push(encode_frame(&LinkFrame::Records(core::mem::take(part))));
        }
    };
    for record in records {
        let size = record.body.len() + AROUND;
        if part.len() >= RECORDS_PER_FRAME || bytes + size > LINK_FRAME_BYTES_MAX {
            write(&mut part);
            bytes = 0;
        }
        bytes += size;
        part.push(record);
    }
    write(&mut part);
    written
}
