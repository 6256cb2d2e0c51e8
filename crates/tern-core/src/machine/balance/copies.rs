//! Second copies of tasks that run too long.
//!
//! A copy is a loan like any other, of one task that runs already. The first of the two that ends counts, by the rule that
//! names winners; the other is called back, and its work was wasted. A task that must not run twice is never copied.

use alloc::vec::Vec;

use super::around::speed_of;
use super::served::Served;
use crate::decide::balance::straggler::{self, Case, Worth};
use crate::decide::fits;
use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason};
use crate::promise::{Outcome, Verdict};
use crate::wire::Message;
use crate::words::work::{self, UNKNOWN};
use crate::words::{GrantId, JobId, NodeId, Now, Span, TaskSet};

/// Copies of one node's tasks at the same time.
const COPIES_MAX: usize = 256;
/// After a search that found nothing.
const SEARCH_AGAIN: Span = Span::ms(100);

/// How fast a node is believed to be that is not connected.
const GONE: f64 = 0.1;

/// A task that two nodes have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) struct Copied {
    /// None: the own warden has it.
    first: Option<GrantId>,
    second: GrantId,
    /// What was set aside for its waste.
    risk_ms: f64,
}

/// A task that runs too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) struct Straggler {
    job: JobId,
    task: u32,
    holder: Option<GrantId>,
    worth: Worth,
}

impl Machine {
    /// How long a task of an own job is expected to run; none where nothing is known or it must not run twice.
    fn copyable(&self, job: JobId, task: u32, to: NodeId) -> Option<f64> {
        let known = self.state.job(job)?;
        let spec = &known.spec;
        let bars =
            (spec.exclusive && !self.planted(Plant::CopyExclusive)) || spec.files_travel() || known.is_over(task);
        if bars
            || !spec.may_leave()
            || known.held
            || known.is_halted()
            || self.balance.copies.contains_key(&(job, task))
        {
            return None;
        }
        let lane = self.lanes.get(&LaneKey::Own(job))?;
        let fit = self.sharing.peers.get(&to).and_then(|peer| peer.fit.as_ref());
        let unfit = lane.unfit.get(&to).is_some_and(|(until, _)| *until > self.now.boot);
        if unfit || fits::lack(to, fit, &spec.needs).is_some() {
            return None;
        }
        let class = lane.queued.class_of(task);
        if class == UNKNOWN { None } else { work::ms(class) }
    }

    /// The own task that a copy on this node would help most.
    pub(in crate::machine) fn straggler_for(&self, to: NodeId, drain_ms: f64, now: Now) -> Option<Straggler> {
        // Without a budget nothing is looked at: there may be thousands of loans.
        let poor = !straggler::affords(self.balance.counted_ms, self.balance.spent_ms, f64::MIN_POSITIVE);
        if poor || self.balance.copies.len() >= COPIES_MAX {
            return None;
        }
        let here = speed_of(self.sharing.peers.get(&to)?.speed);
        let fastest = self.balance.fastest;
        let mut best: Option<Straggler> = None;
        let mut consider = |job, task, holder: Option<GrantId>, got_ms: f64, (there, rate): (f64, f64)| {
            let Some(estimate_ms) = self.copyable(job, task, to) else { return };
            let done_ms = got_ms.max(0.0) * there;
            let case = Case { estimate_ms, done_ms, speed_there: there * rate, speed_here: here, fastest, drain_ms };
            if let Some(worth) = straggler::worth(&case)
                && straggler::affords(self.balance.counted_ms, self.balance.spent_ms, worth.risk_ms)
                && best.is_none_or(|best| worth.gain_ms > best.worth.gain_ms)
            {
                best = Some(Straggler { job, task, holder, worth });
            }
        };
        for (grant, clock) in self.sharing.loans.iter().filter(|(_, clock)| clock.to != to && !clock.closing) {
            let Some(loan) = self.state.lent().get(grant) else { continue };
            let peer = self.sharing.peers.get(&clock.to);
            let there = peer.map_or((GONE, 1.0), |peer| (speed_of(peer.speed), peer.served.share()));
            let got_ms = self.served_at(clock.to, now) - clock.since_ms;
            loan.open.0.iter().for_each(|task| consider(loan.job, task, Some(*grant), got_ms, there));
        }
        let (got_ms, own) = (self.balance.served.by(now), (speed_of(self.here.speed), self.balance.served.share()));
        for (key, lane) in self.lanes.iter().filter(|(_, lane)| !lane.since_ms.is_empty()) {
            let LaneKey::Own(job) = key else { continue };
            for ((_, n), tasks) in &lane.hand {
                let Some(since_ms) = lane.since_ms.get(n) else { continue };
                tasks.0.iter().for_each(|task| consider(*job, task, None, got_ms - since_ms, own));
            }
        }
        best
    }

