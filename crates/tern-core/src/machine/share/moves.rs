//! How often a task may wander: what came back unstarted is not given to the same node again at once, and what came back
//! too often stays with its owner.

use crate::decide::fits;
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::node::Machine;
use crate::words::limits::{CHECKPOINT_OUTPUT_BYTES_MAX, LENT_AGAIN, MOVED_MAX, MOVES_MAX};
use crate::words::{JobId, NodeId, Now, TaskSet};

/// What is remembered of a task that came back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) struct Moved {
    times: u8,
    from: NodeId,
    /// Boot time from which on it may go there again.
    again: u64,
}

impl Lane {
    /// The task came back from a node that did not run it.
    pub(super) fn came_back(&mut self, task: u32, from: NodeId, now: Now) {
        if self.moved.len() >= MOVED_MAX && !self.moved.contains_key(&task) {
            self.moved.pop_first();
        }
        let moved = self.moved.entry(task).or_insert(Moved { times: 0, from, again: 0 });
        *moved = Moved { times: moved.times.saturating_add(1), from, again: now.boot + LENT_AGAIN };
    }

    /// The task is to run here and nowhere else.
    pub(in crate::machine) fn came_home(&mut self, task: u32, from: NodeId, now: Now) {
        self.came_back(task, from, now);
        if let Some(moved) = self.moved.get_mut(&task) {
            moved.times = MOVES_MAX;
        }
    }

    /// Waiting tasks that do not go to this node now; `capped`: nor to any other, where they have moved too often.
    fn stay(&self, to: NodeId, capped: bool, now: Now) -> TaskSet {
        let stays =
            |moved: &Moved| (capped && moved.times >= MOVES_MAX) || (moved.from == to && now.boot < moved.again);
        let waiting = |task: u32| self.queued.all().contains(task);
        self.moved.iter().filter(|(task, moved)| stays(moved) && waiting(**task)).map(|(task, _)| *task).collect()
    }
}

impl Machine {
    /// Tasks of the job that wait and may not go to this node: the others go instead.
    pub(super) fn staying(&self, job: JobId, to: NodeId, now: Now) -> TaskSet {
        let (Some(lane), Some(known)) = (self.lanes.get(&LaneKey::Own(job)), self.state.job(job)) else {
            return TaskSet::new();
        };
        // What one has written so far goes along with its checkpoint.
        let large = known.kept.iter().filter(|(_, kept)| kept.output_bytes() > CHECKPOINT_OUTPUT_BYTES_MAX);
        let large: TaskSet = large.map(|(task, _)| *task).filter(|task| lane.queued.all().contains(*task)).collect();
        if lane.moved.is_empty() {
            return large;
        }
        // What cannot run here has to find its place elsewhere, however often it takes.
        let here = fits::lack(self.state.node(), Some(&self.here.fit), &known.spec.needs).is_none();
        let mut stay = lane.stay(to, here && !self.here.draining, now);
        stay.union(&large);
        stay
    }
}
