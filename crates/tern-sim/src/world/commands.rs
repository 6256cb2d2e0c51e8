//! When the client asks, and whom.

use tern_core::machine::{Command, Event};
use tern_core::words::{JobId, JobSpec};

use super::faults::Repair;
use super::{What, World};
use crate::client::{Asked, random_job, some_tasks};
use crate::computer::{Kind, Power};

const MS: u64 = 1_000_000;

impl World {
    /// Asks the agent of a node now; none where there is no agent. Returns the ticket.
    pub fn ask(&mut self, node: usize, command: Command) -> Option<u64> {
        let computer = &self.nodes[node];
        if computer.agent.is_none() || computer.power != Power::On || computer.stalled_until > self.now {
            return None;
        }
        self.client.tickets += 1;
        let ticket = self.client.tickets;
        if let Command::Forget(job) = &command {
            self.client.forgotten.insert(*job);
        }
        let since = computer.journal.durable.len();
        self.client.pending.insert(ticket, Asked { node, command: command.clone(), since });
        self.feed(node, Event::Command { ticket, command });
        Some(ticket)
    }

    /// Submits to a node.
    pub fn submit(&mut self, node: usize, spec: JobSpec) -> Option<u64> {
        self.ask(node, Command::Submit(Box::new(spec)))
    }

    pub(super) fn plan_client(&mut self) {
        for _ in 0..self.plan.commands {
            let at = self.dice.client.u64(..self.plan.faulty_ms.max(1)) * MS;
            self.queue.plan(at, What::Client);
        }
        if self.plan.commands > 0 {
            self.queue.plan(20 * MS, What::Client);
        }
    }

    pub(super) fn client_acts(&mut self) {
        if self.dice.client.bool() {
            self.client_migrates();
        }
        let dice = &mut self.dice.client;
        let known = self.client.accepted.iter().nth(dice.usize(..self.client.accepted.len().max(1)));
        let known = known.map(|(job, node)| (*job, *node));
        let roll = dice.u32(..100);
        let Some((job, owner)) = known.filter(|_| roll >= 45) else {
            let node = dice.usize(..usize::from(self.plan.honest));
            let spec = random_job(self.client.tickets + 1, dice);
            self.submit(node, spec);
            return;
        };
        let command = match roll {
            45..55 => Command::Hold(job),
            55..65 => Command::Release(job),
            65..75 => {
                // Often followed by a change of mind while its tasks are still being ended.
                if dice.bool() {
                    let soon = self.now + dice.u64(1..800) * MS;
                    self.queue.plan(soon, What::Repair(Repair::Retry(owner, job)));
                }
                Command::Cancel(job)
            }
            75..90 => Command::Retry { job, tasks: dice.bool().then(|| some_tasks(dice)) },
            90..95 => Command::Forget(job),
            _ => {
                let back = self.now + dice.u64(1..1_500) * MS;
                self.queue.plan(back, What::Repair(Repair::Undrain(owner)));
                Command::Drain { wait: dice.bool() }
            }
        };
        self.ask(owner, command);
    }

    /// Wants something elsewhere that runs now, and mostly says where.
    fn client_migrates(&mut self) {
        let mut running = Vec::new();
        for run in self.nodes.iter().flat_map(|computer| computer.warden.live()) {
            let spec = self.ledger.spec(run.attempt.job);
            if spec.is_some_and(|spec| spec.checkpoint.is_some() || spec.idempotent) {
                running.push((run.attempt.job, run.attempt.task));
            }
        }
        let dice = &mut self.dice.client;
        let Some((job, task)) = dice.choice(&running).copied() else { return };
        let named = dice.usize(..usize::from(self.plan.honest));
        let to = (dice.u32(..4) > 0).then(|| self.nodes[named].id);
        if let Some(owner) = self.index_of_tag(job.owner_tag()).filter(|owner| self.nodes[*owner].kind == Kind::Honest)
        {
            self.ask(owner, Command::Migrate { job, task, to });
        }
    }

    pub(super) fn client_undrains(&mut self, node: usize) {
        if self.ask(node, Command::Undrain).is_none() && self.nodes[node].kind == Kind::Honest {
            self.queue.plan(self.now + 200 * MS, What::Repair(Repair::Undrain(node)));
        }
    }

    /// The end of the bad times: half of what is held is released.
    pub(super) fn client_calms(&mut self) {
        let mut release: Vec<(JobId, usize)> = self.client.accepted.iter().map(|(job, node)| (*job, *node)).collect();
        release.retain(|_| self.dice.client.bool());
        for (job, owner) in release {
            self.ask(owner, Command::Release(job));
        }
    }
}
