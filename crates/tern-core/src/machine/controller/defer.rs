//! Work that was put off: it begins on idle nodes while more of them are idle than overloaded, and where nothing else waits.

use crate::decide::balance::rules::Rule;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::observe::trit::Smoothed;
use crate::observe::{NodeTrit, Reading};
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

    /// Whether a lane has work that was put off, here or by its owner.
    fn gives_way(&self, key: &LaneKey) -> bool {
        match key {
            LaneKey::Own(job) => self.controller.deferred.contains(job),
            LaneKey::Borrowed(grant) => self.sharing.borrowed.get(grant).is_some_and(|held| held.deferred),
        }
    }

    /// Tasks that were put off and run here, or wait here and could start.
    pub(in crate::machine) fn put_off_here(&self) -> u64 {
        let waits = self.ready.iter().filter(|key| self.gives_way(key) && self.may_start(**key));
        let waits = waits.filter_map(|key| self.lanes.get(key)).map(|lane| u64::from(lane.queued.len()));
        let runs = self.lanes.iter().filter(|(key, lane)| lane.in_hand > 0 && self.gives_way(key));
        waits.sum::<u64>() + runs.map(|(_, lane)| u64::from(lane.in_hand)).sum::<u64>()
    }

    /// What of the load, over the CPUs, tasks make that were put off, averaged as the load is: none begins where anything else
    /// waits, so that a machine which does nothing else counts as idle. Were they counted, those that run would keep the next ones waiting for a
    /// minute. One that sleeps makes no load and is taken off, too: so much of another's load is not seen.
    pub(in crate::machine) fn put_off_load(&mut self, reading: &Reading) -> f64 {
        let runs = self.lanes.iter().filter(|(key, lane)| lane.in_hand > 0 && self.gives_way(key));
        let slots: u64 = runs.map(|(key, lane)| u64::from(lane.in_hand) * u64::from(self.takes(*key).slots)).sum();
        // What is given ahead does not run yet.
        let slots = slots.min(self.here.slots.into());
        let average = self.load_average();
        let put_off = self.controller.put_off.get_or_insert(Smoothed::new(average)).next(reading.at, slots as f64);
        if reading.cpus == 0 { 0.0 } else { put_off / f64::from(reading.cpus) }
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
