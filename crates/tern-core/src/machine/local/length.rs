//! How long the tasks of each lane take, as far as it was seen, and how many of them are worth having ahead.
//!
//! Of one job and not of the machine: a node on which ten thousand tasks of a millisecond ran would else take forty at once of the
//! next job, whose tasks may take a minute each, and would hold them while others are idle. Where that happens in spite of it, they are
//! asked back of the warden.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::decide::dispatch;
use crate::machine::balance::speed_of;
use crate::machine::effect::Effect;
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::node::Machine;
use crate::plan::{Did, Reason};
use crate::promise::{Exit, Outcome};
use crate::words::{Bytes, GrantId, JobId, JobSpec, NodeId, Now, Span, TaskSet, work};

/// What was given to the warden ahead may wait so long for the first end, or for two mean lengths of what ran lately.
const AHEAD_WAITS: Span = Span::ms(500);

/// What all tasks of a job are expected to take on the reference core, nanoseconds.
pub(in crate::machine) fn expected(spec: &JobSpec) -> Option<u64> {
    let class = (!spec.has_work_of_each()).then(|| spec.work_of(0))?;
    work::ms(class).map(|ms| (ms * 1e6) as u64)
}

impl Machine {
    /// Runs of this node, own and borrowed.
    pub(in crate::machine) fn measure(&mut self, outcomes: &[Outcome]) {
        let (mut sum, mut count) = (0u64, 0u64);
        for outcome in outcomes.iter().filter(|outcome| outcome.exit != Exit::Void) {
            (sum, count) = (sum.saturating_add(outcome.ran_ns), count + 1);
        }
        let Some(mean) = sum.checked_div(count) else { return };
        (self.here.full_since, self.here.stalls) = (None, false);
        self.here.mean_ns = Some(self.here.mean_ns.map_or(mean, |last| last / 8 * 7 + mean / 8));
        self.measure_lanes(outcomes, self.here.speed, |machine, outcome| {
            outcome.attempt.epoch.keeper == machine.state.node().tag()
        });
    }

    /// What was given to the warden ahead, waits there for longer than was to be expected, and could begin elsewhere, comes back.
    pub(in crate::machine) fn look_at_ahead(&mut self, now: Now, out: &mut Vec<Effect>) {
        // While the owner uses the machine nothing is given ahead, and what was has been asked back.
        if self.here.in_hand <= self.here.open || self.is_lowered() {
            self.here.full_since = None;
            self.here.stalls &= self.here.in_hand == self.here.open;
            return;
        }
        self.here.full_since.get_or_insert(now.boot);
        if self.next_look_ahead().is_none_or(|at| at > now.boot) {
            return;
        }
        let leaves = |job: JobId| {
            let may = self.state.job(job).is_some_and(|known| known.spec.may_leave());
            may && self.trits_let(job, self.state.node())
        };
        let own = |(key, lane): (&LaneKey, &Lane)| match key {
            LaneKey::Own(job) if lane.in_hand > 0 && leaves(*job) => Some((*job, lane.in_hand_tasks())),
            LaneKey::Own(_) | LaneKey::Borrowed(_) => None,
        };
        let jobs: Vec<(JobId, TaskSet)> = self.lanes.iter().filter_map(own).collect();
        if jobs.is_empty() {
            self.here.full_since = Some(now.boot);
        }
        for (job, tasks) in jobs {
            self.here.stalls = true;
            // Which of them it has begun only the warden knows: of these it gives none.
            out.push(Effect::Revoke { job, tasks });
        }
    }

    /// The warden gave back what it had not begun.
    pub(in crate::machine) fn note_put_back(&mut self, back: BTreeMap<JobId, u32>, now: Now) {
        let Some(since) = self.here.full_since.filter(|_| self.here.stalls) else { return };
        for (job, tasks) in back {
            let waited = Span(now.boot.saturating_sub(since));
            self.decided(Did::Unstart { job, tasks }, Reason::NoSlotFor(waited));
        }
    }

    /// When that is so. None: nothing waits there, nobody has a free slot, or it was asked back.
    pub(in crate::machine) fn next_look_ahead(&self) -> Option<u64> {
        let since = self.here.full_since.filter(|_| !self.here.stalls && !self.balance.tokens.is_empty())?;
        Some(since + AHEAD_WAITS.0.max(2 * self.here.mean_ns.unwrap_or(0)))
    }

