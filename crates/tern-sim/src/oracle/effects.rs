//! Oracles that look at what a machine wants done, at the instant at which it wants it.

use tern_core::machine::Dispatch;
use tern_core::promise::{Exit, Outcome, Record};
use tern_core::wire::Message;
use tern_core::words::limits::STAGED_MAX;
use tern_core::words::spec::HaltWhen;
use tern_core::words::{Attempt, GrantId, JobId, NodeId};

use super::Finding;
use crate::computer::{Kind, Run, ToWarden};
use crate::world::{Cause, World};

impl World {
    fn judge(&mut self, found: Finding) {
        if let Some((oracle, detail)) = found {
            self.fail(oracle, detail);
        }
    }

    pub(crate) fn check_dispatch(&mut self, node: usize, dispatch: &Dispatch) {
        let found = match dispatch.grant {
            None => self.own_dispatch(node, dispatch),
            Some(grant) => self.borrowed_dispatch(node, dispatch, grant),
        };
        self.judge(found);
        let found = self.stands_back(node, dispatch).or_else(|| self.put_off_waits(node, dispatch));
        self.judge(found);
        let found = self.exact_slots(node, dispatch);
        self.judge(found);
        let ahead = self.halting_is_not_ahead(node, dispatch);
        self.judge(ahead);
        if dispatch.grant.is_none() && !self.ledger.dispatched.insert((dispatch.epoch.incarnation, dispatch.n)) {
            self.fail("anytime_attempts_are_unique", format!("node {} uses {} twice", node + 1, dispatch.n));
        }
    }

    fn own_dispatch(&self, node: usize, dispatch: &Dispatch) -> Finding {
        let Dispatch { job: id, epoch, tasks, .. } = dispatch;
        let granted =
            |why: &str| Some(("anytime_runs_were_granted", format!("{dispatch:?} on node {}: {why}", node + 1)));
        let Some(job) = self.ledger.jobs.get(id).filter(|job| job.durable && job.owner == node) else {
            return granted("the job is not durable here");
        };
        if self.ledger.incarnations.get(&epoch.incarnation) != Some(&node) || epoch.keeper != id.owner_tag() {
            return granted("the epoch is not durable");
        }
        if job.forgotten {
            return granted("the job is forgotten");
        }
        if job.is_held() {
            return Some(("anytime_held_starts_nothing", format!("{dispatch:?}")));
        }
        for task in &tasks.0 {
            let Some(known) = job.tasks.get(task as usize) else { return granted("no such task") };
            if known.cancelled {
                return Some(("anytime_cancelled_starts_nothing", format!("{dispatch:?}: task {task}")));
            }
            if known.success {
                return Some(("anytime_done_is_not_run_again", format!("{dispatch:?}: task {task}")));
            }
            if let Some(grant) = self.ledger.lent_to(*id, task) {
                return Some(("anytime_one_owner_a_task", format!("{dispatch:?}: task {task} is lent by {grant:?}")));
            }
        }
        None
    }

    /// Where a task takes more than a slot, all that is with the warden fits into its slots.
    fn exact_slots(&self, node: usize, dispatch: &Dispatch) -> Finding {
        let slots = |job: &JobId| self.ledger.spec(*job).map_or(1, |spec| spec.needs.slots());
        let each = slots(&dispatch.job);
        let computer = &self.nodes[node];
        if each == 1 || computer.agent.is_none() {
            return None;
        }
        let warden = &computer.warden;
        let told = computer.to_warden.iter().flat_map(|message| match message {
            ToWarden::Grant(attempts, _) => attempts.as_slice(),
            _ => &[],
        });
        let held = warden.queue.iter().map(|(attempt, _)| attempt).chain(told);
        // What is being ended by request still takes its slots, but not those that the machine gives away.
        let running = warden.running.iter().filter(|run| !run.ending).map(|run| &run.attempt);
        let taken: u32 = held.chain(running).map(|attempt| slots(&attempt.job)).sum();
        let wanted = each * dispatch.tasks.len();
        (taken + wanted > warden.slots).then(|| {
            let detail = format!("{taken} of {} slots are taken, and tasks for {wanted} come", warden.slots);
            ("anytime_slots_are_not_overfilled", detail)
        })
    }

