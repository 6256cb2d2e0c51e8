//! How often a task may wander: what came back unstarted is not given to the same node again at once, and what came back
//! too often stays with its owner.

use crate::decide::fits;
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::node::Machine;
use crate::words::limits::{LENT_AGAIN, MOVED_MAX, MOVES_MAX};
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
        let Some(lane) = self.lanes.get(&LaneKey::Own(job)).filter(|lane| !lane.moved.is_empty()) else {
            return TaskSet::new();
        };
        // What cannot run here has to find its place elsewhere, however often it takes.
        let needs = self.state.job(job).map(|job| &job.spec.needs);
        let here = needs.is_some_and(|needs| fits::lack(self.state.node(), Some(&self.here.fit), needs).is_none());
        lane.stay(to, here && !self.here.draining, now)
    }
}
