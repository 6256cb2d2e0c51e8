//! The borrower's side of a loan: the tasks run here, their results belong to the owner.
//!
//! The lease counts from the moment this node asked. When it runs out, the tasks are ended and the grant forgotten:
//! by then the owner may have given them to another.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Borrowed;
use crate::decide::fits;
use crate::machine::commands::validate;
use crate::machine::effect::Effect;
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::local::expected;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason};
use crate::promise::ledger::{Half, Triad};
use crate::promise::{Outcome, Refusal, lease};
use crate::wire::Message;
use crate::words::limits::{
    ASK_AGAIN_FIRST, FRAME_BYTES_MAX, GRANT_TASKS_MAX, GRANTS_HELD_MAX, RESEND, RESULT_OUTPUT_BYTES_MAX,
};
use crate::words::{Attempt, GrantId, JobId, NodeId, Now, TaskSet, Unfit};

/// Bytes of output in one message of results; what is left of the frame is for the rest.
const OUTPUT_BYTES: u64 = (FRAME_BYTES_MAX - (FRAME_BYTES_MAX >> 3)) as u64;

impl Machine {
    pub(in crate::machine) fn lease_clock(&self, now: Now) -> u64 {
        if self.planted(Plant::LeaseOnMono) { now.mono } else { now.boot }
    }

    fn holder_ends(&self, asked: u64, now: Now) -> u64 {
        let from = if self.planted(Plant::LeaseFromArrival) { self.lease_clock(now) } else { asked };
        lease::holder_ends(from)
    }

    /// A grant came. It is taken, or given back at once.
    pub(super) fn granted(&mut self, from: NodeId, message: Message, now: Now, out: &mut Vec<Effect>) {
        let Message::Lend { grant, job, tasks, asked, broker, whole, .. } = &message else { return };
        let (grant, job, asked, tasks) = (*grant, *job, *asked, tasks.clone());
        let triad = Triad::new(grant, [from, *broker, self.state.node()], *whole);
        if self.sharing.borrowed.contains_key(&grant) {
            // A repeated message; giving it back would give back what runs.
            return self.refuse(Refusal::KnownGrant);
        }
        let asked_for = self.take_ask(from, asked, now);
        match self.judge_grant(from, &message, asked_for, now) {
            Ok(borrowed) => {
                let staging = borrowed.staging.clone();
                if let Some(triad) = triad.filter(|_| staging.is_empty() || !self.planted(Plant::PostingForgotten)) {
                    self.post(triad, Half::Receiver, now, out);
                }
                self.sharing.borrowed.insert(grant, borrowed);
                let key = LaneKey::Borrowed(grant);
                let length_ns = if let Message::Lend { spec, .. } = &message { expected(spec) } else { None };
                if staging.is_empty() || self.planted(Plant::StartUnstaged) {
                    self.lanes.insert(key, Lane { length_ns, ..Lane::new(tasks) });
                    self.ready.insert(key);
                } else {
                    self.lanes.insert(key, Lane { length_ns, ..Lane::default() });
                    out.push(Effect::Stage { grant, tasks: staging });
                }
                self.note_heavy(key);
            }
            Err(refusal) => {
                self.refuse(refusal);
                let tasks = self.surely_not_here(grant, job, tasks, asked_for.is_some());
                if !tasks.is_empty() {
                    let why = (refusal == Refusal::Unfit).then_some(Unfit::Needs);
                    out.push(Effect::Send { to: from, message: Message::Return { grant, tasks, why } });
                }
                if let Some(peer) = self.sharing.peers.get_mut(&from) {
                    peer.ask_again = peer.ask_again.max(now.boot + ASK_AGAIN_FIRST);
                }
            }
        }
    }