    /// A job that may stop early is never given further ahead than there are slots: what has started cannot be unstarted.
    fn halting_is_not_ahead(&self, node: usize, dispatch: &Dispatch) -> Finding {
        let job = self.ledger.jobs.get(&dispatch.job).filter(|job| job.owner == node)?;
        if job.spec.halt.when == HaltWhen::Never {
            return None;
        }
        let warden = &self.nodes[node].warden;
        let own = |attempt: &&Attempt| attempt.job == dispatch.job;
        let told = self.nodes[node].to_warden.iter().flat_map(|message| match message {
            ToWarden::Grant(attempts, _) => attempts.as_slice(),
            _ => &[],
        });
        let held = warden.queue.iter().map(|(attempt, _)| attempt).filter(own).count() + told.filter(own).count();
        // What is over and found running after a restart is being ended.
        let over = |task: u32| job.tasks.get(task as usize).is_some_and(|task| task.cancelled || task.success);
        let counts = |run: &&Run| !run.ending && run.attempt.job == dispatch.job && !over(run.attempt.task);
        let running = warden.running.iter().filter(counts).count();
        let ahead = held + running + dispatch.tasks.len() as usize;
        (ahead > warden.slots as usize).then(|| {
            let detail = format!("{ahead} attempts of {} are with the warden of {} slots", dispatch.job, warden.slots);
            ("anytime_halting_is_not_ahead", detail)
        })
    }

    fn borrowed_dispatch(&self, node: usize, dispatch: &Dispatch, grant: GrantId) -> Finding {
        let Dispatch { job, n, tasks, epoch, .. } = dispatch;
        let bad = |why: &str| Some(("anytime_runs_were_granted", format!("{dispatch:?} on node {}: {why}", node + 1)));
        let Some(owner) = self.ledger.owner_of(*job) else { return bad("nobody owns the job") };
        if owner == node {
            return bad("an own job as a borrowed one");
        }
        if self.ledger.nodes[owner].1 == Kind::Liar {
            return None;
        }
        let Some(known) = self.ledger.grants.get(&grant) else { return bad("no such loan") };
        let fits = known.owner == owner && known.job == *job && known.n == *n && grant.incarnation == epoch.incarnation;
        if self.ledger.spec(*job).is_some_and(|spec| spec.stage.is_some()) {
            let inputs = self.nodes[node].agent.as_ref().and_then(|agent| agent.inputs.get(&grant));
            if !inputs.is_some_and(|inputs| tasks.0.is_subset(&inputs.0)) {
                let detail = format!("{dispatch:?} on node {}: inputs of {inputs:?} came", node + 1);
                return Some(("anytime_inputs_come_first", detail));
            }
        }
        if !fits || known.to != self.nodes[node].id || !tasks.0.is_subset(&known.tasks.0) {
            return bad("the loan is another");
        }
        None
    }

    pub(crate) fn check_message(&mut self, node: usize, to: NodeId, message: &Message) {
        let found = match message {
            Message::Lend { grant, job, tasks, .. } => self.lend_is_durable(node, to, *grant, *job, tasks.len()),
            Message::Received { grant, tasks } => {
                let honest = self.nodes.iter().any(|peer| peer.id == to && peer.kind == Kind::Honest);
                let open = self.ledger.grants.get(grant).filter(|known| known.owner == node && !known.closed);
                let open = open.filter(|known| honest && !known.closing && known.to == to);
                open.filter(|known| !known.open.0.is_disjoint(&tasks.0)).map(|known| {
                    let detail =
                        format!("{tasks:?} of {grant:?} are acknowledged, {:?} have no durable end", known.open);
                    ("anytime_received_is_durable", detail)
                })
            }
            Message::Results { grant, outcomes, .. } => outcomes.iter().find_map(|outcome| {
                let durable = self.ledger.ends[node].get(&outcome.attempt) == Some(&outcome.exit);
                (!durable).then(|| ("anytime_named_done_is_durable", format!("{outcome:?} of {grant:?} is sent")))
            }),
            _ => None,
        };
        self.judge(found);
    }

    fn lend_is_durable(&self, node: usize, to: NodeId, grant: GrantId, job: JobId, tasks: u32) -> Finding {
        let local = self.ledger.spec(job).is_some_and(|spec| spec.local_only);
        if local {
            return Some(("anytime_local_only_stays", format!("{job} is lent to {to}")));
        }
        let durable = self.ledger.grants.get(&grant).is_some_and(|known| {
            known.owner == node && known.to == to && known.job == job && known.tasks.len() >= tasks
        });
        (!durable).then(|| ("anytime_lent_is_durable", format!("{grant:?} of {job} is offered to {to}")))
    }

    /// What goes to the disk: ends under a grant must come from its holder.
    pub(crate) fn check_records(&mut self, node: usize, records: &[Record], cause: &Cause) {
        for record in records {
            if let Record::Outcomes { via: None, outcomes } = record
                && let Some(foreign) = outcomes.iter().find(|end| !self.ledger.ends[node].contains_key(&end.attempt))
            {
                let detail = format!("node {} writes {foreign:?} as its own", node + 1);
                self.fail("anytime_late_results_are_refused", detail);
            }
        }
        let Cause::Message(from) = cause else { return };
        for record in records {
            let Record::Outcomes { via: Some(grant), .. } = record else { continue };
            let holder = self.ledger.grants.get(grant).map(|known| known.to);
            if holder != Some(*from) {
                let detail = format!("node {} writes ends of {grant:?} that {from} sent, held by {holder:?}", node + 1);
                self.fail("anytime_results_come_from_the_holder", detail);
            }
        }
    }

