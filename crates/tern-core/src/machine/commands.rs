//! What people and programs ask for.
//!
//! A command is either denied at once, with nothing changed, or answered when its records are durable.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::effect::{Answer, Deny, Effect};
use super::event::Command;
use super::lane::LaneKey;
use super::node::Machine;
use super::plant::Plant;
use crate::decide::fits::{self, Lack};
use crate::promise::{Job, Record};
use crate::view::JobState;
use crate::words::limits::{
    CHECKPOINT_GRACE_MOST, CHECKPOINT_TASKS_MAX, JOBS_MAX, NAMED_NODES_MAX, ROUNDS_MAX, SPEC_BYTES_MAX,
    TASKS_PER_JOB_MAX, TRIES_MAX, ZONE_BYTES_MAX,
};
use crate::words::spec::HaltWhen;
use crate::words::{Inputs, JobId, JobSpec, Now, TaskSet};

impl Machine {
    pub(super) fn command(&mut self, ticket: u64, command: Command, now: Now, out: &mut Vec<Effect>) {
        let records = match command {
            Command::Submit(spec) => self.submit(spec, Vec::new(), false, now),
            Command::SubmitNamed { spec, rows, adaptive } => self.submit(spec, rows, adaptive, now),
            Command::Hold(job) => self.change(job, Answer::Done, Record::Held { job }),
            Command::Release(job) => self.change(job, Answer::Done, Record::Released { job }),
            Command::Cancel(job) => {
                let pending = self.state.job(job).map_or(0, |job| job.pending().len());
                self.change(job, Answer::Tasks(pending), Record::Cancelled { job })
            }
            Command::Retry { job, tasks } => self.retry(job, tasks),
            Command::Forget(job) => self.forget(job),
            Command::Drain { wait } => return self.drain(ticket, wait, now, out),
            Command::Undrain => return self.undrain(ticket, out),
            Command::Leave => return self.leave(ticket, now, out),
            Command::Migrate { job, task, to } => return self.migrate(ticket, (job, task), to, now, out),
        };
        match records {
            Ok((answer, records)) => self.stage_for(ticket, answer, records, out),
            Err(deny) => out.push(Effect::Reply { ticket, outcome: Err(deny) }),
        }
    }

    fn submit(
        &mut self,
        mut spec: Box<JobSpec>,
        rows: Vec<u64>,
        adaptive: bool,
        now: Now,
    ) -> Result<(Answer, Vec<Record>), Deny> {
        if let Some(deny) = self.refuses(&spec).filter(|_| !self.planted(Plant::DenyTooLate)) {
            return Err(deny);
        }
        if self.here.full {
            return Err(Deny::StorageFull);
        }
        validate(&spec)?;
        self.somebody_can(&spec)?;
        let mut records = Vec::new();
        if self.state.jobs().len() + self.staged.submits >= JOBS_MAX {
            records.push(Record::Forgotten { job: self.oldest_over()? });
        }
        if !self.staged.has_room(records.len() + 1) {
            return Err(Deny::Backpressure);
        }
        let number = self.staged.next_job;
        self.staged.next_job = number.checked_add(1).ok_or(Deny::Limit {
            what: "jobs ever accepted",
            limit: u64::from(u32::MAX),
            got: u64::from(number),
        })?;
        let job = JobId::new(self.state.node().tag(), number);
        self.estimate(job, &mut spec, rows);
        if adaptive {
            self.adapt(job, &mut spec);
        }
        records.push(Record::Accepted { job, spec, at_ms: now.wall_ms });
        Ok((Answer::Accepted(job), records))
    }

    /// Refuses what no machine can run that is known here. A node that the job names may be off, and come back; and what machines of
    /// other zones have is not known.
    fn somebody_can(&self, spec: &JobSpec) -> Result<(), Deny> {
        let needs = &spec.needs;
        if needs.is_none() {
            return Ok(());
        }
        let me = self.state.node();
        // A neighbour says what it has in a moment; of a node of another zone that is not known yet nothing is promised.
        let met = self.sharing.peers.iter().filter(|(id, peer)| peer.fit.is_some() || !self.broker.is_far(**id));
        let peers = met.map(|(id, peer)| (*id, peer.fit.as_ref()));
        let known = || peers.clone().filter(|_| spec.may_leave()).chain([(me, Some(&self.here.fit))]);
        if needs.on.iter().any(|named| known().all(|(id, _)| id != *named)) {
            return Ok(());
        }
        let mut lacks = Vec::new();
        for (id, fit) in known() {
            match fits::lack(id, fit, needs) {
                None | Some(Lack::Unknown) => return Ok(()),
                Some(lack) => lacks.push((id, lack)),
            }
        }
        if spec.may_leave() && self.broker.might_have(needs) {
            return Ok(());
        }
        Err(Deny::NoMachine { looked: lacks.len(), nearest: fits::nearest(lacks) })
    }

