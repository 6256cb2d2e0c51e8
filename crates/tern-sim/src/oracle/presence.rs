//! Oracles for machines that stand back: drained ones start nothing, who sits at one has it, and what was put off waits for idle
//! ones.

use tern_core::machine::Dispatch;
use tern_core::observe::NodeTrit;

use super::Finding;
use crate::computer::{Link, Run, ToWarden};
use crate::world::World;

/// How long the revocation needs to reach the warden.
const RACE_NS: u64 = 2_000_000;

impl World {
    /// A task that was put off starts on an idle node, while more are idle than overloaded.
    pub(super) fn put_off_waits(&self, node: usize, dispatch: &Dispatch) -> Finding {
        let machine = &self.nodes[node].agent.as_ref()?.machine;
        let deferred = dispatch.grant.is_none() && machine.state().job(dispatch.job).is_some_and(|it| it.spec.deferred);
        let may = machine.trit() == NodeTrit::Idle && machine.signs().sum() < 0;
        (deferred && !may).then(|| {
            let detail = format!("node {} is {} among {:?}: {dispatch:?}", node + 1, machine.trit(), machine.signs());
            ("anytime_put_off_waits_for_idle_nodes", detail)
        })
    }

    /// What a machine that stands back wants to start.
    pub(super) fn stands_back(&self, node: usize, dispatch: &Dispatch) -> Finding {
        let computer = &self.nodes[node];
        if self.ledger.drained[node].is_some() {
            return Some(("anytime_drained_starts_nothing", format!("node {}: {dispatch:?}", node + 1)));
        }
        if computer.low.is_some() {
            return Some(("anytime_low_battery_starts_nothing", format!("node {}: {dispatch:?}", node + 1)));
        }
        let open = computer.yielding.filter(|_| computer.agent.is_some())?.open;
        let told = computer.to_warden.iter().map(|message| match message {
            ToWarden::Grant(attempts, _) => attempts.len(),
            _ => 0,
        });
        let running = computer.warden.running.iter().filter(|run| !run.ending).count();
        let taken = running + computer.warden.queue.len() + told.sum::<usize>();
        let wanted = dispatch.tasks.len() as usize;
        (taken + wanted > open as usize).then(|| {
            let detail = format!("node {}: {taken} of {open} slots are taken, and {wanted} tasks come", node + 1);
            ("anytime_the_owner_comes_first", detail)
        })
    }

    /// What the warden was told before may race; what it was told since may not.
    pub(super) fn standing_back_starts_nothing(&self, node: usize) -> Finding {
        let computer = &self.nodes[node];
        let listens = computer.agent.as_ref()?.link == Link::Open(computer.warden.generation);
        let late = |since: u64| listens && self.now > since.max(self.ledger.welcomed[node]) + RACE_NS;
        if self.ledger.drained[node].is_some_and(late) {
            return Some(("anytime_drained_starts_nothing", format!("a process starts on node {}", node + 1)));
        }
        if computer.low.is_some_and(late) {
            return Some(("anytime_low_battery_starts_nothing", format!("a process starts on node {}", node + 1)));
        }
        let yielding = computer.yielding.filter(|known| late(known.since))?;
        let goes_on = |run: &&Run| !run.ending;
        let running = computer.warden.running.iter().filter(goes_on).count();
        (running >= yielding.open as usize).then(|| {
            let detail = format!("node {}: {running} tasks run in {} slots, and one starts", node + 1, yielding.open);
            ("anytime_the_owner_comes_first", detail)
        })
    }
}