    /// Which tasks of a grant that was refused may be given back at once. A grant that nobody asked for may be the echo of
    /// one that an earlier agent took: what the warden still runs of it must wait for the end of its lease, and before the
    /// warden has said what it runs, that may be all.
    fn surely_not_here(&self, grant: GrantId, job: JobId, mut tasks: TaskSet, asked: bool) -> TaskSet {
        if !asked && !self.here.warden {
            return TaskSet::new();
        }
        let of_it = |attempt: &&Attempt| {
            attempt.job == job && attempt.epoch.incarnation == grant.incarnation && attempt.n == grant.n
        };
        tasks.subtract(&self.here.strays.iter().filter(of_it).map(|attempt| attempt.task).collect());
        tasks
    }

    /// Whether the parts of a loan go with one another.
    fn is_whole(&self, from: NodeId, message: &Message) -> bool {
        let Message::Lend { grant, epoch, n, spec, tasks, argv, travel, broker, whole, .. } = message else {
            return false;
        };
        let one_token = grant.incarnation == epoch.incarnation && grant.n == *n;
        let triad = Triad::new(*grant, [from, *broker, self.state.node()], *whole)
            .filter(|_| (tasks.len()..=GRANT_TASKS_MAX).contains(whole));
        let files = travel.as_ref().map(|travel| travel.tasks.len());
        one_token
            && triad.is_some()
            && argv.len() == tasks.len() as usize
            && files == spec.files_travel().then_some(argv.len())
            && !spec.local_only
            && validate(spec).is_ok()
    }

    fn judge_grant(
        &self,
        from: NodeId,
        message: &Message,
        asked_for: Option<u32>,
        now: Now,
    ) -> Result<Borrowed, Refusal> {
        let Message::Lend { job, round, epoch, n, spec, tasks, asked, .. } = message else {
            return Err(Refusal::Malformed);
        };
        let asked_for = asked_for.ok_or(Refusal::NotAsked)?;
        let owner = from.tag();
        if job.owner_tag() != owner || epoch.keeper != owner || owner == self.state.node().tag() {
            return Err(Refusal::NotOwner);
        }
        if !self.is_whole(from, message) {
            return Err(Refusal::Malformed);
        }
        let count = tasks.len();
        if count == 0 || tasks.0.max().is_some_and(|last| last >= spec.tasks) {
            return Err(Refusal::TaskOutOfRange);
        }
        if count > asked_for.min(GRANT_TASKS_MAX) || self.sharing.borrowed.len() >= GRANTS_HELD_MAX {
            return Err(Refusal::TooLarge);
        }
        if fits::lack(self.state.node(), Some(&self.here.fit), &spec.needs).is_some() {
            return Err(Refusal::Unfit);
        }
        if self.still_ending(*job, tasks) {
            return Err(Refusal::StillEnding);
        }
        let ends = self.holder_ends(*asked, now);
        if self.lease_clock(now) >= ends || self.here.draining || self.here.full || !self.here.warden {
            return Err(Refusal::LateGrant);
        }
        Ok(Borrowed {
            from,
            job: *job,
            round: *round,
            epoch: *epoch,
            n: *n,
            parallel: spec.parallel,
            ends,
            renew_at: lease::renew_at(*asked),
            staging: if spec.files_travel() { tasks.clone() } else { TaskSet::new() },
            needs: spec.needs.clone(),
            deferred: spec.deferred,
            results: BTreeMap::new(),
            returned: TaskSet::new(),
            why: None,
            resend_at: now.boot,
            revoked: false,
            recalled: TaskSet::new(),
            ending: false,
        })
    }

    pub(super) fn renewed(
        &mut self,
        from: NodeId,
        grants: &[GrantId],
        lost: &[GrantId],
        asked: u64,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if asked > self.lease_clock(now) {
            return self.refuse(Refusal::NotAsked);
        }
        let ends = self.holder_ends(asked, now);
        for grant in grants {
            match self.sharing.borrowed.get_mut(grant) {
                Some(held) if held.from == from && !held.ending => held.ends = held.ends.max(ends),
                Some(held) if held.from == from => {}
                _ => self.refuse(Refusal::ClosedGrant),
            }
        }
        for grant in lost {
            self.lose(from, *grant, out);
        }
    }

