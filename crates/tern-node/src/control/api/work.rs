//! Work as it moves: who stands back, who has tasks of whom, and why a job waits.

use serde::{Deserialize, Serialize};
use tern_core::decide::bottleneck::{Cause, Queue, Wait};
use tern_core::view::How;
use utoipa::{IntoParams, ToSchema};

use crate::control::document::shapes;

/// How to drain.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DrainQuery {
    /// Answer when nothing runs there; else when the wish is durable.
    pub wait: bool,
}

impl Default for DrainQuery {
    fn default() -> Self {
        Self { wait: true }
    }
}

/// `GET /v1/kpi`: of which time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct KpiQuery {
    /// Of what was written at this time or later, Unix milliseconds; 0: of all that is kept.
    pub since: u64,
}

/// How a node stands after it was asked to stand back, or no longer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StandingView {
    pub name: String,
    pub node: String,
    pub draining: bool,
    /// Tasks that run there now.
    pub running: u32,
    /// Why it starts nothing, or less than it could.
    pub because: Option<String>,
}

/// `GET /v1/queue`: what waits on this node.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct QueueView {
    pub slots: u32,
    /// Slots that are for tasks now; fewer while the owner uses the machine.
    pub slots_open: u32,
    pub running: u32,
    /// One entry a cause.
    pub waits: Vec<WaitView>,
}

/// Tasks that wait for the same cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WaitView {
    /// `slots` (all are taken), `together`, `elsewhere`, `no_machine`, `drained`, `battery`, `owner`, `disk_full` (also where
    /// no task waits for it), `warden_away`, `held`, `at_parallel` or `put_off`.
    pub cause: String,
    pub tasks: u64,
    /// Jobs of this node to which they belong.
    pub jobs: u32,
    /// Since the oldest of these jobs was accepted; null for tasks of other nodes' jobs.
    pub oldest_ms: Option<u64>,
}

impl From<&Queue> for QueueView {
    fn from(queue: &Queue) -> Self {
        let waits = queue.waits.iter().map(|wait| WaitView {
            cause: wait.cause.word().to_owned(),
            tasks: wait.tasks,
            jobs: wait.jobs,
            oldest_ms: wait.oldest_ms,
        });
        Self { slots: queue.slots, slots_open: queue.open, running: queue.running, waits: waits.collect() }
    }
}

impl QueueView {
    /// As it is judged. None: a cause that this version does not know.
    #[must_use]
    pub fn queue(&self) -> Option<Queue> {
        let wait = |wait: &WaitView| {
            let cause = Cause::of(&wait.cause)?;
            Some(Wait { cause, tasks: wait.tasks, jobs: wait.jobs, oldest_ms: wait.oldest_ms })
        };
        let waits = self.waits.iter().map(wait).collect::<Option<_>>()?;
        Some(Queue { slots: self.slots, open: self.slots_open, running: self.running, waits })
    }
}

/// `GET /v1/flow`: who has tasks of whom.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FlowView {
    pub flows: Vec<FlowEntry>,
    /// Names of nodes that are up and did not answer in time.
    pub silent: Vec<String>,
}

/// Tasks of one job that one node has of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FlowEntry {
    /// The node to which the job was submitted.
    pub from: String,
    pub from_node: String,
    /// The node that has the tasks.
    pub to: String,
    pub to_node: String,
    pub job: String,
    pub tasks: u32,
}

/// Which task is to be explained beside its job.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// From 1.
    pub task: Option<u32>,
}

/// `GET /v1/jobs/{job}/explain`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainView {
    /// The id in its full form.
    pub id: String,
    /// Null: another node's job, of which this one only has tasks.
    #[schema(value_type = Option<shapes::Job>)]
    pub job: Option<tern_core::view::JobView>,
    /// Why it waits, where it waits.
    pub because: Option<String>,
    /// How long its tasks, or the task that was asked for, were expected to run. Null: nothing was known when it was accepted.
    pub estimate: Option<EstimateView>,
    pub nodes: Vec<CandidateView>,
    pub loans: Vec<LoanView>,
    /// Lately, oldest first.
    pub decisions: Vec<DecisionView>,
    /// How many of its tasks failed once, twice … and are to run again.
    pub failed_and_run_again: Vec<u32>,
    pub task: Option<TaskView>,
}

