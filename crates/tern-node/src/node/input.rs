//! Everything that can reach the loop: questions of faces, the warden's words, peers, and the end.

use tern_core::decide::bottleneck::Queue;
use tern_core::machine::{Answer, Command};
use tern_core::observe::{Area, Fit};
use tern_core::view::{Explanation, Flow, JobView, Lately};
use tern_core::wire::Message;
use tern_core::words::{GrantId, JobId, NodeId, Unfit};
use tokio::sync::oneshot;

use super::handle::{LedgerPage, MetricsPage, NodeError, NodeStatus, Submission};
use super::watch::Live;
use crate::process::protocol::{FromWarden, Throttle, ThrottleState};
use crate::stage::Inputs;
use crate::stage::leave::Left;
use crate::stage::take::Long;

/// Inputs that may wait for the loop.
pub const INPUTS_MAX: usize = 4096;

/// One thing that happened outside the loop.
pub enum Input {
    Ask(Ask),
    Warden {
        generation: u32,
        said: FromWarden,
    },
    /// The connection to the warden of this generation is closed.
    WardenGone {
        generation: u32,
    },
    Peer(Peer),
}

/// What the overlay reports.
pub enum Peer {
    Up(NodeId),
    Down(NodeId),
    /// How loaded it is, from the mesh.
    Heard {
        from: NodeId,
        message: Message,
    },
    /// What its machine has for tasks.
    Fit {
        from: NodeId,
        fit: Fit,
    },
    /// How loaded all zones are: this node is the broker of its own.
    Areas(Vec<Area>),
    /// Inputs of borrowed tasks are here, or cannot be had.
    Staged {
        grant: GrantId,
        task: u32,
        inputs: Result<Inputs, Unfit>,
    },
    /// Ends of tasks whose files were fetched.
    Returned {
        from: NodeId,
        message: Message,
        long: Long,
    },
    /// What goes with the end of a borrowed task was looked for.
    Left(Box<Left>),
    /// A member asks through the overlay what a face may ask.
    Asks(Box<Ask>),
    /// One frame of an admitted peer, not decoded yet.
    Frame {
        from: NodeId,
        bytes: Vec<u8>,
    },
}

/// A question, and where its answer goes.
pub enum Ask {
    Submit {
        submission: Box<Submission>,
        reply: oneshot::Sender<Result<Answer, NodeError>>,
    },
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Answer, NodeError>>,
    },
    Jobs(oneshot::Sender<Vec<JobView>>),
    Job {
        job: JobId,
        reply: oneshot::Sender<Option<JobView>>,
    },
    Watch {
        job: JobId,
        reply: oneshot::Sender<Result<Option<Live>, NodeError>>,
    },
    Status(oneshot::Sender<NodeStatus>),
    /// Why a job stands where it stands, and one of its tasks, from 0.
    Explain {
        job: JobId,
        task: Option<u32>,
        reply: oneshot::Sender<Option<Explanation>>,
    },
    /// What waits, and why.
    Queue(oneshot::Sender<Queue>),
    /// Who has tasks of whom.
    Flows(oneshot::Sender<Vec<Flow>>),
    Lately(oneshot::Sender<Vec<Lately>>),
    /// Somebody who sees all nodes says that tasks wait at this one.
    Offered {
        from: NodeId,
        tasks: u32,
        /// Whether this one asked for them.
        reply: oneshot::Sender<bool>,
    },
    /// What it posted of transfers, from a line on, and how its book stands.
    Ledger {
        from: u64,
        reply: oneshot::Sender<LedgerPage>,
    },
    /// Its counts, and how it stands.
    Metrics(oneshot::Sender<Box<MetricsPage>>),
    /// All that happened so far is in the event log, or the disk does not take it.
    Written(oneshot::Sender<()>),
    /// Whether a warden stands; the error says why none can be had.
    Begun(oneshot::Sender<Result<(), String>>),
    Throttle {
        wish: Throttle,
        reply: oneshot::Sender<Result<ThrottleState, String>>,
    },
    ReleaseThrottle {
        pid: i32,
        reply: oneshot::Sender<Result<bool, String>>,
    },
    Throttles(oneshot::Sender<Vec<ThrottleState>>),
    Stop {
        drain: bool,
        keep_tasks: bool,
        reply: oneshot::Sender<()>,
    },
}
