//! The owner's side of a loan: from the question of an idle peer to the last result.
//!
//! A loan is durable before the tasks leave. It ends when all results are durable, or when its lease ran out without
//! renewal; what is open then returns to the queue, and later results for it are refused.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::decide::dispatch::Takes;
use crate::decide::fits;
use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::local::{Chosen, Purpose};
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason, next};
use crate::promise::ledger::{Half, Triad};
use crate::promise::{Loan, Record, lease};
use crate::wire::Message;
use crate::words::limits::{GRANT_TASKS_MAX, GRANTS_OPEN_MAX, LEASE_TTL, UNFIT_INPUTS_LAST, UNFIT_LASTS};
use crate::words::spec::Discipline;
use crate::words::{Epoch, GrantId, JobId, NodeId, Now, Span, TaskSet, Unfit};

/// The clock of a loan.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::machine) struct LoanClock {
    pub to: NodeId,
    /// The question that it answers.
    asked: u64,
    /// Boot time from which on it may be reclaimed; none while the record of the loan is not durable.
    pub ends: u64,
    /// The record that ends it is staged.
    pub closing: bool,
    /// Tasks whose results wait for the disk.
    pub(super) staged: TaskSet,
    /// Tasks of which their borrower never heard.
    pub(super) uncarried: TaskSet,
    /// What a task that began there earlier had got of a core by then, in milliseconds.
    pub since_ms: f64,
    /// The borrower gave a sign that it has it.
    pub taken: bool,
    /// When it left, boot time; 0: in an earlier life.
    pub left: u64,
    /// Tasks that left with it.
    pub whole: u32,
}

impl LoanClock {
    pub(in crate::machine) fn new(to: NodeId, asked: u64, ends: u64, since_ms: f64) -> Self {
        let (staged, uncarried) = (TaskSet::new(), TaskSet::new());
        Self { to, asked, ends, closing: false, staged, uncarried, since_ms, taken: false, left: 0, whole: 0 }
    }
}

impl Machine {
    /// Loans of an earlier incarnation stay open for one lease more: their holders may be at work.
    pub(in crate::machine) fn recover_loans(&mut self, now: Now) {
        let ends = self.granter_ends(now);
        for (grant, loan) in self.state.lent() {
            let since_ms = self.served_at(loan.to, now);
            self.sharing.loans.insert(*grant, LoanClock::new(loan.to, 0, ends, since_ms));
        }
        self.recover_copies();
    }

    fn granter_ends(&self, now: Now) -> u64 {
        if self.planted(Plant::ReclaimEarly) {
            return now.boot + Span(LEASE_TTL.0 / 2);
        }
        if self.planted(Plant::NoMargin) {
            return now.boot + LEASE_TTL;
        }
        lease::granter_ends(now.boot)
    }

    /// A question was asked: its asker needs not to be told again.
    pub(super) fn asked_for(&mut self, from: NodeId, tasks: u32, asked: u64, now: Now, out: &mut Vec<Effect>) {
        let repeated =
            self.sharing.peers.get_mut(&from).is_some_and(|peer| peer.answered.replace(asked) == Some(asked));
        if repeated {
            return;
        }
        self.balance.told.remove(&from);
        if !self.lend(from, tasks, asked, now, out) {
            out.push(Effect::Send { to: from, message: Message::Nothing { asked } });
        }
    }

