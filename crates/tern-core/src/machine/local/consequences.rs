//! What follows when records have become durable, and what is undone when they never will.

use alloc::vec;
use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::promise::{Applied, Job, Loan, Record};
use crate::words::{JobId, Now, TaskSet};

impl Machine {
    /// Applies a record that is durable, and draws its consequences.
    pub(in crate::machine) fn apply(&mut self, record: &Record, now: Now, out: &mut Vec<Effect>) {
        let loan: Option<Loan> = match record {
            Record::Reclaimed { grant } => self.state.lent().get(grant).cloned(),
            _ => None,
        };
        let applied = self.state.apply(record);
        match record {
            Record::Started { incarnation } => self.here.started |= *incarnation == self.here.incarnation,
            Record::Accepted { job, spec, .. } => {
                let queued = self.state.job(*job).map(Job::pending).unwrap_or_default();
                self.lanes.insert(LaneKey::Own(*job), Lane::sorted(queued, spec));
                self.note_heavy(LaneKey::Own(*job));
                self.note_deferred(*job);
                self.wake_lane(LaneKey::Own(*job));
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
            Record::Drained { drained } => self.drain_durable(*drained, now, out),
            Record::Lent { grant, .. } => self.lent(*grant, now, out),
            Record::Reclaimed { grant } => match loan {
                Some(loan) => self.reclaimed(*grant, &loan, now, out),
                // Its job was forgotten meanwhile.
                None => self.loan_over(*grant, now, out),
            },
            Record::Outcomes { via, outcomes } => {
                let Applied::Outcomes(verdicts) = applied else { return };
                match via {
                    Some(grant) => self.results_durable(*grant, outcomes, &verdicts, out),
                    None => self.ended(None, outcomes, &verdicts, out),
                }
            }
        }
    }

    /// Undoes what was reserved for a record that will never be durable.
    pub(in crate::machine) fn take_back(&mut self, record: &Record) {
        match record {
            Record::Started { .. } => self.here.start_failed = true,
            Record::Accepted { job, .. } => self.runs.forget(*job),
            Record::Cancelled { job } => {
                if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(*job)) {
                    lane.halting = false;
                    self.touched.insert(*job);
                }
            }
            Record::Lent { grant, job, tasks, .. } => self.lend_failed(*grant, *job, tasks),
            Record::Reclaimed { grant } => self.reclaim_failed(*grant),
            Record::Outcomes { via: Some(grant), outcomes } => self.results_failed(*grant, outcomes),
            _ => {}
        }
    }

    /// The record of this start could not be written: until it is, nothing may run.
    pub(in crate::machine) fn restart_if_failed(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.here.start_failed {
            let incarnation = self.here.incarnation;
            self.here.start_failed = !self.stage_own(vec![Record::Started { incarnation }], now, out);
        }
    }

    fn cancelled(&mut self, job: JobId, out: &mut Vec<Effect>) {
        self.touched.insert(job);
        if self.planted(Plant::ForgetCancel) {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) else { return };
        lane.queued.take_all();
        // What a person cancels is ended at once, even if the job was stopping softly by itself.
        let own_condition = core::mem::take(&mut lane.halting);
        let softly = own_condition && self.stops_softly(job);
        self.stop_tasks(job, softly, out);
    }

    fn retried(&mut self, job: JobId, tasks: &TaskSet) {
        let key = LaneKey::Own(job);
        let Some(known) = self.state.job(job) else { return };
        let mut tasks = tasks.clone();
        tasks.intersect(&known.pending());
        self.note_heavy(key);
        self.note_deferred(job);
        let lane = self.lanes.entry(key).or_default();
        lane.queued.union(&tasks);
        lane.called_back = false;
        // The warden may have told after the retry was judged that it still runs an attempt at one of them.
        self.bar_strays(job);
        self.wake_lane(key);
    }

    /// Tasks of the job wait again: one that the warden is still ending must not start beside that.
    pub(in crate::machine) fn bar_strays(&mut self, job: JobId) {
        let strays: Vec<_> = self.here.strays.iter().filter(|attempt| attempt.job == job).copied().collect();
        for attempt in strays {
            if self.bar(&attempt) {
                self.here.strays.remove(&attempt);
            }
        }
    }
}