    fn oldest_over(&self) -> Result<JobId, Deny> {
        let over = |job: &&JobId| !self.lanes.contains_key(&LaneKey::Own(**job)) && !self.staged.busy.contains(job);
        let limit = JOBS_MAX as u64;
        self.state.jobs().keys().find(over).copied().ok_or(Deny::Limit { what: "jobs", limit, got: limit + 1 })
    }

    fn known(&self, job: JobId) -> Result<(&Job, JobState), Deny> {
        let known = self.state.job(job).ok_or(Deny::NoSuchJob(job))?;
        Ok((known, self.job_state(job, known)))
    }

    /// A record for a job that is not over.
    fn change(&self, job: JobId, answer: Answer, record: Record) -> Result<(Answer, Vec<Record>), Deny> {
        let (_, state) = self.known(job)?;
        if state.is_over() {
            return Err(Deny::WrongState { job, state });
        }
        Ok((answer, vec![record]))
    }

    fn retry(&self, job: JobId, only: Option<TaskSet>) -> Result<(Answer, Vec<Record>), Deny> {
        let (known, state) = self.known(job)?;
        if self.staged.busy.contains(&job) {
            return Err(Deny::Backpressure);
        }
        let round = known.round.saturating_add(1);
        if round > ROUNDS_MAX {
            return Err(Deny::Limit { what: "rounds", limit: u64::from(ROUNDS_MAX), got: u64::from(round) });
        }
        let mut tasks = known.failed.clone();
        tasks.union(&known.cancelled);
        if let Some(only) = only {
            tasks.intersect(&only);
        }
        // An attempt that is being ended must have ended before its task runs again.
        if let Some(lane) = self.lanes.get(&LaneKey::Own(job)).filter(|_| !self.planted(Plant::RetryWhileEnding)) {
            tasks.subtract(&lane.in_hand_tasks());
            tasks.subtract(&lane.lending);
        }
        tasks.subtract(&self.strays_of(job));
        for loan in self.state.lent().values().filter(|loan| loan.job == job) {
            tasks.subtract(&loan.open);
        }
        if tasks.is_empty() {
            return Err(Deny::WrongState { job, state });
        }
        Ok((Answer::Tasks(tasks.len()), vec![Record::Retried { job, round, tasks }]))
    }

    fn forget(&self, job: JobId) -> Result<(Answer, Vec<Record>), Deny> {
        let (_, state) = self.known(job)?;
        if self.staged.busy.contains(&job) {
            return Err(Deny::Backpressure);
        }
        if !state.is_over() {
            return Err(Deny::WrongState { job, state });
        }
        Ok((Answer::Done, vec![Record::Forgotten { job }]))
    }
}

/// Whether a spec keeps the limits.
///
/// # Errors
/// The first that it does not.
pub(super) fn validate(spec: &JobSpec) -> Result<(), Deny> {
    let limit = |what, limit: u64, got: u64| if got > limit { Err(Deny::Limit { what, limit, got }) } else { Ok(()) };
    let invalid = |why: &str| Err(Deny::Invalid(String::from(why)));
    limit("tasks", TASKS_PER_JOB_MAX.into(), spec.tasks.into())?;
    limit("tries", TRIES_MAX.into(), spec.tries.into())?;
    let size = postcard::ser_flavors::Size::default();
    let bytes = postcard::serialize_with_flavor(spec, size).unwrap_or(usize::MAX);
    limit("bytes of the job's description", SPEC_BYTES_MAX as u64, bytes as u64)?;
    if spec.tries == 0 {
        return invalid("tries count from 1: one attempt at each task");
    }
    if spec.command.words.is_empty() {
        return invalid("the command has no word");
    }
    if let Inputs::Array { first } = spec.inputs
        && first.checked_add(i64::from(spec.tasks)).is_none()
    {
        return invalid("the array runs beyond the greatest number of 64 bits");
    }
    limit("nodes that a job names", NAMED_NODES_MAX as u64, (spec.needs.on.len() + spec.needs.not_on.len()) as u64)?;
    limit("bytes of a zone's name", ZONE_BYTES_MAX as u64, spec.needs.zone.len() as u64)?;
    if !matches!(spec.work.len(), 0 | 1) && spec.work.len() != spec.tasks as usize {
        return invalid("there is an estimate for each task, or one for all, or none");
    }
    if let Some(checkpoint) = &spec.checkpoint {
        let (most, grace_ms) = (CHECKPOINT_GRACE_MOST.as_ms(), checkpoint.grace_ms.into());
        limit("tasks of a job that leaves checkpoints", CHECKPOINT_TASKS_MAX.into(), spec.tasks.into())?;
        limit("milliseconds between TERM and KILL", most, grace_ms)?;
    }
    if spec.halt.when != HaltWhen::Never {
        if spec.halt.count == 0 {
            return invalid("a job that stops early needs a number of ends, from 1");
        }
        if spec.halt.percent {
            limit("per cent of ends", 100, spec.halt.count.into())?;
        }
    }
    Ok(())
}