    /// Stages a loan. Returns false where there is nothing to lend.
    fn lend(&mut self, to: NodeId, asked_for: u32, asked: u64, now: Now, out: &mut Vec<Effect>) -> bool {
        if asked_for == 0 || self.lends_nothing(to) {
            return false;
        }
        if let Some(task) = self.wished_by(to) {
            return self.lend_wished(task, to, asked, now, out);
        }
        self.look_around(now);
        let limit_ms = self.guard_of(Some(to)).limit_ms();
        let Some(chosen) = self.choose(Purpose::Lend(to), limit_ms, now.wall_ms) else {
            // What waits may be too long for that node.
            self.note_stuck(limit_ms.map(|_| now.boot));
            let drain_ms = if self.on_offer() > 0 { self.balance.drain_ms } else { 0.0 };
            return self.lend_copy(to, drain_ms, asked, now, out);
        };
        // A batch is over with its last task: one that would outlast all that waits goes before.
        if chosen.discipline == Discipline::Batch && self.lend_copy(to, self.balance.drain_ms, asked, now, out) {
            return true;
        }
        let limit_ms = limit_ms.filter(|_| !self.is_bound(chosen.job));
        let picture = self.next_picture(&chosen, limit_ms, asked_for, now);
        let plan = next::plan(&picture);
        if let Err(fault) = next::check(&plan, &picture) {
            self.fault = Some(fault);
            return false;
        }
        if !self.may_stage(1, now) {
            return false;
        }
        let job = chosen.job;
        let carries = self.lanes.get(&LaneKey::Own(job)).and_then(|lane| lane.carries).unwrap_or(u32::MAX);
        let most = self.room_there(job, to, asked_for).min(self.worth_lending(job, to)).min(carries);
        let tasks = self.take_for_loan(&chosen, plan.tasks.min(most), (limit_ms, to), now);
        if tasks.is_empty() {
            return false;
        }
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)).filter(|_| tasks.len() >= carries) {
            // Others of its tasks may have shorter commands.
            lane.carries = carries.checked_mul(2).filter(|carries| *carries < GRANT_TASKS_MAX);
        }
        self.served(&chosen);
        if limit_ms.is_none() {
            self.balance.stuck_since = None;
        }
        self.decided(Did::Lend { job, to, tasks: tasks.len() }, plan.because);
        let grant = self.next_grant();
        self.stage_loan(grant, (job, tasks), (to, asked), now, out)
    }

    /// The name of the next loan.
    pub(in crate::machine) const fn next_grant(&mut self) -> GrantId {
        self.here.n += 1;
        GrantId { incarnation: self.here.incarnation, n: self.here.n }
    }

    /// Stages the record of a loan, which answers the question `asked`, and starts its clock. Returns false where the disk takes no
    /// record now; whoever calls has asked before whether it does.
    pub(in crate::machine) fn stage_loan(
        &mut self,
        grant: GrantId,
        (job, tasks): (JobId, TaskSet),
        (to, asked): (NodeId, u64),
        now: Now,
        out: &mut Vec<Effect>,
    ) -> bool {
        let round = self.state.job(job).map_or(0, |job| job.round);
        let since_ms = self.served_at(to, now);
        self.sharing.loans.insert(grant, LoanClock::new(to, asked, u64::MAX, since_ms));
        self.stage_own(vec![Record::Lent { grant, job, round, n: grant.n, to, tasks }], now, out)
    }

    fn lends_nothing(&self, to: NodeId) -> bool {
        // One's own tag as borrower could not be told from own attempts.
        let same = to.tag() == self.state.node().tag();
        // Before the warden has said what it holds, any task that waits here may run there.
        let ready = self.here.started && self.here.met && !self.here.full;
        same || !ready || self.sharing.loans.len() >= GRANTS_OPEN_MAX
    }

    /// How many tasks of the job so many slots of the peer can hold: one at least, since it fits.
    fn room_there(&self, job: JobId, to: NodeId, slots: u32) -> u32 {
        let Some(known) = self.state.job(job) else { return 0 };
        let takes = Takes::of(&known.spec.needs);
        if takes.is_plain() {
            return slots;
        }
        let fit = self.sharing.peers.get(&to).and_then(|peer| peer.fit.as_ref());
        let memory = fit.and_then(|fit| fit.memory_mib).unwrap_or(0).checked_div(takes.memory_mib);
        let gpus = fit.map_or(0, |fit| u32::from(fit.gpus)).checked_div(takes.gpus);
        [memory, gpus].into_iter().flatten().fold(slots / takes.slots, u32::min).max(1)
    }

    /// A peer that was lent tasks of this job cannot run them: for a while it is lent no others.
    pub(super) fn is_unfit(&mut self, job: JobId, node: NodeId, why: Unfit, now: Now) {
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
            let lasts = if why == Unfit::Inputs { UNFIT_INPUTS_LAST } else { UNFIT_LASTS };
            lane.mark_unfit(node, now.boot + lasts, why);
        }
    }

    /// Of a job without lengths the back of its queue, so that the owner goes on in order; else tasks of the chosen length,
    /// and where the longest are first also the next shorter ones.
    fn take_for_loan(
        &mut self,
        chosen: &Chosen,
        count: u32,
        (limit_ms, to): (Option<f64>, NodeId),
        now: Now,
    ) -> TaskSet {
        let stay = self.staying(chosen.job, to, now);
        let Some(lane) = self.lanes.get_mut(&LaneKey::Own(chosen.job)) else { return TaskSet::new() };
        lane.queued.take_these(&stay);
        let mut tasks = match lane.order {
            _ if !lane.queued.is_sorted() => lane.queued.take_last(count),
            Discipline::Fifo if limit_ms.is_none() => lane.queued.take_last(count),
            Discipline::Batch => {
                let mut tasks = lane.queued.take_class(chosen.class, count);
                let shorter: Vec<u8> = lane.queued.classes().rev().filter(|class| *class < chosen.class).collect();
                for class in shorter {
                    tasks.union(&lane.queued.take_class(class, count - tasks.len()));
                }
                tasks
            }
            _ => lane.queued.take_class(chosen.class, count),
        };
        if tasks.is_empty() {
            // All of the chosen length stay; others wait.
            tasks = lane.queued.take_last(count);
        }
        if !stay.is_empty() {
            lane.queued.union(&stay);
            self.ready.insert(LaneKey::Own(chosen.job));
        }
        lane.lending.union(&tasks);
        tasks
    }

    /// Whether tasks of the job may go to this node, as far as is known here.
    pub(in crate::machine) fn may_lend(&self, job: JobId, to: NodeId) -> bool {
        let (Some(known), Some(lane)) = (self.state.job(job), self.lanes.get(&LaneKey::Own(job))) else { return false };
        let unfit = lane.unfit.get(&to).is_some_and(|(until, _)| *until > self.now.boot);
        let fit = self.sharing.peers.get(&to).and_then(|peer| peer.fit.as_ref());
        let fits = !unfit && fits::lack(to, fit, &known.spec.needs).is_none();
        let forced =
            self.here.draining || fits::lack(self.state.node(), Some(&self.here.fit), &known.spec.needs).is_some();
        // A job that this machine cannot run finds its place in any mode.
        if !self.trits_let(job, to) && (!forced || known.spec.deferred) {
            return false;
        }
        let all_go = || lane.moved.is_empty() && known.kept.is_empty();
        let some_go = || all_go() || self.staying(job, to, self.now).len() < lane.queued.len();
        fits && known.spec.may_leave() && self.may_start(LaneKey::Own(job)) && some_go()
    }

    /// The loan is durable: the tasks may leave.
    pub(in crate::machine) fn lent(&mut self, grant: GrantId, now: Now, out: &mut Vec<Effect>) {
        let ends = self.granter_ends(now);
        let epoch = Epoch { incarnation: grant.incarnation, ..self.epoch() };
        let Some(clock) = self.sharing.loans.get_mut(&grant) else { return };
        clock.ends = ends;
        clock.left = now.boot;
        clock.whole = self.state.lent().get(&grant).map_or(0, |loan| loan.tasks.len());
        let Some(Loan { job, round, n, to, tasks, .. }) = self.state.lent().get(&grant).cloned() else { return };
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
            lane.lending.subtract(&tasks);
        }
        let Some(known) = self.state.job(job) else { return };
        if tasks.0.iter().all(|task| known.is_over(task)) {
            // Cancelled while the disk worked: nobody needs to hear of it.
            clock.ends = now.boot;
            return;
        }
        let (mut spec, asked) = (Box::new(known.spec.clone()), clock.asked);
        // The order of tasks is the owner's, and a word on each of them would be as long as the job: one for all of them.
        spec.work = self.length_to_tell(job);
        let travel = spec.files_travel().then(Box::default);
        let argv = Vec::new();
        let (broker, whole) = (self.broker_of(to), tasks.len());
        if let Some(triad) = Triad::new(grant, [self.state.node(), broker, to], whole) {
            self.post(triad, Half::Sender, now, out);
        }
        let message = Message::Lend { grant, job, round, epoch, n, spec, tasks, argv, asked, travel, broker, whole };
        out.push(Effect::Send { to, message });
        self.touched.insert(job);
    }

    /// The loan will never be durable.
    pub(in crate::machine) fn lend_failed(&mut self, grant: GrantId, job: JobId, tasks: &TaskSet) {
        self.sharing.loans.remove(&grant);
        let lose = self.planted(Plant::LoseOnPersistFailed);
        let mut tasks = tasks.clone();
        self.not_elsewhere(job, &mut tasks, Some(grant));
        self.copy_gone(grant);
        let tasks = &tasks;
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
            lane.lending.subtract(tasks);
            if let (Some(known), false) = (self.state.job(job), lose) {
                let mut back = known.pending();
                back.intersect(tasks);
                lane.queued.union(&back);
            }
            self.wake_lane(LaneKey::Own(job));
        }
    }

    /// Loans whose lease ran out.
    pub(super) fn reclaim_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let due = |clock: &LoanClock| clock.ends <= now.boot && !clock.closing;
        let due: Vec<GrantId> =
            self.sharing.loans.iter().filter(|(_, clock)| due(clock)).map(|(grant, _)| *grant).collect();
        for grant in due {
            let staged = self.stage_own(vec![Record::Reclaimed { grant }], now, out);
            let Some(clock) = self.sharing.loans.get_mut(&grant).filter(|_| staged) else { continue };
            clock.closing = true;
            let late = Span(now.boot.saturating_sub(clock.ends));
            if let Some(loan) = self.state.lent().get(&grant) {
                let (job, from, tasks) = (loan.job, loan.to, self.runs_again(grant, loan).len());
                self.decided(Did::Reclaim { job, from, tasks }, Reason::LeaseOver { late });
            }
        }
    }

    /// Tasks that wait again when the loan is over: those that have not ended, were not cancelled, and nobody else has.
    #[must_use]
    pub fn runs_again(&self, grant: GrantId, loan: &Loan) -> TaskSet {
        let mut again = self.state.job(loan.job).map(crate::promise::Job::pending).unwrap_or_default();
        again.intersect(&loan.open);
        self.not_elsewhere(loan.job, &mut again, Some(grant));
        again
    }

    /// Nothing of the loan is open any more.
    pub(in crate::machine) fn loan_over(&mut self, grant: GrantId, now: Now, out: &mut Vec<Effect>) {
        if self.sharing.loans.remove(&grant).is_some_and(|clock| !clock.taken) {
            self.taken_back(grant, now, out);
        }
    }

    pub(in crate::machine) fn reclaim_failed(&mut self, grant: GrantId) {
        if let Some(clock) = self.sharing.loans.get_mut(&grant) {
            clock.closing = false;
        }
    }

    /// The loan is over: what was open waits here again.
    pub(in crate::machine) fn reclaimed(&mut self, grant: GrantId, loan: &Loan, now: Now, out: &mut Vec<Effect>) {
        self.loan_over(grant, now, out);
        let key = LaneKey::Own(loan.job);
        let back = self.runs_again(grant, loan);
        self.copy_gone(grant);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.queued.union(&back);
        }
        self.bar_strays(loan.job);
        self.wake_lane(key);
    }

    pub(super) fn renew(&mut self, from: NodeId, asked_for: &[GrantId], asked: u64, now: Now, out: &mut Vec<Effect>) {
        let ends = self.granter_ends(now);
        let (mut grants, mut lost) = (Vec::new(), Vec::new());
        for grant in asked_for {
            let alive = self.state.lent().get(grant).is_some_and(|loan| loan.to == from && self.is_wanted(loan));
            match self.sharing.loans.get_mut(grant) {
                Some(clock) if alive && !clock.closing => {
                    clock.ends = ends;
                    clock.taken = true;
                    grants.push(*grant);
                }
                _ => lost.push(*grant),
            }
        }
        out.push(Effect::Send { to: from, message: Message::Renewed { grants, lost, asked } });
    }

    fn is_wanted(&self, loan: &Loan) -> bool {
        self.state.job(loan.job).is_some_and(|job| loan.open.0.iter().any(|task| !job.is_over(task)))
    }

    /// Tells the holders of a cancelled job to stop.
    pub(in crate::machine) fn revoke_loans(&self, job: JobId, out: &mut Vec<Effect>) {
        for (grant, loan) in self.state.lent().iter().filter(|(_, loan)| loan.job == job) {
            out.push(Effect::Send { to: loan.to, message: Message::Revoke { grant: *grant } });
        }
    }
}
