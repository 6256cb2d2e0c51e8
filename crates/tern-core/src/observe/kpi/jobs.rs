//! Jobs that were accepted and came to their end within the time: how long each took, against the shortest time in which the nodes that
//! are known could have done it.
//!
//! A job that was retried or cancelled is left out, and one that had to share its nodes with others takes the longer for it.

use alloc::collections::BTreeMap;

use super::figures::lower_bound;
use super::gather::MS;
use super::line::{End, How, Tag};
use crate::words::JobId;
use crate::words::limits::JOBS_MAX;

/// A node that may work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    tag: Tag,
    slots: u32,
    speed_milli: Option<u16>,
}

impl Capacity {
    pub const fn new(tag: Tag, slots: u32, speed_milli: Option<u16>) -> Self {
        Self { tag, slots, speed_milli }
    }
}

#[derive(Clone, Debug, Default)]
struct Progress {
    accepted_ms: u64,
    tasks: u32,
    over: u32,
    /// Unix nanoseconds of its last end so far.
    last_ns: u128,
    /// What each node did: slots times nanoseconds, and nanoseconds of the longest task.
    by_node: BTreeMap<Tag, (u128, u64)>,
}

/// Jobs on their way, and what those came to that are over.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    open: BTreeMap<JobId, Progress>,
    pub measured: u64,
    pub sum: f64,
    pub worst: f64,
}

impl Jobs {
    pub fn accepted(&mut self, job: JobId, tasks: u32, at_ms: u64) {
        if self.open.len() >= JOBS_MAX {
            self.open.pop_first();
        }
        self.open.insert(job, Progress { accepted_ms: at_ms, tasks, ..Progress::default() });
    }

    pub fn forget(&mut self, job: JobId) {
        self.open.remove(&job);
    }

    /// The end of one of its tasks.
    pub fn counted(&mut self, job: JobId, on: Tag, slots: u32, end: &End) {
        let End(_, started_ms, ran_ns, _, how, _) = *end;
        if matches!(how, How::Cancelled | How::Void) {
            return self.forget(job);
        }
        let Some(progress) = self.open.get_mut(&job) else { return };
        progress.over += 1;
        progress.last_ns = progress.last_ns.max(u128::from(started_ms) * u128::from(MS) + u128::from(ran_ns));
        let (work, longest) = progress.by_node.entry(on).or_default();
        *work += u128::from(ran_ns) * u128::from(slots);
        *longest = ran_ns.max(*longest);
    }

    /// Whether it is over now, and what it came to.
    pub fn finish(&mut self, job: JobId, nodes: &[Capacity]) {
        if self.open.get(&job).is_none_or(|progress| progress.over < progress.tasks) {
            return;
        }
        let Some(progress) = self.open.remove(&job) else { return };
        if let Some(ratio) = over_bound(&progress, nodes) {
            self.measured += 1;
            self.sum += ratio;
            self.worst = self.worst.max(ratio);
        }
    }
}

/// None where a node did a part of it of whose slots nothing is known, or where nothing took any time.
fn over_bound(progress: &Progress, nodes: &[Capacity]) -> Option<f64> {
    let able = || nodes.iter().filter(|node| node.slots > 0);
    // Speeds count only where all of them are known: half of them would bend the bound.
    let by_speed = able().all(|node| node.speed_milli.is_some());
    let speed = |node: &Capacity| node.speed_milli.filter(|_| by_speed).map_or(1.0, |milli| f64::from(milli) / 1e3);
    let capacity: f64 = able().map(|node| f64::from(node.slots) * speed(node)).sum();
    let fastest = able().map(speed).fold(0.0, f64::max);
    let (mut work, mut longest) = (0.0, 0.0f64);
    for (tag, (done, most)) in &progress.by_node {
        let speed = speed(able().find(|node| node.tag == *tag)?);
        work += *done as f64 * speed;
        longest = longest.max(*most as f64 * speed / fastest);
    }
    let bound = lower_bound(work, capacity, longest);
    let took = progress.last_ns.checked_sub(u128::from(progress.accepted_ms) * u128::from(MS))?;
    (bound > 0.0).then(|| took as f64 / bound)
}
