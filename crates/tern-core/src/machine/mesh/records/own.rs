//! What this node says of itself: its profile and its adjacency, and how it overtakes what an earlier life of it said.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::flood::LIFE_BITS;
use crate::machine::mesh::effect::MeshEffect;
use crate::machine::mesh::node::Mesh;
use crate::machine::plant::Plant;
use crate::promise::Refusal;
use crate::wire::mesh::record::body;
use crate::wire::mesh::{Adjacency, Kind, Neighbour, Profile, Record, Stamp};
use crate::words::limits::{
    ADJACENCY_GAIN_GAP, ADJACENCY_GAP_MOST, ADJACENCY_GAP_NODES, DISPUTE_TOLD, LINKS_MAX, RECORD_EVERY,
    RECORD_OWN_BURST, RECORD_REFRESH,
};
use crate::words::{NodeId, Span};

/// Every earlier life of which somebody still holds a record is overtaken once for each kind of it: after quick restarts these are
/// several. A copy overtakes in its turn, again and again.
const OVERTAKEN_MOST: u32 = 8;

impl Mesh {
    /// A link is there that was not: told soon, together with others.
    pub(in crate::machine::mesh) fn gained(&mut self) {
        let crowd = (self.nodes.len() as u64 / ADJACENCY_GAP_NODES).max(1);
        let gap = Span((ADJACENCY_GAIN_GAP.0 * crowd).min(ADJACENCY_GAP_MOST.0));
        let soon = (self.flood.last_adjacency_at + gap).max(self.now.boot);
        let due = self.flood.adjacency_due.get_or_insert(soon);
        *due = (*due).min(soon);
    }

    /// A link is gone: told at once.
    pub(in crate::machine::mesh) fn lost(&mut self) {
        if self.planted(Plant::MeshLossDelayed) {
            self.flood.adjacency_due = Some(self.now.boot + RECORD_EVERY + RECORD_EVERY);
            return;
        }
        self.flood.adjacency_due = Some(self.now.boot);
        // Known here at once, even where it can only be told later.
        self.topology.changed = true;
    }

    /// Signs and sends own records that are due, and no more of them than the others take.
    pub(in crate::machine::mesh) fn publish(&mut self) {
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
            if !self.flood.budget.take(now, RECORD_OWN_BURST) && !self.leaving {
                self.flood.adjacency_due = Some(now + RECORD_EVERY);
                return;
            }
            self.flood.adjacency_due = None;
            self.flood.last_adjacency_at = now;
            self.topology.changed = true;
            let adjacency = self.adjacency();
            self.sign_own(Kind::Adjacency, body(&adjacency));
        }
    }

    fn adjacency(&self) -> Adjacency {
        let counting = |within: bool| {
            let links = self.links.iter().filter(move |(_, link)| link.counts() && self.is_within(link) == within);
            let links = links.filter(|_| !self.leaving).take(LINKS_MAX);
            links.map(|(node, link)| Neighbour { node: *node, rtt_us: link.told_rtt_us }).collect()
        };
        Adjacency {
            incarnation: self.incarnation,
            link_addresses: self.here.link_addresses.clone(),
            main_addresses: self.here.main_addresses.clone(),
            neighbours: counting(true),
            borders: counting(false),
            disputed: self.disputed.keys().copied().take(4).collect(),
            leaving: self.leaving,
        }
    }

    pub(in crate::machine::mesh) fn sign_own(&mut self, kind: Kind, body: Vec<u8>) {
        let sequence = self.flood.sequences.entry(kind).or_insert(self.flood.first);
        *sequence += 1;
        let stamp = Stamp { origin: self.me, kind, sequence: *sequence };
        let record = Record::sign(&self.roll.grid(), stamp, body, self.signer.sign());
        self.flood.own.insert(kind, record);
        self.flood.pending.push((stamp, None));
    }

    /// A record under this node's own key. One of an earlier life is overtaken; one that overtakes again comes from a second
    /// machine with the same key.
    pub(super) fn own_record(&mut self, record: &Record) -> Result<(), Refusal> {
        let kind = record.stamp.kind;
        let old_voice = self.planted(Plant::MeshOldVoice);
        let mine = self.flood.sequences.entry(kind).or_insert(self.flood.first);
        let own = self.flood.own.get(&kind);
        // The same one comes from each neighbour; after the first it is overtaken.
        let unlike = own.is_some_and(|own| own.stamp == record.stamp && own != record);
        // One that speaks for nobody in this life may have spoken in another, and is still believed.
        let silent = kind == Kind::Roster && own.is_none() && !old_voice;
        if record.stamp.sequence <= *mine && !unlike && !silent {
            return Ok(());
        }
        if !record.is_genuine(&self.roll.grid(), self.verify) {
            return Err(Refusal::Forged);
        }
        // Far beyond it: the earlier life may have said more, to somebody who is not here, and one number must not stand for both.
        *mine = (*mine).max(record.stamp.sequence) + 1 + (self.incarnation >> LIFE_BITS) % (1 << LIFE_BITS);
        self.flood.overtaken += 1;
        match kind {
            Kind::Profile => self.flood.profile_due = true,
            Kind::Adjacency => self.gained(),
            Kind::Roster | Kind::Load => self.own_roster_overtaken(),
        }
        if self.flood.overtaken > OVERTAKEN_MOST {
            self.refuse(Refusal::DuplicateKey);
            self.topology.own_key_disputed = Some(self.me);
        }
        Ok(())
    }

    /// Says something about a node to people, once in the life of this process.
    pub(in crate::machine::mesh) fn note_once(&mut self, about: NodeId, note: String, out: &mut Vec<MeshEffect>) {
        if self.noted.insert(about) {
            out.push(MeshEffect::Note(note));
        }
    }

    pub(in crate::machine::mesh) fn tell_own_dispute(&mut self, out: &mut Vec<MeshEffect>) {
        if let Some(by) = self.topology.own_key_disputed.take() {
            let by = self.name_of(&by);
            let note = format!(
                "another machine uses this node's key (seen by {by}): was this state folder copied? Keep one, and on the \
                 other `tern leave`, remove the folder, and join anew"
            );
            self.disputed.insert(self.me, self.now.boot + DISPUTE_TOLD);
            self.note_once(self.me, note, out);
        }
    }
}
