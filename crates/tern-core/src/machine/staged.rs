//! What waits for the disk.
//!
//! Nothing that a caller or a peer could rely on happens before the records it rests on are durable: they are applied,
//! and their consequences let out, only when the disk has answered.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::effect::{Answer, Deny, Effect};
use super::node::Machine;
use super::plant::Plant;
use crate::promise::Record;
use crate::words::limits::{STAGED_MAX, STORAGE_RETRY};
use crate::words::{JobId, Now};

#[derive(Debug)]
pub(super) struct Staged {
    /// The sequence of the next batch.
    next: u64,
    batches: VecDeque<Batch>,
    records: usize,
    /// The number of the next job; ahead of the durable one while submissions wait.
    pub next_job: u32,
    /// Submissions that wait.
    pub submits: usize,
    /// Jobs with a retry or a forgetting that waits: another one would be decided on a state that is about to change.
    pub busy: BTreeSet<JobId>,
}

#[derive(Debug)]
struct Batch {
    sequence: u64,
    records: Vec<Record>,
    reply: Option<(u64, Answer)>,
}

impl Staged {
    pub(super) const fn new(next_job: u32) -> Self {
        Self { next: 1, batches: VecDeque::new(), records: 0, next_job, submits: 0, busy: BTreeSet::new() }
    }

    pub(super) fn has_room(&self, records: usize) -> bool {
        self.records + records <= STAGED_MAX
    }

    pub(super) fn push(&mut self, records: Vec<Record>, reply: Option<(u64, Answer)>) -> Effect {
        let sequence = self.next;
        self.next += 1;
        self.records += records.len();
        self.batches.push_back(Batch { sequence, records: records.clone(), reply });
        Effect::Persist { sequence, records }
    }

    fn pop_first(&mut self, up_to: u64) -> Option<Batch> {
        if self.batches.front()?.sequence > up_to {
            return None;
        }
        let batch = self.batches.pop_front()?;
        self.records -= batch.records.len();
        Some(batch)
    }

    fn pop_last(&mut self, after: u64) -> Option<Batch> {
        if self.batches.back()?.sequence <= after {
            return None;
        }
        let batch = self.batches.pop_back()?;
        self.records -= batch.records.len();
        Some(batch)
    }

    fn untrack(&mut self, record: &Record) {
        match record {
            Record::Accepted { .. } => self.submits -= 1,
            Record::Retried { job, .. } | Record::Forgotten { job } => {
                self.busy.remove(job);
            }
            _ => {}
        }
    }
}

impl Machine {
    /// Stages the records of a command.
    pub(super) fn stage_for(&mut self, ticket: u64, answer: Answer, records: Vec<Record>, out: &mut Vec<Effect>) {
        if !self.staged.has_room(records.len()) {
            out.push(Effect::Reply { ticket, outcome: Err(Deny::Backpressure) });
            return;
        }
        for record in &records {
            match record {
                Record::Accepted { .. } => self.staged.submits += 1,
                Record::Retried { job, .. } | Record::Forgotten { job } => {
                    self.staged.busy.insert(*job);
                }
                _ => {}
            }
        }
        if self.planted(Plant::DenyTooLate) && self.here.draining && matches!(answer, Answer::Accepted(_)) {
            out.push(Effect::Reply { ticket, outcome: Err(Deny::Draining) });
            out.push(self.staged.push(records, None));
            return;
        }
        let early = self.planted(Plant::AckBeforeFsync);
        if early {
            out.push(Effect::Reply { ticket, outcome: Ok(answer.clone()) });
        }
        out.push(self.staged.push(records, (!early).then_some((ticket, answer))));
    }

    /// Stages records of the node's own. Returns whether they were; if not, the reason stands and brings them up again.
    pub(super) fn stage_own(&mut self, records: Vec<Record>, now: Now, out: &mut Vec<Effect>) -> bool {
        if !self.may_stage(records.len(), now) {
            return false;
        }
        out.push(self.staged.push(records, None));
        true
    }

    pub(super) fn may_stage(&mut self, records: usize, now: Now) -> bool {
        if self.here.storage_retry.is_some_and(|at| now.boot < at) {
            return false;
        }
        self.here.storage_retry = None;
        let room = self.staged.has_room(records);
        if !room {
            self.here.storage_retry = Some(now.boot + STORAGE_RETRY);
        }
        room
    }

    pub(super) fn persisted(&mut self, sequence: u64, now: Now, out: &mut Vec<Effect>) {
        while let Some(batch) = self.staged.pop_first(sequence) {
            for record in &batch.records {
                self.staged.untrack(record);
                self.apply(record, now, out);
            }
            if let Some((ticket, answer)) = batch.reply {
                out.push(Effect::Reply { ticket, outcome: Ok(answer) });
            }
        }
    }

    /// What was staged up to `after` keeps waiting for its own `Persisted`.
    pub(super) fn persist_failed(&mut self, after: u64, full: bool, now: Now, out: &mut Vec<Effect>) {
        let mut denied = Vec::new();
        let mut drains = false;
        while let Some(batch) = self.staged.pop_last(after) {
            for record in &batch.records {
                self.staged.untrack(record);
                self.take_back(record);
                drains |= matches!(record, Record::Drained { .. });
            }
            denied.extend(batch.reply.map(|(ticket, _)| ticket));
        }
        let deny = if full { Deny::StorageFull } else { Deny::StorageFailed };
        for ticket in denied.into_iter().rev() {
            out.push(Effect::Reply { ticket, outcome: Err(deny.clone()) });
        }
        if drains {
            self.drain_failed(&deny, now, out);
        }
        self.here.storage_retry = Some(now.boot + STORAGE_RETRY);
    }
}
