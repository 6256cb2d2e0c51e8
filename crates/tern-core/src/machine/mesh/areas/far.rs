//! Links to other zones: few nodes of a zone keep them, and they choose so that any one zone may die.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::decide::zones::far_zones;
use crate::machine::mesh::links::{Link, lot};
use crate::machine::mesh::node::Mesh;
use crate::words::NodeId;
use crate::words::limits::{BORDER_NODES, DIAL_AGAIN_MOST};

/// After so many failures in a row another door is tried.
const FAILURES_TOLERATED: u32 = 2;

impl Mesh {
    /// The members of other zones to which a link is wanted now. Their addresses are noted.
    pub(in crate::machine::mesh) fn far_doors(&mut self) -> Vec<NodeId> {
        if !self.areas.areal || self.areas.speech.rank >= BORDER_NODES {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for doors in self.doors_wanted() {
            let known = |node: &NodeId| self.nodes.get(node);
            let linked = |node: &NodeId| self.links.get(node).is_some_and(Link::counts);
            let hopeless = |node: &NodeId| {
                known(node).is_some_and(|known| {
                    known.failures > FAILURES_TOLERATED && known.dial_at + DIAL_AGAIN_MOST > self.now.boot
                })
            };
            let best = doors.into_iter().min_by_key(|(node, _)| (!linked(node), hopeless(node), lot(&self.me, node)));
            let Some((node, addresses)) = best else { continue };
            if let Some(known) = self.know(&node) {
                for address in addresses {
                    known.may_be_at(address);
                }
                wanted.push(node);
            }
        }
        wanted
    }

    /// The doors of each zone that this node is to link to.
    fn doors_wanted(&self) -> Vec<Vec<(NodeId, Vec<SocketAddr>)>> {
        let area = self.area().unwrap_or_default();
        let mut zones: BTreeMap<&str, Vec<(NodeId, Vec<SocketAddr>)>> = BTreeMap::new();
        for (speaker, roster) in self.standing() {
            // A part of this very zone that cannot be reached inside is looked for like another zone.
            if self.topology.way(&speaker).is_none() && speaker != self.me {
                let doors = roster.doors.iter().filter(|door| self.topology.way(&door.node).is_none());
                let doors = doors.map(|door| (door.node, door.addresses.clone()));
                zones.entry(&roster.zone).or_default().extend(doors);
            }
        }
        for doors in zones.values_mut() {
            doors.retain(|(node, _)| *node != self.me);
        }
        let own = zones.remove(area);
        let names: Vec<&str> = zones.keys().copied().collect();
        let place = names.partition_point(|zone| *zone < area);
        let far = far_zones(&names, place, self.areas.speech.rank, &self.me);
        let chosen = far.into_iter().filter_map(|at| zones.remove(names[at]));
        chosen.chain(own).filter(|doors| !doors.is_empty()).collect()
    }
}
