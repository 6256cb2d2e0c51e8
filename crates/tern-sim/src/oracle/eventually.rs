//! Oracles for when nothing has gone wrong for long enough.

use tern_core::decide::fits;
use tern_core::machine::Command;
use tern_core::words::limits::FAR_LINGERS;
use tern_core::words::{JobId, JobSpec};

use super::Finding;
use super::facts::Job;
use crate::computer::{Agent, Kind, Power};
use crate::world::World;

const MS: u64 = 1_000_000;

impl World {
    /// Lives on without faults until everything is over, then judges. Returns whether all is well.
    pub fn live_out(&mut self) -> bool {
        let limit = self.now + self.plan.calm_ms * MS;
        while self.failure.is_none()
            && self.now < limit
            && (self.unfinished().is_some() || self.all_answered().is_some())
        {
            self.run_for_ms(500);
        }
        if let Some((id, why)) = self.unfinished().filter(|_| self.failure.is_none()) {
            self.fail("eventually_every_job_is_over", format!("{id}: {why}"));
        }
        // Longer than nodes of different zones know each other for nothing, also those that a late lie brings together meanwhile.
        self.run_for_ms(if self.plan.areas > 1 { 2 * FAR_LINGERS.as_ms() + 5_000 } else { 5_000 });
        let found = self
            .all_answered()
            .or_else(|| self.refused_left_no_trace())
            .or_else(|| self.nothing_runs())
            .or_else(|| self.strangers_part())
            .or_else(|| self.books_agree())
            .or_else(|| self.recovery_agrees())
            .or_else(|| self.transfers_add_up());
        if let Some((oracle, detail)) = found.filter(|_| self.failure.is_none()) {
            self.fail(oracle, detail);
        }
        self.failure.is_none()
    }

