//! Bringing together nodes of different zones that have never heard of each other.
//!
//! In a large grid each node hears those of its own zone; of the others only the sums are known. One node of each zone, its broker, looks
//! at these sums and sees by a tree that all brokers compute alike with which zone its own is to be paired. It tells the broker of that
//! one on which nodes tasks wait; that one tells nodes with free slots; and these ask for work themselves, as they ask their
//! neighbours. Brokers see names and numbers and never a task. Whatever of this is lost, late or said twice, no task is touched: the next
//! look at the sums is the next try.

mod meet;
mod pair;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::node::Machine;
use crate::observe::is_in_zone;
use crate::words::{Needs, NodeId};

/// What a node has to do with other zones; none of it is durable.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// Nodes of other zones with which this one shares work.
    far: BTreeMap<NodeId, Far>,
    /// Names of the other zones. Where there are some, how loaded this node is matters though it may be alone in its own.
    pub zones: Vec<String>,
    /// Brokers that were told of tasks that wait here, and when that was said to people last.
    told: BTreeMap<NodeId, u64>,
    /// Before this no other broker is listened to.
    listens_at: u64,
    /// In how many looks in a row tasks waited here though slots of this zone were free, or though another zone was told of them
    /// before: what cannot run in this one, nor in the zone next to it, is offered to others in turn.
    stuck: u64,
}

/// A node of another zone.
#[derive(Clone, Copy, Debug)]
struct Far {
    since: u64,
    /// When work was last shared with it, or somebody last said that it should be.
    used: u64,
}

impl Broker {
    pub fn is_far(&self, node: NodeId) -> bool {
        self.far.contains_key(&node)
    }

    pub fn count(&self) -> usize {
        self.far.len()
    }

    /// Whether a machine of another zone might have what is needed. Of these machines nothing is known but where they stand.
    pub fn might_have(&self, needs: &Needs) -> bool {
        // A node that is named is known.
        needs.on.is_empty() && self.zones.iter().any(|zone| needs.zone.is_empty() || is_in_zone(zone, &needs.zone))
    }

    pub fn forget(&mut self, node: NodeId) {
        self.far.remove(&node);
    }
}

impl Machine {
    /// Nodes of other zones with which this one shares work at present.
    pub fn far_peers(&self) -> impl Iterator<Item = NodeId> {
        self.broker.far.keys().copied()
    }

    /// Somebody who is heard without any broker's help.
    fn is_near(&self, node: NodeId) -> bool {
        node == self.state.node() || self.sharing.peers.contains_key(&node) && !self.broker.is_far(node)
    }
}
