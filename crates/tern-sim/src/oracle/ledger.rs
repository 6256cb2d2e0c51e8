//! The books of the oracles: what became durable, when, and who holds a lease by an honest clock.

use std::collections::{BTreeMap, BTreeSet};

use tern_core::promise::{Exit, Outcome, Record};
use tern_core::words::{Attempt, GrantId, JobId, JobSpec, NodeId};

use super::facts::{Grant, Job};
use crate::computer::Kind;

/// Everything that the oracles know.
#[derive(Debug)]
pub struct Ledger {
    pub nodes: Vec<(NodeId, Kind)>,
    pub jobs: BTreeMap<JobId, Job>,
    pub grants: BTreeMap<GrantId, Grant>,
    /// Tasks of which a second copy was lent: who had it (none: the owner's warden), and the loan of the copy.
    pub copies: BTreeSet<(JobId, u32, Option<GrantId>, GrantId)>,
    /// Durable starts.
    pub incarnations: BTreeMap<u64, usize>,
    /// Ends that are durable in the segment of a computer.
    pub ends: Vec<BTreeMap<Attempt, Exit>>,
    /// Until when the holder may believe in its lease, on its own boot clock.
    pub leases: BTreeMap<(usize, GrantId), u64>,
    /// Dispatch numbers of local dispatches, by incarnation.
    pub dispatched: BTreeSet<(u64, u32)>,
    /// When the machine last took over its warden, or woke.
    pub welcomed: Vec<u64>,
    /// Since when a durable record says that the node starts nothing.
    pub drained: Vec<Option<u64>>,
    /// Index of the last durable record that said so.
    pub drained_at: Vec<Option<usize>>,
    /// When the machine handled its last event.
    pub fed: Vec<u64>,
}

impl Ledger {
    #[must_use]
    pub fn new(nodes: Vec<(NodeId, Kind)>) -> Self {
        let count = nodes.len();
        Self {
            nodes,
            jobs: BTreeMap::new(),
            grants: BTreeMap::new(),
            copies: BTreeSet::new(),
            incarnations: BTreeMap::new(),
            ends: vec![BTreeMap::new(); count],
            leases: BTreeMap::new(),
            dispatched: BTreeSet::new(),
            welcomed: vec![0; count],
            drained: vec![None; count],
            drained_at: vec![None; count],
            fed: vec![0; count],
        }
    }

    #[must_use]
    pub fn owner_of(&self, job: JobId) -> Option<usize> {
        self.nodes.iter().position(|(id, _)| id.tag() == job.owner_tag())
    }

    #[must_use]
    pub fn spec(&self, job: JobId) -> Option<&JobSpec> {
        self.jobs.get(&job).map(|job| &job.spec)
    }

    pub fn welcomed(&mut self, node: usize, now: u64) {
        self.welcomed[node] = now;
    }

    /// Counts a start of a task; returns how many there were before.
    pub fn count_run(&mut self, attempt: &Attempt) -> u32 {
        let task = self.jobs.get_mut(&attempt.job).and_then(|job| job.tasks.get_mut(attempt.task as usize));
        task.map_or(0, |task| {
            task.runs += 1;
            task.runs - 1
        })
    }

    /// Records that are on their way to the disk: their specs are needed before they are durable.
    pub fn note_written(&mut self, node: usize, records: &[Record]) {
        for record in records {
            if let Record::Reclaimed { grant } = record
                && let Some(grant) = self.grants.get_mut(grant)
            {
                grant.closing = true;
            }
            if let Record::Accepted { job, spec, .. } = record
                && self.jobs.get(job).is_none_or(|known| !known.durable)
            {
                self.jobs.insert(*job, Job::new(node, (**spec).clone()));
            }
        }
    }

    /// The record at `index` of the journal of a computer is durable.
    pub fn note_record(&mut self, node: usize, index: usize, record: &Record, now: u64) {
        match record {
            Record::Started { incarnation } => {
                self.incarnations.insert(*incarnation, node);
            }
            Record::Accepted { job, spec, .. } => {
                let known = self.jobs.entry(*job).or_insert_with(|| Job::new(node, (**spec).clone()));
                known.durable = true;
            }
            Record::Drained { drained } => {
                self.drained[node] = drained.then(|| self.drained[node].unwrap_or(now));
                if *drained {
                    self.drained_at[node] = Some(index);
                }
            }
            Record::Held { job } => self.change(*job, |job| job.held_at = Some(index)),
            Record::Released { job } => self.change(*job, |job| job.released_at = Some(index)),
            Record::Cancelled { job } => self.change(*job, |job| {
                job.cancelled_at = Some(index);
                job.cancelled_when = now;
                job.cancel();
            }),
            Record::Retried { job, round, tasks } => self.change(*job, |job| {
                job.retried_at = Some(index);
                job.retry(*round, tasks);
            }),
            Record::Lent { grant, job, round, n, to, tasks } => {
                let (tasks, open) = (tasks.clone(), tasks.clone());
                let (owner, job, round, n, to) = (node, *job, *round, *n, *to);
                let lent = Grant { owner, job, round, n, to, tasks, open, closed: false, closing: false };
                self.grants.entry(*grant).or_insert(lent);
            }
            Record::Reclaimed { grant } => {
                if let Some(grant) = self.grants.get_mut(grant) {
                    grant.closed = true;
                }
            }
            Record::Outcomes { via, outcomes } => self.note_outcomes(node, *via, outcomes),
            Record::Forgotten { job } => {
                self.change(*job, |job| job.forgotten = true);
                self.grants.values_mut().filter(|grant| grant.job == *job).for_each(|grant| grant.closed = true);
            }
        }
    }

    fn change(&mut self, job: JobId, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.jobs.get_mut(&job) {
            change(job);
        }
    }

    /// Ends are durable in a computer's own segment.
    pub fn note_durable(&mut self, node: usize, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.ends[node].insert(outcome.attempt, outcome.exit);
        }
        self.note_outcomes(node, None, outcomes);
    }

    fn note_outcomes(&mut self, node: usize, via: Option<GrantId>, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let attempt = outcome.attempt;
            let granted = self.incarnations.get(&attempt.epoch.incarnation) == Some(&node)
                && via.is_none_or(|grant| self.grant_covers(grant, node, &attempt));
            let Some(job) = self.jobs.get_mut(&attempt.job).filter(|job| job.owner == node) else { continue };
            job.end(outcome, granted);
            let valid = job.tasks.get(attempt.task as usize).and_then(|task| task.ends.last()).is_some_and(|end| end.2);
            if let Some(grant) = via.filter(|_| valid).and_then(|grant| self.grants.get_mut(&grant)) {
                grant.open.remove(attempt.task);
                grant.closed |= grant.open.is_empty();
            }
        }
    }

    /// Whether results of this attempt may still come in under this grant.
    #[must_use]
    pub fn grant_covers(&self, grant: GrantId, owner: usize, attempt: &Attempt) -> bool {
        self.grants.get(&grant).is_some_and(|known| {
            known.owner == owner
                && !known.closed
                && known.job == attempt.job
                && known.n == attempt.n
                && known.tasks.contains(attempt.task)
                && grant.incarnation == attempt.epoch.incarnation
        })
    }

    /// Whether a task of a job is lent by a loan that is not over.
    #[must_use]
    pub fn lent_to(&self, job: JobId, task: u32) -> Option<GrantId> {
        let lends = |grant: &&Grant| grant.job == job && !grant.closed && grant.open.contains(task);
        self.grants.iter().find(|(_, grant)| lends(grant)).map(|(id, _)| *id)
    }
}
