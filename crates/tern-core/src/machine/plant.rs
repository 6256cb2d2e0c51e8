//! Bugs to be planted on purpose, so that a simulator can show that it would find them.
//!
//! Without the feature `planted` the question is a constant `false` and the compiler removes what hangs on it.

/// A bug of a kind that such systems really have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// Commands are answered before their records are durable.
    AckBeforeFsync,
    /// The borrower counts its lease from the arrival of the grant, not from its question.
    LeaseFromArrival,
    /// The borrower counts its lease on the clock that stands still in suspend.
    LeaseOnMono,
    /// The owner reclaims without the margin for clocks that drift.
    NoMargin,
    /// The owner reclaims half a lease after it answered.
    ReclaimEarly,
    /// The owner reclaims as soon as the connection is lost.
    ReclaimOnPeerDown,
    /// A cancelled job is recorded as such and goes on.
    ForgetCancel,
    /// A result that was counted is counted again when it is repeated.
    DoubleCount,
    /// What the warden lost is not queued again.
    LoseOnWardenDown,
    /// Results for a grant that is over are taken like own ones.
    StaleGrantAccepted,
    /// Results of a borrower are acknowledged before they are durable.
    ReceivedBeforeFsync,
    /// A job with `--halt` is queued ahead like any other.
    HaltLate,
    /// What a failed disk write was to lend is not put back.
    LoseOnPersistFailed,
    /// A retry does not wait for attempts that are still being ended.
    RetryWhileEnding,
    /// Ends of lent tasks are taken from whoever sends them.
    ResultsFromAnybody,
    /// A submission is denied because the node drains, when it is on its way to the disk already.
    DenyTooLate,
    /// A task that ended by an earlier attempt stays in the queue.
    KeepQueued,
    /// Borrowed tasks start whether their inputs are there or not.
    StartUnstaged,
    /// A task that takes several slots is started like any other.
    OneSlotEach,
    /// A drain that a person asked for is forgotten with the agent.
    DrainForgotten,
    /// Whoever undoes a drain undoes that of the battery, too.
    UndrainAll,
    /// Tasks start while the owner uses the machine.
    OwnerIgnored,
    /// What the warden was given ahead stays there when the owner comes.
    OwnerKeepsAhead,
    /// A task that must not run twice is copied like others.
    CopyExclusive,
    /// Where a message had no room for some tasks of a loan, all of them are taken for unheard of.
    UncarriedAll,
    /// What was put off begins at once.
    DeferIgnored,
    /// Of loans with files the borrower posts nothing.
    PostingForgotten,
    /// A task that ends with a checkpoint is taken for one that is done.
    CheckpointDone,
    /// A task that was set aside for a node which never asked is not put back.
    MoveForgotten,
    /// Nodes of other zones are never forgotten.
    StrangersStay,
    /// Who takes the number of a transfer of others holds up those.
    QuarrelsOfOthers,
    /// Mesh: records are taken whatever their sequence.
    MeshAnySequence,
    /// Mesh: a node that stood still blames its neighbours.
    MeshStallBlamed,
    /// Mesh: the loss of a link is told with the next gain.
    MeshLossDelayed,
    /// Mesh: whoever comes with a known key is believed.
    MeshCopyBelieved,
    /// Mesh: rolls are not compared when a link begins.
    MeshRollsUnlike,
    /// Mesh: what a dead node said for its zone counts as long as it is remembered.
    MeshDeadRoster,
    /// Mesh: what was forgotten of a node bars what a later life of it says.
    MeshForgottenBars,
    /// Mesh: who speaks for nobody takes back nothing that an earlier life said.
    MeshOldVoice,
}

impl super::Machine {
    /// Plants a bug.
    #[cfg(feature = "planted")]
    pub fn plant(&mut self, plant: Plant) {
        self.plants.insert(plant);
    }

    #[cfg(feature = "planted")]
    pub(super) fn planted(&self, plant: Plant) -> bool {
        self.plants.contains(&plant)
    }

    #[cfg(not(feature = "planted"))]
    #[expect(clippy::unused_self, reason = "the planted form needs it")]
    pub(super) const fn planted(&self, _plant: Plant) -> bool {
        false
    }
}

impl super::mesh::Mesh {
    /// Plants a bug.
    #[cfg(feature = "planted")]
    pub fn plant(&mut self, plant: Plant) {
        self.plants.insert(plant);
    }

    #[cfg(feature = "planted")]
    pub(super) fn planted(&self, plant: Plant) -> bool {
        self.plants.contains(&plant)
    }

    #[cfg(not(feature = "planted"))]
    #[expect(clippy::unused_self, reason = "the planted form needs it")]
    pub(super) const fn planted(&self, _plant: Plant) -> bool {
        false
    }
}
