//! What somebody asked for: a command, its inputs, and how to run it.
//!
//! A spec is immutable once accepted. The environment and the folder a job runs in are *not* in it: they are private
//! to the machine where it was submitted and never replicated.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::id::NodeId;
use super::template::Template;
use super::work::UNKNOWN;

/// Where a job's tasks come from. The inputs themselves lie beside the journal, not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// Task *i* has the one argument `first + i`, printed in decimal.
    Array { first: i64 },
    /// Task *i* has the columns of row *i* of the job's stored inputs.
    Rows,
    /// Each task runs the command as it stands.
    #[default]
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

/// The order in which the waiting tasks of a job start, and how jobs of the same order stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discipline {
    /// In the order of their arrival.
    #[default]
    Fifo,
    /// The highest response ratio next: short ones first, and each that waits becomes more urgent.
    Interactive,
    /// The longest first, so that none is left over at the end.
    Batch,
    /// The earliest deadline first.
    Deadline,
}

impl Discipline {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Interactive => "interactive",
            Self::Batch => "batch",
            Self::Deadline => "deadline",
        }
    }
}

/// What a machine must have, or be, to run a task. What is empty or 0 asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    /// Only these nodes.
    pub on: Vec<NodeId>,
    /// None of these.
    pub not_on: Vec<NodeId>,
    /// This zone, or one within it.
    pub zone: String,
    /// CPUs of one task, each of them a slot; 0 counts as 1.
    pub cpus: u16,
    /// Memory of one task.
    pub memory_mib: u32,
    /// Graphics processors of one task, which no other task has meanwhile.
    pub gpus: u8,
    /// As Rust names it: `x86_64`, `aarch64` …
    pub arch: String,
}

impl Needs {
    /// Whether any machine will do.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a task takes one slot and nothing besides.
    #[must_use]
    pub fn is_one_slot(&self) -> bool {
        self.slots() == 1 && self.memory_mib == 0 && self.gpus == 0
    }

    /// Slots that one task takes.
    #[must_use]
    pub fn slots(&self) -> u32 {
        u32::from(self.cpus.max(1))
    }
}

/// Files that travel with a task: to the node that runs it, and back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Names of inputs, each with places as in the command; relative to the folder of the job.
    pub inputs: Template,
    /// Names of outputs. Where there are none, all files come back that the task made or changed.
    pub outputs: Template,
    /// Arguments that are names of files are inputs.
    pub found: bool,
}

/// How tasks leave checkpoints: asked to end by TERM, or by themselves, they write all they need to go on into their folder and
/// end with [`CHECKPOINT_EXIT`](super::limits::CHECKPOINT_EXIT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// How long a task has for that between TERM and KILL.
    pub grace_ms: u32,
}

/// A job as it was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub discipline: Discipline,
    /// When it should be over, Unix milliseconds.
    pub deadline_ms: Option<u64>,
    /// Never started again, and never twice, while an earlier run of the same task may go on.
    pub exclusive: bool,
    pub needs: Needs,
    /// None: no file travels.
    pub stage: Option<Stage>,
    /// How long each task is expected to run, in [`classes`](super::work): one a task, or one for all of them; empty where
    /// nothing is known.
    pub work: Bytes,
    /// Put off: its tasks begin on idle nodes while more nodes are idle than overloaded, where nothing else waits.
    pub deferred: bool,
    /// Its tasks leave checkpoints from which they go on, here or elsewhere. None: one that ends early begins anew.
    pub checkpoint: Option<Checkpoint>,
    /// Running a task again does no harm, even if its first run had begun to change something.
    pub idempotent: bool,
}

impl JobSpec {
    /// Whether its tasks may run on other nodes. A job that may stop early stays: it could not stop exactly.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        !self.local_only && self.halt.when == HaltWhen::Never
    }

    /// Whether files go along with its tasks, or may: those that it names, or checkpoints.
    #[must_use]
    pub const fn files_travel(&self) -> bool {
        self.stage.is_some() || self.checkpoint.is_some()
    }

    /// Whether it is said of each task how long it may run.
    #[must_use]
    pub fn has_work_of_each(&self) -> bool {
        !self.work.is_empty() && self.work.len() == self.tasks as usize
    }

    /// How long the task is expected to run, in [`classes`](super::work).
    #[must_use]
    pub fn work_of(&self, task: u32) -> u8 {
        let place = if self.has_work_of_each() { task as usize } else { 0 };
        self.work.get(place).copied().unwrap_or(UNKNOWN)
    }
}

/// Why a node that was lent tasks could not run them. Nothing of them was started. The owner lends them to another, or runs them itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// The program is not installed there.
    Program,
    /// The inputs did not arrive as they were named.
    Inputs,
    /// Its disk has no room for the inputs.
    Disk,
    /// It gives and takes no files.
    NoFiles,
    /// It has not what the tasks need.
    Needs,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "the program is not installed there",
            Self::Inputs => "the inputs did not arrive there as they are here",
            Self::Disk => "its disk has no room for the inputs",
            Self::NoFiles => "these files are not given, or not taken there",
            Self::Needs => "it has not what the tasks need",
        })
    }
}
