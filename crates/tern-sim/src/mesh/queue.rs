//! What is going to happen in the mesh world, in the order in which it will.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tern_core::machine::mesh::MeshEvent;
use tern_core::words::NodeId;

/// Something that will happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An event for one life of a computer, over one of its ends of a link if any.
    Give {
        node: usize,
        life: u32,
        over: Option<u64>,
        event: Box<MeshEvent>,
    },
    Alarm {
        node: usize,
        life: u32,
    },
    /// A dial comes to its end.
    Dialled {
        from: usize,
        life: u32,
        peer: NodeId,
        to: Option<usize>,
    },
    /// The connection's own time-out, if nothing has passed since.
    IdleOut {
        link: usize,
        since: u64,
    },
    /// The sensors have a new sample.
    Sense {
        node: usize,
        life: u32,
    },
    StallEnds {
        node: usize,
        life: u32,
    },
    Start(usize),
    Resume(usize),
    Heal {
        a: usize,
        b: usize,
    },
    /// The script's own trouble.
    Trouble,
}

struct Planned(u64, u64, What);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// The future. Of two things at the same nanosecond the one that was planned first comes first.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Planned>>,
    order: u64,
}

impl Queue {
    pub fn plan(&mut self, at: u64, what: What) {
        self.order += 1;
        self.heap.push(Reverse(Planned(at, self.order, what)));
    }

    pub fn next(&mut self, end: u64) -> Option<(u64, What)> {
        if self.heap.peek()?.0.0 > end {
            return None;
        }
        self.heap.pop().map(|Reverse(Planned(at, _, what))| (at, what))
    }
}