    /// The owner ended the grant.
    fn lose(&mut self, from: NodeId, grant: GrantId, out: &mut Vec<Effect>) {
        match self.sharing.borrowed.get(&grant) {
            Some(held) if held.from == from => self.end_grant(grant, Reason::Revoked, out),
            Some(_) => self.refuse(Refusal::NotHolder),
            None => {}
        }
    }

    /// Whether a task is in the warden's hands under another grant, or as a stray.
    fn still_ending(&self, job: JobId, tasks: &TaskSet) -> bool {
        let same = |held: &&Borrowed| held.job == job;
        let grants = self.sharing.borrowed.iter().filter(|(_, held)| same(held)).map(|(grant, _)| *grant);
        let mut lanes = grants.filter_map(|grant| self.lanes.get(&LaneKey::Borrowed(grant)));
        lanes.any(|lane| lane.in_hand_tasks().shared(tasks) > 0) || self.strays_of(job).shared(tasks) > 0
    }

    /// The owner wants it back: what has not started is returned at once, what runs is ended and reported when it has
    /// ended. Returned earlier, it could run elsewhere beside its own end here.
    pub(super) fn revoke(&mut self, from: NodeId, grant: GrantId, now: Now, out: &mut Vec<Effect>) {
        let Some(held) = self.sharing.borrowed.get_mut(&grant) else {
            return self.refuse(Refusal::ClosedGrant);
        };
        if held.from != from {
            return self.refuse(Refusal::NotHolder);
        }
        held.revoked = true;
        let job = held.job;
        let tasks = self.lanes.get(&LaneKey::Borrowed(grant)).map(Lane::in_hand_tasks).unwrap_or_default();
        if !tasks.is_empty() {
            self.decided(Did::End { job, tasks: tasks.len() }, Reason::Revoked);
            out.push(Effect::Revoke { job, tasks: tasks.clone() });
            out.push(Effect::End { job, tasks });
        }
        self.send_results(grant, out);
        self.return_waiting(now, out);
    }

    /// The owner does not want some of the tasks any more: as with the whole grant.
    pub(super) fn recall(&mut self, from: NodeId, grant: GrantId, tasks: &TaskSet, now: Now, out: &mut Vec<Effect>) {
        let Some(held) = self.sharing.borrowed.get_mut(&grant) else {
            return self.refuse(Refusal::ClosedGrant);
        };
        if held.from != from {
            return self.refuse(Refusal::NotHolder);
        }
        held.recalled.union(tasks);
        let job = held.job;
        let mut running = self.lanes.get(&LaneKey::Borrowed(grant)).map(Lane::in_hand_tasks).unwrap_or_default();
        running.intersect(tasks);
        if !running.is_empty() {
            self.decided(Did::End { job, tasks: running.len() }, Reason::Revoked);
            out.push(Effect::Revoke { job, tasks: running.clone() });
            out.push(Effect::End { job, tasks: running });
        }
        self.return_waiting(now, out);
    }

