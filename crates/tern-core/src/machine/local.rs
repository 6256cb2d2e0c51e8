//! The own warden: what it is given, what it reports, and what becomes of it when it dies.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::effect::{Dispatch, Effect};
use super::lane::{Lane, LaneKey};
use super::node::Machine;
use super::plant::Plant;
use crate::decide::dispatch::{self, LANES_MAX, Picture};
use crate::plan::{check, start};
use crate::promise::{Exit, Outcome, Record, Verdict};
use crate::words::limits::GRANT_TASKS_MAX;
use crate::words::spec::HaltWhen;
use crate::words::{Attempt, JobId, Now, TaskSet};

impl Machine {
    /// Lanes of a recovered state: everything that is not over and not lent waits.
    pub(super) fn recover_lanes(&mut self) {
        for (id, job) in self.state.jobs() {
            let mut queued = job.pending();
            let mut lent = false;
            for loan in self.state.lent().values().filter(|loan| loan.job == *id) {
                queued.subtract(&loan.open);
                lent = true;
            }
            if lent || !job.is_settled() {
                self.lanes.insert(LaneKey::Own(*id), Lane::new(queued));
                self.ready.insert(LaneKey::Own(*id));
                self.touched.insert(*id);
            }
        }
    }

    /// Ends of attempts, durable already.
    pub(super) fn finished(&mut self, outcomes: Vec<Outcome>, out: &mut Vec<Effect>) {
        self.measure(&outcomes);
        let verdicts = self.state.apply_outcomes(None, &outcomes);
        self.ended(None, &outcomes, &verdicts, out);
    }

    /// Draws the consequences of ends that were applied.
    pub(super) fn ended(
        &mut self,
        via: Option<crate::words::GrantId>,
        outcomes: &[Outcome],
        verdicts: &[Verdict],
        out: &mut Vec<Effect>,
    ) {
        let mut counted: BTreeMap<JobId, Vec<Outcome>> = BTreeMap::new();
        let double = self.planted(Plant::DoubleCount);
        for (outcome, verdict) in outcomes.iter().zip(verdicts) {
            let attempt = &outcome.attempt;
            let key = LaneKey::Own(attempt.job);
            let mut was_here = false;
            if let Some(lane) = self.lanes.get_mut(&key) {
                was_here = via.is_none() && lane.end(attempt);
                self.here.in_hand -= u32::from(was_here);
                match verdict {
                    Verdict::Counted | Verdict::Better => {
                        lane.queued.remove(attempt.task);
                    }
                    Verdict::Again | Verdict::Stale(_) if was_here => {
                        if self.state.job(attempt.job).is_some_and(|job| !job.is_over(attempt.task)) {
                            lane.queued.insert(attempt.task);
                            self.ready.insert(key);
                        }
                    }
                    _ => {}
                }
            }
            match verdict {
                Verdict::Counted => counted.entry(attempt.job).or_default().push(*outcome),
                Verdict::Cancelled if was_here => counted.entry(attempt.job).or_default().push(*outcome),
                Verdict::Duplicate if double => counted.entry(attempt.job).or_default().push(*outcome),
                Verdict::Stale(refusal) => self.refuse(*refusal),
                _ => {}
            }
            self.touched.insert(attempt.job);
        }
        for (job, outcomes) in counted {
            out.push(Effect::Counted { job, outcomes });
        }
    }

    fn measure(&mut self, outcomes: &[Outcome]) {
        let ran = || outcomes.iter().filter(|outcome| outcome.exit != Exit::Void).map(|outcome| outcome.ran_ns);
        let count = ran().count() as u64;
        if count == 0 {
            return;
        }
        let mean = ran().fold(0u64, u64::saturating_add) / count;
        self.here.mean_ns = Some(self.here.mean_ns.map_or(mean, |last| last / 8 * 7 + mean / 8));
    }

