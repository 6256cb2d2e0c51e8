//! What the ends of tasks teach.

use super::{Course, Names};
use crate::machine::balance::speed_of;
use crate::machine::node::Machine;
use crate::observe::Remembered;
use crate::observe::history::{Run, command_key};
use crate::promise::{Outcome, Verdict};
use crate::words::limits::HISTORY_LEARNT_PER_JOB;
use crate::words::{GrantId, JobId};

/// Of a large job only tasks are remembered by themselves that ran so much longer than its command usually does.
const LONG: f64 = 1.25;

impl Machine {
    /// An end was applied: if the task succeeded and this is what counts, it says how long such a task runs. Here or elsewhere,
    /// what was measured is the run alone, without any waiting.
    pub(in crate::machine) fn learn(&mut self, via: Option<GrantId>, outcome: &Outcome, verdict: Verdict) {
        if !matches!(verdict, Verdict::Counted | Verdict::Better) || !outcome.exit.is_success() {
            return;
        }
        let speed = match via.and_then(|grant| self.sharing.loans.get(&grant)) {
            None if via.is_some() => return,
            None => self.here.speed,
            Some(clock) => match self.sharing.peers.get(&clock.to) {
                Some(peer) => peer.speed,
                // It has gone meanwhile, and nobody knows any more how fast it was.
                None => return,
            },
        };
        let took_ms = outcome.ran_ns as f64 / 1e6 * speed_of(speed);
        self.learn_run(outcome.attempt.job, outcome.attempt.task, took_ms);
    }

    fn learn_run(&mut self, id: JobId, task: u32, took_ms: f64) {
        let Some(job) = self.state.job(id) else { return };
        let runs = &mut self.runs;
        if !runs.courses.contains_key(&id) {
            // An earlier life accepted it: its rows have no names here.
            runs.begin(id, command_key(&job.spec.command), Names::of(&job.spec, alloc::vec::Vec::new()));
        }
        let Some(course) = runs.courses.get_mut(&id) else { return };
        let key = course.names.of_task(course.command, task).filter(|key| {
            let usual = runs.history.command(course.command).map(|known| known.ms());
            runs.history.task(*key).is_some() || course.remembers(job.spec.tasks, took_ms, usual)
        });
        let (command, estimated) = (course.command, job.spec.work_of(task));
        runs.history.learn(&Run { command, task: key, took_ms, estimated });
        runs.fresh = true;
    }

    /// All that is remembered, if something was learnt since this was last asked.
    pub fn take_history(&mut self) -> Option<Remembered> {
        core::mem::take(&mut self.runs.fresh).then(|| self.runs.history.remembered())
    }

    /// Whether something was learnt since the history was last taken.
    #[must_use]
    pub const fn has_learnt(&self) -> bool {
        self.runs.fresh
    }
}

impl Course {
    /// Whether one more of its tasks is remembered by itself.
    fn remembers(&mut self, tasks: u32, took_ms: f64, usual_ms: Option<f64>) -> bool {
        let large = tasks > HISTORY_LEARNT_PER_JOB;
        if self.learnt >= HISTORY_LEARNT_PER_JOB || (large && usual_ms.is_none_or(|usual| took_ms < usual * LONG)) {
            return false;
        }
        self.learnt += 1;
        true
    }
}
