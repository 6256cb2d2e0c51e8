//! The order of the nodes of this zone: who speaks for it, who keeps its borders.

use alloc::vec::Vec;

use crate::decide::zones::turn;
use crate::machine::mesh::node::Mesh;
use crate::words::NodeId;

impl Mesh {
    /// Nodes of this node's zone that can be reached, itself among them, in the order in which they serve. Those on batteries come
    /// last: they sleep when they like.
    pub(in crate::machine::mesh) fn order(&self) -> Vec<NodeId> {
        let area = self.area().unwrap_or_default();
        let others = self.nodes.iter().filter(|(key, _)| self.topology.way(key).is_some());
        let others = others.map(|(key, known)| {
            let battery = known.profile.as_ref().is_some_and(|held| held.value.facts.power.is_battery());
            (battery, turn(area, key), *key)
        });
        let me = (self.here.facts.power.is_battery(), turn(area, &self.me), self.me);
        let mut order: Vec<(bool, u64, NodeId)> = others.chain([me]).collect();
        order.sort_unstable();
        order.into_iter().map(|(.., key)| key).collect()
    }

    /// Links between this zone and others: the node of this one, the far node, the round trip.
    pub(in crate::machine::mesh) fn borders(&self) -> Vec<(NodeId, NodeId, u32)> {
        let own = self.links.iter().filter(|(_, link)| link.counts() && link.area.is_some() && !self.is_within(link));
        let own = own.map(|(peer, link)| (self.me, *peer, link.told_rtt_us));
        let reached = self.nodes.iter().filter(|(key, _)| self.topology.way(key).is_some());
        let others = reached.flat_map(|(key, known)| {
            let borders = known.adjacency.iter().flat_map(|held| &held.value.borders);
            borders.map(|border| (*key, border.node, border.rtt_us))
        });
        own.chain(others).collect()
    }
}
