//! The figures of `tern kpi`, with their definitions. One that was not measured is absent, and why stands beside.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::figures::{apart, jain, percentile};
use super::gather::Gather;

/// What became of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    pub accepted: u64,
    pub done: u64,
    /// Those that ran out of time among them.
    pub failed: u64,
    /// Ended, or never begun, because their job was cancelled or halted; the latter are counted when the job is over.
    pub cancelled: u64,
    /// Ends after which the task runs again, or of a copy that came second.
    pub again: u64,
    /// Ends here of tasks of other nodes.
    pub foreign: u64,
}

/// Tasks that changed their node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    pub lent: u64,
    /// Back without having run.
    pub returned: u64,
    /// Of other nodes; each is counted as lent there.
    pub borrowed: u64,
}

/// The figures. Seconds are seconds, rates are for one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// σ² of ρ over the nodes that are known, mean over time.
    pub load_variance: Option<f64>,
    /// σ / ρ̄ of the same, mean over time.
    pub load_variation: Option<f64>,
    /// Own tasks that left this node, or came back without having run.
    pub migration_rate: Option<f64>,
    /// From acceptance (or the end of the try before) to the start of a run that ended well or failed.
    pub queue_latency_mean: Option<f64>,
    /// Nearest rank: the ⌈0.50 n⌉-th of n, and so on.
    pub queue_latency_p50: Option<f64>,
    pub queue_latency_p95: Option<f64>,
    pub queue_latency_p99: Option<f64>,
    /// Σ slots × time that tasks took here, over Σ slots × time that there were for tasks.
    pub utilisation: Option<f64>,
    /// Of jobs that began and ended in this time: their time over max(Σ work / Σ capacity, longest task).
    pub makespan_over_bound: Option<f64>,
    pub makespan_over_bound_worst: Option<f64>,
    /// Jain's index over nodes: what own tasks took of each, over the slots that it had while there were any.
    pub jain: Option<f64>,
    /// Own tasks that were over, a second.
    pub throughput: Option<f64>,
    /// W: from acceptance to end.
    pub task_latency_mean: Option<f64>,
    /// L: own tasks in the system, mean over time.
    pub tasks_in_system: Option<f64>,
    /// λW; λ is `throughput`.
    pub little_lambda_w: Option<f64>,
    /// |L − λW| of the greater.
    pub little_apart: Option<f64>,
}

/// What a log says of a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    /// Unix milliseconds of the first and the last line.
    pub from_ms: Option<u64>,
    pub to_ms: Option<u64>,
    /// That the agent was there and the machine awake.
    pub seconds: f64,
    /// Lives of the agent.
    pub lives: u32,
    pub lines: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// Nodes of whose slots something was known.
    pub nodes: u32,
    /// Starts that seem to lie before their task was accepted; they are no part of any figure.
    pub clock_steps: u64,
    /// Jobs behind `makespan_over_bound`.
    pub jobs_measured: u64,
    pub tasks: Tasks,
    pub moves: Moves,
    pub figures: Figures,
    /// Why a figure is absent, by its name.
    pub not_measured: BTreeMap<String, String>,
}

const SECOND: f64 = 1e9;
const NO_TIME: &str = "the log spans no time yet";
const ONE_NODE: &str = "no second node was known: there is nothing to compare";
const NO_SHARES: &str = "no second node was known while this node had tasks";
const NO_START: &str = "no task was started and ended in this time";
const NO_SLOTS: &str = "there were no slots for tasks";
const NO_JOB: &str = "no job was both accepted and over in this time, on nodes whose slots are known";
const NO_END: &str = "no task of this node ended in this time";

/// Names of figures that are absent, each with the reason.
#[derive(Default)]
struct Absent(BTreeMap<String, String>);

impl Absent {
    fn or(&mut self, name: &str, value: Option<f64>, why: &str) -> Option<f64> {
        if value.is_none() {
            self.0.insert(name.to_string(), why.to_string());
        }
        value
    }
}

