//! The records of the journal. The durable state of a node changes through them and in no other way.

use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::words::{GrantId, JobId, JobSpec, NodeId, TaskSet};

/// One durable fact. Order matters only between records of one job, and `Outcomes` commute with all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The node started; results granted under this incarnation are valid from now on.
    Started {
        incarnation: u64,
    },
    Accepted {
        job: JobId,
        spec: Box<JobSpec>,
        at_ms: u64,
    },
    Held {
        job: JobId,
    },
    Released {
        job: JobId,
    },
    /// Grow-only: a cancelled job never runs again (a retry opens a new round).
    Cancelled {
        job: JobId,
    },
    /// Opens a greater round for the tasks named; outcomes of earlier rounds for them are void from now on.
    Retried {
        job: JobId,
        round: u16,
        tasks: TaskSet,
    },
    /// A range of tasks lent to another node under a lease.
    Lent {
        grant: GrantId,
        job: JobId,
        round: u16,
        n: u32,
        to: NodeId,
        tasks: TaskSet,
    },
    /// The loan is over; what was not done returns to the queue and late results are refused.
    Reclaimed {
        grant: GrantId,
    },
    /// Ends of attempts. Those of the own warden reach the journal as segments, those of borrowers as records.
    Outcomes {
        via: Option<GrantId>,
        outcomes: Vec<Outcome>,
    },
    /// The job and its results are gone; nothing of it is accepted any more.
    Forgotten {
        job: JobId,
    },
    /// A person wants the node to start nothing more (true), or wants that no longer.
    Drained {
        drained: bool,
    },
}
