//! What a node did since its agent began, counted: the part of `/v1/metrics` that only grows.

use std::collections::BTreeMap;

use tern_core::observe::kpi::{End, How};

/// Upper ends of the classes of the queue latency, milliseconds; one more class has no end.
pub const WAIT_CLASSES_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 300_000, 3_600_000, 86_400_000];

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tasks of jobs that were accepted.
    pub accepted: u64,
    /// Tasks handed to the process that starts them.
    pub given: u64,
    /// Own tasks that are over, by how they ended.
    pub over: BTreeMap<How, u64>,
    /// Ends of own tasks that are not the end of the task.
    pub again: u64,
    /// Ends here of tasks of other nodes.
    pub foreign: u64,
    /// Slots times nanoseconds that tasks took here.
    pub busy_ns: u128,
    pub lent: u64,
    pub returned: u64,
    pub borrowed: u64,
    /// Own tasks by how long they waited from acceptance to the start of the run that counted; each class alone.
    pub waits: [u64; WAIT_CLASSES_MS.len() + 1],
    pub waited_ms: u64,
}

impl Tally {
    pub(super) fn ended(&mut self, end: &End, slots: u32, own: bool, here: bool, queued_ms: Option<u64>) {
        let End(_, started_ms, ran_ns, _, how, is_over) = *end;
        if here {
            self.busy_ns += u128::from(ran_ns) * u128::from(slots);
        }
        if !own {
            self.foreign += 1;
            return;
        }
        if !is_over {
            self.again += 1;
            return;
        }
        *self.over.entry(how).or_default() += 1;
        let waited = queued_ms.and_then(|since| started_ms.checked_sub(since));
        if let Some(waited) = waited.filter(|_| how != How::Cancelled) {
            let class = WAIT_CLASSES_MS.partition_point(|end| *end < waited);
            self.waits[class] += 1;
            self.waited_ms = self.waited_ms.saturating_add(waited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_the_class_whose_end_it_does_not_pass() {
        let mut tally = Tally::default();
        for waited in [0, 5, 6, 86_400_001] {
            tally.ended(&End(0, 1_000 + waited, 7, None, How::Done, true), 2, true, true, Some(1_000));
        }
        // Set back in between, its clock says nothing of the wait.
        tally.ended(&End(0, 900, 7, None, How::Failed, true), 1, true, false, Some(1_000));
        tally.ended(&End(0, 1_000, 7, None, How::Failed, false), 1, true, true, Some(1_000));
        tally.ended(&End(0, 1_000, 7, None, How::Done, false), 1, false, true, None);
        assert_eq!((tally.waits[0], tally.waits[1], tally.waits[12], tally.waited_ms), (2, 1, 1, 86_400_012));
        assert_eq!((tally.over[&How::Done], tally.over[&How::Failed], tally.again, tally.foreign), (4, 1, 1, 1));
        assert_eq!(tally.busy_ns, 4 * 14 + 7 + 7);
    }
}