impl Gather {
    /// What follows from the lines so far.
    #[must_use]
    pub fn report(mut self) -> Kpi {
        self.waits_ms.sort_unstable();
        let shares = self.shares();
        let mut absent = Absent::default();
        let figures = self.figures(&shares, &mut absent);
        Kpi {
            from_ms: self.span_ms.map(|span| span.0),
            to_ms: self.span_ms.map(|span| span.1),
            seconds: self.seconds(),
            lives: self.lives,
            lines: self.lines,
            unreadable: self.unreadable,
            nodes: u32::try_from(self.entitled.len()).unwrap_or(u32::MAX),
            clock_steps: self.clock_steps,
            jobs_measured: self.jobs.measured,
            tasks: self.tasks,
            moves: self.moves,
            figures,
            not_measured: absent.0,
        }
    }

    fn seconds(&self) -> f64 {
        self.awake_ns as f64 / SECOND
    }

    fn figures(&self, shares: &[f64], absent: &mut Absent) -> Figures {
        let rate = |count: u64| (self.awake_ns > 0).then(|| count as f64 / self.seconds());
        let wait = |percent| percentile(&self.waits_ms, percent).map(|ms| ms as f64 / 1e3);
        let waited: u128 = self.waits_ms.iter().map(|ms| u128::from(*ms)).sum();
        let waits = self.waits_ms.len();
        let wait_mean = (waits > 0).then(|| waited as f64 / waits as f64 / 1e3);
        let used = (self.capacity > 0).then(|| self.busy as f64 / self.capacity as f64);
        let jobs = &self.jobs;
        let measured = |value: f64| (jobs.measured > 0).then_some(value);
        let bound = measured(jobs.sum / jobs.measured.max(1) as f64);
        let (took, took_ns) = self.took;
        let throughput = rate(self.tasks.done + self.tasks.failed);
        let latency = (took > 0).then(|| took_ns as f64 / took as f64 / SECOND);
        let in_system = self.in_system.mean();
        let lambda_w = throughput.zip(latency).map(|(rate, wait)| rate * wait);
        let no_law = if throughput.is_none() { NO_TIME } else { NO_END };
        let law = in_system.zip(lambda_w).map(|(l, lambda_w)| apart(l, lambda_w));
        Figures {
            load_variance: absent.or("load_variance", self.variance.mean(), ONE_NODE),
            load_variation: absent.or("load_variation", self.variation.mean(), ONE_NODE),
            migration_rate: absent.or("migration_rate", rate(self.moves.lent + self.moves.returned), NO_TIME),
            queue_latency_mean: absent.or("queue_latency_mean", wait_mean, NO_START),
            queue_latency_p50: absent.or("queue_latency_p50", wait(50), NO_START),
            queue_latency_p95: absent.or("queue_latency_p95", wait(95), NO_START),
            queue_latency_p99: absent.or("queue_latency_p99", wait(99), NO_START),
            utilisation: absent.or("utilisation", used, NO_SLOTS),
            makespan_over_bound: absent.or("makespan_over_bound", bound, NO_JOB),
            makespan_over_bound_worst: absent.or("makespan_over_bound_worst", measured(jobs.worst), NO_JOB),
            jain: absent.or("jain", (shares.len() > 1).then(|| jain(shares)), NO_SHARES),
            throughput: absent.or("throughput", throughput, NO_TIME),
            task_latency_mean: absent.or("task_latency_mean", latency, NO_END),
            tasks_in_system: absent.or("tasks_in_system", in_system, NO_TIME),
            little_lambda_w: absent.or("little_lambda_w", lambda_w, no_law),
            little_apart: absent.or("little_apart", law, no_law),
        }
    }

    /// Of each node that had slots while there were own tasks the share of them that these took.
    fn shares(&self) -> Vec<f64> {
        let able = self.entitled.iter().filter(|(_, entitled)| **entitled > 0);
        let share = |(tag, entitled): (_, &u128)| {
            let allocated = self.allocated.get(tag).copied().unwrap_or(0);
            allocated as f64 / *entitled as f64
        };
        able.map(share).collect()
    }
}

#[cfg(test)]
mod tests;
