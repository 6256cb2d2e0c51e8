//! What starts here, and when.

use alloc::vec::Vec;

use super::order::{Chosen, Purpose};
use crate::decide::balance::guard::Guard;
use crate::decide::dispatch::{self, LANES_MAX, Picture, Takes};
use crate::decide::fits;
use crate::machine::effect::{Dispatch, Effect};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, check, next, start};
use crate::words::limits::GRANT_TASKS_MAX;
use crate::words::spec::{Discipline, HaltWhen};
use crate::words::work::{self, UNKNOWN};
use crate::words::{Epoch, GrantId, JobId, Now, Span};

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
    pub(in crate::machine) fn dispatch(&mut self, now: Now, out: &mut Vec<Effect>) {
        let here = &self.here;
        if !here.started || !here.warden || here.full || here.draining || self.ready.is_empty() {
            return;
        }
        self.sort_fresh();
        let ahead = self.ahead();
        let orders = self.ready.ordered();
        if orders.is_empty() {
            self.dispatch_in_turn(ahead, out);
            self.note_stuck(None);
        } else {
            self.dispatch_in_order(&orders, ahead, now, out);
        }
    }

    /// Whether there is a place: for one more in the warden's hands, or, where places are counted exactly, a free slot.
    fn has_place(&self, ahead: u32) -> bool {
        self.exactly_left().map_or(self.here.in_hand < ahead, |left| left.slots > 0)
    }

    /// Jobs that share fairly.
    fn dispatch_in_turn(&mut self, ahead: u32, out: &mut Vec<Effect>) {
        let left = self.exactly_left();
        let free = left.map_or(ahead.saturating_sub(self.here.in_hand), |left| left.slots);
        if free == 0 {
            return;
        }
        let (keys, lanes) = self.turns(free);
        let picture = Picture { ahead, in_hand: self.here.in_hand, lanes, left };
        let plan = start::plan(&picture, &dispatch::share(&picture));
        if let Err(fault) = check::check(&plan, &picture) {
            self.fault = Some(fault);
            return;
        }
        for action in plan {
            let key = keys[action.lane];
            self.turn = Some(key);
            self.start_tasks(key, action.tasks, None, out);
            if let Some(job) = self.job_of(key) {
                self.decided(Did::Start { job, tasks: action.tasks }, action.because);
            }
        }
    }

    /// What is left of this machine, where tasks wait or run that take more than a slot, or while its owner uses it.
    pub(in crate::machine) fn exactly_left(&self) -> Option<Takes> {
        let heavy = |key: &LaneKey| self.lanes.get(key).is_some_and(|lane| !lane.queued.is_empty() || lane.in_hand > 0);
        let heavy = self.heavy.iter().any(heavy) && !self.planted(Plant::OneSlotEach);
        if !heavy && !self.is_lowered() {
            return None;
        }
        let fit = &self.here.fit;
        let all = Takes { slots: self.here.open, memory_mib: fit.memory_mib.unwrap_or(0), gpus: u32::from(fit.gpus) };
        let held = self.lanes.iter().filter(|(_, lane)| lane.in_hand > 0);
        let left = held.fold(all, |left, (key, lane)| left.without(self.takes(*key), lane.in_hand));
        // What is being ended without being in a lane still runs. Of a loan that an earlier agent took nobody knows how large
        // its tasks are: until they have ended, nothing starts.
        let strays = self.here.strays.iter();
        let strays = strays.map(|stray| self.state.job(stray.job).map_or(all, |job| Takes::of(&job.spec.needs)));
        Some(strays.fold(left, |left, takes| left.without(takes, 1)))
    }

    /// Slots in which nothing runs, and for which nothing was given ahead.
    pub(in crate::machine) fn free_slots(&self) -> u32 {
        self.exactly_left().map_or(self.here.open.saturating_sub(self.here.in_hand), |left| left.slots)
    }

    /// What one task of the lane takes.
    pub(in crate::machine) fn takes(&self, key: LaneKey) -> Takes {
        if !self.heavy.contains(&key) {
            return Takes::PLAIN;
        }
        match key {
            LaneKey::Own(job) => self.state.job(job).map_or(Takes::PLAIN, |job| Takes::of(&job.spec.needs)),
            LaneKey::Borrowed(grant) => {
                self.sharing.borrowed.get(&grant).map_or(Takes::PLAIN, |held| Takes::of(&held.needs))
            }
        }
    }

    /// Remembers lanes whose tasks take more than a slot.
    pub(in crate::machine) fn note_heavy(&mut self, key: LaneKey) {
        let needs = match key {
            LaneKey::Own(job) => self.state.job(job).map(|job| &job.spec.needs),
            LaneKey::Borrowed(grant) => self.sharing.borrowed.get(&grant).map(|held| &held.needs),
        };
        if needs.is_some_and(|needs| !Takes::of(needs).is_plain()) {
            self.heavy.insert(key);
        }
    }

    /// Jobs whose tasks are chosen one by one. Each order has its turn, and those that share fairly have theirs.
    fn dispatch_in_order(&mut self, orders: &[Discipline], ahead: u32, now: Now, out: &mut Vec<Effect>) {
        self.look_around(now);
        // What is known of the tasks says how many are to be in the warden's hands before the first has ended.
        let mean = self.here.mean_ns.unwrap_or((self.balance.typical_ms * 1e6) as u64);
        let ahead = ahead.min(dispatch::ahead(self.here.slots, Some(mean)));
        let guard = self.guard_of(None);
        let mut left = orders.len() + 1;
        while left > 0 && self.has_place(ahead) {
            self.here.group = (self.here.group + 1) % (orders.len() + 1);
            let before = self.here.in_hand;
            match orders.get(self.here.group).copied() {
                None => self.dispatch_in_turn(self.here.in_hand + 1, out),
                Some(order) => self.dispatch_one(order, &guard, now, out),
            }
            left = if self.here.in_hand > before { orders.len() + 1 } else { left - 1 };
        }
        if left == 0 {
            self.note_stuck(guard.limit_ms().map(|_| now.boot));
        }
    }

    /// From now on, or from earlier, something waits that the guard keeps from a free slot; or nothing waits any more.
    pub(in crate::machine) fn note_stuck(&mut self, from: Option<u64>) {
        let since = self.balance.stuck_since.or(from);
        let waits = since.is_some() && self.ready.iter().any(|key| self.may_start(*key));
        self.balance.stuck_since = since.filter(|_| waits);
    }

    fn dispatch_one(&mut self, order: Discipline, guard: &Guard, now: Now, out: &mut Vec<Effect>) {
        let limit_ms = guard.limit_ms();
        let Some(chosen) = self.choose(Purpose::Start(order), limit_ms, now.wall_ms) else { return };
        let limit_ms = limit_ms.filter(|_| !self.is_bound(chosen.job));
        let takes = self.takes(LaneKey::Own(chosen.job));
        if self.exactly_left().is_some_and(|left| !left.holds(takes)) {
            return;
        }
        let picture = self.next_picture(&chosen, limit_ms, 1, now);
        let plan = next::plan(&picture);
        if let Err(fault) = next::check(&plan, &picture) {
            self.fault = Some(fault);
            return;
        }
        self.start_tasks(LaneKey::Own(chosen.job), 1, Some(chosen.class), out);
        self.served(&chosen);
        if limit_ms.is_none() {
            self.balance.stuck_since = None;
        }
        self.decided(Did::Start { job: chosen.job, tasks: 1 }, plan.because);
    }

    /// What is known of the tasks that were chosen.
    pub(in crate::machine) fn next_picture(
        &self,
        chosen: &Chosen,
        limit_ms: Option<f64>,
        asked: u32,
        now: Now,
    ) -> next::Picture {
        let lane = self.lanes.get(&LaneKey::Own(chosen.job));
        let arrived = self.state.job(chosen.job).map_or(now.wall_ms, |job| job.accepted_ms);
        next::Picture {
            order: chosen.discipline,
            estimate_ms: work::ms(chosen.class).unwrap_or(self.balance.typical_ms),
            known: chosen.class != UNKNOWN,
            limit_ms,
            waited: Span::ms(now.wall_ms.saturating_sub(arrived)),
            queued: lane.map_or(0, |lane| lane.queued.len()),
            sorted: lane.is_some_and(|lane| lane.queued.is_sorted() && lane.order != Discipline::Fifo),
            asked,
        }
    }

    /// The lanes with something to start, the one after the last served first; no more than could start something.
    fn turns(&mut self, free: u32) -> (Vec<LaneKey>, Vec<dispatch::Lane>) {
        let (mut keys, mut lanes, mut done) = (Vec::new(), Vec::new(), Vec::new());
        let most = LANES_MAX.min(free as usize * 2 + 8);
        for key in self.ready.after(self.turn) {
            if self.lanes.get(key).is_some_and(|lane| lane.order != Discipline::Fifo && !lane.queued.is_empty()) {
                continue;
            }
            match self.lane_picture(*key) {
                None => done.push(*key),
                Some(lane) if lane.room() > 0 => {
                    keys.push(*key);
                    lanes.push(lane);
                }
                Some(_) => {}
            }
            if keys.len() >= most {
                break;
            }
        }
        for key in done {
            self.ready.remove(&key);
        }
        (keys, lanes)
    }

    pub(in crate::machine) fn has_room(&self, key: LaneKey) -> bool {
        self.lane_picture(key).is_some_and(|lane| lane.room() > 0)
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
                if job.held || job.is_halted() || !self.may_go(id) {
                    return None;
                }
                let most = match job.spec.parallel {
                    0 => u32::MAX,
                    // The places are fewer than the job allows, and the warden keeps to them: it may be given ahead.
                    parallel if parallel >= self.here.slots => u32::MAX,
                    parallel => parallel.saturating_sub(self.strays_of(id).len()),
                };
                // What this machine cannot run waits for another.
                let here = fits::lack(self.state.node(), Some(&self.here.fit), &job.spec.needs).is_none();
                let most = if here && self.may_begin(id) { most } else { 0 };
                // What was put off is given to the warden for free slots only: it must not stand before what comes later.
                let exact = job.spec.deferred || job.spec.halt.when != HaltWhen::Never;
                (most, exact && !self.planted(Plant::HaltLate))
            }
            LaneKey::Borrowed(grant) => (self.borrowed_parallel(grant, lane.in_hand)?, false),
        };
        let deferred = matches!(key, LaneKey::Own(id) if self.state.job(id).is_some_and(|job| job.spec.deferred));
        let free = lane.in_hand.saturating_add(self.here.open.saturating_sub(self.here.in_hand));
        let most = if deferred { most.min(free) } else { most };
        let cap = if exact { most.min(self.here.slots) } else { most.min(self.worth_having(key)) };
        let cap = (cap < u32::MAX).then_some(cap);
        Some(dispatch::Lane { queued: lane.queued.len(), in_hand: lane.in_hand, cap, takes: self.takes(key) })
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

    /// Of a class, where one is named.
    fn start_tasks(&mut self, key: LaneKey, tasks: u32, class: Option<u8>, out: &mut Vec<Effect>) {
        let mut left = tasks;
        while left > 0 {
            let Some(Token { job, round, epoch, n, grant }) = self.token(key) else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { return };
            let most = left.min(GRANT_TASKS_MAX);
            let tasks = match class {
                Some(class) => lane.queued.take_class(class, most),
                None => lane.queued.take_first(most),
            };
            if tasks.is_empty() {
                return;
            }
            left -= tasks.len();
            lane.give(epoch, n, &tasks);
            if class.is_some() {
                lane.since_ms.insert(n, self.balance.served.by(self.now));
            }
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
