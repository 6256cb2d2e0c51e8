//! The own jobs with waiting tasks, so ordered that the next task of each order is found at once.
//!
//! It is an index and not the truth: an entry may be out of date, and is dropped when it is looked at. Whatever begins to wait
//! is noted with its lane's key, and sorted in before the next choice.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound::{self, Excluded, Unbounded};

use crate::decide::balance::next::{self, Head};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::words::spec::Discipline;
use crate::words::{GrantId, JobId, Needs, NodeId, work};

/// Jobs that may not be chosen for this purpose and are passed over in one choice.
const PASSED_MAX: usize = 64;
/// The orders, as they take turns.
const ORDERS: [Discipline; 4] = [Discipline::Deadline, Discipline::Interactive, Discipline::Batch, Discipline::Fifo];

/// One order: for each class of length the jobs that have tasks of it, by urgency.
type Band = BTreeMap<u8, BTreeSet<(u64, JobId)>>;

/// Lanes that may have something to start, and the order of their tasks.
#[derive(Debug, Default)]
pub(in crate::machine) struct Ready {
    lanes: BTreeSet<LaneKey>,
    fresh: BTreeSet<JobId>,
    bands: [Band; 4],
    /// The order that was served last.
    last: usize,
    /// The turn of the job without another order that was served last.
    pub turn: u64,
}

impl Ready {
    pub(in crate::machine) fn insert(&mut self, key: LaneKey) {
        self.lanes.insert(key);
        if let LaneKey::Own(job) = key {
            self.fresh.insert(job);
        }
    }
    pub(in crate::machine) fn extend(&mut self, keys: impl Iterator<Item = LaneKey>) {
        for key in keys {
            self.insert(key);
        }
    }
    pub(in crate::machine) fn remove(&mut self, key: &LaneKey) {
        self.lanes.remove(key);
    }
    pub(in crate::machine) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
    /// The orders in which anything may wait, besides that of turns.
    pub(in crate::machine) fn ordered(&self) -> Vec<Discipline> {
        let some = |order: &&Discipline| **order != Discipline::Fifo && !self.bands[place(**order)].is_empty();
        ORDERS.iter().filter(some).copied().collect()
    }
    pub(in crate::machine) fn iter(&self) -> impl Iterator<Item = &LaneKey> {
        self.lanes.iter()
    }
    pub(in crate::machine) fn borrowed(&self) -> impl Iterator<Item = &LaneKey> {
        // Borrowed lanes stand behind all own ones.
        self.lanes.range(LaneKey::Borrowed(GrantId { incarnation: 0, n: 0 })..)
    }
    /// All, the one after `turn` first.
    pub(in crate::machine) fn after(&self, turn: Option<LaneKey>) -> impl Iterator<Item = &LaneKey> {
        let first = self.lanes.range((turn.map_or(Unbounded, Excluded), Unbounded));
        let rest = turn.map(|turn| self.lanes.range(..=turn));
        first.chain(rest.into_iter().flatten())
    }
}

/// What a choice is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) enum Purpose {
    /// To start here: jobs of this order.
    Start(Discipline),
    /// To lend to this node.
    Lend(NodeId),
}

/// The next task: one of this class of this job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) struct Chosen {
    pub job: JobId,
    pub class: u8,
    pub discipline: Discipline,
    /// The urgency that it had.
    pub key: u64,
}

impl Machine {
    /// Where a job stands among those of its order.
    fn urgency(&self, id: JobId) -> Option<(Discipline, u64)> {
        let job = self.state.job(id)?;
        let lane = self.lanes.get(&LaneKey::Own(id))?;
        let key = match lane.order {
            Discipline::Fifo | Discipline::Batch => next::turn_key(lane.turn.unwrap_or_default(), id.number()),
            Discipline::Interactive => job.accepted_ms,
            Discipline::Deadline => job.spec.deadline_ms.unwrap_or(u64::MAX),
        };
        Some((lane.order, key))
    }

