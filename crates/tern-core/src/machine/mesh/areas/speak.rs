//! Speaking for a zone: when it is this node's turn, what it says, and when it falls silent.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::decide::route::RTT_US_MAX;
use crate::machine::mesh::effect::MeshEffect;
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::Known;
use crate::observe::ZoneLoad;
use crate::wire::mesh::record::body;
use crate::wire::mesh::{Border, Door, Kind, Load, Roster};
use crate::words::NodeId;
use crate::words::limits::{
    RECORD_REFRESH, ROSTER_BORDERS_MAX, ROSTER_DOORS_MAX, SPEAKER_PATIENCE, SPEAKERS, ZONE_LOAD_EVERY,
};

/// Addresses of one door.
const DOOR_ADDRESSES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Speech {
    speaks: bool,
    /// Since when it should be otherwise.
    turn_since: Option<u64>,
    pub rank: usize,
    said: Roster,
    said_at: u64,
    load: Option<(ZoneLoad, u64)>,
    /// Somebody has an older word of this node, from an earlier life.
    overtaken: bool,
}

/// A border's length as other zones are told it: in doubling steps, since every change of it goes to all nodes of the grid, and on one
/// LAN all borders are alike.
fn coarse(rtt_us: u32) -> u32 {
    const LEAST: u32 = 2_000;
    rtt_us.clamp(LEAST, RTT_US_MAX).next_power_of_two()
}

impl Known {
    /// This member as a zone of one.
    pub(super) fn load(&self) -> ZoneLoad {
        let facts = self.profile.as_ref().map(|held| &held.value.facts);
        ZoneLoad::of(facts, self.vitals.as_ref().map(|(vitals, _)| vitals))
    }
}

impl Mesh {
    pub(in crate::machine::mesh) fn own_roster_overtaken(&mut self) {
        self.areas.speech.overtaken = true;
    }

    /// Looks whether it is this node's turn, and says what has changed.
    pub(in crate::machine::mesh) fn speak(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let order = self.order();
        let rank = order.iter().position(|key| *key == self.me).unwrap_or(usize::MAX);
        let turn = self.areas.areal && rank < SPEAKERS && !self.leaving;
        let speech = &mut self.areas.speech;
        speech.rank = rank;
        if speech.speaks == turn {
            speech.turn_since = None;
        } else if *speech.turn_since.get_or_insert(now) + SPEAKER_PATIENCE <= now {
            (speech.speaks, speech.turn_since) = (turn, None);
        }
        let speaks = speech.speaks;
        let roster = if speaks { self.own_roster(&order) } else { self.no_roster() };
        let speech = &self.areas.speech;
        let news = roster != speech.said && (speaks || !speech.said.members.is_empty());
        let refresh = speaks && speech.said_at + RECORD_REFRESH <= now;
        if news || refresh || speech.overtaken {
            let bytes = body(&roster);
            let speech = &mut self.areas.speech;
            (speech.said, speech.said_at, speech.overtaken) = (roster, now, false);
            self.sign_own(Kind::Roster, bytes);
            self.areas.changed = true;
        }
        if speaks && rank == 0 {
            self.tell_load(&order);
        }
        self.tell_areas(&order, out);
    }

    fn tell_load(&mut self, order: &[NodeId]) {
        let now = self.now.boot;
        let load = self.own_load();
        let told = self.areas.speech.load;
        let due = told.is_none_or(|(before, at)| {
            let patience = if before == load { RECORD_REFRESH } else { ZONE_LOAD_EVERY };
            at + patience <= now
        });
        if due {
            self.areas.speech.load = Some((load, now));
            let zone = self.area().unwrap_or_default().to_string();
            let broker = self.broker_here(order);
            self.sign_own(Kind::Load, body(&Load { incarnation: self.incarnation, zone, load, broker }));
        }
    }

    /// The nodes of this zone together.
    pub(in crate::machine::mesh) fn own_load(&self) -> ZoneLoad {
        let up = self.nodes.values().filter(|known| known.up);
        up.fold(self.load_here(), |all, known| all.join(known.load()))
    }

    /// This machine as a zone of one.
    pub(super) fn load_here(&self) -> ZoneLoad {
        ZoneLoad::of(Some(&self.here.facts), self.pulse.own.as_ref())
    }

    /// What one says who speaks for nobody.
    fn no_roster(&self) -> Roster {
        Roster { incarnation: self.incarnation, ..Roster::default() }
    }

    /// This zone as this node sees it; `order` are its nodes.
    pub(super) fn own_roster(&self, order: &[NodeId]) -> Roster {
        let borders = self.borders().into_iter();
        let mut borders: Vec<Border> =
            borders.map(|(_, far, rtt)| Border { to: far.mark(), cost_us: coarse(rtt) }).collect();
        borders.sort_unstable();
        borders.dedup_by_key(|border| border.to);
        borders.truncate(ROSTER_BORDERS_MAX);
        let doors = order.iter().filter_map(|node| {
            let addresses = match self.nodes.get(node) {
                None => self.here.link_addresses.as_slice(),
                Some(known) => known.adjacency.as_ref()?.value.link_addresses.as_slice(),
            };
            let addresses: Vec<_> = addresses.iter().copied().take(DOOR_ADDRESSES).collect();
            (!addresses.is_empty()).then_some(Door { node: *node, addresses })
        });
        Roster {
            incarnation: self.incarnation,
            zone: self.area().unwrap_or_default().to_string(),
            members: Roster::pack(order.iter().map(NodeId::mark)),
            borders,
            doors: doors.take(ROSTER_DOORS_MAX).collect(),
        }
    }
}