    /// What a task that began at a peer earlier has got of a core there.
    pub(in crate::machine) fn served_at(&self, peer: NodeId, now: Now) -> f64 {
        self.sharing.peers.get(&peer).map_or(Served::default(), |peer| peer.served).by(now)
    }

    /// Lends the copy of a running task that would not be over in `drain_ms`. Returns false where none helps.
    pub(in crate::machine) fn lend_copy(
        &mut self,
        to: NodeId,
        drain_ms: f64,
        asked: u64,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> bool {
        if !self.may_copy() || self.sharing.peers.get(&to).is_none_or(|peer| now.boot < peer.search_at) {
            return false;
        }
        let Some(straggler) = self.straggler_for(to, drain_ms, now) else {
            if let Some(peer) = self.sharing.peers.get_mut(&to) {
                peer.search_at = now.boot + SEARCH_AGAIN;
            }
            return false;
        };
        let Straggler { job, task, holder, worth: Worth { gain_ms, risk_ms } } = straggler;
        if !self.may_stage(1, now) {
            return false;
        }
        let grant = self.next_grant();
        self.balance.copies.insert((job, task), Copied { first: holder, second: grant, risk_ms });
        self.balance.spent_ms += risk_ms;
        self.decided(Did::Copy { job, to }, Reason::Straggler { gain: Span::ms(gain_ms as u64) });
        self.stage_loan(grant, (job, [task].into_iter().collect()), (to, asked), now, out)
    }

    /// Work that counted in this life, and that was spent on copies or is set aside for them; milliseconds on the reference
    /// core.
    #[must_use]
    pub const fn copied_ms(&self) -> (f64, f64) {
        (self.balance.counted_ms, self.balance.spent_ms)
    }

    /// After a restart: tasks that two loans have.
    pub(in crate::machine) fn recover_copies(&mut self) {
        let mut seen = alloc::collections::BTreeMap::new();
        for (grant, loan) in self.state.lent() {
            for task in &loan.open.0 {
                if let Some(first) = seen.insert((loan.job, task), *grant) {
                    let copied = Copied { first: Some(first), second: *grant, risk_ms: 0.0 };
                    self.balance.copies.insert((loan.job, task), copied);
                }
            }
        }
    }

    /// Whether another than `via` still has the task.
    pub(in crate::machine) fn is_elsewhere(&self, job: JobId, task: u32, via: Option<GrantId>) -> bool {
        let Some(copied) = self.balance.copies.get(&(job, task)) else { return false };
        let other = if via == Some(copied.second) { copied.first } else { Some(copied.second) };
        match other {
            None => self.lanes.get(&LaneKey::Own(job)).is_some_and(|lane| lane.holds(task)),
            Some(grant) => match self.state.lent().get(&grant) {
                Some(loan) => loan.open.contains(task),
                None => self.sharing.loans.contains_key(&grant),
            },
        }
    }

    /// Whether this loan is the second copy of a task that the first still has.
    pub(in crate::machine) fn is_spare(&self, grant: GrantId, job: JobId, task: u32) -> bool {
        let second = self.balance.copies.get(&(job, task)).is_some_and(|copied| copied.second == grant);
        second && self.is_elsewhere(job, task, Some(grant))
    }

    /// Takes out of the set what another than `via` still has.
    pub(in crate::machine) fn not_elsewhere(&self, job: JobId, tasks: &mut TaskSet, via: Option<GrantId>) {
        for (_, task) in self.balance.copies.range((job, 0)..=(job, u32::MAX)).map(|(key, _)| *key) {
            if tasks.contains(task) && self.is_elsewhere(job, task, via) {
                tasks.remove(task);
            }
        }
    }

    /// Tasks of the job that stand with two.
    pub(in crate::machine) fn copies_of(&self, job: JobId) -> TaskSet {
        self.balance.copies.range((job, 0)..=(job, u32::MAX)).map(|((_, task), _)| *task).collect()
    }

    /// The loan is gone, and with it one of two.
    pub(in crate::machine) fn copy_gone(&mut self, grant: GrantId) {
        self.balance.copies.retain(|_, copied| copied.first != Some(grant) && copied.second != grant);
    }

    /// Ends were applied: the first of two calls the other back.
    pub(in crate::machine) fn copies_ended(
        &mut self,
        via: Option<GrantId>,
        outcomes: &[Outcome],
        verdicts: &[Verdict],
        out: &mut Vec<Effect>,
    ) {
        for (outcome, verdict) in outcomes.iter().zip(verdicts) {
            let (job, task) = (outcome.attempt.job, outcome.attempt.task);
            let counts = matches!(verdict, Verdict::Counted | Verdict::Better);
            let (rate, got_ms) = match via.and_then(|grant| self.sharing.loans.get(&grant)) {
                Some(clock) => {
                    let speed = self.sharing.peers.get(&clock.to).map_or(1.0, |peer| speed_of(peer.speed));
                    (speed, self.served_at(clock.to, self.now) - clock.since_ms)
                }
                None => (speed_of(self.here.speed), f64::INFINITY),
            };
            // Where more ran than there were slots a task did less than its time says.
            let work_ms = (outcome.ran_ns as f64 / 1e6).min(got_ms.max(0.0)) * rate;
            self.balance.counted_ms += if counts { work_ms } else { 0.0 };
            let Some(copied) = self.balance.copies.get(&(job, task)).copied() else { continue };
            if counts {
                let second_won = via == Some(copied.second);
                self.call_back(job, task, if second_won { copied.first } else { Some(copied.second) }, out);
            } else if (via == copied.first || via == Some(copied.second)) && !self.has_task(job, task, via) {
                // What the loser did is now known.
                self.balance.spent_ms += work_ms - copied.risk_ms;
                self.balance.copies.remove(&(job, task));
                if via == copied.first {
                    self.goes_on_alone(job, task, copied.second);
                }
            }
        }
    }

    /// Whether it is still there that the task may end: an old end that is told again ends nothing.
    fn has_task(&self, job: JobId, task: u32, holder: Option<GrantId>) -> bool {
        match holder {
            None => self.lanes.get(&LaneKey::Own(job)).is_some_and(|lane| lane.holds(task)),
            Some(grant) => self.state.lent().get(&grant).is_some_and(|loan| loan.open.contains(task)),
        }
    }

    /// The first ended while the loan of the second is on its way to the disk: now it is a loan like any other.
    fn goes_on_alone(&mut self, job: JobId, task: u32, second: GrantId) {
        let coming = self.sharing.loans.contains_key(&second) && !self.state.lent().contains_key(&second);
        let over = self.state.job(job).is_none_or(|known| known.is_over(task));
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)).filter(|_| coming && !over) {
            lane.lending.insert(task);
        }
    }

    fn call_back(&mut self, job: JobId, task: u32, holder: Option<GrantId>, out: &mut Vec<Effect>) {
        let tasks: TaskSet = [task].into_iter().collect();
        match holder {
            None => {
                out.push(Effect::Revoke { job, tasks: tasks.clone() });
                out.push(Effect::End { job, tasks });
            }
            Some(grant) => {
                if let Some(clock) = self.sharing.loans.get(&grant) {
                    out.push(Effect::Send { to: clock.to, message: Message::Recall { grant, tasks } });
                }
            }
        }
        self.decided(Did::End { job, tasks: 1 }, Reason::OtherCopy);
    }
}
