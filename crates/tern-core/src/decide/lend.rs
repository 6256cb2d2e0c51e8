//! What an owner lends to a node that asks: about half of what waits in its longest queue.
//!
//! Half, because two nodes that share a queue evenly finish it together; never what its own warden holds already.

use crate::words::limits::GRANT_TASKS_MAX;

/// What to lend: the place of the queue, and how many tasks of its back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lend {
    pub queue: usize,
    pub tasks: u32,
}

/// `queues`: the lengths of those that may be lent from, in order of acceptance. Among equals the first.
#[must_use]
pub fn propose(queues: &[u32], asked: u32) -> Option<Lend> {
    let mut best: Option<(usize, u32)> = None;
    for (place, length) in queues.iter().copied().enumerate() {
        if best.is_none_or(|(_, most)| length > most) {
            best = Some((place, length));
        }
    }
    let (queue, length) = best?;
    let tasks = length.div_ceil(2).min(asked).min(GRANT_TASKS_MAX);
    (tasks > 0).then_some(Lend { queue, tasks })
}
