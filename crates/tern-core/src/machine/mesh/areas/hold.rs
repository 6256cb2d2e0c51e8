//! What the speakers of zones said: taken, kept, and forgotten when it is old.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::machine::mesh::links::Budget;
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::records::overtakes;
use crate::machine::mesh::topology::{Forgotten, Held};
use crate::machine::plant::Plant;
use crate::promise::Refusal;
use crate::wire::mesh::{Kind, Load, Record, Roster};
use crate::words::NodeId;
use crate::words::limits::{RECORD_AGE_MOST, RECORD_BURST, ROSTERS_MAX};

/// What one node said in the name of its zone.
#[derive(Debug, Default)]
pub(in crate::machine::mesh) struct Spoken {
    pub roster: Option<Held<Roster>>,
    pub load: Option<Held<Load>>,
    /// The roster that was forgotten for its age.
    forgotten: Forgotten,
    pub budget: Budget,
    /// It came too often, from this neighbour.
    pub missed: Option<NodeId>,
}

impl Spoken {
    /// Whether it says nothing new.
    fn is_old(&self, record: &Record) -> bool {
        match self.record(record.stamp.kind) {
            Some(held) => held.stamp.sequence >= record.stamp.sequence,
            None => record.stamp.kind == Kind::Roster && self.forgotten.bars(record, true),
        }
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let roster = self.roster.iter().map(|held| &held.record);
        roster.chain(self.load.iter().map(|held| &held.record))
    }

    pub fn record(&self, kind: Kind) -> Option<&Record> {
        self.records().find(|record| record.stamp.kind == kind)
    }

    /// It speaks for nobody: forgotten first when there is no room.
    fn is_empty(&self) -> bool {
        self.roster.as_ref().is_none_or(|held| held.value.members.is_empty())
    }
}

impl Mesh {
    /// Judges a record that is for all zones, from the cheapest check to the dearest.
    pub(in crate::machine::mesh) fn judge_spoken(&mut self, record: Record, from: NodeId) -> Result<(), Refusal> {
        let (stamp, now) = (record.stamp, self.now.boot);
        if !self.roll.is_member(stamp.origin) {
            return Err(Refusal::NotAMember);
        }
        if let Some(spoken) = self.areas.held.get_mut(&stamp.origin) {
            if spoken.is_old(&record) {
                if let Some(newer) = spoken.record(stamp.kind).and_then(|held| overtakes(held, &record)) {
                    self.answer(newer, from);
                }
                return Err(Refusal::OldRecord);
            }
            if !spoken.budget.has(now, RECORD_BURST) {
                spoken.missed = Some(from);
                return Err(Refusal::TooOften);
            }
        } else if self.areas.held.len() >= ROSTERS_MAX && !self.forget_a_silent_one() {
            return Err(Refusal::TooOften);
        }
        if !record.is_genuine(&self.roll.grid(), self.verify) {
            return Err(Refusal::Forged);
        }
        let malformed = |_| Refusal::Malformed;
        match stamp.kind {
            Kind::Load => {
                let value = record.load().map_err(malformed)?;
                self.speaker(stamp.origin).load = Some(Held { record, value, heard_at: now });
            }
            _ => {
                let value = record.roster().map_err(malformed)?;
                self.speaker(stamp.origin).roster = Some(Held { record, value, heard_at: now });
                self.areas.changed = true;
            }
        }
        self.flood_on(stamp, from);
        Ok(())
    }

    fn speaker(&mut self, origin: NodeId) -> &mut Spoken {
        let now = self.now.boot;
        let spoken = self.areas.held.entry(origin).or_default();
        spoken.budget.take(now, RECORD_BURST);
        spoken
    }

    fn forget_a_silent_one(&mut self) -> bool {
        let silent = self.areas.held.iter().find(|(_, spoken)| spoken.is_empty()).map(|(key, _)| *key);
        silent.is_some_and(|key| self.areas.held.remove(&key).is_some())
    }

    /// Forgets what nobody has refreshed.
    pub(in crate::machine::mesh) fn age_spoken(&mut self) {
        let now = self.now.boot;
        let old = |heard_at: u64| heard_at + RECORD_AGE_MOST <= now;
        for spoken in self.areas.held.values_mut() {
            if let Some(held) = spoken.roster.take_if(|held| old(held.heard_at)) {
                spoken.forgotten = Forgotten::at(&held.record);
                self.areas.changed = true;
            }
            if spoken.load.as_ref().is_some_and(|held| old(held.heard_at)) {
                spoken.load = None;
            }
        }
    }

    /// Rosters that count. One does not that knows another speaker of its zone who does not know it any more: its own died,
    /// and the other, which lives, has noticed.
    pub(in crate::machine::mesh) fn standing(&self) -> impl Iterator<Item = (NodeId, &Roster)> {
        let mut zones: BTreeMap<&str, Vec<(NodeId, &Roster)>> = BTreeMap::new();
        for (key, spoken) in &self.areas.held {
            let roster = spoken.roster.as_ref().map(|held| &held.value);
            if let Some(roster) = roster.filter(|roster| !roster.members.is_empty()) {
                zones.entry(&roster.zone).or_default().push((*key, roster));
            }
        }
        let believes = self.planted(Plant::MeshDeadRoster);
        let stands = move |(key, roster): &(NodeId, &Roster), all: &[(NodeId, &Roster)]| {
            believes || !all.iter().any(|(other, says)| roster.names(other.mark()) && !says.names(key.mark()))
        };
        zones.into_values().flat_map(move |all| {
            let standing: Vec<(NodeId, &Roster)> = all.iter().filter(|one| stands(one, &all)).copied().collect();
            standing
        })
    }
}
