//! The tasks of one job (or of one borrowed range) that are not over: waiting, with the warden, or about to be lent.
//!
//! A lane is not durable: it follows from the durable state and from what the warden says it holds.

use alloc::collections::BTreeMap;

use super::local::{Waiting, expected};
use super::share::Moved;
use crate::words::limits::UNFIT_MAX;
use crate::words::spec::Discipline;
use crate::words::work::UNKNOWN;
use crate::words::{Attempt, Bytes, Epoch, GrantId, JobId, JobSpec, NodeId, TaskSet, Unfit};

/// Whose tasks these are. Own jobs stand in the order in which they were accepted, borrowed ranges after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LaneKey {
    Own(JobId),
    Borrowed(GrantId),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// Waiting here.
    pub queued: Waiting,
    /// The order in which its tasks are chosen; fair turns where nothing is known of them.
    pub order: Discipline,
    /// Its turn among the jobs that take turns; none before the first.
    pub turn: Option<u64>,
    /// What its tasks take on the reference core, nanoseconds: as it was expected, then as it was seen.
    pub length_ns: Option<u64>,
    /// Given to the warden, by dispatch.
    pub hand: BTreeMap<(Epoch, u32), TaskSet>,
    /// What a task that began here earlier had got of a core when dispatches of single tasks left, by their number; milliseconds.
    pub since_ms: BTreeMap<u32, f64>,
    /// Sum over `hand`.
    pub in_hand: u32,
    /// Taken from the queue for a loan whose record is not durable yet.
    pub lending: TaskSet,
    /// The record that stops a halted job is staged.
    pub halting: bool,
    /// What had not started when the job halted was asked back. Asked once: each answer is an event of its own, and to
    /// ask again at each event while the disk fails would be a storm.
    pub called_back: bool,
    /// Tasks that were lent and came back without having run.
    pub moved: BTreeMap<u32, Moved>,
    /// So many of its tasks one message carried, where that was fewer than were to be lent.
    pub carries: Option<u32>,
    /// Nodes that could not run its tasks: until when they are not asked again, and why. At most [`UNFIT_MAX`].
    pub unfit: BTreeMap<NodeId, (u64, Unfit)>,
}

impl Lane {
    pub(super) fn new(queued: TaskSet) -> Self {
        Self { queued: Waiting::new(queued), ..Self::default() }
    }

    /// Of an own job, whose spec says how long each task may take, or all of them.
    pub(super) fn sorted(queued: TaskSet, spec: &JobSpec) -> Self {
        let wanted = spec.discipline;
        let (queued, usual) = if spec.has_work_of_each() {
            (Waiting::sorted(queued, &spec.work, UNKNOWN), UNKNOWN)
        } else {
            let usual = spec.work_of(0);
            (Waiting::sorted(queued, &Bytes::default(), usual), usual)
        };
        let known = queued.is_sorted() || (usual != UNKNOWN && wanted == Discipline::Interactive);
        // An order by length needs lengths; without them jobs take turns, so that none waits for all of another.
        let order = if known || wanted == Discipline::Deadline { wanted } else { Discipline::Fifo };
        Self { queued, order, length_ns: expected(spec), ..Self::default() }
    }

    /// Tasks of it took so long on the mean: what was seen last counts as much as all before.
    pub(super) fn took(&mut self, ns: u64) {
        self.length_ns = Some(self.length_ns.map_or(ns, |last| last / 2 + ns / 2));
    }

    pub(super) fn give(&mut self, epoch: Epoch, n: u32, tasks: &TaskSet) {
        self.in_hand += tasks.len();
        self.hand.entry((epoch, n)).or_default().union(tasks);
    }

    /// Takes an attempt out of the hand. Returns whether it was there.
    pub(super) fn end(&mut self, attempt: &Attempt) -> bool {
        let key = (attempt.epoch, attempt.n);
        let Some(tasks) = self.hand.get_mut(&key) else { return false };
        let was = tasks.remove(attempt.task);
        if was {
            self.in_hand -= 1;
            if tasks.is_empty() {
                self.hand.remove(&key);
                self.since_ms.remove(&attempt.n);
            }
        }
        was
    }

    /// This node could not run one of its tasks.
    pub(super) fn mark_unfit(&mut self, node: NodeId, until: u64, why: Unfit) {
        if self.unfit.len() >= UNFIT_MAX {
            self.unfit.pop_first();
        }
        self.unfit.insert(node, (until, why));
    }

    pub(super) fn holds(&self, task: u32) -> bool {
        self.hand.values().any(|tasks| tasks.contains(task))
    }

    pub(super) fn in_hand_tasks(&self) -> TaskSet {
        let mut all = TaskSet::new();
        for tasks in self.hand.values() {
            all.union(tasks);
        }
        all
    }

    /// Empties the hand and returns what was in it.
    pub(super) fn drop_hand(&mut self) -> TaskSet {
        let all = self.in_hand_tasks();
        self.hand.clear();
        self.since_ms.clear();
        self.in_hand = 0;
        all
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_hand == 0 && self.lending.is_empty()
    }
}