    /// Sorts in what began to wait.
    pub(in crate::machine) fn sort_fresh(&mut self) {
        for job in core::mem::take(&mut self.ready.fresh) {
            if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
                lane.turn.get_or_insert(self.ready.turn);
            }
            let Some((discipline, key)) = self.urgency(job) else { continue };
            let Some(lane) = self.lanes.get(&LaneKey::Own(job)) else { continue };
            let band = &mut self.ready.bands[place(discipline)];
            for class in lane.queued.classes() {
                band.entry(class).or_default().insert((key, job));
            }
        }
    }

    /// The next task for this purpose that is not longer than the limit. Orders take turns.
    pub(in crate::machine) fn choose(
        &mut self,
        purpose: Purpose,
        limit_ms: Option<f64>,
        now_ms: u64,
    ) -> Option<Chosen> {
        self.sort_fresh();
        for step in 1..=ORDERS.len() {
            let order = (self.ready.last + step) % ORDERS.len();
            let discipline = ORDERS[order];
            if matches!(purpose, Purpose::Start(only) if only != discipline) {
                continue;
            }
            if let Some((class, key, job)) = self.choose_in(order, purpose, limit_ms, now_ms) {
                if matches!(purpose, Purpose::Lend(_)) {
                    self.ready.last = order;
                }
                return Some(Chosen { job, class, discipline, key });
            }
        }
        None
    }

    fn choose_in(
        &mut self,
        order: usize,
        purpose: Purpose,
        limit_ms: Option<f64>,
        now_ms: u64,
    ) -> Option<(u8, u64, JobId)> {
        let typical = self.balance.typical_ms;
        let length = |class: u8| work::ms(class).unwrap_or(typical);
        // What is too long for this machine goes there only where its job may go nowhere better.
        let over = |class: u8| limit_ms.is_some_and(|limit| length(class) > limit);
        let mut heads: Vec<(u8, u64, JobId)> = Vec::new();
        for (class, jobs) in &self.ready.bands[order] {
            let first = if over(*class) { self.first_bound(jobs, Unbounded) } else { jobs.first().copied() };
            heads.extend(first.map(|(key, job)| (*class, key, job)));
        }
        let mut passed: Vec<JobId> = Vec::new();
        while passed.len() < PASSED_MAX {
            let seen: Vec<Head> =
                heads.iter().map(|(class, key, _)| Head { estimate_ms: length(*class), key: *key }).collect();
            let place = next::next(ORDERS[order], &seen, now_ms)?;
            let (class, key, job) = heads[place];
            let waits = self.lanes.get(&LaneKey::Own(job)).is_some_and(|lane| lane.queued.has(class));
            if waits && self.suits(job, purpose) {
                return Some((class, key, job));
            }
            // What cannot start before something changes is filed again when it does.
            let keep = waits && self.may_start(LaneKey::Own(job));
            if keep && !passed.contains(&job) {
                passed.push(job);
            }
            let mut next = self.after(order, class, (key, job), keep);
            if over(class) {
                let jobs = self.ready.bands[order].get(&class);
                next = jobs.and_then(|jobs| self.first_bound(jobs, Excluded((key, job))));
            }
            match next {
                Some((key, job)) => heads[place] = (class, key, job),
                None => {
                    heads.swap_remove(place);
                }
            }
        }
        None
    }

    /// The first of these jobs that asks for certain machines: the fastest may be none of them.
    fn first_bound(&self, jobs: &BTreeSet<(u64, JobId)>, from: Bound<(u64, JobId)>) -> Option<(u64, JobId)> {
        jobs.range((from, Unbounded)).take(PASSED_MAX).find(|(_, job)| self.is_bound(*job)).copied()
    }

    /// Whether not every machine may run the job.
    pub(in crate::machine) fn is_bound(&self, job: JobId) -> bool {
        self.state.job(job).is_some_and(|job| !job.spec.may_leave() || job.spec.needs != Needs::default())
    }

    /// The entry after this one, which is dropped if nothing waits for it any more.
    fn after(&mut self, order: usize, class: u8, entry: (u64, JobId), keep: bool) -> Option<(u64, JobId)> {
        let band = &mut self.ready.bands[order];
        let jobs = band.get_mut(&class)?;
        let next = jobs.range((Excluded(entry), Unbounded)).next().copied();
        if !keep {
            jobs.remove(&entry);
            if jobs.is_empty() {
                band.remove(&class);
            }
        }
        next
    }

    fn suits(&self, job: JobId, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Start(_) => self.has_room(LaneKey::Own(job)),
            Purpose::Lend(to) => self.may_lend(job, to),
        }
    }

    /// The job was served: among jobs that take turns the others are next. A job that is alone keeps its turn.
    pub(in crate::machine) fn served(&mut self, chosen: &Chosen) {
        let turns = matches!(chosen.discipline, Discipline::Fifo | Discipline::Batch);
        let band = &self.ready.bands[place(chosen.discipline)];
        let other = |jobs: &BTreeSet<(u64, JobId)>| jobs.iter().any(|(_, job)| *job != chosen.job);
        let alone = self.ready.fresh.is_empty() && !band.values().any(other);
        if !turns || alone {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&LaneKey::Own(chosen.job)) else { return };
        let turn = lane.turn.unwrap_or_default();
        self.ready.turn = self.ready.turn.max(turn);
        lane.turn = Some(turn + 1);
        let band = &mut self.ready.bands[place(chosen.discipline)];
        for class in lane.queued.classes().chain([chosen.class]) {
            if let Some(jobs) = band.get_mut(&class) {
                jobs.remove(&(chosen.key, chosen.job));
                if jobs.is_empty() {
                    band.remove(&class);
                }
            }
        }
        if !lane.queued.is_empty() {
            self.ready.fresh.insert(chosen.job);
        }
    }
}

/// The place of an order among those that take turns.
fn place(discipline: Discipline) -> usize {
    ORDERS.iter().position(|one| *one == discipline).unwrap_or_default()
}
