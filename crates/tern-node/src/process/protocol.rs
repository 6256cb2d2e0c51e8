//! What the agent and the warden say to each other.
//!
//! A stream unix socket carries frames: `u32` little-endian length, then postcard. Everything goes in batches; nothing
//! waits for an answer. The agent connects; the newest connection wins.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tern_core::promise::Outcome;
use tern_core::words::{Attempt, Bytes, Epoch, JobId, TaskSet};

/// Version of this page, exchanged first. An agent and a warden of different versions do not talk: the agent says so
/// and waits for the old warden to run dry.
pub const PROTOCOL_VERSION: u16 = 5;

/// From the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ToWarden {
    Hello {
        version: u16,
        agent_pid: u32,
        slots: u32,
        /// How to start this agent again should it die. Empty: a passing client, which is not watched.
        agent: Vec<Bytes>,
    },
    /// The agent ends in order and is not to be started again; what runs goes on.
    Dismiss,
    /// Run these when a slot is free, in order. `context` names the file that holds the job's [`Context`].
    Grant(Grant),
    /// Give back those that have not started: answered by [`FromWarden::Revoked`].
    Revoke {
        job: JobId,
        tasks: TaskSet,
    },
    /// TERM, grace, KILL for running ones; they end as `Exit::Cancelled`, or as `Exit::Checkpointed`.
    End {
        job: JobId,
        tasks: TaskSet,
    },
    /// Hold a process of this user back.
    Throttle(Throttle),
    ReleaseThrottle {
        pid: i32,
    },
    /// Answered by [`FromWarden::Throttles`].
    ListThrottles,
    SetSlots(u32),
    /// These segments and output files are no longer needed.
    Drop {
        segments: Vec<u32>,
        outputs: Vec<u32>,
    },
    /// Release all throttles and exit; with `end_tasks`, TERM/KILL what runs first (results are still written).
    Quit {
        end_tasks: bool,
    },
}

/// A batch of attempts of one job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    pub job: JobId,
    pub round: u16,
    pub epoch: Epoch,
    pub n: u32,
    /// The job's [`Context`] file.
    pub context: PathBuf,
    pub tasks: Vec<Order>,
}

/// One task to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub task: u32,
    pub argv: Vec<Bytes>,
    /// Of tasks that do not run like the others of their job.
    pub own: Option<Box<Own>>,
}

/// What one task has for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The folder it runs in, absolute; empty: that of the job.
    pub folder: Bytes,
    /// Before the environment of the job.
    pub env: Vec<(Bytes, Bytes)>,
    /// Of a task that leaves checkpoints.
    pub keep: Option<Box<Keep>>,
}

/// Where an attempt leaves its checkpoint, and what it goes on from. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Made anew before the program starts, which finds it in `TERN_CHECKPOINT_DIR`.
    pub folder: Bytes,
    /// The checkpoint that is copied into it; empty: none.
    pub from: Bytes,
    /// What the task wrote before to standard output and error, which comes first again.
    pub said: [Option<Said>; 2],
}

/// A part of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub file: Bytes,
    pub offset: u64,
    pub len: u64,
}

/// How a job's tasks are run: written once a job beside its inputs (0600), read by the warden.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    pub cwd: Bytes,
    pub env: Vec<(Bytes, Bytes)>,
    pub timeout_ms: Option<u64>,
    pub grace_ms: u64,
    /// (name, soft, hard); not empty: the trampoline sets them.
    pub rlimits: Vec<(String, u64, u64)>,
}

/// From the warden.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FromWarden {
    /// First: what it holds. Everything else that it was ever given has ended and stands in a segment.
    Welcome {
        version: u16,
        warden_pid: u32,
        running: Vec<Attempt>,
        queued: Vec<Attempt>,
    },
    /// Durable ends of attempts: all blocks of `segment` up to `end` bytes.
    Finished {
        segment: u32,
        end: u64,
        outcomes: Vec<Outcome>,
    },
    Revoked(Vec<Attempt>),
    /// The disk under the results is full (true): nothing is started; or has room again (false).
    Full(bool),
    /// After the death of an earlier warden: what became of its attempts that this one could not adopt (they run again).
    Lost(Vec<Attempt>),
    Throttles(Vec<ThrottleState>),
    /// A throttle was refused, with the reason.
    ThrottleRefused {
        pid: i32,
        why: String,
    },
}

/// A wish to hold a process back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    pub pid: i32,
    /// Share of one CPU it may use, per cent, 1–100.
    pub percent: u8,
    /// None: the best that the probe finds.
    pub method: Option<ThrottleMethod>,
    pub asked_by: Asker,
}

/// Who had a process held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// Somebody, by a command or the control API. Only a person's word ends it before the node does.
    #[default]
    Person,
    /// The decision matrix (`balance.hogs`), which lets go of it by itself.
    Matrix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleMethod {
    /// `cpu.max` of a cgroup (v2), or `cpu.cfs_quota_us` (v1).
    Quota,
    /// A lower weight: gives way to others, no quota.
    Weight,
    /// `/proc/PID/autogroup`: gives way to other sessions, no quota.
    Autogroup,
    /// SIGSTOP and SIGCONT in turn.
    DutyCycle,
}

impl ThrottleMethod {
    /// Whether a process held by it gets its share and no more. The others only give way.
    #[must_use]
    pub const fn keeps_to_a_share(self) -> bool {
        matches!(self, Self::Quota | Self::DutyCycle)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThrottleState {
    pub pid: i32,
    /// Identity beside the pid: start time in clock ticks since boot.
    pub start_time: u64,
    /// Share of one CPU; none where the method keeps to no share.
    pub percent: Option<u8>,
    pub method: ThrottleMethod,
    pub asked_by: Asker,
}
