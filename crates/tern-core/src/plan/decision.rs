//! What the node decided lately, and why: read afterwards by whoever wonders.

use core::fmt;

use super::reason::Reason;
use crate::decide::balance::rules::Rule;
use crate::decide::balance::rules::wish::Wish;
use crate::words::{Discipline, GrantId, JobId, NodeId};

/// Decisions remembered; older ones are forgotten.
pub const DECISIONS_MAX: usize = 256;
/// The same of those that are about the node and not about single tasks.
pub const STANDING_MAX: usize = 64;

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
            Did::Order { job, .. } | Did::Unstart { job, .. } => Some(job),
            Did::Copy { job, .. } | Did::Reclaim { job, .. } | Did::CameBack { job, .. } => Some(job),
            Did::Move { job, .. } | Did::Moved { job, .. } | Did::Checkpoint { job, .. } => Some(job),
            Did::Offer { .. } | Did::Ask { .. } | Did::Return { .. } => None,
            Did::Pair { .. } | Did::Meet { .. } => None,
            Did::Slots { .. } | Did::Drain | Did::Undrain | Did::Rule(_) | Did::Wish(_) => None,
            Did::Hold { .. } | Did::Free { .. } | Did::Relieve { .. } => None,
        }
    }
}

impl Did {
    /// About the node as a whole or a job as a whole, and not about some tasks or a question to a peer.
    #[must_use]
    pub const fn is_standing(&self) -> bool {
        match self {
            Self::Hold { .. } | Self::Free { .. } | Self::Relieve { .. } | Self::Rule(_) | Self::Wish(_) => true,
            Self::Slots { .. } | Self::Drain | Self::Undrain | Self::Order { .. } | Self::Pair { .. } => true,
            Self::Start { .. } | Self::Ask { .. } | Self::Lend { .. } | Self::Offer { .. } | Self::Copy { .. } => false,
            Self::Move { .. } | Self::Moved { .. } | Self::Checkpoint { .. } | Self::Meet { .. } => false,
            Self::Unstart { .. } => false,
            Self::Reclaim { .. } | Self::CameBack { .. } | Self::End { .. } | Self::Return { .. } => false,
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { tasks, .. } => write!(f, "started {tasks} tasks"),
            Self::Unstart { tasks, .. } => write!(f, "puts {tasks} tasks back that have not begun"),
            Self::Ask { peer, tasks } => write!(f, "asked {peer} for {tasks} tasks"),
            Self::Lend { to, tasks, .. } => write!(f, "lent {tasks} tasks to {to}"),
            Self::Offer { to, tasks } => write!(f, "told {to} of {tasks} tasks"),
            Self::Pair { with, tasks } => write!(f, "told {with}, the broker of another zone, of {tasks} tasks"),
            Self::Meet { with } => write!(f, "got to know {with}"),
            Self::Copy { to, .. } => write!(f, "lent a second copy of a task to {to}"),
            Self::Reclaim { from, tasks, .. } => write!(f, "took {tasks} tasks back from {from}"),
            Self::CameBack { from, tasks, .. } => write!(f, "got {tasks} tasks back from {from}"),
            Self::End { tasks, .. } => write!(f, "ended {tasks} tasks"),
            Self::Return { tasks, .. } => write!(f, "gave {tasks} tasks back"),
            Self::Move { task, to, .. } => write!(f, "moves task {} to {to}", u64::from(*task) + 1),
            Self::Moved { task, to, .. } => write!(f, "moved task {} to {to}", u64::from(*task) + 1),
            Self::Checkpoint { task, .. } => write!(f, "has a checkpoint of task {}", u64::from(*task) + 1),
            Self::Slots { from, to } => write!(f, "{to} slots are for tasks, and not {from}"),
            Self::Order { order, stay, .. } => {
                let stay = if *stay { ", and its tasks stay here" } else { "" };
                write!(f, "chose the order {}{stay}", order.name())
            }
            Self::Hold { pid, dry } => write!(f, "{} process {pid} back", if *dry { "would hold" } else { "holds" }),
            Self::Relieve { pid } => write!(f, "sends the task of process {pid} to another node"),
            Self::Free { pid, dry } => write!(f, "{} process {pid} go", if *dry { "would let" } else { "lets" }),
            Self::Rule(rule) => write!(f, "rule {}", rule.name()),
            Self::Wish(Some(wish)) => write!(f, "wishes for {} machines", wish.name()),
            Self::Wish(None) => f.write_str("wishes for no other number of machines"),
            Self::Drain => f.write_str("starts nothing more"),
            Self::Undrain => f.write_str("starts tasks again"),
        }
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Tasks went to the own warden.
    Start { job: JobId, tasks: u32 },
    /// Tasks that the warden has not started were asked back of it.
    Unstart { job: JobId, tasks: u32 },
    /// A peer was asked for work.
    Ask { peer: NodeId, tasks: u32 },
    /// Tasks of the back of a queue were set aside for a peer.
    Lend { job: JobId, to: NodeId, tasks: u32 },
    /// A peer with free slots was told that tasks wait here.
    Offer { to: NodeId, tasks: u32 },
    /// The broker of another zone was told that tasks wait in this one.
    Pair { with: NodeId, tasks: u32 },
    /// A node of another zone became a peer for a while.
    Meet { with: NodeId },
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
    /// A job left its order to Tern: this one; and its tasks stay here, or may leave.
    Order { job: JobId, order: Discipline, stay: bool },
    /// A process is held back, or would be (`dry`).
    Hold { pid: i32, dry: bool },
    /// The task of a process is to go to an idle node.
    Relieve { pid: i32 },
    /// A process that was held back is let go, or would be.
    Free { pid: i32, dry: bool },
    /// What is to be done for the whole grid is this from now on.
    Rule(Rule),
    /// More or fewer machines are wished for from now on, or neither.
    Wish(Option<Wish>),
    /// The node starts nothing more.
    Drain,
    /// The node starts tasks again.
    Undrain,
}
