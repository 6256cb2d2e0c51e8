//! How faces reach the node: ask it for something, look at it, watch a job.
//!
//! A handle is cheap to clone and works from any thread or task. Every call is answered by the loop's own thread, in order.

use tern_core::machine::{Answer, Command, Deny};
use tern_core::observe::{NodeTrit, Reading};
use tern_core::promise::Outcome;
use tern_core::view::JobView;
use tern_core::words::{Bytes, JobId, JobSpec};

use crate::process::protocol::{Context, Throttle, ThrottleState};

/// A job to accept, with what does not travel in its spec.
#[derive(Clone, Debug)]
pub struct Submission {
    pub spec: JobSpec,
    /// One row of columns a task where `spec.inputs` is `Rows`; else empty.
    pub rows: Vec<Vec<Bytes>>,
    pub context: Context,
}

/// Why the node could not answer.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The core refused; nothing was changed.
    #[error("refused: {0:?}")]
    Denied(Deny),
    /// The inputs could not be written; nothing was accepted.
    #[error("the job's inputs could not be written: {0}")]
    Inputs(std::io::Error),
    /// The loop has ended. What was accepted is durable and goes on at the next start.
    #[error("the node is stopping")]
    Stopping,
}

/// This node at one instant.
#[derive(Clone, Debug, Default)]
pub struct NodeStatus {
    pub node: String,
    pub trit: NodeTrit,
    pub reading: Option<Reading>,
    pub smoothed: Option<f64>,
    pub slots: u32,
    pub running: u32,
    pub queued: u64,
    pub draining: bool,
    pub disk_full: bool,
    pub warden_pid: Option<u32>,
    pub warden_deaths: u32,
    /// What recovery had to say at the start, in words.
    pub notes: Vec<String>,
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

/// Results of one job as they count: first those of the past, then as they come.
pub struct Watch {
    _private: (),
}

/// One step of a [`Watch`].
#[derive(Clone, Debug)]
pub struct Update {
    /// Counted ends since the last update, each task at most once a round.
    pub outcomes: Vec<Outcome>,
    pub view: JobView,
}

impl Watch {
    /// None after the update whose view is over (or at once after the past, where the watch does not follow).
    pub async fn next(&mut self) -> Option<Update> {
        todo!()
    }
}

/// The way to a running node.
#[derive(Clone)]
pub struct Handle {
    _private: (),
}

impl Handle {
    pub async fn submit(&self, submission: Submission) -> Result<JobId, NodeError> {
        let _ = submission;
        todo!()
    }
    pub async fn command(&self, command: Command) -> Result<Answer, NodeError> {
        let _ = command;
        todo!()
    }
    pub async fn jobs(&self) -> Result<Vec<JobView>, NodeError> {
        todo!()
    }
    pub async fn job(&self, job: JobId) -> Result<Option<JobView>, NodeError> {
        let _ = job;
        todo!()
    }
    /// `follow` false: the past only.
    pub async fn watch(&self, job: JobId, follow: bool) -> Result<Option<Watch>, NodeError> {
        let _ = (job, follow);
        todo!()
    }
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        todo!()
    }
    pub async fn throttle(&self, wish: Throttle) -> Result<Result<ThrottleState, String>, NodeError> {
        let _ = wish;
        todo!()
    }
    pub async fn release_throttle(&self, pid: i32) -> Result<bool, NodeError> {
        let _ = pid;
        todo!()
    }
    pub async fn throttles(&self) -> Result<Vec<ThrottleState>, NodeError> {
        todo!()
    }
    /// This node's tag: the owner half of its jobs' ids.
    #[must_use]
    pub fn tag(&self) -> u32 {
        todo!()
    }
    /// Where outputs lie, to read ranges of them.
    #[must_use]
    pub fn home(&self) -> &crate::home::Home {
        todo!()
    }
    /// Ends the loop and with it the process: `drain` waits for what runs; else running tasks stay with the warden
    /// (`keep_tasks`) or are ended.
    pub async fn stop(&self, drain: bool, keep_tasks: bool) -> Result<(), NodeError> {
        let _ = (drain, keep_tasks);
        todo!()
    }
}
