//! Which waiting tasks would go where, if one saw all nodes at once.
//!
//! Nodes even themselves out without it, each by what it sees; this is the plan that a person is shown, and may have carried out. It
//! counts tasks as equally long, takes the node that needs longest and that free one with which most is gained, moves no more than
//! evens the two out, and looks again at both as they would be then.

use alloc::vec::Vec;

use super::accept::{Move, Side, accept};
use crate::observe::QueueTrit;

/// A node as the others see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub queued: u32,
    pub running: u32,
    pub slots: u32,
    /// Of one slot; 1 is the reference machine.
    pub speed: f64,
}

/// Tasks that would go from one place in the list to another, and by how much unevenness falls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    pub from: usize,
    pub to: usize,
    pub tasks: u32,
    pub falls: f64,
}

impl Seen {
    fn side(&self) -> Side {
        Side { backlog: f64::from(self.queued) + f64::from(self.running), speed: f64::from(self.slots) * self.speed }
    }

    fn free(&self) -> u32 {
        self.slots.saturating_sub(self.running)
    }

    fn trit(&self) -> QueueTrit {
        QueueTrit::of(self.queued.into(), self.free())
    }
}

/// The shifts, in their order; none: nothing is required.
#[must_use]
pub fn plan(nodes: &[Seen]) -> Vec<Shift> {
    let mut nodes = nodes.to_vec();
    let mut shifts = Vec::new();
    // Each shift fills a free node or empties a queue, or the loop ends.
    for _ in 0..2 * nodes.len() {
        let Some(shift) = next(&nodes) else { break };
        nodes[shift.from].queued -= shift.tasks;
        nodes[shift.to].running += shift.tasks;
        shifts.push(shift);
    }
    shifts
}

fn next(nodes: &[Seen]) -> Option<Shift> {
    let time = |place: &usize| nodes[*place].side().time();
    let of =
        |trit: QueueTrit| (0..nodes.len()).filter(move |place| nodes[*place].trit() == trit && nodes[*place].slots > 0);
    let from = of(QueueTrit::Waiting).max_by(|one, other| time(one).total_cmp(&time(other)))?;
    let shifts = of(QueueTrit::Hungry).filter_map(|to| shift(nodes, from, to));
    shifts.max_by(|one, other| one.falls.total_cmp(&other.falls))
}

fn shift(nodes: &[Seen], from: usize, to: usize) -> Option<Shift> {
    let (sender, receiver) = (nodes[from].side(), nodes[to].side());
    let even = (sender.time() - receiver.time()) / (1.0 / sender.speed + 1.0 / receiver.speed);
    // A cast of what is no number gives 0.
    let tasks = (even as u32).min(nodes[from].queued).min(nodes[to].free()).max(1);
    let shift = Move { work: tasks.into(), from: sender, to: receiver, free: tasks == 1, running: None };
    let falls = accept(&shift).ok().filter(|falls| *falls > 0.0)?;
    Some(Shift { from, to, tasks, falls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(queued: u32, running: u32, slots: u32, speed: f64) -> Seen {
        Seen { queued, running, slots, speed }
    }

    #[test]
    fn half_goes_to_an_equal_and_more_to_a_faster_one() {
        let shift = |nodes: &[Seen]| plan(nodes).iter().map(|it| (it.from, it.to, it.tasks)).collect::<Vec<_>>();
        assert_eq!(shift(&[seen(8, 2, 2, 1.0), seen(0, 0, 8, 1.0)]), [(0, 1, 8)]);
        assert_eq!(shift(&[seen(8, 8, 8, 1.0), seen(0, 0, 8, 1.0)]), [(0, 1, 8)]);
        assert_eq!(shift(&[seen(4, 4, 4, 1.0), seen(0, 3, 4, 1.0)]), [(0, 1, 1)]);
        assert_eq!(shift(&[seen(1, 1, 1, 1.0), seen(0, 0, 1, 0.1)]), [], "it would be done no earlier there");
        let slow_and_fast = [seen(1, 1, 1, 1.0), seen(0, 0, 1, 0.1), seen(0, 3, 4, 2.0)];
        assert_eq!(shift(&slow_and_fast), [(0, 2, 1)], "not only the emptiest is looked at");
        assert_eq!(shift(&[seen(0, 1, 1, 1.0), seen(0, 0, 1, 1.0)]), [], "nothing waits");
        assert_eq!(
            shift(&[seen(9, 0, 0, 1.0), seen(0, 0, 4, 1.0)]),
            [],
            "one without slots gives nothing that could run there"
        );
    }

    proptest! {
        #[test]
        fn every_shift_lowers_unevenness_and_fills_free_slots_only(
            given in proptest::collection::vec((0u32..50, 0u32..20, 1u32..20, 0.2f64..4.0), 1..12),
        ) {
            let given: Vec<Seen> = given.into_iter().map(|(queued, running, slots, speed)| seen(queued, running.min(slots), slots, speed)).collect();
            let mut nodes = given.clone();
            let phi = |nodes: &[Seen]| nodes.iter().map(|node| node.side().unevenness()).sum::<f64>();
            for shift in plan(&given) {
                let before = phi(&nodes);
                prop_assert!(nodes[shift.to].queued == 0 && nodes[shift.to].free() >= shift.tasks);
                prop_assert!(nodes[shift.from].queued >= shift.tasks && shift.tasks > 0);
                nodes[shift.from].queued -= shift.tasks;
                nodes[shift.to].running += shift.tasks;
                prop_assert!(phi(&nodes) < before);
            }
        }
    }
}
