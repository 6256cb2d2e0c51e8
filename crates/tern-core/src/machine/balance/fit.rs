//! How fast the machines are, here and elsewhere.

use crate::machine::node::Machine;
use crate::observe::Fit;
use crate::words::NodeId;
use crate::words::limits::SPEED_MAX;

impl Machine {
    /// The speed of one core here, in thousandths of the reference machine; 0 where it was not measured.
    pub fn set_speed(&mut self, speed: u16) {
        self.here.speed = speed.min(SPEED_MAX);
    }

    /// What this machine has for tasks.
    pub(in crate::machine) fn own_fit(&mut self, fit: Fit) {
        self.set_speed(fit.speed);
        self.here.fit = fit;
    }

    /// The same of a connected peer.
    pub fn set_peer_speed(&mut self, peer: NodeId, speed: u16) {
        if let Some(known) = self.sharing.peers.get_mut(&peer) {
            known.speed = speed.min(SPEED_MAX);
            self.count_tokens(peer);
        }
    }

    /// More tasks than this must wait on a node before it is asked for some.
    pub fn set_steal_threshold(&mut self, tasks: u32) {
        self.sharing.threshold = tasks;
    }
}
