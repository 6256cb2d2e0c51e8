//! Why a job stands where it stands: who could run its tasks, who has them, and what was decided about it.

use alloc::string::String;
use alloc::vec::Vec;

use super::JobView;
use crate::words::{JobId, NodeId};

/// A job, as this node can explain it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub id: JobId,
    /// None: another node's, of which this one only has tasks.
    pub job: Option<JobView>,
    /// Why it waits, where it waits.
    pub because: Option<String>,
    /// How long its tasks, or the task, were expected to run; none where nothing was known when the job was accepted.
    pub estimate: Option<Estimate>,
    /// This node first, then its peers.
    pub nodes: Vec<Candidate>,
    /// Its tasks that are with other nodes, or are another node's.
    pub flows: Vec<Flow>,
    /// What was decided about it lately, oldest first.
    pub decisions: Vec<Decided>,
    /// `again[k]`: tasks that failed `k + 1` times and are not over.
    pub again: Vec<u32>,
    pub task: Option<TaskState>,
}

/// What was expected when a job was accepted, and how good such words are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Of the shortest task, in milliseconds on this node.
    pub least_ms: f64,
    /// Of the longest.
    pub most_ms: f64,
    /// The factor within which two of three estimates were; none before one was compared with its run.
    pub within: Option<f64>,
    /// The factor by which runs usually differ from each other.
    pub spread: f64,
    /// Runs that are known by now.
    pub runs: u32,
    /// They are runs of this very task and not of all tasks of its command.
    pub of_task: bool,
}

/// A node that might run tasks of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub node: NodeId,
    pub here: bool,
    /// Why it may not; none: it can run them.
    pub refused: Option<String>,
    pub slots: u32,
    pub running: u32,
    pub queued: u32,
    /// Milliseconds since it last told how loaded it is; none for this node.
    pub heard_ms_ago: Option<u64>,
}

/// Tasks of one grant: lent by one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub job: JobId,
    pub from: NodeId,
    pub to: NodeId,
    /// The number of the grant.
    pub n: u32,
    /// Tasks that have not ended, as far as this node knows.
    pub tasks: u32,
    /// Milliseconds until the lease ends unless it is renewed; none: the loan is not durable yet.
    pub ends_in_ms: Option<u64>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub ms_ago: u64,
    /// `started`, `lent`, `copied`, `ended`, `taken back`, `given back`, `to move`, `moved`, `not moved`, `checkpointed`,
    /// `ordered`.
    pub what: &'static str,
    pub tasks: u32,
    /// To whom it was lent, copied or moved, from whom it came back, or where it left a checkpoint.
    pub peer: Option<NodeId>,
    pub because: String,
}

/// One decision about a node as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lately {
    pub ms_ago: u64,
    pub what: String,
    pub because: String,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    /// From 1.
    pub number: u32,
    /// `waiting`, `staging`, `running`, `lent`, `being lent`, `reported`, `returned`, `done`, `failed`, `cancelled`.
    pub state: &'static str,
    /// Where it is now.
    pub node: Option<NodeId>,
    /// The token under which it is there: epoch's counter, keeper and incarnation, and the number of the attempt.
    pub token: Option<String>,
    pub round: u16,
    /// Attempts of this round that failed.
    pub failures: u32,
    /// Why it waits, where it waits.
    pub because: Option<String>,
}
