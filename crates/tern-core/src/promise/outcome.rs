//! The end of one attempt, as the warden writes it into the result segment.

use serde::{Deserialize, Serialize};

use crate::words::Attempt;
use crate::words::limits::CHECKPOINT_EXIT;

/// Bytes `offset..offset + len` of an output file; `len` 0: nothing was written, whatever the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub file: u32,
    pub offset: u64,
    pub len: u64,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// 0 is success; a program that could not be found is 127, one that may not be run 126.
    Code(u8),
    Signal(u8),
    /// The time-out passed; TERM, then KILL.
    TimedOut,
    /// Ended on request.
    Cancelled,
    /// It does not count, and the task runs again: the disk was full while it failed, or its warden died under it.
    Void,
    /// Ended on request, and by itself with [`CHECKPOINT_EXIT`]: it left a checkpoint, if its job has any. Else as `Cancelled`.
    Checkpointed,
}

impl Exit {
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
    /// Whether a task that leaves checkpoints left one: asked for it, or by itself.
    #[must_use]
    pub const fn leaves_checkpoint(self) -> bool {
        matches!(self, Self::Code(CHECKPOINT_EXIT) | Self::Checkpointed)
    }
    /// The status a shell would show: the code, or 128 + signal; 124 for a time-out as `timeout(1)` has it; 130 for cancelled.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.wrapping_add(signal),
            Self::TimedOut => 124,
            Self::Cancelled | Self::Void => 130,
            Self::Checkpointed => CHECKPOINT_EXIT,
        }
    }
}

/// One attempt's end. About 60 bytes in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub attempt: Attempt,
    pub exit: Exit,
    /// Unix milliseconds at the spawn; for people.
    pub started_ms: u64,
    /// Wall-clock time of the run on CLOCK_MONOTONIC, nanoseconds.
    pub ran_ns: u64,
    /// CPU time used (user + system, children reaped by it included), microseconds; 0 where unknown (an adopted task).
    pub cpu_us: u64,
    /// Greatest resident set, KiB; 0 where unknown.
    pub rss_kib: u32,
    /// Tag of the node that ran it.
    pub ran_on: u32,
    pub stdout: Output,
    pub stderr: Output,
}
