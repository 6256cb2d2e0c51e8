//! How faces reach the node: ask it for something, look at it, watch a job.
//!
//! A handle is cheap to clone and works from any thread or task. Every call is answered by the loop's own thread, in
//! order. The queue to the loop is bounded: where it is full the caller is told at once, and nothing was changed.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use serde::{Deserialize, Serialize};
use tern_core::decide::balance::rules::Mode;
use tern_core::decide::balance::rules::wish::Wish;
use tern_core::decide::bottleneck::Queue;
use tern_core::machine::{Answer, Command, Deny, Totals};
use tern_core::observe::trit::LoadSource;
use tern_core::observe::{NodeTrit, Reading};
use tern_core::promise::Refusal;
use tern_core::promise::ledger::Unposted;
use tern_core::view::{Explanation, Flow, JobView, Lately};
use tern_core::words::{Bytes, GrantId, JobId, JobSpec, NodeId, Span};
use tokio::sync::oneshot;

use super::effects::tally::Tally;
use super::input::{Ask, Input};
use super::watch::{Live, Watch};
use crate::home::Home;
use crate::process::protocol::{Context, Throttle, ThrottleState};
use crate::sense::Condition;
use crate::store::ledger::Written;

/// A job to accept, with what does not travel in its spec.
#[derive(Clone, Debug)]
pub struct Submission {
    pub spec: JobSpec,
    /// One row of columns a task where `spec.inputs` is `Rows`; else empty.
    pub rows: Vec<Vec<Bytes>>,
    pub context: Context,
    /// The order of its tasks is Tern's to choose.
    pub adaptive: bool,
}

/// Why the node could not answer. In every case nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The core refused; asking again helps only where the reason says so.
    #[error("refused: {0:?}")]
    Denied(Deny),
    /// The job's inputs could not be written; a retry helps once the cause is gone.
    #[error("the job's inputs could not be written: {0}")]
    Inputs(String),
    /// Results or outputs on the disk could not be read.
    #[error("the results could not be read: {0}")]
    Results(String),
    /// The event log could not be read.
    #[error("the event log could not be read: {0}")]
    Events(String),
    /// Too many questions wait; ask again in a moment.
    #[error("the node is busy")]
    Busy,
    /// As many follow this job as may; try again when one of them has gone.
    #[error("too many follow this job")]
    Watched,
    /// The loop has ended. What was accepted is durable and goes on at the next start.
    #[error("the node is stopping")]
    Stopping,
}

/// How a node's book stands, and some of what it posted itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// Epochs of the book that this node keeps for others.
    pub epoch: u64,
    /// Every epoch that closed added up to nothing.
    pub adds_up: bool,
    /// Transfers of which one side has not posted yet.
    pub open: u32,
    /// Own postings that their broker has not settled.
    pub waiting: u32,
    pub totals: Totals,
    /// What was not entered, by reason.
    pub refused: Vec<(Unposted, u64)>,
    /// Who gives, who takes, and the transfer that they tell in two ways: until they agree, nothing else of the two is entered.
    pub blocked: Vec<(NodeId, NodeId, GrantId)>,
    /// The time by its own clock.
    pub now_ms: u64,
    /// Of transfers before this instant it may have forgotten lines; 0: of none.
    pub since_ms: u64,
    /// Lines of earlier agents that cannot be read.
    pub unread: u64,
    pub lines: Vec<Written>,
    /// The next line, if there are more.
    pub next: Option<u64>,
}

/// What is told to those who measure: counts since the start, and how the node stands.
#[derive(Clone, Debug, Default)]
pub struct MetricsPage {
    pub tally: Tally,
    pub trit: i8,
    /// ρ as the trit sees it; none: not measured.
    pub load: Option<f64>,
    pub slots: u32,
    pub open: u32,
    /// Slots that tasks take.
    pub running: u32,
    pub queued: u64,
    /// Own tasks that are not over.
    pub left: u64,
    pub draining: bool,
    /// Nodes whose trit is known, this one among them: overloaded, balanced, idle.
    pub trits: [u64; 3],
    pub refused: Vec<(Refusal, u64)>,
    pub totals: Totals,
    /// Transfers of which one side has not posted yet.
    pub transfers_open: u64,
    pub unposted: Vec<(Unposted, u64)>,
}

/// This node at one instant. What was not measured is absent.
#[derive(Clone, Debug, Default)]
pub struct NodeStatus {
    pub node: String,
    /// The public key in hexadecimal digits.
    pub key: String,
    pub trit: NodeTrit,
    pub reading: Option<Reading>,
    /// ρ as the trit sees it, and of what.
    pub smoothed: Option<f64>,
    pub source: LoadSource,
    pub condition: Condition,
    pub slots: u32,
    /// Slots that are for tasks now; fewer while the owner uses the machine.
    pub open: u32,
    /// Why this node starts nothing, or less than it could.
    pub because: Option<String>,
    /// Tasks that the own warden runs now.
    pub running: u32,
    pub queued: u64,
    /// Of these, tasks that some other node could be lent now.
    pub movable: u64,
    pub draining: bool,
    pub disk_full: bool,
    /// Why outputs of tasks that ended elsewhere are not in their places yet, where that lasts.
    pub outputs_wait: Option<String>,
    pub agent_pid: u32,
    pub warden_pid: Option<u32>,
    pub warden_deaths: u32,
    /// What recovery had to say at the start, in words.
    pub notes: Vec<String>,
    pub mode: Mode,
    /// Tasks that were put off and wait for idle nodes.
    pub deferred: u64,
    /// More or fewer machines, where the same sign has asked for it for a minute; and how long it has stood.
    pub wish: Option<(Wish, Span)>,
    pub peers: Vec<PeerStatus>,
}