    /// Stops everything of the grant. It is forgotten when nothing of it is in the warden's hands.
    pub(super) fn end_grant(&mut self, grant: GrantId, because: Reason, out: &mut Vec<Effect>) {
        let Some(held) = self.sharing.borrowed.get_mut(&grant) else { return };
        held.ending = true;
        held.results.clear();
        held.returned = TaskSet::new();
        held.staging = TaskSet::new();
        let job = held.job;
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Borrowed(grant)) {
            lane.queued.take_all();
            let tasks = lane.in_hand_tasks();
            if !tasks.is_empty() {
                let count = tasks.len();
                out.push(Effect::Revoke { job, tasks: tasks.clone() });
                out.push(Effect::End { job, tasks });
                self.decided(Did::End { job, tasks: count }, because);
            }
        }
        self.forget_if_done(grant);
    }

    pub(in crate::machine) fn forget_if_done(&mut self, grant: GrantId) {
        let key = LaneKey::Borrowed(grant);
        let Some(held) = self.sharing.borrowed.get(&grant) else { return };
        let empty = self.lanes.get(&key).is_none_or(|lane| lane.queued.is_empty() && lane.in_hand == 0);
        if empty && held.staging.is_empty() && !held.owes() {
            self.sharing.borrowed.remove(&grant);
            self.drop_lane(key);
        }
    }

    /// The grant under which an attempt of another node's job runs here.
    pub(in crate::machine) fn grant_of(&self, attempt: &Attempt) -> Option<GrantId> {
        let grant = GrantId { incarnation: attempt.epoch.incarnation, n: attempt.n };
        let held = self.sharing.borrowed.get(&grant)?;
        (held.job == attempt.job && held.epoch == attempt.epoch).then_some(grant)
    }

    /// Ends of borrowed tasks, reported by the own warden.
    pub(in crate::machine) fn borrowed_ended(&mut self, outcomes: Vec<Outcome>, now: Now, out: &mut Vec<Effect>) {
        let mut fresh: BTreeSet<GrantId> = BTreeSet::new();
        for outcome in outcomes {
            let Some(grant) = self.grant_of(&outcome.attempt) else {
                self.refuse(Refusal::ClosedGrant);
                continue;
            };
            let was = self.lanes.get_mut(&LaneKey::Borrowed(grant)).is_some_and(|lane| lane.end(&outcome.attempt));
            self.here.in_hand -= u32::from(was);
            if let Some(held) = self.sharing.borrowed.get_mut(&grant).filter(|held| was && !held.ending) {
                held.results.insert(outcome.attempt.task, outcome);
                held.resend_at = now.boot + RESEND;
            }
            fresh.insert(grant);
        }
        for grant in fresh {
            self.send_results(grant, out);
            self.forget_if_done(grant);
        }
    }

    /// Sends what the owner has not acknowledged, in messages that hold their output.
    pub(super) fn send_results(&self, grant: GrantId, out: &mut Vec<Effect>) {
        let Some(held) = self.sharing.borrowed.get(&grant).filter(|held| !held.ending) else { return };
        let to = held.from;
        let most = RESULT_OUTPUT_BYTES_MAX as u64;
        let (mut outcomes, mut bytes) = (Vec::new(), 0);
        for outcome in held.results.values() {
            let size = outcome.stdout.len.min(most) + outcome.stderr.len.min(most);
            if !outcomes.is_empty() && bytes + size > OUTPUT_BYTES {
                let outcomes = core::mem::take(&mut outcomes);
                out.push(Effect::Send { to, message: results(grant, outcomes) });
                bytes = 0;
            }
            bytes += size;
            outcomes.push(*outcome);
        }
        if !outcomes.is_empty() {
            out.push(Effect::Send { to, message: results(grant, outcomes) });
        }
        if !held.returned.is_empty() {
            out.push(Effect::Send {
                to,
                message: Message::Return { grant, tasks: held.returned.clone(), why: held.why },
            });
        }
    }

    /// The owner has these, or will never take them.
    pub(super) fn acknowledged(&mut self, from: NodeId, grant: GrantId, tasks: &TaskSet) {
        match self.sharing.borrowed.get_mut(&grant) {
            Some(held) if held.from == from => {
                held.results.retain(|task, _| !tasks.contains(*task));
                held.returned.subtract(tasks);
                self.forget_if_done(grant);
            }
            Some(_) => self.refuse(Refusal::NotHolder),
            None => {}
        }
    }
}

/// Ends as they leave the core; the adapter adds what they wrote and made.
const fn results(grant: GrantId, outcomes: Vec<Outcome>) -> Message {
    Message::Results { grant, outcomes, output: Vec::new(), made: Vec::new() }
}
