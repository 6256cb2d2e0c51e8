//! What somebody asked for: a command, its inputs, and how to run it.
//!
//! A spec is immutable once accepted. The environment and the folder a job runs in are *not* in it: they are private
//! to the machine where it was submitted and never replicated.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::template::Template;

/// Where a job's tasks come from. The inputs themselves lie beside the journal, not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// Task *i* has the one argument `first + i`, printed in decimal.
    Array { first: i64 },
    /// Task *i* has the columns of row *i* of the job's stored inputs.
    Rows,
    /// Each task runs the command as it stands.
    None,
}

/// When to stop a job early, with GNU parallel's `--halt` meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    pub when: HaltWhen,
    pub what: HaltWhat,
    /// The number that triggers, or a percentage where `percent`.
    pub count: u32,
    pub percent: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltWhen {
    #[default]
    Never,
    /// Start no more tasks; let the running ones end.
    Soon,
    /// Start no more tasks and end the running ones.
    Now,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltWhat {
    #[default]
    Fail,
    Success,
    Done,
}

/// A job as it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// For people; empty: the command stands for it.
    pub name: String,
    pub command: Template,
    pub inputs: Inputs,
    /// Number of tasks, 1 to [`TASKS_PER_JOB_MAX`](super::limits::TASKS_PER_JOB_MAX) (0 only for an empty batch).
    pub tasks: u32,
    /// Tasks of this job that may run at once on one node; 0: as many as there are slots.
    pub parallel: u32,
    /// Attempts at one task before it counts as failed, from 1.
    pub tries: u8,
    /// Mono time after which a task gets TERM, then KILL.
    pub timeout_ms: Option<u64>,
    pub halt: Halt,
    /// Accepted, but not started before `release`.
    pub held: bool,
    /// Never lent to another node (its files or its environment are here).
    pub local_only: bool,
    /// (name, soft, hard) as `setrlimit` has them, set through the trampoline.
    pub rlimits: Vec<(String, u64, u64)>,
    /// Names and values that travel with the job (`--env`).
    pub env: Vec<(Bytes, Bytes)>,
}
