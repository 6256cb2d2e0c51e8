//! The own warden: what it reports, what it gives back, and what becomes of its tasks when it dies.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason};
use crate::promise::{Exit, Outcome};
use crate::wire::Message;
use crate::words::limits::RESEND;
use crate::words::{Attempt, GrantId, JobId, Now, TaskSet, Unfit};

impl Machine {
    /// Ends of attempts, durable already.
    pub(in crate::machine) fn finished(&mut self, mut outcomes: Vec<Outcome>, now: Now, out: &mut Vec<Effect>) {
        self.measure(&outcomes);
        self.end_strays(outcomes.iter().map(|outcome| &outcome.attempt));
        let tag = self.state.node().tag();
        if outcomes.iter().any(|outcome| outcome.attempt.epoch.keeper != tag) {
            let (own, borrowed) = outcomes.into_iter().partition(|outcome| outcome.attempt.epoch.keeper == tag);
            self.borrowed_ended(borrowed, now, out);
            outcomes = own;
        }
        if self.planted(Plant::CheckpointDone) {
            let done = outcomes.iter_mut().filter(|outcome| outcome.exit.leaves_checkpoint());
            done.for_each(|outcome| outcome.exit = Exit::Code(0));
        }
        let verdicts = self.state.apply_outcomes(None, &outcomes);
        self.ended(None, &outcomes, &verdicts, out);
        self.copies_ended(None, &outcomes, &verdicts, out);
    }

    /// Attempts that were given back unstarted.
    pub(in crate::machine) fn revoked(&mut self, attempts: &[Attempt], now: Now, out: &mut Vec<Effect>) {
        self.end_strays(attempts);
        let mut back: BTreeMap<JobId, u32> = BTreeMap::new();
        for attempt in attempts {
            let key = self.lane_of(attempt);
            let Some(lane) = self.lanes.get_mut(&key).filter(|lane| lane.in_hand > 0) else { continue };
            if lane.end(attempt) {
                self.here.in_hand -= 1;
                self.moving.had_not_begun(attempt.job, attempt.task);
                self.requeue(key, [attempt.task].into_iter().collect());
                *back.entry(attempt.job).or_default() += 1;
            }
        }
        self.note_put_back(back, now);
        self.return_waiting(now, out);
        self.forget_ended_grants();
    }

