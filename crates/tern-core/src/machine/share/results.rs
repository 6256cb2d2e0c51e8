//! The owner's side of results: which ends of lent tasks are believed, and when their borrower may forget them.
//!
//! A result counts if its grant is open, the sender holds it, and the task is one of its open ones. It is acknowledged
//! when it is durable, or at once where it will never be taken.

use alloc::vec;
use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason};
use crate::promise::{Exit, Loan, Outcome, Output, Record, Refusal, Verdict};
use crate::wire::Message;
use crate::words::limits::{GRANT_TASKS_MAX, TASKS_PER_JOB_MAX};
use crate::words::{Attempt, Epoch, GrantId, NodeId, Now, TaskSet, Unfit};

impl Machine {
    /// Tasks that the borrower will not run: ends that do not count.
    pub(super) fn returned(
        &mut self,
        from: NodeId,
        grant: GrantId,
        tasks: &TaskSet,
        why: Option<Unfit>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(loan) = self.state.lent().get(&grant) else { return received(from, grant, tasks.clone(), out) };
        if loan.to != from {
            return self.refuse(Refusal::NotHolder);
        }
        let &Loan { job, round, n, .. } = loan;
        let mut back = loan.open.clone();
        back.intersect(tasks);
        if let Some(clock) = self.sharing.loans.get(&grant) {
            back.subtract(&clock.staged);
        }
        // Said again until it is durable, decided once.
        if let Some(why) = why.filter(|_| !back.is_empty()) {
            self.is_unfit(job, from, why, now);
            self.decided(Did::CameBack { job, from, tasks: back.len() }, Reason::Unfit(why));
        }
        let Some(loan) = self.state.lent().get(&grant) else { return };
        let mut gone = tasks.clone();
        gone.subtract(&loan.open);
        received(from, grant, gone, out);
        let epoch = Epoch { incarnation: grant.incarnation, ..self.epoch() };
        let mut open = loan.open.clone();
        open.intersect(tasks);
        let void = |task| Outcome {
            attempt: Attempt { job, task, round, epoch, n },
            exit: Exit::Void,
            started_ms: now.wall_ms,
            ran_ns: 0,
            cpu_us: 0,
            rss_kib: 0,
            ran_on: from.tag(),
            stdout: Output::default(),
            stderr: Output::default(),
        };
        let outcomes: Vec<Outcome> = open.0.iter().map(void).collect();
        self.results(from, grant, outcomes, now, out);
    }

