//! What is going to happen, in the order in which it will.
//!
//! Two things at the same nanosecond happen in the order in which they were planned, so that a seed has one life only.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tern_core::wire::Message;
use tern_core::words::{GrantId, TaskSet};

use crate::world::faults::{Fault, Repair};

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub from: usize,
    pub to: usize,
    pub message: Message,
}

/// Something that will happen. The `usize` is the index of a computer.
#[derive(Clone, Debug)]
pub enum What {
    /// Power is back.
    Boot(usize),
    AgentStarts(usize),
    WardenStarts(usize),
    /// The agent's socket reaches the warden.
    Connect(usize),
    /// The agent's alarm.
    Alarm(usize),
    FsyncReturns {
        node: usize,
        generation: u32,
    },
    WardenReads {
        node: usize,
        generation: u32,
    },
    AgentReads {
        node: usize,
        generation: u32,
    },
    RunEnds {
        node: usize,
        run: u64,
    },
    SegmentSynced {
        node: usize,
        generation: u32,
    },
    /// Files that tasks of a loan need, or the news that they cannot be had.
    InputsCome {
        node: usize,
        generation: u32,
        grant: GrantId,
        tasks: TaskSet,
    },
    /// A message had no room for these tasks of a loan.
    Uncarried {
        node: usize,
        generation: u32,
        grant: GrantId,
        tasks: TaskSet,
    },
    /// The sensors have a new sample.
    Sense {
        node: usize,
        generation: u32,
    },
    /// Link monitoring of the first has an opinion of the second.
    Look {
        at: usize,
        peer: usize,
    },
    Deliver(Box<Parcel>),
    Lie(usize),
    /// The client asks for something.
    Client,
    Fault(Fault),
    Repair(Repair),
}

impl What {
    /// On which computer it happens, where it is the computer's own doing: it waits while that one sleeps.
    #[must_use]
    pub fn on(&self) -> Option<usize> {
        match self {
            Self::AgentStarts(node)
            | Self::WardenStarts(node)
            | Self::Connect(node)
            | Self::Alarm(node)
            | Self::FsyncReturns { node, .. }
            | Self::WardenReads { node, .. }
            | Self::AgentReads { node, .. }
            | Self::RunEnds { node, .. }
            | Self::SegmentSynced { node, .. }
            | Self::InputsCome { node, .. }
            | Self::Uncarried { node, .. }
            | Self::Sense { node, .. }
            | Self::Look { at: node, .. } => Some(*node),
            Self::Deliver(parcel) => Some(parcel.to),
            Self::Boot(_) | Self::Lie(_) | Self::Client | Self::Fault(_) | Self::Repair(_) => None,
        }
    }

    /// Whether the agent's process does it: it waits while that one is stopped.
    #[must_use]
    pub const fn by_agent(&self) -> bool {
        matches!(
            self,
            Self::Connect(_)
                | Self::Alarm(_)
                | Self::FsyncReturns { .. }
                | Self::AgentReads { .. }
                | Self::InputsCome { .. }
                | Self::Uncarried { .. }
                | Self::Sense { .. }
                | Self::Look { .. }
                | Self::Deliver(_)
        )
    }
}

#[derive(Debug)]
struct Planned {
    at: u64,
    order: u64,
    what: What,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The future.
#[derive(Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Planned>>,
    order: u64,
}

impl Queue {
    /// `at` is true time, nanoseconds.
    pub fn plan(&mut self, at: u64, what: What) {
        self.order += 1;
        self.heap.push(Reverse(Planned { at, order: self.order, what }));
    }

    /// The next thing that happens not after `end`.
    pub fn next(&mut self, end: u64) -> Option<(u64, What)> {
        if self.heap.peek()?.0.at > end {
            return None;
        }
        self.heap.pop().map(|Reverse(planned)| (planned.at, planned.what))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}