    fn end_strays<'a>(&mut self, ended: impl IntoIterator<Item = &'a Attempt>) {
        if !self.here.strays.is_empty() {
            for attempt in ended {
                self.here.strays.remove(attempt);
            }
        }
    }

    /// Tasks of a job that are being ended here without being in a lane.
    pub(in crate::machine) fn strays_of(&self, job: JobId) -> TaskSet {
        self.here.strays.iter().filter(|attempt| attempt.job == job).map(|attempt| attempt.task).collect()
    }

    fn lane_of(&self, attempt: &Attempt) -> LaneKey {
        self.grant_of(attempt).map_or(LaneKey::Own(attempt.job), LaneKey::Borrowed)
    }

    /// Slots that this attempt takes; of a borrowed task as long as it is not known to have ended.
    #[must_use]
    pub fn slots_of(&self, attempt: &Attempt) -> u32 {
        match self.grant_of(attempt) {
            Some(grant) => self.takes(LaneKey::Borrowed(grant)).slots,
            None => self.state.job(attempt.job).map_or(1, |job| job.spec.needs.slots()),
        }
    }

    /// The warden is back: what it holds stays in its hands, everything else that it was given waits again.
    pub(in crate::machine) fn warden_up(
        &mut self,
        running: &[Attempt],
        queued: &[Attempt],
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.here.warden = true;
        self.here.met = true;
        self.here.strays.clear();
        let held: Vec<(LaneKey, TaskSet)> = self.lanes.iter_mut().map(|(key, lane)| (*key, lane.drop_hand())).collect();
        self.lanes.values_mut().for_each(|lane| lane.called_back = false);
        self.here.in_hand = 0;
        if !self.planted(Plant::LoseOnWardenDown) {
            for (key, tasks) in held {
                self.requeue(key, tasks);
            }
        }
        let mut strays: BTreeMap<JobId, TaskSet> = BTreeMap::new();
        let runs = running.iter().map(|attempt| (attempt, true));
        for (attempt, runs) in runs.chain(queued.iter().map(|attempt| (attempt, false))) {
            if !self.adopt(attempt, runs) {
                strays.entry(attempt.job).or_default().insert(attempt.task);
                if !self.bar(attempt) {
                    self.here.strays.insert(*attempt);
                }
            }
        }
        for (job, tasks) in strays {
            self.decided(Did::End { job, tasks: tasks.len() }, Reason::UnknownAttempt);
            out.push(Effect::Revoke { job, tasks: tasks.clone() });
            out.push(Effect::End { job, tasks });
        }
        if self.here.draining {
            self.give_back_all(now, out);
        } else if self.is_lowered() {
            self.give_back_ahead(out);
        }
        self.return_waiting(now, out);
        self.forget_ended_grants();
        self.touched.extend(self.lanes.keys().filter_map(|key| match key {
            LaneKey::Own(job) => Some(*job),
            LaneKey::Borrowed(_) => None,
        }));
    }

    /// An attempt that is being ended, and whose task waits to run again: it counts as in hand until it has ended, and only
    /// then the task waits again. Returns false where its task does not wait.
    pub(in crate::machine) fn bar(&mut self, attempt: &Attempt) -> bool {
        let LaneKey::Own(job) = self.lane_of(attempt) else { return false };
        let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) else { return false };
        if lane.holds(attempt.task) || !lane.queued.remove(attempt.task) {
            return false;
        }
        lane.give(attempt.epoch, attempt.n, &[attempt.task].into_iter().collect());
        self.here.in_hand += 1;
        true
    }

    /// Takes an attempt that the warden holds, running or not. Returns false where it is to be ended.
    fn adopt(&mut self, attempt: &Attempt, runs: bool) -> bool {
        let key = self.lane_of(attempt);
        let planted = self.planted(Plant::LoseOnWardenDown);
        let sound = match key {
            LaneKey::Borrowed(grant) => self.sharing.borrowed.get(&grant).is_some_and(|held| !held.ending),
            LaneKey::Own(job) => {
                self.state.knows_epoch(attempt.epoch)
                    && self
                        .state
                        .job(job)
                        .is_some_and(|job| attempt.round >= job.round_of(attempt.task) && attempt.task < job.spec.tasks)
            }
        };
        // A job that stops softly lets end what runs; what has not started is not to start.
        let softly = runs
            && matches!(key, LaneKey::Own(job) if self.stops_softly(job)
            && self.state.job(job).is_some_and(|known| known.cancelled.contains(attempt.task)));
        if softly && sound {
            // The job is settled, so that recovery gave it no lane; it is over when its last attempt is.
            self.note_heavy(key);
            self.lanes.entry(key).or_default();
        }
        let Some(lane) = self.lanes.get_mut(&key).filter(|_| sound) else { return false };
        if lane.holds(attempt.task) {
            // A second attempt at the same task: ending it by its task would end the first as well. It ends as a duplicate.
            return true;
        }
        // Not waiting: it is over, or lent to another.
        if !lane.queued.remove(attempt.task) && !planted && !softly {
            return false;
        }
        lane.give(attempt.epoch, attempt.n, &[attempt.task].into_iter().collect());
        self.here.in_hand += 1;
        true
    }

    /// What left the warden's hands unfinished waits again, unless it is over or not wanted any more.
    fn requeue(&mut self, key: LaneKey, mut tasks: TaskSet) {
        match key {
            _ if tasks.is_empty() => return,
            LaneKey::Own(job) => match self.state.job(job) {
                Some(known) => {
                    tasks.intersect(&known.pending());
                    self.not_elsewhere(job, &mut tasks, None);
                }
                None => return,
            },
            LaneKey::Borrowed(grant) => match self.sharing.borrowed.get(&grant) {
                Some(held) if !held.ending => {}
                _ => return,
            },
        }
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.queued.union(&tasks);
        }
        self.wake_lane(key);
    }

    /// Draining: everything that has not started is asked back.
    pub(in crate::machine) fn give_back_all(&mut self, now: Now, out: &mut Vec<Effect>) {
        for (key, lane) in self.lanes.iter().filter(|(_, lane)| lane.in_hand > 0) {
            if let Some(job) = self.job_of(*key) {
                out.push(Effect::Revoke { job, tasks: lane.in_hand_tasks() });
            }
        }
        self.return_waiting(now, out);
    }

    fn forget_ended_grants(&mut self) {
        let ending = self.sharing.borrowed.iter().filter(|(_, held)| held.ending).map(|(grant, _)| *grant);
        for grant in ending.collect::<Vec<_>>() {
            self.forget_if_done(grant);
        }
    }

    /// Gives back what waits in the lanes of borrowed tasks, of revoked grants or, while draining, of all; while the owner
    /// uses this machine, what finds no slot; and what the owner of the job asked back.
    pub(in crate::machine) fn return_waiting(&mut self, now: Now, out: &mut Vec<Effect>) {
        let draining = self.here.draining;
        let left = self.exactly_left().filter(|_| self.is_lowered()).map(|left| left.slots);
        let slots = |grant: &GrantId| self.takes(LaneKey::Borrowed(*grant)).slots;
        let no_slot = |grant: &GrantId| left.is_some_and(|left| left < slots(grant));
        let because = self.stands_back().unwrap_or(Reason::Revoked);
        // What takes more than there is for tasks would come again at once.
        let open = self.here.open;
        let too_large = |grant: &GrantId| (slots(grant) > open && open > 0 && !draining).then_some(Unfit::Needs);
        let mut grants = Vec::new();
        for (grant, held) in &self.sharing.borrowed {
            if draining || held.revoked || no_slot(grant) {
                grants.push((*grant, too_large(grant), None));
            } else if !held.recalled.is_empty() {
                grants.push((*grant, None, Some(held.recalled.clone())));
            }
        }
        for (grant, why, only) in grants {
            let waiting = self.lanes.get_mut(&LaneKey::Borrowed(grant)).map(|lane| match &only {
                None => lane.queued.take_all(),
                Some(only) => lane.queued.take_these(only),
            });
            let Some(held) = self.sharing.borrowed.get_mut(&grant) else { continue };
            let mut waiting = waiting.unwrap_or_default();
            let mut staging = held.staging.clone();
            if let Some(only) = &only {
                staging.intersect(only);
            }
            held.staging.subtract(&staging);
            waiting.union(&staging);
            let waiting = Some(waiting).filter(|tasks| !tasks.is_empty() && !held.ending);
            if let Some(tasks) = waiting {
                held.returned.union(&tasks);
                held.resend_at = now.boot + RESEND;
                let (to, count) = (held.from, tasks.len());
                held.why = held.why.or(why);
                out.push(Effect::Send { to, message: Message::Return { grant, tasks, why } });
                self.decided(Did::Return { grant, tasks: count }, because);
            }
            self.forget_if_done(grant);
        }
    }
}
