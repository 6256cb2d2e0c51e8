//! What became of the wish that a task moves to another node, and why.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::words::NodeId;

/// What happened to the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It had not begun, and waits or runs on the other node now.
    Moved,
    /// It left a checkpoint and goes on from it on the other node.
    Checkpointed,
    /// It was stopped, and runs again on the other node: from its last checkpoint if it has one, else from its beginning.
    Rerun,
    /// It cannot move and is to be held back where it runs.
    Throttled,
    /// Nothing was done.
    Refused,
    /// It was over before it could move.
    Ended,
    /// The other node did not take it: it goes on where any node may run it.
    Stayed,
}

impl How {
    /// Whether the task is where it was wanted.
    #[must_use]
    pub const fn has_moved(self) -> bool {
        matches!(self, Self::Moved | Self::Checkpointed | Self::Rerun)
    }
}

/// The answer to a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub how: How,
    /// Who had the task when it was asked for.
    pub from: Option<NodeId>,
    /// Where it was to go; none where no node was found.
    pub to: Option<NodeId>,
    pub because: String,
}
