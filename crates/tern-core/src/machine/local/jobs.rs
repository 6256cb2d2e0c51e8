//! Jobs from the first end of an attempt to the last: what counts, what runs again, when a job is over.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::decide::dispatch::Takes;
use crate::machine::effect::Effect;
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason};
use crate::promise::{Job, Outcome, Record, Verdict};
use crate::words::spec::HaltWhen;
use crate::words::{Attempt, GrantId, JobId, Now, TaskSet};

impl Machine {
    /// Lanes of a recovered state: everything that is not over and not lent waits.
    pub(in crate::machine) fn recover_lanes(&mut self) {
        let mut lent: BTreeMap<JobId, TaskSet> = BTreeMap::new();
        for loan in self.state.lent().values() {
            lent.entry(loan.job).or_default().union(&loan.open);
        }
        for (id, job) in self.state.jobs() {
            let away = lent.get(id);
            if away.is_none() && job.is_settled() {
                continue;
            }
            let mut queued = job.pending();
            if let Some(away) = away {
                queued.subtract(away);
            }
            let spec = &job.spec;
            self.lanes.insert(LaneKey::Own(*id), Lane::sorted(queued, spec));
            if !Takes::of(&spec.needs).is_plain() {
                self.heavy.insert(LaneKey::Own(*id));
            }
            if spec.deferred {
                self.controller.defer(*id);
            }
            self.ready.insert(LaneKey::Own(*id));
            self.touched.insert(*id);
        }
    }

    /// Draws the consequences of ends that were applied.
    pub(in crate::machine) fn ended(
        &mut self,
        via: Option<GrantId>,
        outcomes: &[Outcome],
        verdicts: &[Verdict],
        out: &mut Vec<Effect>,
    ) {
        let mut counted: BTreeMap<JobId, Vec<Outcome>> = BTreeMap::new();
        if let Some(grant) = via {
            self.measure_loan(grant, outcomes);
        }
        let double = self.planted(Plant::DoubleCount);
        for (outcome, verdict) in outcomes.iter().zip(verdicts) {
            let job = outcome.attempt.job;
            let was_here = self.leave_hand(via, outcome, *verdict);
            let counts = match verdict {
                Verdict::Counted => true,
                // Of two copies the last one says what became of the task.
                Verdict::Cancelled => (was_here || via.is_some()) && !self.is_elsewhere(job, outcome.attempt.task, via),
                Verdict::Duplicate => double,
                Verdict::Better | Verdict::Again | Verdict::Stale(_) => false,
            };
            self.note_checkpoint(outcome, *verdict, out);
            self.learn(via, outcome, *verdict);
            if counts {
                counted.entry(job).or_default().push(*outcome);
            }
            if let Verdict::Stale(refusal) = verdict {
                self.refuse(*refusal);
            }
            self.touched.insert(job);
        }
        for (job, outcomes) in counted {
            out.push(Effect::Counted { job, outcomes });
        }
    }

    /// A task left a checkpoint and goes on from it.
    fn note_checkpoint(&mut self, outcome: &Outcome, verdict: Verdict, out: &mut Vec<Effect>) {
        let Outcome { attempt: Attempt { job, task, epoch, n, .. }, ran_on, .. } = *outcome;
        let kept = self.state.job(job).and_then(|known| known.kept.get(&task));
        if let Some(kept) = kept.filter(|kept| verdict == Verdict::Again && (kept.epoch, kept.n) == (epoch, n)) {
            let because = Reason::Checkpoint { nth: kept.times };
            self.decided(Did::Checkpoint { job, task, on: ran_on }, because);
            out.push(Effect::Kept { job, task });
        }
    }