/// An estimate from earlier runs of the same command, and how good it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EstimateView {
    /// Of the shortest task, in milliseconds on this node.
    pub least_ms: f64,
    /// Of the longest.
    pub most_ms: f64,
    /// Two of three estimates were within this factor of what the run took; null before one was compared.
    pub within_factor: Option<f64>,
    /// The factor by which runs usually differ from each other.
    pub spread_factor: f64,
    /// Runs that are known by now.
    pub runs: u32,
    /// What they are runs of: `command`, or this very `task`.
    pub of: String,
}

/// A node that might run tasks of the job.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CandidateView {
    pub name: String,
    pub node: String,
    pub here: bool,
    /// Why it is given none; null: it can run them.
    pub refused: Option<String>,
    pub slots: u32,
    pub running: u32,
    pub free: u32,
    pub queued: u32,
    /// Since it last said how loaded it is; null for this node.
    pub heard_ms_ago: Option<u64>,
}

/// Tasks of one grant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoanView {
    pub from: String,
    pub to: String,
    pub to_node: String,
    /// The number of the grant.
    pub grant: u32,
    /// Tasks that have not ended.
    pub tasks: u32,
    /// Unless it is renewed before.
    pub lease_ends_in_ms: Option<u64>,
}

/// One decision about the job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    pub ms_ago: u64,
    /// `started`, `lent`, `copied`, `ended`, `taken back`, `given back`, `to move`, `moved`, `not moved` or `checkpointed`.
    pub what: String,
    pub tasks: u32,
    /// To whom it was lent, copied or moved, from whom it came back, or where it left a checkpoint.
    pub node: Option<String>,
    pub because: String,
}

/// One decision about this node as a whole.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LatelyView {
    pub ms_ago: u64,
    pub what: String,
    pub because: String,
}

/// One task of the job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// From 1.
    pub number: u32,
    /// `waiting`, `staging`, `running`, `lent`, `being lent`, `reported`, `returned`, `done`, `failed`, `cancelled`.
    pub state: String,
    /// Where it is, or where it ran.
    pub name: Option<String>,
    pub node: Option<String>,
    /// Counter, keeper and incarnation of the epoch, and the number of the attempt: what is fenced with.
    pub token: Option<String>,
    pub round: u16,
    /// Attempts of this round that failed.
    pub failures: u32,
    pub because: Option<String>,
    /// Of the end that counts.
    #[schema(value_type = Option<shapes::ExitForm>)]
    pub exit: Option<tern_core::promise::Exit>,
    pub ran_ms: Option<f64>,
}

/// `POST /v1/migrate`: a task of a job, or a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MigrateRequest {
    pub job: Option<String>,
    /// From 1; with `job`.
    pub task: Option<u32>,
    /// The process of a task that runs on this node; instead of both.
    pub pid: Option<i32>,
    /// The name of the node that is to have it; else the one where most is gained.
    pub to: Option<String>,
    /// Throttle the process where it is no task.
    pub foreign: bool,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MigrationView {
    pub job: Option<String>,
    /// From 1.
    pub task: Option<u32>,
    /// The process that was named, or is held back.
    pub pid: Option<i32>,
    #[schema(value_type = shapes::How)]
    pub how: How,
    /// The name of the node that had it.
    pub from: Option<String>,
    pub from_node: Option<String>,
    /// The name of the node that it was to go to.
    pub to: Option<String>,
    pub to_node: Option<String>,
    /// Per cent of one CPU that are left to it, where it is throttled.
    pub percent: Option<u8>,
    pub because: String,
}

impl Default for MigrationView {
    fn default() -> Self {
        let (job, task, pid, percent) = (None, None, None, None);
        let (from, from_node, to, to_node) = (None, None, None, None);
        Self { job, task, pid, how: How::Refused, from, from_node, to, to_node, percent, because: String::new() }
    }
}
