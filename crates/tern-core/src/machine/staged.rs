//! What waits for the disk.
//!
//! Nothing that a caller or a peer could rely on happens before the records it rests on are durable: they are applied,
//! and their consequences let out, only when the disk has answered.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::effect::{Answer, Deny, Effect};
use super::lane::{Lane, LaneKey};
use super::node::Machine;
use super::plant::Plant;
use crate::promise::{Applied, Record};
use crate::words::limits::STAGED_MAX;
use crate::words::{JobId, Now, Span};

/// How long after a failed write the node's own records are tried again. A caller's command is never tried again.
const STORAGE_RETRY: Span = Span::secs(1);

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

    fn push(&mut self, records: Vec<Record>, reply: Option<(u64, Answer)>) -> Effect {
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
                let applied = self.state.apply(record);
                self.react(record, &applied, now, out);
            }
            if let Some((ticket, answer)) = batch.reply {
                out.push(Effect::Reply { ticket, outcome: Ok(answer) });
            }
        }
    }

    pub(super) fn persist_failed(&mut self, after: u64, full: bool, now: Now, out: &mut Vec<Effect>) {
        self.persisted(after, now, out);
        let mut denied = Vec::new();
        while let Some(batch) = self.staged.pop_last(after) {
            for record in &batch.records {
                self.staged.untrack(record);
                self.take_back(record);
            }
            denied.extend(batch.reply.map(|(ticket, _)| ticket));
        }
        let deny = if full { Deny::StorageFull } else { Deny::StorageFailed };
        for ticket in denied.into_iter().rev() {
            out.push(Effect::Reply { ticket, outcome: Err(deny.clone()) });
        }
        self.here.storage_retry = Some(now.boot + STORAGE_RETRY);
    }

    /// What follows from a record that is durable now.
    fn react(&mut self, record: &Record, applied: &Applied, now: Now, out: &mut Vec<Effect>) {
        let _ = (applied, now);
        match record {
            Record::Started { incarnation } => self.here.started |= *incarnation == self.here.incarnation,
            Record::Accepted { job, .. } => {
                let queued = self.state.job(*job).map(crate::promise::Job::pending).unwrap_or_default();
                self.open_lane(*job, Lane::new(queued));
            }
            Record::Held { job } => {
                self.give_back(*job, out);
                self.touched.insert(*job);
            }
            Record::Released { job } => self.wake_lane(LaneKey::Own(*job)),
            Record::Cancelled { job } => self.cancelled(*job, out),
            Record::Retried { job, tasks, .. } => self.retried(*job, tasks),
            Record::Forgotten { job } => {
                self.drop_lane(LaneKey::Own(*job));
                out.push(Effect::Discard { job: *job });
            }
            Record::Lent { .. } | Record::Reclaimed { .. } | Record::Outcomes { .. } => {}
        }
    }

    /// Undoes what was reserved for a record that will never be durable.
    fn take_back(&mut self, record: &Record) {
        if let Record::Cancelled { job } = record
            && let Some(lane) = self.lanes.get_mut(&LaneKey::Own(*job))
        {
            lane.halting = false;
            self.touched.insert(*job);
        }
    }

    fn open_lane(&mut self, job: JobId, lane: Lane) {
        let key = LaneKey::Own(job);
        self.lanes.insert(key, lane);
        self.wake_lane(key);
    }

    pub(super) fn wake_lane(&mut self, key: LaneKey) {
        self.ready.insert(key);
        if let LaneKey::Own(job) = key {
            self.touched.insert(job);
        }
    }

    pub(super) fn drop_lane(&mut self, key: LaneKey) {
        self.ready.remove(&key);
        if let Some(lane) = self.lanes.remove(&key) {
            self.here.in_hand -= lane.in_hand;
        }
    }

    fn cancelled(&mut self, job: JobId, out: &mut Vec<Effect>) {
        self.touched.insert(job);
        if self.planted(Plant::ForgetCancel) {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) else { return };
        lane.queued = crate::words::TaskSet::new();
        lane.halting = false;
        self.stop_tasks(job, out);
    }

    fn retried(&mut self, job: JobId, tasks: &crate::words::TaskSet) {
        let lane = self.lanes.entry(LaneKey::Own(job)).or_default();
        lane.queued.union(tasks);
        self.wake_lane(LaneKey::Own(job));
    }
}