    pub(crate) fn check_staged(&mut self, node: usize) {
        let staged = self.nodes[node].journal.staged();
        if staged > STAGED_MAX {
            self.fail("anytime_queues_are_bounded", format!("{staged} records of node {} wait for the disk", node + 1));
        }
    }

    pub(crate) fn check_counted(&mut self, node: usize, job: JobId, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let found = self.counts_once(node, job, outcome);
            self.judge(found);
            let task = self.ledger.jobs.get_mut(&job).and_then(|job| job.tasks.get_mut(outcome.attempt.task as usize));
            if let Some(task) = task {
                task.counted = true;
            }
        }
    }

    fn counts_once(&self, node: usize, id: JobId, outcome: &Outcome) -> Finding {
        let what = || format!("{outcome:?} on node {}", node + 1);
        let job = self.ledger.jobs.get(&id).filter(|job| job.owner == node && job.durable);
        let task = job.and_then(|job| job.tasks.get(outcome.attempt.task as usize));
        let (Some(job), Some(task)) = (job, task) else { return Some(("anytime_counted_is_durable", what())) };
        if task.counted {
            return Some(("anytime_a_task_counts_once", what()));
        }
        let mut ends =
            task.ends.iter().filter(|(attempt, exit, _)| (*attempt, *exit) == (outcome.attempt, outcome.exit));
        let Some((_, _, first)) = ends.next() else { return Some(("anytime_counted_is_durable", what())) };
        if !first && !ends.any(|(_, _, valid)| *valid) {
            return Some(("anytime_late_results_are_refused", what()));
        }
        let failed = !outcome.exit.is_success()
            && !matches!(outcome.exit, Exit::Cancelled | Exit::Checkpointed)
            && !task.cancelled;
        if failed && task.failures.len() < usize::from(job.spec.tries) {
            return Some(("anytime_all_tries_are_used", format!("{}, {} failed", what(), task.failures.len())));
        }
        None
    }

    /// What faces show must not be ahead of what is durable.
    pub(crate) fn check_view(&mut self, node: usize, id: JobId, over: bool) {
        let now = self.now;
        let told = self.nodes[node].agent.as_ref().and_then(|agent| agent.machine.state().job(id));
        let told = told.is_some_and(tern_core::promise::Job::is_halted);
        let known = self.ledger.jobs.get_mut(&id).filter(|job| told && job.halted_when.is_none() && job.is_halted());
        if let Some(job) = known {
            job.halted_when = Some(now);
        }
        let Some(agent) = &self.nodes[node].agent else { return };
        let Some(job) = agent.machine.state().job(id) else { return };
        let Some(known) = self.ledger.jobs.get(&id) else { return };
        let successes = known.tasks.iter().filter(|task| task.success).count();
        if job.done.len() as usize > successes {
            let detail = format!("{id}: {} named done, {successes} durable", job.done.len());
            self.fail("anytime_named_done_is_durable", detail);
        } else if over {
            let view = agent.machine.job_view(id).map(|view| (view.state.is_over(), view.tasks));
            let whole = view.as_ref().is_some_and(|(over, tasks)| {
                *over && tasks.done + tasks.failed + tasks.cancelled == tasks.total && tasks.total == known.spec.tasks
            });
            if !whole {
                self.fail("anytime_over_is_over", format!("{id}: {view:?}"));
            }
        }
    }

    /// A task goes on only from a checkpoint that is durable, and that nothing ended after.
    pub(crate) fn check_kept(&mut self, node: usize, id: JobId, task: u32) {
        let agent = self.nodes[node].agent.as_ref();
        let kept = agent.and_then(|agent| agent.machine.state().job(id)?.kept.get(&task).copied());
        // The machine is further: the task was cancelled, or is over.
        if kept.is_none() {
            return;
        }
        let known = self.ledger.jobs.get(&id).and_then(|job| job.tasks.get(task as usize));
        let durable = |attempt: &Attempt, exit: &Exit| {
            kept.is_some_and(|kept| (kept.epoch, kept.n) == (attempt.epoch, attempt.n)) && exit.leaves_checkpoint()
        };
        if !known.is_some_and(|known| known.ends.iter().any(|(attempt, exit, valid)| *valid && durable(attempt, exit)))
        {
            let detail = format!("task {task} of {id} on node {} goes on from {kept:?}", node + 1);
            self.fail("anytime_kept_is_durable", detail);
        }
    }

    pub(crate) fn check_discard(&mut self, node: usize, id: JobId) {
        if !self.ledger.jobs.get(&id).is_some_and(|job| job.forgotten) {
            self.fail("anytime_discarded_is_forgotten", format!("node {} discards {id}", node + 1));
        }
    }
}