    /// Attempts that were given back unstarted.
    pub(super) fn revoked(&mut self, attempts: &[Attempt]) {
        for attempt in attempts {
            let key = LaneKey::Own(attempt.job);
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if !lane.end(attempt) {
                continue;
            }
            self.here.in_hand -= 1;
            if self.state.job(attempt.job).is_some_and(|job| !job.is_over(attempt.task)) {
                lane.queued.insert(attempt.task);
            }
            self.wake_lane(key);
        }
    }

    /// The warden is back: what it holds stays in its hands, everything else that it was given waits again.
    pub(super) fn warden_up(&mut self, running: &[Attempt], queued: &[Attempt], out: &mut Vec<Effect>) {
        self.here.warden = true;
        let lost: Vec<(LaneKey, TaskSet)> = self.lanes.iter_mut().map(|(key, lane)| (*key, lane.drop_hand())).collect();
        self.here.in_hand = 0;
        let mut strays: BTreeMap<JobId, TaskSet> = BTreeMap::new();
        for attempt in running.iter().chain(queued) {
            if !self.adopt(attempt) {
                strays.entry(attempt.job).or_default().insert(attempt.task);
            }
        }
        for (key, tasks) in lost {
            self.requeue(key, tasks);
        }
        for (job, tasks) in strays {
            out.push(Effect::Revoke { job, tasks: tasks.clone() });
            out.push(Effect::End { job, tasks });
        }
    }

    /// Returns false where the attempt is to be ended.
    fn adopt(&mut self, attempt: &Attempt) -> bool {
        let key = LaneKey::Own(attempt.job);
        let sound = self.state.knows_epoch(attempt.epoch)
            && self.state.job(attempt.job).is_some_and(|job| {
                attempt.task < job.spec.tasks
                    && !job.is_over(attempt.task)
                    && attempt.round >= job.round_of(attempt.task)
            });
        let Some(lane) = self.lanes.get_mut(&key).filter(|_| sound) else { return false };
        if lane.holds(attempt.task) {
            // A second attempt at the same task: ending it by its task would end the first as well. It ends as a duplicate.
            return true;
        }
        if !lane.queued.remove(attempt.task) && lane.lending.contains(attempt.task) {
            return false;
        }
        lane.give(attempt.epoch, attempt.n, &[attempt.task].into_iter().collect());
        self.here.in_hand += 1;
        true
    }

    fn requeue(&mut self, key: LaneKey, mut tasks: TaskSet) {
        if tasks.is_empty() || self.planted(Plant::LoseOnWardenDown) {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        tasks.subtract(&lane.in_hand_tasks());
        if let LaneKey::Own(job) = key
            && let Some(job) = self.state.job(job)
        {
            tasks.intersect(&job.pending());
        }
        lane.queued.union(&tasks);
        self.wake_lane(key);
    }

    /// Asks for everything of the job that has not started.
    pub(super) fn give_back(&self, job: JobId, out: &mut Vec<Effect>) {
        if let Some(lane) = self.lanes.get(&LaneKey::Own(job)).filter(|lane| lane.in_hand > 0) {
            out.push(Effect::Revoke { job, tasks: lane.in_hand_tasks() });
        }
    }

    pub(super) fn give_back_all(&self, out: &mut Vec<Effect>) {
        for (key, lane) in &self.lanes {
            if let LaneKey::Own(job) = key
                && lane.in_hand > 0
            {
                out.push(Effect::Revoke { job: *job, tasks: lane.in_hand_tasks() });
            }
        }
    }

    /// After a cancellation: what has not started comes back, what runs is ended, unless the job stops softly.
    pub(super) fn stop_tasks(&self, job: JobId, out: &mut Vec<Effect>) {
        self.give_back(job, out);
        let (Some(lane), Some(known)) = (self.lanes.get(&LaneKey::Own(job)), self.state.job(job)) else { return };
        let soft = known.is_halted() && known.spec.halt.when == HaltWhen::Soon;
        if lane.in_hand > 0 && !soft {
            out.push(Effect::End { job, tasks: lane.in_hand_tasks() });
        }
    }

    /// Jobs that changed: are they over, do they stop early?
    pub(super) fn settle_jobs(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut again = BTreeSet::new();
        for id in core::mem::take(&mut self.touched) {
            let Some(job) = self.state.job(id) else { continue };
            let Some(lane) = self.lanes.get(&LaneKey::Own(id)) else { continue };
            let settled = job.is_settled();
            let over = settled && lane.is_idle() && !self.state.lent().values().any(|loan| loan.job == id);
            if !settled && !lane.halting && job.is_halted() {
                let staged = self.stage_own(alloc::vec![Record::Cancelled { job: id }], now, out);
                if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(id)) {
                    lane.halting = staged;
                }
                if !staged {
                    again.insert(id);
                }
            }
            if over {
                self.drop_lane(LaneKey::Own(id));
            }
            out.push(Effect::Changed { job: id, over });
        }
        self.touched = again;
    }

