//! How fast the machines are, here and elsewhere.

use crate::machine::node::Machine;
use crate::words::NodeId;
use crate::words::limits::{SLOTS_MAX, SPEED_MAX};

impl Machine {
    /// The speed of one core here, in thousandths of the reference machine; 0 where it was not measured.
    pub fn set_speed(&mut self, speed: u16) {
        self.here.speed = speed.min(SPEED_MAX);
    }

    /// The same of a connected peer.
    pub fn set_peer_speed(&mut self, peer: NodeId, speed: u16) {
        if let Some(peer) = self.sharing.peers.get_mut(&peer) {
            peer.speed = speed.min(SPEED_MAX);
        }
    }

    /// How many tasks may run here from now on. What runs already goes on.
    pub fn set_slots(&mut self, slots: u32) {
        self.here.slots = slots.min(SLOTS_MAX);
    }

    /// More tasks than this must wait on a node before it is asked for some.
    pub fn set_steal_threshold(&mut self, tasks: u32) {
        self.sharing.threshold = tasks;
    }
}
