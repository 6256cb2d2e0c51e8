//! How loaded a zone is: the same figures as those of a node, added up.
//!
//! A zone looks like one large machine: so much load, so many cores, so much room for work. Adding is all there is to it, so it does
//! not matter how zones lie in one another: the parts of the parts give the same whole as all nodes at once. Its trit is
//! that of the whole (load over cores); the trits of its nodes are counted beside it, and never added up to one.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Facts, NodeTrit, Vitals};
use crate::words::NodeId;
use alloc::string::String;

/// What a zone, or any set of nodes, has and carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneLoad {
    /// Nodes that were reached; those without vitals count nowhere below.
    pub nodes: u32,
    /// L: the sum of all load averages, in thousandths.
    pub load_milli: u64,
    /// c: the cores of those whose load is in L.
    pub cores: u64,
    /// P, Z and M: nodes that are overloaded, balanced and idle.
    pub overloaded: u32,
    pub balanced: u32,
    pub idle: u32,
    pub memory_mib: u64,
    /// Tasks that wait and that run, and slots for them.
    pub queued: u64,
    pub running: u64,
    pub slots: u64,
    /// Of those that wait, tasks on nodes that would give some of theirs away.
    pub on_offer: u64,
    /// Slots on which nothing runs. Tasks that wait beside them cannot run on them: they would have begun.
    pub room: u64,
}

/// A zone as its own broker and those of the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    pub zone: String,
    /// The node that brings its nodes together with those of others.
    pub broker: NodeId,
    pub load: ZoneLoad,
    /// It is the zone of the node that looks.
    pub here: bool,
}

impl ZoneLoad {
    /// Tasks wait though slots are free: mostly they cannot run in this zone.
    #[must_use]
    pub const fn is_stuck(&self) -> bool {
        self.on_offer > 0 && self.room > 0
    }

    /// A zone of one node.
    #[must_use]
    pub fn of(facts: Option<&Facts>, vitals: Option<&Vitals>) -> Self {
        let memory_mib = facts.and_then(|facts| facts.memory_mib).map_or(0, u64::from);
        let one = Self { nodes: 1, memory_mib, ..Self::default() };
        let Some(vitals) = vitals else { return one };
        let cores = facts.map_or(0, |facts| u64::from(facts.cores));
        // A load without the cores that carry it, or the reverse, would bend the ratio.
        let (load_milli, cores) = vitals.rho_milli.map_or((0, 0), |rho| (u64::from(rho) * cores, cores));
        let (queued, running, slots) = (u64::from(vitals.queued), u64::from(vitals.running), u64::from(vitals.slots));
        let takes = !vitals.flags.draining && !vitals.flags.disk_full;
        Self {
            load_milli,
            cores,
            overloaded: u32::from(vitals.trit == NodeTrit::Overloaded),
            balanced: u32::from(vitals.trit == NodeTrit::Balanced),
            idle: u32::from(vitals.trit == NodeTrit::Idle),
            queued,
            running,
            slots,
            on_offer: if vitals.flags.stays { 0 } else { queued },
            room: if takes { slots.saturating_sub(running) } else { 0 },
            ..one
        }
    }

    /// Both together.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(other.nodes),
            load_milli: self.load_milli.saturating_add(other.load_milli),
            cores: self.cores.saturating_add(other.cores),
            overloaded: self.overloaded.saturating_add(other.overloaded),
            balanced: self.balanced.saturating_add(other.balanced),
            idle: self.idle.saturating_add(other.idle),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            queued: self.queued.saturating_add(other.queued),
            running: self.running.saturating_add(other.running),
            slots: self.slots.saturating_add(other.slots),
            on_offer: self.on_offer.saturating_add(other.on_offer),
            room: self.room.saturating_add(other.room),
        }
    }

    /// ρ of the whole, in thousandths: L over c. None where nothing was measured.
    #[must_use]
    pub const fn rho_milli(&self) -> Option<u64> {
        self.load_milli.checked_div(self.cores)
    }

    /// The trit of the whole.
    #[must_use]
    pub fn trit(&self) -> Option<NodeTrit> {
        (self.cores > 0).then(|| NodeTrit::literal(self.load_milli as f64 / (1000 * self.cores) as f64))
    }

    /// S: overloaded nodes less idle ones.
    #[must_use]
    pub fn surplus(&self) -> i64 {
        i64::from(self.overloaded) - i64::from(self.idle)
    }
}

impl fmt::Display for ZoneLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = self.load_milli as f64 / 1000.0;
        write!(f, "{} nodes, load {load:.1} on {} cores, S = {:+}", self.nodes, self.cores, self.surplus())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn node() -> impl Strategy<Value = ZoneLoad> {
        (0..4000u16, 1..64u16, 0..3u8, any::<bool>(), 0..500u16).prop_map(|(rho, cores, trit, heard, queued)| {
            let facts = Facts { cores, memory_mib: Some(1024), ..Facts::default() };
            let trit = [NodeTrit::Idle, NodeTrit::Balanced, NodeTrit::Overloaded][usize::from(trit)];
            let vitals = Vitals { rho_milli: Some(rho), trit, queued, slots: cores, ..Vitals::default() };
            ZoneLoad::of(Some(&facts), heard.then_some(&vitals))
        })
    }

    fn flat(nodes: &[ZoneLoad]) -> ZoneLoad {
        nodes.iter().fold(ZoneLoad::default(), |all, one| all.join(*one))
    }

    proptest! {
        #[test]
        fn zones_in_zones_give_the_same_whole_as_all_nodes_at_once(
            nodes in prop::collection::vec(node(), 0..40),
            cuts in prop::collection::vec(0..40usize, 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(nodes.len())).collect();
            cuts.extend([0, nodes.len()]);
            cuts.sort_unstable();
            let zones: Vec<ZoneLoad> = cuts.windows(2).map(|ends| flat(&nodes[ends[0]..ends[1]])).collect();
            let (west, east) = zones.split_at(zones.len() / 2);
            let nested = flat(west).join(flat(east));
            prop_assert_eq!(nested, flat(&nodes));
            prop_assert_eq!(nested.trit(), flat(&nodes).trit());
        }
    }

    #[test]
    fn the_trit_of_a_zone_is_that_of_the_whole_and_no_sum_of_trits() {
        let facts = |cores| Facts { cores, ..Facts::default() };
        let vitals = |rho, trit| Vitals { rho_milli: Some(rho), trit, ..Vitals::default() };
        let large = ZoneLoad::of(Some(&facts(30)), Some(&vitals(900, NodeTrit::Overloaded)));
        let small = ZoneLoad::of(Some(&facts(1)), Some(&vitals(100, NodeTrit::Idle)));
        let whole = large.join(small).join(small);
        assert_eq!(whole.trit(), Some(NodeTrit::Overloaded));
        assert_eq!(whole.surplus(), -1);
        assert_eq!(ZoneLoad::of(Some(&facts(4)), None).trit(), None, "nothing was measured");
    }
}
