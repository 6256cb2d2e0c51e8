//! What waits on this node and why, counted by its cause: the picture that `decide::bottleneck` has of the queue.
//!
//! A job says why it waits as one reason with its numbers. Here those reasons are put together to the few causes that
//! somebody undoes in different ways. Nothing here changes anything.

use alloc::collections::BTreeMap;

use crate::decide::bottleneck::{Cause, Queue, Wait};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::plan::Reason;

impl Machine {
    /// The queue at this time of the wall clock, in Unix milliseconds.
    #[must_use]
    pub fn waits(&self, wall_ms: u64) -> Queue {
        let mut waits: BTreeMap<Cause, Wait> = BTreeMap::new();
        let mut count = |cause: Cause, tasks: u64, jobs: u32, oldest_ms: Option<u64>| {
            let none = Wait { cause, tasks: 0, jobs: 0, oldest_ms: None };
            let wait = waits.entry(cause).or_insert(none);
            wait.tasks = wait.tasks.saturating_add(tasks);
            wait.jobs = wait.jobs.saturating_add(jobs);
            wait.oldest_ms = wait.oldest_ms.max(oldest_ms);
        };
        for (key, lane) in self.lanes.iter().filter(|(_, lane)| !lane.queued.is_empty()) {
            let tasks = u64::from(lane.queued.len());
            match *key {
                LaneKey::Own(id) => {
                    let waited = self.state.job(id).map(|job| wall_ms.saturating_sub(job.accepted_ms));
                    if let Some(cause) = self.because(id).and_then(cause) {
                        count(cause, tasks, 1, waited);
                    }
                }
                LaneKey::Borrowed(_) => {
                    count(self.stands_back().and_then(cause).unwrap_or(Cause::Slots), tasks, 0, None);
                }
            }
        }
        // Given to the warden ahead of a free slot, they wait for one still.
        let ahead = u64::from(self.in_hand() - self.running());
        if ahead > 0 {
            count(Cause::Slots, ahead, 0, None);
        }
        if self.is_full() {
            // Said also where nothing waits: nothing is accepted.
            count(Cause::DiskFull, 0, 0, None);
        }
        let waits = waits.into_values().collect();
        Queue { slots: self.slots(), open: self.open_slots(), running: self.running(), waits }
    }
}

/// Why tasks wait, if they wait for anything that somebody could undo.
const fn cause(reason: Reason) -> Option<Cause> {
    Some(match reason {
        Reason::Busy { .. } => Cause::Slots,
        Reason::Together { .. } => Cause::Together,
        Reason::Elsewhere { nodes: 0, .. } => Cause::NoMachine,
        Reason::Elsewhere { .. } => Cause::Elsewhere,
        Reason::Draining => Cause::Drained,
        Reason::BatteryLow { .. } => Cause::Battery,
        Reason::OwnerUses { .. } => Cause::Owner,
        Reason::StorageFull => Cause::DiskFull,
        Reason::WardenAway => Cause::WardenAway,
        Reason::Held => Cause::Held,
        Reason::AtParallel { .. } => Cause::AtParallel,
        Reason::PutOff { .. } => Cause::PutOff,
        // Those of decisions, and those of jobs of which nothing waits here.
        _ => return None,
    })
}