    /// Of these tasks of a loan their borrower never heard: they come back, and the next loans of the job are shorter.
    pub(in crate::machine) fn uncarried(&mut self, grant: GrantId, tasks: &TaskSet, now: Now, out: &mut Vec<Effect>) {
        let Some(loan) = self.state.lent().get(&grant) else { return };
        let (to, job, carried) = (loan.to, loan.job, loan.tasks.len().saturating_sub(tasks.len()).max(1));
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
            lane.carries = Some(lane.carries.map_or(carried, |known| known.min(carried)));
        }
        let tasks = if self.planted(Plant::UncarriedAll) { loan.open.clone() } else { tasks.clone() };
        self.decided(Did::CameBack { job, from: to, tasks: tasks.len() }, Reason::LongCommands { carried });
        if let Some(clock) = self.sharing.loans.get_mut(&grant) {
            clock.uncarried.union(&tasks);
        }
        self.returned(to, grant, &tasks, None, now, out);
    }

    /// Ends of attempts from a borrower: believed if its grant is open and has the task.
    pub(super) fn results(
        &mut self,
        from: NodeId,
        grant: GrantId,
        outcomes: Vec<Outcome>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if outcomes.len() > GRANT_TASKS_MAX as usize {
            return self.refuse(Refusal::TooLarge);
        }
        let holder = self.sharing.loans.get(&grant).map(|clock| clock.to);
        if holder.is_some_and(|holder| holder != from) && !self.planted(Plant::ResultsFromAnybody) {
            return self.refuse(Refusal::NotHolder);
        }
        let (mut good, mut gone) = (Vec::new(), TaskSet::new());
        for mut outcome in outcomes {
            // Its machine's clock may be anything; it began at the latest so long ago as it ran.
            outcome.started_ms = outcome.started_ms.min(now.wall_ms.saturating_sub(outcome.ran_ns / 1_000_000));
            match self.judge(grant, &outcome) {
                Ok(true) => {
                    if !outcome.exit.is_success() && self.is_spare(grant, outcome.attempt.job, outcome.attempt.task) {
                        // Its machine may be why it failed: the first run says what becomes of the task.
                        outcome.exit = Exit::Void;
                    }
                    good.push(outcome);
                }
                Ok(false) => {}
                Err(refusal) => {
                    self.refuse(refusal);
                    // A task that no job can have cannot be said in a set of tasks either.
                    if outcome.attempt.task < TASKS_PER_JOB_MAX {
                        gone.insert(outcome.attempt.task);
                    }
                    self.accept_stale(refusal, outcome, now, out);
                }
            }
        }
        received(from, grant, gone, out);
        self.stage_results(from, grant, good, now, out);
    }

    /// Whether this end of a lent task would count now: only then is what it wrote worth the disk.
    #[must_use]
    pub fn would_count(&self, from: NodeId, grant: GrantId, outcome: &Outcome) -> bool {
        let holder = self.sharing.loans.get(&grant).is_some_and(|clock| clock.to == from);
        holder && self.judge(grant, outcome) == Ok(true)
    }

    /// Whether the end is to be staged; false where it is staged already.
    fn judge(&self, grant: GrantId, outcome: &Outcome) -> Result<bool, Refusal> {
        let clock = self.sharing.loans.get(&grant).filter(|clock| !clock.closing).ok_or(Refusal::ClosedGrant)?;
        if clock.staged.contains(outcome.attempt.task) {
            return Ok(false);
        }
        match self.state.may_report(Some(grant), outcome) {
            Err(Refusal::AlreadyCounted) if self.planted(Plant::DoubleCount) => Ok(true),
            verdict => verdict.map(|()| true),
        }
    }

    fn accept_stale(&mut self, refusal: Refusal, outcome: Outcome, now: Now, out: &mut Vec<Effect>) {
        if refusal == Refusal::ClosedGrant && self.planted(Plant::StaleGrantAccepted) {
            self.stage_own(vec![Record::Outcomes { via: None, outcomes: vec![outcome] }], now, out);
        }
    }

    fn stage_results(&mut self, to: NodeId, grant: GrantId, good: Vec<Outcome>, now: Now, out: &mut Vec<Effect>) {
        // Without room they are not acknowledged, and come again.
        if good.is_empty() || !self.may_stage(1, now) {
            return;
        }
        let mut seen = TaskSet::new();
        let outcomes: Vec<Outcome> = good.into_iter().filter(|outcome| seen.insert(outcome.attempt.task)).collect();
        if let Some(clock) = self.sharing.loans.get_mut(&grant) {
            clock.staged.union(&seen);
            clock.taken |= outcomes.iter().any(|outcome| outcome.exit != Exit::Void);
        }
        if self.planted(Plant::ReceivedBeforeFsync) {
            received(to, grant, seen, out);
        }
        self.stage_own(vec![Record::Outcomes { via: Some(grant), outcomes }], now, out);
    }

    pub(in crate::machine) fn results_failed(&mut self, grant: GrantId, outcomes: &[Outcome]) {
        if let Some(clock) = self.sharing.loans.get_mut(&grant) {
            for outcome in outcomes {
                clock.staged.remove(outcome.attempt.task);
            }
        }
    }

    /// Results of a borrower are durable.
    pub(in crate::machine) fn results_durable(
        &mut self,
        grant: GrantId,
        outcomes: &[Outcome],
        verdicts: &[Verdict],
        out: &mut Vec<Effect>,
    ) {
        for (outcome, verdict) in outcomes.iter().zip(verdicts) {
            let attempt = &outcome.attempt;
            if *verdict == Verdict::Again
                && outcome.exit == Exit::Void
                && let Some(clock) = self.sharing.loans.get(&grant)
                && !clock.uncarried.contains(attempt.task)
                && let Some(lane) = self.lanes.get_mut(&LaneKey::Own(attempt.job))
            {
                lane.came_back(attempt.task, clock.to, self.now);
                self.moving.had_not_begun(attempt.job, attempt.task);
            }
            if *verdict == Verdict::Again
                && !self.is_elsewhere(attempt.job, attempt.task, Some(grant))
                && let Some(lane) = self.lanes.get_mut(&LaneKey::Own(attempt.job))
            {
                lane.queued.insert(attempt.task);
                self.ready.insert(LaneKey::Own(attempt.job));
                if !self.here.strays.is_empty() {
                    self.bar_strays(attempt.job);
                }
            }
        }
        self.ended(Some(grant), outcomes, verdicts, out);
        self.copies_ended(Some(grant), outcomes, verdicts, out);
        self.results_failed(grant, outcomes);
        if let Some(clock) = self.sharing.loans.get(&grant) {
            let tasks = outcomes.iter().map(|outcome| outcome.attempt.task).collect();
            received(clock.to, grant, tasks, out);
        }
        if !self.state.lent().contains_key(&grant) {
            self.loan_over(grant, self.now, out);
        }
    }
}

fn received(to: NodeId, grant: GrantId, tasks: TaskSet, out: &mut Vec<Effect>) {
    if !tasks.is_empty() {
        out.push(Effect::Send { to, message: Message::Received { grant, tasks } });
    }
}
