//! One job as it is promised: what was asked for, and how far it has come.
//!
//! A job of a million tasks is a few bitmaps, never a row a task. Everything here follows from the records of the
//! journal and from nothing else, so it is the same after a crash.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::outcome::{Exit, Outcome, Output};
use super::refusal::Refusal;
use crate::words::limits::CHECKPOINTS_MAX;
use crate::words::spec::{HaltWhat, HaltWhen};
use crate::words::{Epoch, JobSpec, TaskSet};

/// What the end of an attempt amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task is over now: done, or failed with no try left.
    Counted,
    /// The task had failed and is done after all (success beats failure): the counts change, nobody is told twice.
    Better,
    /// The task is to run again.
    Again,
    /// The attempt ended after the task was cancelled; the task stays cancelled.
    Cancelled,
    /// This end, or another of the same task that counts, was known.
    Duplicate,
    /// It does not count.
    Stale(Refusal),
}

/// The last checkpoint of a task that is not over. Its files lie with this node under the name of the attempt that left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub epoch: Epoch,
    /// The dispatch whose attempt left it.
    pub n: u32,
    /// How many the task has left in its round.
    pub times: u16,
    /// All that was written up to it, by all attempts together: the next one begins with that.
    pub stdout: Output,
    pub stderr: Output,
}

impl Kept {
    /// Bytes of both outputs.
    #[must_use]
    pub const fn output_bytes(&self) -> u64 {
        self.stdout.len.saturating_add(self.stderr.len)
    }
}

/// A job in the durable state. `done`, `failed` and `cancelled` share no task; what is in none of them is to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub spec: JobSpec,
    /// The greatest round opened.
    pub round: u16,
    /// Tasks by the round that last opened them again; each task in one set at most, all others belong to round 0.
    pub retried: Vec<(u16, TaskSet)>,
    pub done: TaskSet,
    pub failed: TaskSet,
    pub cancelled: TaskSet,
    /// `tries[k]`: tasks not over that failed more than `k` times.
    pub tries: Vec<TaskSet>,
    /// The failures counted in `tries`, by dispatch: a repeated report must not use up a try. Only tasks that are not over
    /// stand here, so this is bounded by what is in somebody's hands.
    pub tried: BTreeMap<(Epoch, u32), TaskSet>,
    pub held: bool,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// Unix milliseconds of the last end of any of its attempts.
    pub ended_ms: Option<u64>,
    /// The last checkpoints of its tasks, of those that left one and are not over; and of those that failed by leaving too many.
    pub kept: BTreeMap<u32, Kept>,
}

impl Job {
    #[must_use]
    pub fn new(spec: JobSpec, accepted_ms: u64) -> Self {
        Self {
            held: spec.held,
            spec,
            round: 0,
            retried: Vec::new(),
            done: TaskSet::new(),
            failed: TaskSet::new(),
            cancelled: TaskSet::new(),
            tries: Vec::new(),
            tried: BTreeMap::new(),
            accepted_ms,
            ended_ms: None,
            kept: BTreeMap::new(),
        }
    }

    /// Tasks that are not over.
    #[must_use]
    pub fn pending(&self) -> TaskSet {
        let mut tasks = TaskSet::first(self.spec.tasks);
        tasks.subtract(&self.done);
        tasks.subtract(&self.failed);
        tasks.subtract(&self.cancelled);
        tasks
    }

    #[must_use]
    pub fn is_over(&self, task: u32) -> bool {
        self.done.contains(task) || self.failed.contains(task) || self.cancelled.contains(task)
    }

