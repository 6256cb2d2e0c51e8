//! What is going to happen, in the order in which it will; two things at the same time in the order in which they were planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
struct Planned<T> {
    at: u64,
    order: u64,
    what: T,
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Planned<T> {}
impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// The earliest is the greatest, since that one leaves the heap first.
impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// The future. Times are nanoseconds.
#[derive(Debug)]
pub struct Agenda<T> {
    pub now: u64,
    heap: BinaryHeap<Planned<T>>,
    order: u64,
}

impl<T> Agenda<T> {
    pub const fn new() -> Self {
        Self { now: 0, heap: BinaryHeap::new(), order: 0 }
    }

    /// The time in seconds.
    pub fn seconds(&self) -> f64 {
        self.now as f64 / 1e9
    }

    /// Rounded up: what is over at some time is over when this happens.
    pub fn plan(&mut self, at: f64, what: T) {
        self.plan_ns((at * 1e9).ceil() as u64, what);
    }

    pub fn plan_ns(&mut self, at: u64, what: T) {
        self.order += 1;
        self.heap.push(Planned { at: at.max(self.now), order: self.order, what });
    }

    /// The next thing, and with it the time.
    pub fn next(&mut self) -> Option<T> {
        let Planned { at, what, .. } = self.heap.pop()?;
        self.now = at;
        Some(what)
    }
}
