//! Why something that arrived was not believed.
//!
//! A node counts what it refuses, by reason, and goes on: late results are normal after a lost connection, results
//! for a grant that was never given are not.

use core::fmt;
use serde::{Deserialize, Serialize};

/// The reason of a refusal. The state of the node was not changed by what was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such job: never accepted here, or forgotten.
    UnknownJob,
    /// The job has fewer tasks than that.
    TaskOutOfRange,
    /// The task was retried since, or the round was never opened.
    WrongRound,
    /// The epoch was never this node's, or is too old.
    UnknownEpoch,
    /// The grant is over, or was never given.
    ClosedGrant,
    /// The grant is another node's.
    NotHolder,
    /// The task is no part of the grant.
    NotInGrant,
    /// The sender lends a job that is not its own.
    NotOwner,
    /// An answer to a question that was not asked, or not any more.
    NotAsked,
    /// The lease had run out before the grant came.
    LateGrant,
    /// The grant is held already.
    KnownGrant,
    /// This machine has not what the tasks need.
    Unfit,
    /// An earlier attempt at one of its tasks is still being ended here.
    StillEnding,
    /// A bound of [`limits`](crate::words::limits) was passed.
    TooLarge,
    /// The pieces of the message do not fit one another.
    Malformed,
    /// The task ended already; its result was counted.
    AlreadyCounted,
    /// Of a key that is not, or not any more, in the grid.
    NotAMember,
    /// A record that is known already, or older than what is known.
    OldRecord,
    /// More records of one node than it may send.
    TooOften,
    /// The signature is not its origin's.
    Forged,
    /// A second machine lives under a key.
    DuplicateKey,
    /// A statement about members that nobody entitled to it made.
    BadStatement,
}

impl Refusal {
    /// One word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownJob => "unknown_job",
            Self::TaskOutOfRange => "task_out_of_range",
            Self::WrongRound => "wrong_round",
            Self::UnknownEpoch => "unknown_epoch",
            Self::ClosedGrant => "closed_grant",
            Self::NotHolder => "not_holder",
            Self::NotInGrant => "not_in_grant",
            Self::NotOwner => "not_owner",
            Self::NotAsked => "not_asked",
            Self::LateGrant => "late_grant",
            Self::KnownGrant => "known_grant",
            Self::Unfit => "unfit",
            Self::StillEnding => "still_ending",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::AlreadyCounted => "already_counted",
            Self::NotAMember => "not_a_member",
            Self::OldRecord => "old_record",
            Self::TooOften => "too_often",
            Self::Forged => "forged",
            Self::DuplicateKey => "duplicate_key",
            Self::BadStatement => "bad_statement",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
