//! One queue for all, first come first served, the fastest free machine next: no delay, no transfer, no message.

use std::collections::VecDeque;

use super::{Bench, Common, Copy};
use crate::workload::agenda::Agenda;
use crate::workload::model::Workload;
use crate::workload::report::Report;

/// Replays the workload through one queue that knows everything at once.
#[must_use]
pub fn central(workload: &Workload) -> Report {
    let mut agenda: Agenda<Common> = Agenda::new();
    let mut bench = Bench::new(workload, &mut agenda);
    let mut queue = VecDeque::new();
    while bench.left > 0 {
        let Some(event) = agenda.next() else { break };
        let now = agenda.seconds();
        match event {
            Common::Arrives(task) => queue.push_back(task),
            Common::Owner(node) => {
                bench.owner(node, now);
                bench.replan(node, &mut agenda);
            }
            Common::Ends(node, version) => {
                if bench.hosts[node].version != version {
                    continue;
                }
                for run in bench.hosts[node].take_ended(now) {
                    bench.done(run.what.task, run.began, now);
                }
                bench.replan(node, &mut agenda);
            }
        }
        while !queue.is_empty() {
            let free = (0..bench.hosts.len()).filter(|node| bench.hosts[*node].free() > 0);
            let speed = |node: usize| bench.hosts[node].spec.speed;
            let Some(node) = free.max_by(|a, b| speed(*a).total_cmp(&speed(*b))) else { break };
            let Some(task) = queue.pop_front() else { break };
            bench.start(node, Copy { task, second: false }, now);
            bench.replan(node, &mut agenda);
        }
    }
    let now = agenda.seconds();
    bench.report(now)
}