    /// Whether all that was accepted is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.client.accepted.is_empty() && self.unfinished().is_none()
    }

    /// A durable job that is neither over nor held, and what keeps it.
    fn unfinished(&self) -> Option<(JobId, String)> {
        let open = |(id, job): (&JobId, &Job)| {
            let computer = &self.nodes[job.owner];
            let Some(agent) = computer.agent.as_ref().filter(|_| computer.power == Power::On) else {
                return Some((*id, "its node is not there".to_owned()));
            };
            let Some(view) = agent.machine.job_view(*id) else { return Some((*id, "it is unknown".to_owned())) };
            let waits = (job.is_held() || self.nobody_can(&job.spec)) && view.tasks.running == 0;
            let why = || format!("{:?} {:?}, because: {:?}", view.state, view.tasks, view.because);
            (!view.state.is_over() && !waits).then(|| (*id, why()))
        };
        self.ledger.jobs.iter().filter(|(_, job)| job.durable && !job.forgotten).find_map(open)
    }

    /// In one zone such a job is refused; what other zones have, its node does not know.
    fn nobody_can(&self, spec: &JobSpec) -> bool {
        let honest = self.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Honest);
        self.plan.areas > 1 && { honest }
            .all(|(at, node)| fits::lack(node.id, Some(&self.fit(at)), &spec.needs).is_some())
    }

    fn all_answered(&self) -> Finding {
        let left = self.client.pending.iter().find(|(_, asked)| asked.command != (Command::Drain { wait: true }));
        left.map(|(ticket, asked)| ("eventually_every_question_is_answered", format!("ticket {ticket}: {asked:?}")))
    }

    fn refused_left_no_trace(&self) -> Finding {
        let job =
            self.ledger.jobs.iter().find(|(_, job)| job.durable && self.client.refused.contains(&job.spec.name))?;
        Some(("anytime_denied_leaves_no_trace", format!("{} ({}) was denied and is there", job.0, job.1.spec.name)))
    }

    /// No process, no loan, no queue without a job that needs it.
    fn nothing_runs(&self) -> Finding {
        for (index, computer) in self.nodes.iter().enumerate() {
            let warden = &computer.warden;
            let left = warden.running.len() + warden.orphans.len() + warden.queue.len();
            if left > 0 {
                let detail = format!("{left} attempts on node {}: {:?}", index + 1, warden.running);
                return Some(("eventually_nothing_runs_for_nothing", detail));
            }
            let Some(agent) = &computer.agent else { continue };
            if let Some((grant, loan)) = agent.machine.state().lent().iter().next() {
                return Some(("eventually_loans_are_closed", format!("{grant:?} on node {}: {loan:?}", index + 1)));
            }
            if agent.machine.in_hand() > 0 {
                let detail = format!("node {} believes in {} running tasks", index + 1, agent.machine.in_hand());
                return Some(("eventually_nothing_runs_for_nothing", detail));
            }
        }
        None
    }

    /// Nodes of different zones know each other only while they share work, or while some waits that might be shared.
    fn strangers_part(&self) -> Finding {
        let over = |id: &JobId, job: &Job| {
            let view = self.nodes[job.owner].agent.as_ref().and_then(|agent| agent.machine.job_view(*id));
            view.is_none_or(|view| view.state.is_over())
        };
        let mut jobs = self.ledger.jobs.iter().filter(|(_, job)| job.durable && !job.forgotten && !job.is_held());
        if jobs.any(|(id, job)| !over(id, job)) {
            return None;
        }
        let agents = self.nodes.iter().enumerate().filter_map(|(index, node)| Some((index, node.agent.as_ref()?)));
        let mut left = agents.filter_map(|(index, agent)| Some((index, agent.machine.far_peers().next()?)));
        let detail = |(index, far)| format!("node {} still knows {far} of another zone", index + 1);
        left.next().map(detail).map(|detail| ("eventually_strangers_part", detail))
    }

    /// The machine says of each job what the durable records say.
    fn books_agree(&self) -> Finding {
        for (id, job) in self.ledger.jobs.iter().filter(|(_, job)| job.durable) {
            let Some(agent) = &self.nodes[job.owner].agent else {
                let detail = format!("{id}: node {} is not there to say anything", job.owner + 1);
                return Some(("eventually_counts_match_the_journal", detail));
            };
            let state = agent.machine.state();
            let said = state.job(*id).map(|known| (known.done.clone(), known.failed.clone(), known.cancelled.clone()));
            let durable = (!job.forgotten).then(|| job.sets());
            if said != durable {
                let detail = format!("{id}: done, failed, cancelled are {said:?} and were durable as {durable:?}");
                return Some(("eventually_counts_match_the_journal", detail));
            }
        }
        None
    }

    /// A restart now would know exactly what the machine knows.
    fn recovery_agrees(&self) -> Finding {
        for (index, computer) in self.nodes.iter().enumerate().filter(|(_, computer)| computer.kind == Kind::Honest) {
            let Some(agent) = &computer.agent else {
                return Some(("eventually_recovery_agrees", format!("node {} does not live", index + 1)));
            };
            let (journal, segment) = (&computer.journal.durable, &computer.warden.segment);
            let whole = Agent::recover(computer.id, None, journal, segment);
            let short = Agent::recover(computer.id, computer.checkpoint.as_ref(), journal, segment);
            for again in [whole, short] {
                let (lives, recovered) = (agent.machine.state(), again.machine.state());
                let differs = lives.jobs().iter().find(|(id, job)| {
                    // When a job ended is for people only, and may be forgotten of rounds that are void.
                    let same = |other: &tern_core::promise::Job| {
                        *other == tern_core::promise::Job { ended_ms: other.ended_ms, ..(*job).clone() }
                    };
                    !recovered.job(**id).is_some_and(same)
                });
                if differs.is_some() || lives.jobs().len() != recovered.jobs().len() {
                    let other = differs.and_then(|(id, _)| recovered.job(*id));
                    let detail = format!("node {}: lives as {differs:?}, recovers as {other:?}", index + 1);
                    return Some(("eventually_recovery_agrees", detail));
                }
            }
        }
        None
    }
}
