//! People and their machines: an owner who sits down at one and leaves it again, a battery that falls and is charged.

use tern_core::machine::{Event, WorkSettings};
use tern_core::observe::Power;
use tern_core::words::Span;

use super::Repair;
use crate::computer::Yielding;
use crate::world::{What, World, say};

const MS: u64 = 1_000_000;

/// Below this charge the machines of this world start nothing more, and at the other they go on.
pub(crate) const LOW: u8 = 20;
const ENOUGH: u8 = LOW + 10;

impl World {
    /// Every machine stands back for its owner; each second one keeps a slot for tasks. Loads are those of the moment.
    pub(in crate::world) fn settings(node: usize) -> WorkSettings {
        let leave_one = node.is_multiple_of(2);
        WorkSettings { drain_below: LOW, yield_to_owner: true, leave_one, load_average: Span(0) }
    }

    /// The owner needs `cpus` for a while.
    pub fn owner_comes(&mut self, node: usize, cpus: u32, for_ms: u64) {
        say!(self, Some(node), "owner", "needs {cpus} CPUs for {for_ms} ms");
        self.nodes[node].owner = cpus;
        self.queue.plan(self.now + for_ms * MS, What::Repair(Repair::OwnerGoes(node)));
        self.feel(node);
    }

    pub(in crate::world) fn owner_goes(&mut self, node: usize) {
        say!(self, Some(node), "owner", "goes");
        let computer = &mut self.nodes[node];
        (computer.owner, computer.yielding) = (0, None);
        self.feel(node);
    }

    /// On battery, with this charge.
    pub fn battery(&mut self, node: usize, percent: u8) {
        self.fed_by(node, Power::battery(Some(percent)));
    }

    pub fn plugged_in(&mut self, node: usize) {
        self.fed_by(node, Power::Mains);
    }

    fn fed_by(&mut self, node: usize, power: Power) {
        self.nodes[node].feed = power;
        if self.awake(node) {
            self.tell_power(node);
        }
    }

    /// The battery empties, and is charged when `for_ms` are over, at times by a little only at first.
    pub(super) fn battery_falls(&mut self, node: usize, for_ms: u64) {
        let low = self.dice.fault.u8(1..LOW);
        self.battery(node, low);
        if self.dice.fault.bool() {
            let little = self.dice.fault.u8(LOW..100);
            self.queue.plan(self.now + for_ms / 2 * MS, What::Repair(Repair::Charged(node, little)));
        }
        self.queue.plan(self.now + for_ms * MS, What::Repair(Repair::PluggedIn(node)));
    }

    /// What a new agent is told first, and each agent when it changes.
    pub(in crate::world) fn tell_power(&mut self, node: usize) {
        let power = self.nodes[node].feed;
        let low = match power {
            Power::Battery { percent: Some(percent) } if percent < LOW => self.nodes[node].low.or(Some(self.now)),
            Power::Battery { percent: Some(percent) } if percent < ENOUGH => self.nodes[node].low,
            _ => None,
        };
        // What it does about it, it may do at once.
        self.nodes[node].low = self.nodes[node].low.and(low);
        self.feed(node, Event::Power(power));
        self.nodes[node].low = low.filter(|_| self.nodes[node].agent.is_some());
    }

    fn awake(&self, node: usize) -> bool {
        let computer = &self.nodes[node];
        computer.agent.is_some() && computer.power == crate::computer::Power::On && computer.stalled_until <= self.now
    }

    /// A look at the load between those of every second.
    fn feel(&mut self, node: usize) {
        if self.awake(node) {
            self.read_load(node, 0.0);
        }
    }

    /// What the owner leaves, as an agent must see it that is told of the load now.
    pub(in crate::world) fn left_by_owner(&self, node: usize) -> Option<Yielding> {
        let leave_one = u32::from(Self::settings(node).leave_one);
        let computer = &self.nodes[node];
        let open = computer.warden.slots.saturating_sub(computer.owner).max(leave_one);
        let since = computer.yielding.filter(|known| known.open == open).map_or(self.now, |known| known.since);
        (open < computer.warden.slots).then_some(Yielding { open, since })
    }
}
