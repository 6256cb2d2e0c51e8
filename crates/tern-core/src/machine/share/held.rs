//! What this node holds of another's work.

use alloc::collections::BTreeMap;

use crate::promise::Outcome;
use crate::words::{Epoch, JobId, Needs, NodeId, TaskSet, Unfit};

/// A grant of another node. Its tasks wait and run in a lane of their own.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::machine) struct Borrowed {
    pub from: NodeId,
    pub job: JobId,
    pub round: u16,
    pub epoch: Epoch,
    pub n: u32,
    /// Tasks of the job that may run at once here; 0: as many as there are slots.
    pub parallel: u32,
    /// When the lease runs out, on this node's boot time.
    pub ends: u64,
    pub renew_at: u64,
    /// Tasks whose inputs are on their way here.
    pub staging: TaskSet,
    /// What one of its tasks takes of this machine.
    pub needs: Needs,
    /// It was put off until there is nothing else to do.
    pub deferred: bool,
    /// Ends that the owner has not acknowledged.
    pub results: BTreeMap<u32, Outcome>,
    /// Tasks given back unstarted that the owner has not acknowledged.
    pub returned: TaskSet,
    /// Why, where they could not run here.
    pub why: Option<Unfit>,
    /// When both are sent again, if they are not empty.
    pub resend_at: u64,
    /// The owner wants it back: nothing is started any more; what runs is being ended, and reported when it has ended.
    pub revoked: bool,
    /// Tasks that the owner does not want any more.
    pub recalled: TaskSet,
    /// The lease is lost: nothing is started or reported any more, what runs is being ended.
    pub ending: bool,
}

impl Borrowed {
    pub(super) fn owes(&self) -> bool {
        !self.results.is_empty() || !self.returned.is_empty()
    }
}
