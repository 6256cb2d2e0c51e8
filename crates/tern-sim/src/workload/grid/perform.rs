//! Does what a machine wants done, as a healthy agent and its warden would.

use tern_core::machine::{Dispatch, Effect, Event};
use tern_core::promise::Exit;
use tern_core::wire::Message;
use tern_core::words::{Attempt, GrantId, JobId, TaskSet};

use super::agent::{Job, Waiting};
use super::step::Grid;
use super::{Parcel, What};
use crate::workload::model::latency;

/// From the agent to its warden, or back.
const SOCKET: f64 = 50e-6;

impl Grid<'_> {
    pub(super) fn perform(&mut self, node: usize, effect: Effect) {
        match effect {
            // No job of these workloads has files of its own: their bytes travel with the loan; and processes are not judged.
            Effect::Stage { .. } | Effect::Kept { .. } | Effect::Log(_) => {}
            Effect::Hold { .. } | Effect::Free { .. } => {}
            Effect::Persist { sequence, .. } => {
                let agent = &mut self.agents[node];
                agent.written = sequence;
                if agent.covered.is_none() {
                    agent.covered = Some(sequence);
                    self.plan(self.seconds() + self.settings.fsync_s, What::Fsync(node));
                }
            }
            Effect::Reply { ticket, outcome } => {
                if let Ok(tern_core::machine::Answer::Accepted(job)) = outcome {
                    self.jobs.insert(job, ticket as usize);
                } else {
                    self.trace.counts.faults += 1;
                }
            }
            Effect::Dispatch(dispatch) => self.dispatch(node, dispatch),
            Effect::Revoke { job, tasks } => self.revoke(node, job, &tasks),
            Effect::End { job, tasks } => self.end(node, job, &tasks),
            Effect::Send { to, message } => self.send(node, self.places[&to], message),
            Effect::Tell(told) => {
                self.trace.counts.vitals += 1;
                let at = self.seconds() + self.settings.vitals_s;
                self.plan(at, What::Heard(node, Box::new(told.message())));
            }
            Effect::WakeAt(boot) => {
                let at = boot.max(self.agenda.now + 1);
                if self.agents[node].alarm.is_none_or(|planned| at < planned) {
                    self.agents[node].alarm = Some(at);
                    self.agenda.plan_ns(at, What::Alarm(node));
                }
            }
            Effect::Counted { job, outcomes } => {
                for outcome in outcomes {
                    if let Some(task) = self.task_of(job, outcome.attempt.task) {
                        self.trace.counted(task);
                    }
                }
            }
            Effect::Changed { .. } | Effect::Discard { .. } => {}
        }
    }

    /// The task of the workload.
    fn task_of(&self, job: JobId, task: u32) -> Option<usize> {
        self.parts[*self.jobs.get(&job)?].get(task as usize).copied()
    }

    fn dispatch(&mut self, node: usize, dispatch: Dispatch) {
        let Dispatch { job, round, epoch, n, tasks, grant } = dispatch;
        for task in &tasks.0 {
            let attempt = Attempt { job, task, round, epoch, n };
            let cores = self.task_of(job, task).map_or(1, |task| self.workload.tasks[task].cores);
            self.agents[node].queue.push_back(Waiting { attempt, grant, cores });
            if let Some(task) = self.task_of(job, task).filter(|_| grant.is_none()) {
                self.trace.queued(task, node);
            }
        }
        self.start_waiting(node);
    }

    /// Starts what there are slots for.
    pub(super) fn start_waiting(&mut self, node: usize) {
        let now = self.seconds();
        let mut began = false;
        while let Some(attempt) = self.agents[node].next_start(now) {
            let Some(task) = self.task_of(attempt.job, attempt.task) else { continue };
            let spec = &self.workload.tasks[task];
            self.agents[node].host.start(Job { attempt, task }, spec.work, spec.cores, now);
            self.trace.began(task);
            began = true;
        }
        if began {
            self.replan(node);
        }
    }

    pub(super) fn replan(&mut self, node: usize) {
        let now = self.seconds();
        self.agents[node].host.advance(now);
        if let Some((at, version)) = self.agents[node].host.next_end(now) {
            // Rounded up, so that it has ended by then.
            self.plan(at + 1e-9, What::Ends(node, version));
        }
    }

    fn revoke(&mut self, node: usize, job: JobId, tasks: &TaskSet) {
        let agent = &mut self.agents[node];
        let named = |one: &Waiting| one.attempt.job == job && tasks.contains(one.attempt.task);
        let back: Vec<Attempt> = agent.queue.iter().filter(|one| named(one)).map(|one| one.attempt).collect();
        if !back.is_empty() {
            agent.queue.retain(|one| !named(one));
            let event = Box::new(Event::Revoked(back));
            self.plan(self.seconds() + SOCKET, What::Tell(node, event));
        }
    }

    fn end(&mut self, node: usize, job: JobId, tasks: &TaskSet) {
        let now = self.seconds();
        let agent = &mut self.agents[node];
        agent.host.advance(now);
        let named = |attempt: &Attempt| attempt.job == job && tasks.contains(attempt.task);
        let gone: Vec<_> = agent.host.running.extract_if(.., |run| named(&run.what.attempt)).collect();
        if gone.is_empty() {
            return;
        }
        for run in gone {
            let task = run.what.task;
            self.trace.ended(task, None, self.workload.tasks[task].work - run.left);
            let outcome = self.agents[node].outcome(&run, Exit::Cancelled, now);
            self.agents[node].ended.push(outcome);
        }
        self.sync(node);
        self.start_waiting(node);
        self.replan(node);
    }

    /// What has ended reaches the disk with one fsync.
    pub(super) fn sync(&mut self, node: usize) {
        if !self.agents[node].ended.is_empty() && !std::mem::replace(&mut self.agents[node].syncing, true) {
            self.plan(self.seconds() + self.settings.fsync_s + SOCKET, What::Synced(node));
        }
    }

    fn send(&mut self, from: usize, to: usize, mut message: Message) {
        let counts = &mut self.trace.counts;
        match &message {
            Message::Renew { .. } | Message::Renewed { .. } => counts.renewals += 1,
            Message::Vitals { .. } => {}
            _ => counts.messages += 1,
        }
        let arrives = self.seconds() + latency(&self.workload.nodes[from], &self.workload.nodes[to]);
        if let Message::Lend { grant, job, tasks, argv, .. } = &mut message {
            *argv = vec![Vec::new(); tasks.len() as usize];
            self.send_inputs(from, to, *grant, *job, tasks);
        }
        self.plan(arrives, What::Deliver(Box::new(Parcel { from, to, message })));
    }

    /// The inputs of a grant follow it over the line of their owner, one after the other.
    fn send_inputs(&mut self, from: usize, to: usize, grant: GrantId, job: JobId, tasks: &TaskSet) {
        let ids: Vec<usize> = tasks.0.iter().filter_map(|task| self.task_of(job, task)).collect();
        let bytes = ids.iter().map(|task| self.workload.tasks[*task].bytes).sum();
        for task in ids {
            self.trace.queued(task, to);
        }
        let (now, bandwidth) = (self.seconds(), self.workload.nodes[to].bandwidth);
        let sent = self.agents[from].host.send(bytes, bandwidth, now);
        let here = sent + latency(&self.workload.nodes[from], &self.workload.nodes[to]);
        self.agents[to].inputs.insert(grant, here);
        self.plan(here + 1e-9, What::Inputs(to));
    }
}