    /// Whether every task is over. Attempts may still run (of cancelled tasks).
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.done.len() + self.failed.len() + self.cancelled.len() >= self.spec.tasks
    }

    /// The lowest round whose results count for this task.
    #[must_use]
    pub fn round_of(&self, task: u32) -> u16 {
        self.retried.iter().rev().find(|(_, tasks)| tasks.contains(task)).map_or(0, |(round, _)| *round)
    }

    /// How often the task failed in its round, while it is not over.
    #[must_use]
    pub fn failures(&self, task: u32) -> usize {
        self.tries.iter().take_while(|tasks| tasks.contains(task)).count()
    }

    /// Takes one end of an attempt whose right to report was checked before. `starts`: those of the node, oldest first.
    pub(super) fn take(&mut self, outcome: &Outcome, starts: &[u64]) -> Verdict {
        let attempt = &outcome.attempt;
        let task = attempt.task;
        if task >= self.spec.tasks {
            return Verdict::Stale(Refusal::TaskOutOfRange);
        }
        if attempt.round > self.round {
            return Verdict::Stale(Refusal::WrongRound);
        }
        // Whether it counts depends on what came before it; when it was does not.
        let ended = outcome.started_ms.saturating_add(outcome.ran_ns / 1_000_000);
        self.ended_ms = self.ended_ms.max(Some(ended));
        if attempt.round < self.round_of(task) {
            return Verdict::Stale(Refusal::WrongRound);
        }
        if self.done.contains(task) {
            return Verdict::Duplicate;
        }
        match outcome.exit {
            exit if exit.is_success() => self.succeed(outcome),
            _ if self.failed.contains(task) => Verdict::Duplicate,
            exit if self.spec.checkpoint.is_some() && exit.leaves_checkpoint() => self.keep(outcome, starts),
            // Ended by request, but by no cancellation of the job: the node was stopped, or a lease ran out. It runs again.
            Exit::Void | Exit::Cancelled | Exit::Checkpointed => self.unless_cancelled(task),
            _ => self.fail(outcome),
        }
    }

    fn unless_cancelled(&self, task: u32) -> Verdict {
        if self.cancelled.contains(task) { Verdict::Cancelled } else { Verdict::Again }
    }

    /// The task left a checkpoint and goes on from it. That uses up no try, but not for ever: whoever never comes to an end fails.
    fn keep(&mut self, outcome: &Outcome, starts: &[u64]) -> Verdict {
        let attempt = &outcome.attempt;
        let task = attempt.task;
        if !self.tried.entry((attempt.epoch, attempt.n)).or_default().insert(task) {
            return Verdict::Duplicate;
        }
        if self.cancelled.contains(task) {
            return Verdict::Cancelled;
        }
        let known = self.kept.get(&task).copied();
        let times = known.map_or(0, |known| known.times);
        if times >= CHECKPOINTS_MAX {
            self.failed.insert(task);
            self.forget_tries(task);
            // For whoever asks why it failed.
            self.kept.extend(known.map(|known| (task, known)));
            return Verdict::Counted;
        }
        let (epoch, n) = (attempt.epoch, attempt.n);
        // Whatever order they are told in: what was given out later began from the newer one.
        let age = |epoch: Epoch, n: u32| (starts.iter().position(|start| *start == epoch.incarnation), n);
        let newer = known.filter(|known| age(known.epoch, known.n) > age(epoch, n));
        let fresh = Kept { epoch, n, times: 0, stdout: outcome.stdout, stderr: outcome.stderr };
        self.kept.insert(task, Kept { times: times + 1, ..newer.unwrap_or(fresh) });
        Verdict::Again
    }

    fn succeed(&mut self, outcome: &Outcome) -> Verdict {
        let task = outcome.attempt.task;
        self.done.insert(task);
        self.forget_tries(task);
        self.cancelled.remove(task);
        if self.failed.remove(task) { Verdict::Better } else { Verdict::Counted }
    }

    fn fail(&mut self, outcome: &Outcome) -> Verdict {
        let attempt = &outcome.attempt;
        let task = attempt.task;
        let failures = self.failures(task);
        if self.spec.tries > 1 {
            let counted = self.tried.entry((attempt.epoch, attempt.n)).or_default();
            if !counted.insert(task) {
                return Verdict::Duplicate;
            }
        }
        if failures + 1 < usize::from(self.spec.tries) {
            if self.tries.len() <= failures {
                self.tries.push(TaskSet::new());
            }
            self.tries[failures].insert(task);
            return self.unless_cancelled(task);
        }
        self.failed.insert(task);
        self.forget_tries(task);
        self.cancelled.remove(task);
        Verdict::Counted
    }

    /// What is over needs neither tries nor a checkpoint: the same ends in another order leave the same state.
    fn forget_tries(&mut self, task: u32) {
        self.kept.remove(&task);
        if self.spec.tries <= 1 && self.spec.checkpoint.is_none() {
            return;
        }
        for tasks in &mut self.tries {
            tasks.remove(task);
        }
        while self.tries.last().is_some_and(TaskSet::is_empty) {
            self.tries.pop();
        }
        self.tried.retain(|_, tasks| {
            tasks.remove(task);
            !tasks.is_empty()
        });
    }

    /// Everything that is not over is cancelled. Returns whether anything was.
    pub(super) fn cancel(&mut self) -> bool {
        let pending = self.pending();
        self.cancelled.union(&pending);
        self.kept.clear();
        !pending.is_empty()
    }

    /// Opens `round` for `tasks`. Returns false where that round was opened before.
    pub(super) fn retry(&mut self, round: u16, tasks: &TaskSet) -> bool {
        if round <= self.round {
            return false;
        }
        self.round = round;
        let mut tasks = tasks.clone();
        tasks.intersect(&TaskSet::first(self.spec.tasks));
        self.kept.retain(|task, _| !tasks.contains(*task));
        for set in [&mut self.done, &mut self.failed, &mut self.cancelled].into_iter().chain(&mut self.tries) {
            set.subtract(&tasks);
        }
        while self.tries.last().is_some_and(TaskSet::is_empty) {
            self.tries.pop();
        }
        self.tried.retain(|_, set| {
            set.subtract(&tasks);
            !set.is_empty()
        });
        self.retried.retain_mut(|(_, set)| {
            set.subtract(&tasks);
            !set.is_empty()
        });
        self.retried.push((round, tasks));
        true
    }

    /// The number of ends that count towards halting, and how many trigger it; none where the job never halts.
    #[must_use]
    pub fn halt_progress(&self) -> Option<(u32, u32)> {
        let halt = &self.spec.halt;
        if halt.when == HaltWhen::Never {
            return None;
        }
        // After a retry only what the retry opened is looked at: else old failures would stop it at once.
        let scope = self.retried.last().filter(|(round, _)| *round == self.round).map(|(_, tasks)| tasks);
        let size = |set: &TaskSet| scope.map_or(set.len(), |scope| scope.shared(set));
        let tasks = scope.map_or(self.spec.tasks, TaskSet::len);
        let count = match halt.what {
            HaltWhat::Fail => size(&self.failed),
            HaltWhat::Success => size(&self.done),
            HaltWhat::Done => size(&self.done) + size(&self.failed),
        };
        let limit = if halt.percent {
            let share = (u64::from(tasks) * u64::from(halt.count)).div_ceil(100);
            u32::try_from(share).unwrap_or(u32::MAX)
        } else {
            halt.count
        };
        Some((count, limit.max(1)))
    }

    /// Whether the job's own condition to stop early is met.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halt_progress().is_some_and(|(count, limit)| count >= limit)
    }
}
