//! Facts about jobs, tasks and grants, each learnt from a durable record and nothing else.

use tern_core::promise::{Exit, Outcome};
use tern_core::words::spec::{HaltWhat, HaltWhen};
use tern_core::words::{Attempt, Epoch, JobSpec, NodeId, TaskSet};

/// One task as the durable records have it.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// The round that last opened it.
    pub round: u16,
    pub success: bool,
    /// Valid failures of this round, by dispatch.
    pub failures: Vec<(Epoch, u32)>,
    pub cancelled: bool,
    /// Its end was told to those who watch.
    pub counted: bool,
    /// All durable ends, and whether they were valid when they became durable.
    pub ends: Vec<(Attempt, Exit, bool)>,
    /// Processes started for it.
    pub runs: u32,
}

/// One job as the durable records have it.
#[derive(Clone, Debug)]
pub struct Job {
    pub owner: usize,
    pub spec: JobSpec,
    pub durable: bool,
    pub forgotten: bool,
    pub round: u16,
    pub tasks: Vec<Task>,
    /// Index of the last record of each kind in the owner's journal.
    pub held_at: Option<usize>,
    pub released_at: Option<usize>,
    pub cancelled_at: Option<usize>,
    pub retried_at: Option<usize>,
    /// True time at which the last cancellation became durable.
    pub cancelled_when: u64,
    /// True time at which the machine knew that the job is to stop early.
    pub halted_when: Option<u64>,
    /// What the last retry opened.
    pub opened: Option<TaskSet>,
}

/// A loan as the durable records have it.
#[derive(Clone, Debug)]
pub struct Grant {
    pub owner: usize,
    pub job: tern_core::words::JobId,
    pub round: u16,
    pub n: u32,
    pub to: NodeId,
    pub tasks: TaskSet,
    /// Those without a durable end.
    pub open: TaskSet,
    /// Reclaimed, or all ends are there: nothing is accepted for it any more.
    pub closed: bool,
    /// The record that reclaims it was written: what comes now is refused for good.
    pub closing: bool,
}

impl Job {
    #[must_use]
    pub fn new(owner: usize, spec: JobSpec) -> Self {
        let tasks = vec![Task::default(); spec.tasks as usize];
        Self {
            owner,
            spec,
            durable: false,
            forgotten: false,
            round: 0,
            tasks,
            held_at: None,
            released_at: None,
            cancelled_at: None,
            retried_at: None,
            cancelled_when: 0,
            halted_when: None,
            opened: None,
        }
    }

    #[must_use]
    pub fn is_held(&self) -> bool {
        match (self.held_at, self.released_at) {
            (held, Some(released)) => held.is_some_and(|held| held > released),
            (held, None) => held.is_some() || self.spec.held,
        }
    }

    pub fn cancel(&mut self) {
        let tries = usize::from(self.spec.tries);
        for task in &mut self.tasks {
            task.cancelled |= !task.success && task.failures.len() < tries;
        }
    }

    pub fn retry(&mut self, round: u16, tasks: &TaskSet) {
        self.round = self.round.max(round);
        self.halted_when = None;
        let mut opened = tasks.clone();
        opened.intersect(&TaskSet::first(self.spec.tasks));
        self.opened = Some(opened);
        for task in &tasks.0 {
            if let Some(task) = self.tasks.get_mut(task as usize) {
                let (ends, runs) = (std::mem::take(&mut task.ends), task.runs);
                *task = Task { round, ends, runs, ..Task::default() };
            }
        }
    }

    /// A durable end. `granted`: its token is good.
    pub fn end(&mut self, outcome: &Outcome, granted: bool) {
        let attempt = outcome.attempt;
        let (round, durable) = (self.round, self.durable && !self.forgotten);
        let Some(task) = self.tasks.get_mut(attempt.task as usize) else { return };
        let valid = granted && durable && attempt.round >= task.round && attempt.round <= round;
        task.ends.push((attempt, outcome.exit, valid));
        if !valid {
            return;
        }
        match outcome.exit {
            Exit::Code(0) => task.success = true,
            Exit::Void | Exit::Cancelled | Exit::Checkpointed => {}
            // It goes on from there, and that uses up no try.
            exit if self.spec.checkpoint.is_some() && exit.leaves_checkpoint() => {}
            _ if task.failures.contains(&(attempt.epoch, attempt.n)) => {}
            _ => task.failures.push((attempt.epoch, attempt.n)),
        }
    }

    /// Whether the durable ends meet the job's own condition to stop early. After a retry only what it opened is looked
    /// at.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        let halt = &self.spec.halt;
        let all = TaskSet::first(self.spec.tasks);
        let scope = self.opened.as_ref().unwrap_or(&all);
        let (done, failed, _) = self.sets();
        let (done, failed) = (done.0.intersection_len(&scope.0), failed.0.intersection_len(&scope.0));
        let (tasks, wanted) = (u64::from(scope.len()), u64::from(halt.count));
        let count = match halt.what {
            HaltWhat::Fail => failed,
            HaltWhat::Success => done,
            HaltWhat::Done => done + failed,
        };
        let limit = if halt.percent { (tasks * wanted).div_ceil(100) } else { wanted };
        halt.when != HaltWhen::Never && count >= limit.max(1)
    }

    /// (done, failed, cancelled) tasks.
    #[must_use]
    pub fn sets(&self) -> (TaskSet, TaskSet, TaskSet) {
        let tries = usize::from(self.spec.tries);
        let mut sets = (TaskSet::new(), TaskSet::new(), TaskSet::new());
        for (number, task) in (0..).zip(&self.tasks) {
            if task.success {
                sets.0.insert(number);
            } else if task.failures.len() >= tries {
                sets.1.insert(number);
            } else if task.cancelled {
                sets.2.insert(number);
            }
        }
        sets
    }
}
