//! Plain structs that the faces show.

use alloc::string::String;
use serde::{Deserialize, Serialize};

mod command;
mod explain;
mod migration;

pub use command::command_text;
pub use explain::{Candidate, Decided, Estimate, Explanation, Flow, Lately, TaskState};
pub use migration::{How, Migration};

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    pub total: u32,
    pub done: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub running: u32,
    pub queued: u32,
}

/// A job's state, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, waits for `release`.
    Held,
    /// Accepted, nothing runs yet.
    Queued,
    Running,
    /// All tasks done.
    Done,
    /// Ended; some tasks failed.
    Failed,
    Cancelled,
}

impl JobState {
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// One job, as `tern jobs`, `tern job` and the API show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// The id in its full form, `12-3f9a1c2b`.
    pub job: String,
    pub name: String,
    /// The command as a person would write it.
    pub command: String,
    pub state: JobState,
    pub tasks: TaskCounts,
    pub round: u16,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    pub ended_ms: Option<u64>,
    /// Why it waits, where it waits.
    pub because: Option<String>,
    /// Journals that hold it, of those wanted: "1 of 1".
    pub durability: String,
    /// When all of it should be over, Unix milliseconds, where that was said.
    pub deadline_ms: Option<u64>,
}
