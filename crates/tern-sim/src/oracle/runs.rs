//! Oracles that look when a process starts or a lease is prolonged.

use tern_core::wire::Message;
use tern_core::words::limits::LEASE_TTL;
use tern_core::words::{Attempt, GrantId};

use super::Finding;
use crate::computer::{Link, Run};
use crate::queue::Parcel;
use crate::world::World;

/// How long a start may come after a cancellation: the time that the revocation needs to reach the warden.
const RACE_NS: u64 = 2_000_000;

/// More unstarted attempts with a warden than that means that nobody counts.
const WARDEN_QUEUE_MAX: usize = 4_096;

impl World {
    pub(crate) fn check_run_starts(&mut self, node: usize, attempt: &Attempt, grant: Option<GrantId>) {
        let found = self
            .one_live_run(node, attempt)
            .or_else(|| self.one_valid_holder(node, attempt, grant))
            .or_else(|| self.parallel_is_kept(node, attempt))
            .or_else(|| self.cancelled_starts_nothing(node, attempt))
            .or_else(|| self.standing_back_starts_nothing(node));
        if let Some((oracle, detail)) = found {
            self.fail(oracle, detail);
        }
    }

    fn one_live_run(&self, node: usize, attempt: &Attempt) -> Finding {
        let same = |run: &&Run| run.attempt.job == attempt.job && run.attempt.task == attempt.task;
        let other = self.nodes[node].warden.live().find(same)?;
        Some(("anytime_one_live_run_a_task", format!("node {} starts {attempt:?} while {other:?} runs", node + 1)))
    }

    /// Whether the holder may still believe in the lease under which it runs something.
    fn is_valid(&self, node: usize, grant: Option<GrantId>) -> bool {
        grant.is_none_or(|grant| {
            let boot = self.nodes[node].clock.boot(self.now);
            self.ledger.leases.get(&(node, grant)).is_some_and(|until| boot < *until)
        })
    }

    fn one_valid_holder(&self, node: usize, attempt: &Attempt, grant: Option<GrantId>) -> Finding {
        if !self.is_valid(node, grant) {
            return None;
        }
        for (other, computer) in self.nodes.iter().enumerate().filter(|(other, _)| *other != node) {
            let same = |run: &&Run| run.attempt.job == attempt.job && run.attempt.task == attempt.task;
            let not_copy = |run: &&Run| !self.are_copies(attempt, grant, run.grant);
            let mut runs = computer.warden.live().filter(same).filter(not_copy);
            if let Some(run) = runs.find(|run| self.is_valid(other, run.grant)) {
                let (at, with) = (node + 1, other + 1);
                let detail =
                    format!("{attempt:?} has valid leases on node {at} and on node {with} ({:?})", run.attempt);
                return Some(("anytime_one_valid_holder", detail));
            }
        }
        None
    }

    /// Whether one of the two is the other's second copy.
    fn are_copies(&self, attempt: &Attempt, one: Option<GrantId>, other: Option<GrantId>) -> bool {
        let pair = |first: Option<GrantId>, second: Option<GrantId>| {
            second.is_some_and(|second| self.ledger.copies.contains(&(attempt.job, attempt.task, first, second)))
        };
        pair(one, other) || pair(other, one)
    }

    fn parallel_is_kept(&self, node: usize, attempt: &Attempt) -> Finding {
        let parallel = self.ledger.spec(attempt.job)?.parallel as usize;
        let running = self.nodes[node].warden.running.iter().filter(|run| run.attempt.job == attempt.job).count();
        (parallel > 0 && running >= parallel).then(|| {
            let detail = format!("{} of {} run on node {} already", running, attempt.job, node + 1);
            ("anytime_parallel_is_kept", detail)
        })
    }

