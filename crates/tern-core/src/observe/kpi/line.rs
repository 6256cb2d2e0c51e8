//! One line of the event log: when it was, and what happened.
//!
//! ```text
//! {"at_ms":1764000000000,"mono_ns":8123456789,"event":{"accepted":{"job":"1-7ba7a0c1","tasks":24,"left":24}}}
//! {"at_ms":1764000000460,"mono_ns":8583456789,"event":{"ended":{"job":"1-7ba7a0c1","round":0,"on":"7ba7a0c1","slots":1,
//!  "queued_ms":1764000000000,"tasks":[[0,1764000000004,2381042,1204,"done",true]],"left":23}}}
//! ```
//! Ranges are of task numbers from 0, both ends within. `left`: own tasks that are not over, after this line.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::words::JobId;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Unix time; it may jump.
    pub at_ms: u64,
    /// CLOCK_MONOTONIC: spans between lines of one life. It stands still while the machine sleeps.
    pub mono_ns: u64,
    pub event: Event,
}

/// A node's short name: the eight digits that jobs and nodes are shown with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(pub u32);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Tag {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        u32::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The agent began: a new life.
    Began(Standing),
    /// A new file of the same life begins; what stood before is in `events.old`, or was removed.
    Continues(Standing),
    /// The agent ended in order.
    Stopped { left: u64 },
    Accepted {
        #[serde(with = "words")]
        job: JobId,
        tasks: u32,
        left: u64,
    },
    /// Tasks that had failed or were cancelled wait again.
    Retried {
        #[serde(with = "words")]
        job: JobId,
        round: u16,
        tasks: u32,
        left: u64,
    },
    Cancelled {
        #[serde(with = "words")]
        job: JobId,
        left: u64,
    },
    /// The job is over, and so many of its tasks were cancelled before they began.
    Unstarted {
        #[serde(with = "words")]
        job: JobId,
        tasks: u32,
    },
    /// Tasks went to the process that starts them: at once, or as soon as a slot is free.
    Given {
        #[serde(with = "words")]
        job: JobId,
        round: u16,
        tasks: Vec<(u32, u32)>,
    },
    Ended {
        #[serde(with = "words")]
        job: JobId,
        round: u16,
        /// Who ran them.
        #[serde(with = "words")]
        on: Tag,
        /// Slots that each of them took.
        slots: u32,
        /// When they were accepted, or retried; none where this node does not know.
        queued_ms: Option<u64>,
        tasks: Vec<End>,
        left: u64,
    },
    /// Tasks that waited here went to another node.
    Lent {
        #[serde(with = "words")]
        job: JobId,
        #[serde(with = "words")]
        to: Tag,
        tasks: u32,
    },
    /// Lent tasks are back without having run there, as far as is known.
    Returned {
        #[serde(with = "words")]
        job: JobId,
        #[serde(with = "words")]
        from: Tag,
        tasks: u32,
    },
    /// Tasks of another node are here.
    Borrowed {
        #[serde(with = "words")]
        from: Tag,
        tasks: u32,
    },
    /// How loaded this node is, and its peers as they last said.
    Load {
        /// ρ: the load over the cores, smoothed as the trit sees it; none: not measured.
        rho: Option<f64>,
        trit: i8,
        queued: u64,
        /// Slots that tasks take.
        running: u32,
        slots: u32,
        /// Of one core, 1000 being the reference machine.
        speed_milli: Option<u16>,
        peers: Vec<Peer>,
        left: u64,
    },
    /// So many slots are for tasks from now on.
    Slots { open: u32 },
    /// The node starts nothing more (true), or starts tasks again.
    Drain { on: bool },
}

/// A node as it begins a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    #[serde(with = "words")]
    pub node: Tag,
    pub slots: u32,
    /// Those that are for tasks.
    pub open: u32,
    pub cpus: u32,
    pub speed_milli: Option<u16>,
    pub left: u64,
}

/// The end of one attempt: task, Unix milliseconds of its start, nanoseconds that it ran, microseconds of CPU (none: not known), how
/// it ended, and whether that is the end of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End(pub u32, pub u64, pub u64, pub Option<u64>, pub How, pub bool);

/// How an attempt ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Done,
    Failed,
    TimedOut,
    Cancelled,
    /// It does not count: its warden died, or the disk was full.
    Void,
}

/// A peer: its tag, ρ in thousandths, tasks that run there, its slots, and the speed of one core where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer(#[serde(with = "words")] pub Tag, pub u32, pub u32, pub u32, pub Option<u16>);

/// What has a form in words is written so.
mod words {
    use super::{FromStr, String, fmt};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<T: fmt::Display, S: Serializer>(what: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(what)
    }

    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| de::Error::custom("no name of a job or a node"))
    }
}
