//! Everything a node has promised: its jobs, and what it lent to whom.
//!
//! It changes by [`State::apply`] alone, record by record. Recovery is the same function over the journal, so what a
//! node knew before a crash and after it cannot differ.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::job::{Job, Verdict};
use super::outcome::Outcome;
use super::record::Record;
use super::refusal::Refusal;
use crate::words::limits::INCARNATIONS_MAX;
use crate::words::{Epoch, GrantId, JobId, NodeId, TaskSet};

/// A range of tasks lent to another node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loan {
    pub job: JobId,
    pub round: u16,
    pub n: u32,
    pub to: NodeId,
    pub tasks: TaskSet,
    /// Those whose end was not reported yet. A loan with none left is closed and gone.
    pub open: TaskSet,
}

/// The state without its jobs: small, written whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub node: NodeId,
    /// The starts of this node whose results are accepted, oldest first.
    pub incarnations: Vec<u64>,
    /// The number of the next job, from 1; numbers are never used twice.
    pub next_job: u32,
    pub lent: BTreeMap<GrantId, Loan>,
    /// The greatest grant of the last incarnation that lent: a repeated record opens no closed grant.
    pub last_grant: Option<GrantId>,
    /// A person wants the node to start nothing more.
    pub drained: bool,
}

/// The durable state of a node.
#[derive(Clone, Debug)]
pub struct State {
    head: Head,
    jobs: BTreeMap<JobId, Job>,
    dirty: Dirty,
}

/// What changed since the last checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    pub head: bool,
    /// Jobs to write; those that [`State::job`] no longer knows are to be deleted.
    pub jobs: BTreeSet<JobId>,
}

/// What applying a record did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was so already, or the record speaks of a job that is gone.
    Nothing,
    Changed,
    /// One verdict an outcome, in order.
    Outcomes(Vec<Verdict>),
}

