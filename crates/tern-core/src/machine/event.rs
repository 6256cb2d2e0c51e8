//! What may happen to a node.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::decide::scum::control::{Holding, Process};
use crate::observe::{Area, Fit, Power, Reading, Remembered};
use crate::promise::Outcome;
use crate::wire::Message;
use crate::words::{Attempt, GrantId, JobId, JobSpec, NodeId, TaskSet, Unfit};

/// Something a person or a program asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The inputs are already durable beside the journal.
    Submit(Box<JobSpec>),
    /// The same of a job with rows, each named by its [`row_key`](crate::observe::history::row_key): what earlier runs of each
    /// took is found under these names.
    SubmitNamed {
        spec: Box<JobSpec>,
        rows: Vec<u64>,
        /// The order is Tern's to choose.
        adaptive: bool,
    },
    Hold(JobId),
    Release(JobId),
    Cancel(JobId),
    /// Run what failed or was cancelled again; with `tasks` only those of them.
    Retry {
        job: JobId,
        tasks: Option<TaskSet>,
    },
    /// Remove a job that is over, and its results.
    Forget(JobId),
    /// Start nothing more, also after a restart; answered when that is durable or, with `wait`, when nothing runs here.
    Drain {
        wait: bool,
    },
    /// Undo `Drain`. What else keeps the node from starting tasks goes on doing so.
    Undrain,
    /// Start nothing more in this life, which is about to end; answered when nothing runs here.
    Leave,
    /// Run a task (from 0) of an own job on another node, or on the one that the asker names. Answered when it is clear what
    /// became of it.
    Migrate {
        job: JobId,
        task: u32,
        to: Option<NodeId>,
    },
}

/// What happened. Ends of attempts come in batches.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// First event after recovery. `incarnation` are 64 fresh random bits.
    Start {
        incarnation: u64,
        slots: u32,
    },
    /// `ticket` comes back in the [`Effect::Reply`](super::Effect::Reply).
    Command {
        ticket: u64,
        command: Command,
    },
    /// All records up to and including this sequence are durable.
    Persisted(u64),
    /// Nothing after this sequence became durable; those records are dropped and their askers denied. Of what is up to it
    /// and was not named by `Persisted` yet, this says nothing: it may still be on its way.
    PersistFailed {
        after: u64,
        full: bool,
    },
    /// The warden is there and holds these attempts: running ones and queued ones. All others it was ever given have ended
    /// and were reported, or are to be given again.
    WardenUp {
        running: Vec<Attempt>,
        queued: Vec<Attempt>,
    },
    WardenDown,
    /// The disk under the results is full (true) or has room again (false).
    WardenFull(bool),
    /// Ends of attempts of the own warden, already durable in a segment.
    Finished(Vec<Outcome>),
    /// Attempts that the warden gave back unstarted.
    Revoked(Vec<Attempt>),
    Reading(Reading),
    /// The processes of this machine, where the matrix is to act on them.
    Processes(Vec<Process>),
    /// What the warden holds back, whenever it says so: also what an earlier life of this node had held. At most as many as
    /// the warden ever holds.
    Holds(Vec<Holding>),
    /// What was to be held back could not be.
    Unheld(i32),
    /// What feeds this machine; after the start, and when it changes.
    Power(Power),
    /// What an earlier life remembered of how long tasks run; before or soon after the start.
    Recalled(Box<Remembered>),
    /// What this machine has for tasks; again when it changes.
    Fit(Fit),
    /// The same of a peer that is up.
    PeerFit(NodeId, Fit),
    /// The inputs of these borrowed tasks are here, each in its work folder.
    Staged {
        grant: GrantId,
        tasks: TaskSet,
    },
    /// A loan that this machine cannot run came: it is given back at once.
    Unwanted {
        from: NodeId,
        grant: GrantId,
        tasks: TaskSet,
        asked: u64,
        why: Unfit,
    },
    /// These borrowed tasks cannot run here.
    Unstaged {
        grant: GrantId,
        tasks: TaskSet,
        why: Unfit,
    },
    /// These tasks of a loan found no room in the message that carries it: their borrower never heard of them.
    Uncarried {
        grant: GrantId,
        tasks: TaskSet,
    },
    PeerUp(NodeId),
    PeerDown(NodeId),
    /// This node is the broker of its zone: how loaded all zones are, in the order of their names. Again every few seconds.
    Areas(Vec<Area>),
    Message {
        from: NodeId,
        message: Message,
    },
    /// Time passed; also checked on every other event.
    Tick,
}
