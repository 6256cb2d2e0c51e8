//! What a node wants done. An adapter performs effects in order and decides nothing.

use alloc::string::String;
use alloc::vec::Vec;

use super::share::Heard;
use crate::decide::fits::Lack;
use crate::promise::ledger::Line;
use crate::promise::{Outcome, Record};
use crate::view::Migration;
use crate::wire::Message;
use crate::words::{Epoch, GrantId, JobId, NodeId, TaskSet};

/// Tasks for the own warden. The adapter renders their argument vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    pub job: JobId,
    pub round: u16,
    pub epoch: Epoch,
    pub n: u32,
    pub tasks: TaskSet,
    /// Set where the tasks were borrowed; their vectors came with the grant.
    pub grant: Option<GrantId>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make these durable, in order, then send [`Event::Persisted`](super::Event::Persisted). Whatever depends on them is
    /// emitted only by the machine's answer to that event, so an acknowledgement before the fsync cannot be written down.
    Persist {
        sequence: u64,
        records: Vec<Record>,
    },
    Reply {
        ticket: u64,
        outcome: Result<Answer, Deny>,
    },
    Dispatch(Dispatch),
    /// Fetch what these borrowed tasks need, and answer with [`Event::Staged`](super::Event::Staged) or
    /// [`Event::Unstaged`](super::Event::Unstaged), for all of them in one or in several.
    Stage {
        grant: GrantId,
        tasks: TaskSet,
    },
    /// Give back what has not started; of one job and round, or all of a job.
    Revoke {
        job: JobId,
        tasks: TaskSet,
    },
    /// End running tasks: TERM, grace, KILL.
    End {
        job: JobId,
        tasks: TaskSet,
    },
    /// The adapter fills in what the core does not hold: argument vectors of `Lend`, output of `Results`.
    Send {
        to: NodeId,
        message: Message,
    },
    /// Write this down for whoever audits the ledger. Nothing waits for it.
    Log(Line),
    /// Hold this process back; if that cannot be done: [`Event::Unheld`](super::Event::Unheld). It may be gone, and its number
    /// another's: the start time tells.
    Hold {
        pid: i32,
        start_time: u64,
    },
    /// Let go what was held back.
    Free {
        pid: i32,
        start_time: u64,
    },
    /// Tell everybody how loaded this node is; the others get it as [`Message::Vitals`], or not at all.
    Tell(Told),
    /// Call again with [`Event::Tick`](super::Event::Tick) at this boot time, if nothing happens before.
    WakeAt(u64),
    /// These ends count (success, or failure with no try left, or cancelled): each task of a round at most once. For those
    /// who watch the job's results.
    Counted {
        job: JobId,
        outcomes: Vec<Outcome>,
    },
    /// The job changed for those who watch it; `over` when it has just ended.
    Changed {
        job: JobId,
        over: bool,
    },
    /// This task left a checkpoint from which it goes on; those before are not needed any more.
    Kept {
        job: JobId,
        task: u32,
    },
    /// The job is forgotten: its inputs, context and outputs may go.
    Discard {
        job: JobId,
    },
}

/// What a node says of itself to all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub load: Heard,
    /// It holds work or leases: its death must be noticed soon.
    pub busy: bool,
    pub draining: bool,
    pub full: bool,
    /// Nothing of what waits may go elsewhere.
    pub stays: bool,
}

impl Told {
    /// As the others take it: a node that starts nothing more has no slots for them, and what may not leave is not theirs to ask for.
    #[must_use]
    pub const fn message(&self) -> Message {
        let Heard { trit, queued, running, slots, load_milli } = self.load;
        let slots = if self.draining { 0 } else { slots };
        let queued = if self.stays { 0 } else { queued };
        Message::Vitals { trit, queued, running, slots, load_milli }
    }
}

/// What a command got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted(JobId),
    Done,
    /// How many tasks are affected.
    Tasks(u32),
    /// What became of the wish that a task moves.
    Migrated(Migration),
}

/// Why not. Typed, so that faces can word it and tests can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deny {
    NoSuchJob(JobId),
    /// The job is over, or not over, or has nothing to retry.
    WrongState {
        job: JobId,
        state: crate::view::JobState,
    },
    /// A bound of [`limits`](crate::words::limits) was passed.
    Limit {
        what: &'static str,
        limit: u64,
        got: u64,
    },
    /// No machine that is known here can run such a task. Named is the one that comes nearest, and what it lacks.
    NoMachine {
        looked: usize,
        nearest: Option<(NodeId, Lack)>,
    },
    /// No room on the disk: nothing was accepted.
    StorageFull,
    /// The disk failed: nothing was accepted.
    StorageFailed,
    /// Too much waits for the disk; try again soon.
    Backpressure,
    /// The node is about to end.
    Draining,
    /// The node starts nothing now, and the job may run nowhere else.
    Drained,
    Invalid(String),
}