/// A peer as this node last heard of it.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    pub node: String,
    pub connected: bool,
    pub trit: NodeTrit,
    pub queued: u32,
    pub running: u32,
    pub slots: u32,
}

/// Between two tries to put a stop into a full queue.
const STOP_RETRY: std::time::Duration = std::time::Duration::from_millis(10);

/// The way to a running node.
#[derive(Clone)]
pub struct Handle {
    to_loop: SyncSender<Input>,
    node: NodeId,
    home: Arc<Home>,
}

impl Handle {
    pub(super) fn new(to_loop: SyncSender<Input>, node: NodeId, home: Home) -> Self {
        Self { to_loop, node, home: Arc::new(home) }
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, NodeError> {
        let (answer_to, answer) = oneshot::channel();
        self.to_loop.try_send(Input::Ask(question(answer_to))).map_err(|error| match error {
            TrySendError::Full(_) => NodeError::Busy,
            TrySendError::Disconnected(_) => NodeError::Stopping,
        })?;
        answer.await.map_err(|_| NodeError::Stopping)
    }

    /// Accepts a job: when this returns, the job and its inputs are durable.
    pub async fn submit(&self, submission: Submission) -> Result<JobId, NodeError> {
        let submission = Box::new(submission);
        match self.ask(|reply| Ask::Submit { submission, reply }).await?? {
            Answer::Accepted(job) => Ok(job),
            Answer::Done | Answer::Tasks(_) | Answer::Migrated(_) => Err(NodeError::Stopping),
        }
    }

    pub async fn command(&self, command: Command) -> Result<Answer, NodeError> {
        self.ask(|reply| Ask::Command { command, reply }).await?
    }

    pub async fn jobs(&self) -> Result<Vec<JobView>, NodeError> {
        self.ask(Ask::Jobs).await
    }

    pub async fn job(&self, job: JobId) -> Result<Option<JobView>, NodeError> {
        self.ask(|reply| Ask::Job { job, reply }).await
    }

    /// Results of a job as they count; `follow` false: the past only. None: no such job.
    pub async fn watch(&self, job: JobId, follow: bool) -> Result<Option<Watch>, NodeError> {
        Ok(self.live(job).await?.map(|live| Watch::new(self.clone(), job, follow, live)))
    }

    pub(super) async fn live(&self, job: JobId) -> Result<Option<Live>, NodeError> {
        self.ask(|reply| Ask::Watch { job, reply }).await?
    }

    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        self.ask(Ask::Status).await
    }

    /// Why a job stands where it stands, and one of its tasks, from 0. None: nothing of it is known here.
    pub async fn explain(&self, job: JobId, task: Option<u32>) -> Result<Option<Explanation>, NodeError> {
        self.ask(|reply| Ask::Explain { job, task, reply }).await
    }

    /// What was decided lately about this node as a whole, oldest first.
    pub async fn lately(&self) -> Result<Vec<Lately>, NodeError> {
        self.ask(Ask::Lately).await
    }

    /// What waits here, and why.
    pub async fn queue(&self) -> Result<Queue, NodeError> {
        self.ask(Ask::Queue).await
    }

    /// Who has tasks of whom, as far as this node is one of the two.
    pub async fn flows(&self) -> Result<Vec<Flow>, NodeError> {
        self.ask(Ask::Flows).await
    }

    /// Tells this node that tasks wait at another one. True: it has asked for them; it has no room else, or does not reach it.
    pub async fn offered(&self, from: NodeId, tasks: u32) -> Result<bool, NodeError> {
        self.ask(|reply| Ask::Offered { from, tasks, reply }).await
    }

    /// What it posted of transfers, from this line on.
    pub async fn ledger(&self, from: u64) -> Result<LedgerPage, NodeError> {
        self.ask(|reply| Ask::Ledger { from, reply }).await
    }

    pub async fn metrics(&self) -> Result<Box<MetricsPage>, NodeError> {
        self.ask(Ask::Metrics).await
    }

    /// Returns when all that happened so far is in the event log, as far as the disk takes it.
    pub async fn written(&self) -> Result<(), NodeError> {
        self.ask(Ask::Written).await
    }

    /// Waits for the first warden. The inner error says why none can be had.
    pub(super) async fn begun(&self) -> Result<Result<(), String>, NodeError> {
        self.ask(Ask::Begun).await
    }

    /// The inner error is the warden's refusal, in words.
    pub async fn throttle(&self, wish: Throttle) -> Result<Result<ThrottleState, String>, NodeError> {
        self.ask(|reply| Ask::Throttle { wish, reply }).await
    }

    /// Whether there was a throttle to release. The inner error is the warden's, in words: it is still held.
    pub async fn release_throttle(&self, pid: i32) -> Result<Result<bool, String>, NodeError> {
        self.ask(|reply| Ask::ReleaseThrottle { pid, reply }).await
    }

    pub async fn throttles(&self) -> Result<Vec<ThrottleState>, NodeError> {
        self.ask(Ask::Throttles).await
    }

    /// This node's tag: the owner half of its jobs' ids.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.node.tag()
    }

    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where outputs lie, to read ranges of them.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Ends the loop: `drain` waits for what runs; else running tasks stay with the warden (`keep_tasks`) or are ended.
    /// Answers when the journal is closed.
    pub async fn stop(&self, drain: bool, keep_tasks: bool) -> Result<(), NodeError> {
        loop {
            match self.ask(|reply| Ask::Stop { drain, keep_tasks, reply }).await {
                // A wish to end is not one of many questions: it waits until it is taken.
                Err(NodeError::Busy) => tokio::time::sleep(STOP_RETRY).await,
                answer => return answer,
            }
        }
    }
}