    /// Runs of own tasks on the node that holds this loan.
    pub(in crate::machine) fn measure_loan(&mut self, grant: GrantId, outcomes: &[Outcome]) {
        let to = self.sharing.loans.get(&grant).map(|clock| clock.to);
        self.measure_way(grant, outcomes);
        let speed = to.and_then(|to| self.sharing.peers.get(&to)).map_or(0, |peer| peer.speed);
        self.measure_lanes(outcomes, speed, |_, _| true);
    }

    /// Of a loan of one task it is known what it took beside its run.
    fn measure_way(&mut self, grant: GrantId, outcomes: &[Outcome]) {
        let Some(clock) = self.sharing.loans.get(&grant).filter(|clock| clock.left > 0 && clock.whole == 1) else {
            return;
        };
        let left = clock.left;
        // One that came back without having run says how long it waited, and not what travelling takes.
        let [outcome] = outcomes else { return };
        let ran = !matches!(outcome.exit, Exit::Void | Exit::Cancelled);
        let Some(known) = self.state.job(outcome.attempt.job).filter(|_| ran) else { return };
        let staged = known.spec.files_travel();
        self.carried(staged, Span(self.now.boot.saturating_sub(left)), outcome.ran_ns);
    }

    fn measure_lanes(&mut self, outcomes: &[Outcome], speed: u16, own: impl Fn(&Self, &Outcome) -> bool) {
        let mut jobs: BTreeMap<(bool, JobId), (f64, u32)> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.exit != Exit::Void) {
            let (sum, count) = jobs.entry((own(self, outcome), outcome.attempt.job)).or_default();
            (*sum, *count) = (*sum + outcome.ran_ns as f64, *count + 1);
        }
        for ((own, job), (sum, count)) in jobs {
            let ns = (sum / f64::from(count) * speed_of(speed)) as u64;
            if own {
                if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
                    lane.took(ns);
                }
                continue;
            }
            for (grant, _) in self.sharing.borrowed.iter().filter(|(_, held)| held.job == job) {
                if let Some(lane) = self.lanes.get_mut(&LaneKey::Borrowed(*grant)) {
                    lane.took(ns);
                }
            }
        }
    }

    /// Tasks of the lane that should be in this warden's hands at most.
    pub(in crate::machine) fn worth_having(&self, key: LaneKey) -> u32 {
        let length = self.lanes.get(&key).and_then(|lane| lane.length_ns);
        let here = length.map(|ns| (ns as f64 / speed_of(self.here.speed)) as u64);
        dispatch::ahead(self.here.slots, here)
    }

    /// Tasks that one should have of what this node has borrowed and not ended; none: it has nothing borrowed.
    pub(in crate::machine) fn worth_borrowing(&self) -> Option<u32> {
        let held = self.sharing.borrowed.keys().map(|grant| LaneKey::Borrowed(*grant));
        let held =
            held.filter(|key| self.lanes.get(key).is_some_and(|lane| lane.in_hand > 0 || !lane.queued.is_empty()));
        held.map(|key| self.worth_having(key)).min()
    }

    /// Tasks of the job that are worth lending to a node of so many slots at once.
    pub(in crate::machine) fn worth_lending(&self, job: JobId, to: NodeId) -> u32 {
        let Some(peer) = self.sharing.peers.get(&to) else { return 1 };
        let length = self.lanes.get(&LaneKey::Own(job)).and_then(|lane| lane.length_ns);
        let there = length.map(|ns| (ns as f64 / speed_of(peer.speed)) as u64);
        dispatch::ahead(peer.heard.slots.max(1), there)
    }

    /// What a borrower is told of the length of the tasks.
    pub(in crate::machine) fn length_to_tell(&self, job: JobId) -> Bytes {
        let length = self.lanes.get(&LaneKey::Own(job)).and_then(|lane| lane.length_ns);
        length.map_or_else(Bytes::default, |ns| Bytes(alloc::vec![work::class(ns as f64 / 1e6)]))
    }
}