impl State {
    /// A node that has promised nothing yet.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        let head = Head {
            node,
            incarnations: Vec::new(),
            next_job: 1,
            lent: BTreeMap::new(),
            last_grant: None,
            drained: false,
        };
        Self::from_parts(head, [])
    }

    /// From a checkpoint; the records after it are to be applied next.
    #[must_use]
    pub fn from_parts(head: Head, jobs: impl IntoIterator<Item = (JobId, Job)>) -> Self {
        Self { head, jobs: jobs.into_iter().collect(), dirty: Dirty::default() }
    }

    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }
    #[must_use]
    pub const fn jobs(&self) -> &BTreeMap<JobId, Job> {
        &self.jobs
    }
    #[must_use]
    pub fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.head.node
    }
    #[must_use]
    pub const fn lent(&self) -> &BTreeMap<GrantId, Loan> {
        &self.head.lent
    }
    /// Returns and forgets what changed.
    pub fn take_dirty(&mut self) -> Dirty {
        core::mem::take(&mut self.dirty)
    }

    /// The one way in which the durable state changes. Applying a record twice in a row is applying it once.
    pub fn apply(&mut self, record: &Record) -> Applied {
        let changed = match record {
            Record::Outcomes { via, outcomes } => return Applied::Outcomes(self.apply_outcomes(*via, outcomes)),
            Record::Started { incarnation } => self.start(*incarnation),
            Record::Accepted { job, spec, at_ms } => self.accept(*job, || Job::new((**spec).clone(), *at_ms)),
            Record::Held { job } => self.change(*job, |job| !core::mem::replace(&mut job.held, true)),
            Record::Released { job } => self.change(*job, |job| core::mem::replace(&mut job.held, false)),
            Record::Cancelled { job } => self.change(*job, Job::cancel),
            Record::Retried { job, round, tasks } => self.change(*job, |job| job.retry(*round, tasks)),
            Record::Lent { grant, job, round, n, to, tasks } => {
                let open = tasks.clone();
                self.lend(*grant, Loan { job: *job, round: *round, n: *n, to: *to, tasks: tasks.clone(), open })
            }
            Record::Reclaimed { grant } => {
                let was = self.head.lent.remove(grant).is_some();
                self.dirty.head |= was;
                was
            }
            Record::Forgotten { job } => self.forget(*job),
            Record::Drained { drained } => {
                let was = core::mem::replace(&mut self.head.drained, *drained);
                self.dirty.head |= was != *drained;
                was != *drained
            }
        };
        if changed { Applied::Changed } else { Applied::Nothing }
    }

    /// [`Record::Outcomes`] without the record: for ends that are durable in a segment.
    pub fn apply_outcomes(&mut self, via: Option<GrantId>, outcomes: &[Outcome]) -> Vec<Verdict> {
        outcomes.iter().map(|outcome| self.apply_outcome(via, outcome)).collect()
    }

    fn apply_outcome(&mut self, via: Option<GrantId>, outcome: &Outcome) -> Verdict {
        if let Err(refusal) = self.may_report(via, outcome) {
            return Verdict::Stale(refusal);
        }
        let attempt = &outcome.attempt;
        let Some(job) = self.jobs.get_mut(&attempt.job) else {
            return Verdict::Stale(Refusal::UnknownJob);
        };
        let verdict = job.take(outcome, &self.head.incarnations);
        if !matches!(verdict, Verdict::Stale(_)) {
            self.dirty.jobs.insert(attempt.job);
            if let Some(grant) = via {
                self.close_task(grant, attempt.task);
            }
        }
        verdict
    }

    /// Whether the outcome's token was given out by this node, and is still good.
    ///
    /// # Errors
    /// Why not.
    pub fn may_report(&self, via: Option<GrantId>, outcome: &Outcome) -> Result<(), Refusal> {
        let attempt = &outcome.attempt;
        if let Some(grant) = via {
            let loan = self.head.lent.get(&grant).ok_or(Refusal::ClosedGrant)?;
            if loan.job != attempt.job || loan.n != attempt.n || grant.incarnation != attempt.epoch.incarnation {
                return Err(Refusal::NotInGrant);
            }
            if loan.round != attempt.round || !loan.tasks.contains(attempt.task) {
                return Err(Refusal::NotInGrant);
            }
            if !loan.open.contains(attempt.task) {
                return Err(Refusal::AlreadyCounted);
            }
        }
        if self.knows_epoch(attempt.epoch) { Ok(()) } else { Err(Refusal::UnknownEpoch) }
    }

    /// Whether the epoch is one of this node's starts. The latest is looked at first: nearly all results are of it.
    #[must_use]
    pub fn knows_epoch(&self, epoch: Epoch) -> bool {
        epoch.counter == 0
            && epoch.keeper == self.head.node.tag()
            && self.head.incarnations.iter().rev().any(|known| *known == epoch.incarnation)
    }

    fn close_task(&mut self, grant: GrantId, task: u32) {
        let Some(loan) = self.head.lent.get_mut(&grant) else { return };
        self.dirty.head |= loan.open.remove(task);
        if loan.open.is_empty() {
            self.head.lent.remove(&grant);
        }
    }

    fn start(&mut self, incarnation: u64) -> bool {
        if self.head.incarnations.contains(&incarnation) {
            return false;
        }
        if self.head.incarnations.len() >= INCARNATIONS_MAX {
            self.head.incarnations.remove(0);
        }
        self.head.incarnations.push(incarnation);
        self.dirty.head = true;
        true
    }

    fn accept(&mut self, id: JobId, job: impl FnOnce() -> Job) -> bool {
        // A lower number was accepted before: it is there, or it was forgotten and stays so.
        if id.number() < self.head.next_job {
            return false;
        }
        self.head.next_job = id.number().saturating_add(1);
        self.jobs.insert(id, job());
        self.dirty.head = true;
        self.dirty.jobs.insert(id);
        true
    }

    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Job) -> bool) -> bool {
        let changed = self.jobs.get_mut(&id).is_some_and(change);
        if changed {
            self.dirty.jobs.insert(id);
        }
        changed
    }

    fn lend(&mut self, grant: GrantId, loan: Loan) -> bool {
        let known = self.head.last_grant.is_some_and(|last| last.incarnation == grant.incarnation && grant.n <= last.n);
        if known || !self.jobs.contains_key(&loan.job) {
            return false;
        }
        self.head.last_grant = Some(grant);
        self.head.lent.insert(grant, loan);
        self.dirty.head = true;
        true
    }

    fn forget(&mut self, job: JobId) -> bool {
        let was = self.jobs.remove(&job).is_some();
        if was {
            self.dirty.jobs.insert(job);
            self.head.lent.retain(|_, loan| loan.job != job);
            self.dirty.head = true;
        }
        was
    }
}
