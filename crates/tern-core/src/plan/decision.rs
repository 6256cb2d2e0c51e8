//! What the node decided lately, and why: read afterwards by whoever wonders.

use super::reason::Reason;
use crate::words::{GrantId, JobId, NodeId};

/// Decisions remembered; older ones are forgotten.
pub const DECISIONS_MAX: usize = 256;

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// CLOCK_BOOTTIME, nanoseconds.
    pub at: u64,
    pub did: Did,
    pub because: Reason,
}

impl Decision {
    /// The job that it is about, where it is about one.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        match self.did {
            Did::Start { job, .. } | Did::Lend { job, .. } | Did::End { job, .. } => Some(job),
            Did::Copy { job, .. } | Did::Reclaim { job, .. } | Did::CameBack { job, .. } => Some(job),
            Did::Move { job, .. } | Did::Moved { job, .. } | Did::Checkpoint { job, .. } => Some(job),
            Did::Offer { .. } | Did::Ask { .. } | Did::Return { .. } => None,
            Did::Slots { .. } | Did::Drain | Did::Undrain => None,
        }
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Tasks went to the own warden.
    Start { job: JobId, tasks: u32 },
    /// A peer was asked for work.
    Ask { peer: NodeId, tasks: u32 },
    /// Tasks of the back of a queue were set aside for a peer.
    Lend { job: JobId, to: NodeId, tasks: u32 },
    /// A peer with free slots was told that tasks wait here.
    Offer { to: NodeId, tasks: u32 },
    /// A running task was lent a second time.
    Copy { job: JobId, to: NodeId },
    /// What is open of a loan is taken back, to run again.
    Reclaim { job: JobId, from: NodeId, tasks: u32 },
    /// A borrower gave tasks back.
    CameBack { job: JobId, from: NodeId, tasks: u32 },
    /// Running tasks are ended.
    End { job: JobId, tasks: u32 },
    /// Waiting tasks are given back to their owner.
    Return { grant: GrantId, tasks: u32 },
    /// Somebody wants a task elsewhere: this is what is tried.
    Move { job: JobId, task: u32, to: NodeId },
    /// A task that was to move is there, or stays.
    Moved { job: JobId, task: u32, to: NodeId },
    /// A task left a checkpoint, on the node of this tag.
    Checkpoint { job: JobId, task: u32, on: u32 },
    /// So many slots are for tasks from now on.
    Slots { from: u32, to: u32 },
    /// The node starts nothing more.
    Drain,
    /// The node starts tasks again.
    Undrain,
}
