//! What starts here, and when.

use alloc::vec::Vec;

use crate::decide::dispatch::{self, LANES_MAX, Picture};
use crate::machine::effect::{Dispatch, Effect};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, check, start};
use crate::words::limits::GRANT_TASKS_MAX;
use crate::words::spec::HaltWhen;
use crate::words::{Epoch, GrantId, JobId};

/// Under which token the tasks of a lane run.
struct Token {
    job: JobId,
    round: u16,
    epoch: Epoch,
    n: u32,
    grant: Option<GrantId>,
}

impl Machine {
    /// Starts what there is room for.
    pub(in crate::machine) fn dispatch(&mut self, out: &mut Vec<Effect>) {
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
            if let Some(job) = self.job_of(key) {
                self.decided(Did::Start { job, tasks: action.tasks }, action.because);
            }
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

    /// Whether nothing but a free place keeps the lane's tasks from starting.
    pub(in crate::machine) fn may_start(&self, key: LaneKey) -> bool {
        self.lane_picture(key).is_some()
    }

    /// None: nothing to start before something changes.
    fn lane_picture(&self, key: LaneKey) -> Option<dispatch::Lane> {
        let lane = self.lanes.get(&key)?;
        if lane.queued.is_empty() {
            return None;
        }
        let (most, exact) = match key {
            LaneKey::Own(id) => {
                let job = self.state.job(id)?;
                if job.held || job.is_halted() {
                    return None;
                }
                let most = match job.spec.parallel {
                    0 => u32::MAX,
                    // The places are fewer than the job allows, and the warden keeps to them: it may be given ahead.
                    parallel if parallel >= self.here.slots => u32::MAX,
                    parallel => parallel.saturating_sub(self.strays_of(id).len()),
                };
                (most, job.spec.halt.when != HaltWhen::Never && !self.planted(Plant::HaltLate))
            }
            LaneKey::Borrowed(grant) => (self.borrowed_parallel(grant, lane.in_hand)?, false),
        };
        let cap = if exact { most.min(self.here.slots) } else { most };
        Some(dispatch::Lane { queued: lane.queued.len(), in_hand: lane.in_hand, cap: (cap < u32::MAX).then_some(cap) })
    }

    /// How many tasks of this grant may be in hand. `parallel` counts for all of a job's tasks on this node: of several
    /// grants of one job only the first that has tasks waiting may start some.
    fn borrowed_parallel(&self, grant: GrantId, in_hand: u32) -> Option<u32> {
        let held = self.sharing.borrowed.get(&grant).filter(|held| !held.ending && !held.revoked)?;
        if held.parallel == 0 || held.parallel >= self.here.slots {
            return Some(u32::MAX);
        }
        let mut others = self.strays_of(held.job).len();
        for (id, _) in self.sharing.borrowed.iter().filter(|(id, other)| **id != grant && other.job == held.job) {
            let Some(lane) = self.lanes.get(&LaneKey::Borrowed(*id)) else { continue };
            if *id < grant && !lane.queued.is_empty() {
                return Some(in_hand);
            }
            others += lane.in_hand;
        }
        Some(held.parallel.saturating_sub(others))
    }

    pub(in crate::machine) fn job_of(&self, key: LaneKey) -> Option<JobId> {
        match key {
            LaneKey::Own(job) => Some(job),
            LaneKey::Borrowed(grant) => self.sharing.borrowed.get(&grant).map(|held| held.job),
        }
    }

    fn start_tasks(&mut self, key: LaneKey, tasks: u32, out: &mut Vec<Effect>) {
        let mut left = tasks;
        while left > 0 {
            let Some(Token { job, round, epoch, n, grant }) = self.token(key) else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { return };
            let tasks = lane.queued.take_first(left.min(GRANT_TASKS_MAX));
            if tasks.is_empty() {
                return;
            }
            left -= tasks.len();
            lane.give(epoch, n, &tasks);
            self.here.in_hand += tasks.len();
            out.push(Effect::Dispatch(Dispatch { job, round, epoch, n, tasks, grant }));
        }
    }

    /// A fresh token for own tasks; that of the grant for borrowed ones.
    fn token(&mut self, key: LaneKey) -> Option<Token> {
        match key {
            LaneKey::Own(job) => {
                let round = self.state.job(job)?.round;
                self.here.n += 1;
                Some(Token { job, round, epoch: self.epoch(), n: self.here.n, grant: None })
            }
            LaneKey::Borrowed(grant) => {
                let held = self.sharing.borrowed.get(&grant)?;
                let (job, round, epoch, n) = (held.job, held.round, held.epoch, held.n);
                Some(Token { job, round, epoch, n, grant: Some(grant) })
            }
        }
    }
}
