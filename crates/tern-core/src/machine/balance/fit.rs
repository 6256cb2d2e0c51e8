//! How fast the machines are, here and elsewhere.

use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::observe::Fit;
use crate::words::limits::{SLOTS_MAX, SPEED_MAX};
use crate::words::{NodeId, Now};

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

    /// How many tasks may run here from now on. What runs already goes on.
    pub fn set_slots(&mut self, slots: u32) {
        self.here.fewer |= slots < self.here.slots;
        self.here.slots = slots.min(SLOTS_MAX);
        self.here.open = self.here.slots;
    }

    /// Slots became fewer: what has not started comes back from the warden, and what was borrowed goes back to its owner, who
    /// finds a better place for it.
    pub(in crate::machine) fn make_room(&mut self, now: Now, out: &mut Vec<Effect>) {
        if core::mem::take(&mut self.here.fewer) {
            self.here.overfull = self.here.in_hand > self.here.slots;
            if self.here.overfull {
                self.give_back_all(now, out);
            }
        }
        self.here.overfull &= self.here.in_hand >= self.here.slots;
    }

    /// More tasks than this must wait on a node before it is asked for some.
    pub fn set_steal_threshold(&mut self, tasks: u32) {
        self.sharing.threshold = tasks;
    }
}