    /// What the warden was told before may race; what it was told since may not.
    fn cancelled_starts_nothing(&self, node: usize, attempt: &Attempt) -> Finding {
        let job = self.ledger.jobs.get(&attempt.job).filter(|job| job.owner == node)?;
        let task = job.tasks.get(attempt.task as usize)?;
        let computer = &self.nodes[node];
        let listens = computer.agent.as_ref()?.link == Link::Open(computer.warden.generation);
        let welcomed = self.ledger.welcomed[node];
        if let Some(halted) = job.halted_when.filter(|halted| listens && self.now > welcomed.max(*halted) + RACE_NS) {
            let detail = format!("{attempt:?} starts {} µs after its job stopped", (self.now - halted) / 1_000);
            return Some(("anytime_halted_starts_nothing", detail));
        }
        let since = job.cancelled_when.max(welcomed);
        (task.cancelled && task.round >= attempt.round && listens && self.now > since + RACE_NS).then(|| {
            let detail = format!("{attempt:?} starts {} µs after its cancellation", (self.now - since) / 1_000);
            ("anytime_cancelled_starts_nothing", detail)
        })
    }

    /// What a message does to leases, by the letter of the protocol; only an owner's word counts.
    pub(crate) fn note_leases(&mut self, parcel: &Parcel) {
        let (to, from) = (parcel.to, parcel.from);
        let Self { ledger, .. } = self;
        let grants = &ledger.grants;
        let owns = |grant: &&GrantId| grants.get(grant).is_some_and(|known| known.owner == from);
        match &parcel.message {
            Message::Lend { grant, asked, .. } if owns(&grant) => {
                ledger.leases.entry((to, *grant)).or_insert(*asked + LEASE_TTL);
            }
            Message::Renewed { grants, lost, asked } => {
                for grant in grants.iter().filter(owns) {
                    if let Some(until) = ledger.leases.get_mut(&(to, *grant)) {
                        *until = (*until).max(*asked + LEASE_TTL);
                    }
                }
                for grant in lost.iter().filter(owns) {
                    ledger.leases.remove(&(to, *grant));
                }
            }
            _ => {}
        }
    }

    /// A lease was perhaps prolonged: whatever runs under it must run nowhere else.
    pub(crate) fn check_leases(&mut self, node: usize) {
        let running: Vec<_> = self.nodes[node].warden.live().filter(|run| run.grant.is_some()).cloned().collect();
        for run in running {
            if let Some((oracle, detail)) = self.one_valid_holder(node, &run.attempt, run.grant) {
                self.fail(oracle, detail);
            }
        }
    }

    /// A lease that ran out ends what runs under it: by the letter of the protocol, not by what the machine believes.
    pub(crate) fn check_obedience(&mut self, node: usize) {
        let fed = std::mem::replace(&mut self.ledger.fed[node], self.now);
        let computer = &self.nodes[node];
        let Some(agent) = &computer.agent else { return };
        let listened = agent.link == Link::Open(computer.warden.generation) && fed >= self.ledger.welcomed[node];
        if !listened || self.now < fed + RACE_NS {
            return;
        }
        // At the last event the lease was over already, and the warden has had the time to hear of it.
        let boot = computer.clock.boot(fed);
        let expired = |run: &&Run| {
            // A liar may lend its own job under the id of another's grant: that one's lease says nothing of it.
            let real =
                |grant: &GrantId| self.ledger.grants.get(grant).is_some_and(|known| known.job == run.attempt.job);
            let until = run.grant.filter(real).and_then(|grant| self.ledger.leases.get(&(node, grant)));
            until.is_some_and(|until| boot > *until) && !run.ending && run.started < fed
        };
        if let Some(run) = computer.warden.running.iter().find(expired) {
            let detail = format!("{:?} runs on node {} after its lease", run.attempt, node + 1);
            self.fail("anytime_leases_are_obeyed", detail);
        }
    }

    pub(crate) fn check_warden_queue(&mut self, node: usize) {
        let queued = self.nodes[node].warden.queue.len();
        if queued > WARDEN_QUEUE_MAX {
            self.fail(
                "anytime_queues_are_bounded",
                format!("{queued} attempts wait with the warden of node {}", node + 1),
            );
        }
    }

    /// The machine's own law of conservation.
    pub(crate) fn check_sanity(&mut self, node: usize) {
        if !self.stats.events.is_multiple_of(self.plan.sane_every) {
            return;
        }
        let Some(agent) = &self.nodes[node].agent else { return };
        if let Err(wrong) = agent.machine.sanity_check() {
            self.fail("anytime_state_is_sane", format!("node {}: {wrong}", node + 1));
        }
    }
}
