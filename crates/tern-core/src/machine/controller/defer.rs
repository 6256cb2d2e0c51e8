//! Work that was put off: it begins on idle nodes while more of them are idle than overloaded, and where nothing else waits.

use crate::decide::balance::rules::Rule;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::observe::NodeTrit;
use crate::plan::Reason;
use crate::words::{JobId, NodeId};

impl Machine {
    /// A job was accepted, or runs again.
    pub(in crate::machine) fn note_deferred(&mut self, job: JobId) {
        if self.state.job(job).is_some_and(|job| job.spec.deferred) {
            self.controller.defer(job);
        }
    }

    /// Tasks of this node that wait for an idle grid.
    #[must_use]
    pub fn deferred_tasks(&self) -> u64 {
        let waits = |job: &JobId| self.state.job(*job).is_some_and(|job| !job.held && !job.is_halted());
        let lanes = self.controller.deferred.iter().filter(|job| waits(job));
        lanes.filter_map(|job| self.lanes.get(&LaneKey::Own(*job))).map(|lane| u64::from(lane.queued.len())).sum()
    }

    /// Whether the trits let what was put off begin somewhere.
    pub(in crate::machine) fn wakes(&self) -> bool {
        self.controller.rule == Some(Rule::Wake) || self.planted(Plant::DeferIgnored)
    }

    fn begins_here(&self) -> bool {
        let waits = |key: &LaneKey| match key {
            LaneKey::Own(job) if self.controller.deferred.contains(job) => false,
            // What only waits for something that this machine has not leaves its slots free.
            key => self.has_room(*key),
        };
        self.wakes() && self.trit() == NodeTrit::Idle && !self.ready.iter().any(waits)
    }

    /// Where it may begin now and might not before, its lanes are looked at again.
    pub(super) fn wake_deferred(&mut self) {
        if self.controller.deferred.is_empty() {
            return;
        }
        let begins = self.begins_here() || self.planted(Plant::DeferIgnored);
        let wakes = self.wakes();
        let woke = core::mem::replace(&mut self.controller.wakes, wakes);
        let began = core::mem::replace(&mut self.controller.wakes_here, begins);
        if (begins && !began) || (wakes && !woke) {
            let jobs: alloc::vec::Vec<JobId> = self.controller.deferred.iter().copied().collect();
            for job in jobs {
                self.ready.insert(LaneKey::Own(job));
            }
        }
    }

    /// Whether tasks of the job may start on this node, as far as it was put off.
    pub(in crate::machine) fn may_begin(&self, job: JobId) -> bool {
        self.controller.wakes_here || !self.controller.deferred.contains(&job)
    }

    /// The same of being lent at all.
    pub(in crate::machine) fn may_go(&self, job: JobId) -> bool {
        self.wakes() || !self.controller.deferred.contains(&job)
    }

    /// Whether the trits let tasks of the job go to this node; to this one itself: to any.
    pub(in crate::machine) fn trits_let(&self, job: JobId, to: NodeId) -> bool {
        let here = to == self.state.node();
        let there = if here { NodeTrit::Idle } else { self.trit_of(to).unwrap_or_default() };
        self.lets_go(job, there)
    }

    /// The same of a node with this trit.
    pub(in crate::machine) fn lets_go(&self, job: JobId, there: NodeTrit) -> bool {
        if self.controller.deferred.contains(&job) {
            return self.wakes() && there == NodeTrit::Idle;
        }
        self.may_move_to(there)
    }

    /// Why tasks of the job wait that were put off.
    pub(in crate::machine) fn put_off(&self, job: JobId) -> Option<Reason> {
        let signs = self.controller.signs;
        let waits = !self.may_begin(job);
        waits.then_some(Reason::PutOff { plus: signs.plus, minus: signs.minus, here: self.trit() })
    }
}