    /// The attempt is no longer in the warden's hands; if its task is not over it waits again.
    fn leave_hand(&mut self, via: Option<GrantId>, outcome: &Outcome, verdict: Verdict) -> bool {
        let attempt = &outcome.attempt;
        let key = LaneKey::Own(attempt.job);
        let keep = self.planted(Plant::KeepQueued);
        let elsewhere = self.is_elsewhere(attempt.job, attempt.task, via);
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        let was_here = via.is_none() && lane.end(attempt);
        self.here.in_hand -= u32::from(was_here);
        match verdict {
            // A late end of an earlier attempt may find the task waiting again.
            Verdict::Counted | Verdict::Better if !keep => {
                lane.moved.remove(&attempt.task);
                lane.queued.remove(attempt.task);
            }
            Verdict::Again | Verdict::Stale(_)
                if was_here
                    && !elsewhere
                    && self.state.job(attempt.job).is_some_and(|job| !job.is_over(attempt.task)) =>
            {
                lane.queued.insert(attempt.task);
                self.ready.insert(key);
            }
            _ => {}
        }
        was_here
    }

    /// Own tasks that are not over, wherever they are.
    #[must_use]
    pub fn left(&self) -> u64 {
        let own = self.lanes.keys().filter_map(|key| match key {
            LaneKey::Own(job) => self.state.job(*job),
            LaneKey::Borrowed(_) => None,
        });
        let over = |job: &Job| job.done.len() + job.failed.len() + job.cancelled.len();
        own.map(|job| u64::from(job.spec.tasks.saturating_sub(over(job)))).sum()
    }

    /// Asks for everything of the job that has not started.
    pub(in crate::machine) fn give_back(&self, job: JobId, out: &mut Vec<Effect>) {
        if let Some(lane) = self.lanes.get(&LaneKey::Own(job)).filter(|lane| lane.in_hand > 0) {
            out.push(Effect::Revoke { job, tasks: lane.in_hand_tasks() });
        }
    }

    /// After a cancellation: what has not started comes back, what runs is ended, unless the job stops softly.
    pub(in crate::machine) fn stop_tasks(&mut self, job: JobId, softly: bool, out: &mut Vec<Effect>) {
        self.revoke_loans(job, out);
        self.give_back(job, out);
        let running = self.lanes.get(&LaneKey::Own(job)).map(Lane::in_hand_tasks).unwrap_or_default();
        if !running.is_empty() && !softly {
            self.decided(Did::End { job, tasks: running.len() }, Reason::JobCancelled);
            out.push(Effect::End { job, tasks: running });
        }
    }

    /// Whether the job's own condition stopped it in the way that lets running tasks end.
    pub(in crate::machine) fn stops_softly(&self, job: JobId) -> bool {
        self.state.job(job).is_some_and(|job| job.spec.halt.when == HaltWhen::Soon && job.is_halted())
    }

    pub(in crate::machine) fn wake_lane(&mut self, key: LaneKey) {
        self.ready.insert(key);
        if let LaneKey::Own(job) = key {
            self.touched.insert(job);
        }
    }

    pub(in crate::machine) fn drop_lane(&mut self, key: LaneKey) {
        self.ready.remove(&key);
        self.heavy.remove(&key);
        if let LaneKey::Own(job) = key {
            self.balance.copies.retain(|(of, _), _| *of != job);
            self.controller.forget(job);
            self.runs.forget(job);
        }
        if let Some(lane) = self.lanes.remove(&key) {
            self.here.in_hand -= lane.in_hand;
        }
    }

    /// Jobs that changed: are they over, do they stop early?
    pub(in crate::machine) fn settle_jobs(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut again = BTreeSet::new();
        for id in core::mem::take(&mut self.touched) {
            let Some(job) = self.state.job(id) else { continue };
            let Some(lane) = self.lanes.get(&LaneKey::Own(id)) else { continue };
            let settled = job.is_settled();
            let over = settled && lane.is_idle() && self.lent_open(id) == 0;
            let (stops, halting) = (!settled && job.is_halted(), lane.halting);
            if stops && !lane.called_back {
                // What has not started comes back at once: the record that stops the job may have to wait for the disk.
                self.give_back(id, out);
            }
            let staged = stops && !halting && self.stage_own(vec![Record::Cancelled { job: id }], now, out);
            if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(id)).filter(|_| stops) {
                lane.called_back = true;
                lane.halting |= staged;
                if !lane.halting {
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
}