    /// Starts what there is room for.
    pub(super) fn dispatch(&mut self, out: &mut Vec<Effect>) {
        let here = &self.here;
        if !here.started || !here.warden || here.full || here.draining {
            return;
        }
        let ahead = dispatch::ahead(here.slots, here.mean_ns);
        if here.in_hand >= ahead || self.ready.is_empty() {
            return;
        }
        let (keys, lanes) = self.turns();
        let picture = Picture { ahead, in_hand: self.here.in_hand, lanes };
        let plan = start::plan(&picture, &dispatch::share(&picture));
        if let Err(fault) = check::check(&plan, &picture) {
            self.fault = Some(fault);
            return;
        }
        for action in plan {
            let key = keys[action.lane];
            self.turn = Some(key);
            self.start_tasks(key, action.tasks, out);
        }
    }

    /// The lanes with something to start, the one after the last served first.
    fn turns(&mut self) -> (Vec<LaneKey>, Vec<dispatch::Lane>) {
        use core::ops::Bound::{Excluded, Unbounded};
        let (mut keys, mut lanes, mut done) = (Vec::new(), Vec::new(), Vec::new());
        let after = self.turn.map_or(Unbounded, Excluded);
        let first = self.ready.range((after, Unbounded));
        let rest = self.turn.map(|turn| self.ready.range(..=turn));
        for key in first.chain(rest.into_iter().flatten()) {
            match self.lane_picture(*key) {
                None => done.push(*key),
                Some(lane) if lane.room() > 0 => {
                    keys.push(*key);
                    lanes.push(lane);
                }
                Some(_) => {}
            }
            if keys.len() >= LANES_MAX {
                break;
            }
        }
        for key in done {
            self.ready.remove(&key);
        }
        (keys, lanes)
    }

    /// None: nothing to start before something changes.
    fn lane_picture(&self, key: LaneKey) -> Option<dispatch::Lane> {
        let lane = self.lanes.get(&key)?;
        if lane.queued.is_empty() {
            return None;
        }
        let LaneKey::Own(job) = key else { return None };
        let job = self.state.job(job)?;
        if job.held || job.is_halted() {
            return None;
        }
        let parallel = (job.spec.parallel > 0).then_some(job.spec.parallel);
        let halting = job.spec.halt.when != HaltWhen::Never && !self.planted(Plant::HaltLate);
        let cap = if halting { Some(parallel.unwrap_or(u32::MAX).min(self.here.slots)) } else { parallel };
        Some(dispatch::Lane { queued: lane.queued.len(), in_hand: lane.in_hand, cap })
    }

    fn start_tasks(&mut self, key: LaneKey, tasks: u32, out: &mut Vec<Effect>) {
        let LaneKey::Own(job) = key else { return };
        let round = self.state.job(job).map_or(0, |job| job.round);
        let epoch = self.epoch();
        let mut left = tasks;
        while left > 0 {
            let Some(lane) = self.lanes.get_mut(&key) else { return };
            let tasks = lane.queued.take_first(left.min(GRANT_TASKS_MAX));
            if tasks.is_empty() {
                return;
            }
            self.here.n += 1;
            let n = self.here.n;
            left -= tasks.len();
            lane.give(epoch, n, &tasks);
            self.here.in_hand += tasks.len();
            out.push(Effect::Dispatch(Dispatch { job, round, epoch, n, tasks, grant: None }));
        }
    }
}
