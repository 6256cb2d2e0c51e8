//! What faces may ask at any time. Nothing here changes anything.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::lane::LaneKey;
use super::node::Machine;
use super::share::Heard;
use crate::observe::NodeTrit;
use crate::observe::trit::LoadSource;
use crate::plan::{Decision, Fault, Reason};
use crate::promise::ledger::{Book, Unposted};
use crate::promise::{Job, Refusal, State};
use crate::view::{JobState, JobView, TaskCounts, command_text};
use crate::words::spec::{HaltWhat, HaltWhen};
use crate::words::{GrantId, JobId, NodeId, Now, TaskSet};

impl Machine {
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }
    /// For the store: what changed since its last checkpoint.
    pub fn take_dirty(&mut self) -> crate::promise::Dirty {
        self.state.take_dirty()
    }
    /// What was not believed, by reason, since the start.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused
    }
    /// The last plan that broke a rule; it was not carried out. Always none, unless Tern has a bug.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }
    /// What was decided lately about tasks and why, oldest first.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter()
    }
    /// The same about the node as a whole: rules, wishes, slots, drains, processes that are held back.
    pub fn standing(&self) -> impl Iterator<Item = &Decision> {
        self.standing.iter()
    }
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.here.draining
    }
    /// The disk under the results is full: nothing new is accepted.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.here.full
    }
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.here.slots
    }
    /// Tasks in the warden's hands, the borrowed ones included.
    #[must_use]
    pub const fn in_hand(&self) -> u32 {
        self.here.in_hand
    }
    /// Tasks that run here: what the warden holds, up to its slots.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.here.in_hand.min(self.here.slots)
    }
    /// Tasks that wait here.
    #[must_use]
    pub fn queued(&self) -> u64 {
        let waiting: u64 = self.lanes.values().map(|lane| u64::from(lane.queued.len())).sum();
        waiting + u64::from(self.here.in_hand - self.running())
    }

    /// Connected peers, as they were last heard.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, Heard)> {
        self.sharing.peers.iter().map(|(id, peer)| (*id, peer.heard))
    }
    /// This node's own trit.
    #[must_use]
    pub fn trit(&self) -> NodeTrit {
        self.sharing.pulse.trit()
    }
    /// The smoothed load ratio; none before the first reading.
    #[must_use]
    pub fn load(&self) -> Option<f64> {
        self.sharing.pulse.smoothed.value()
    }
    /// Which load that is.
    #[must_use]
    pub const fn load_source(&self) -> LoadSource {
        self.sharing.pulse.source
    }
    /// What became of the transfers that this node keeps the book of, and of its own postings.
    #[must_use]
    pub const fn ledger_totals(&self) -> &super::Totals {
        &self.ledgers.totals
    }
    /// Whether a question to this peer waits for its answer.
    #[must_use]
    pub fn has_asked(&self, peer: NodeId) -> bool {
        self.sharing.peers.get(&peer).is_some_and(|peer| peer.ask.is_some())
    }
    /// The book that this node keeps for others.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.ledgers.book
    }
    /// Own postings that their broker has not settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.ledgers.waiting()
    }
    /// What was not entered into the book, by reason.
    #[must_use]
    pub const fn unposted(&self) -> &BTreeMap<Unposted, u64> {
        &self.ledgers.refused
    }
    /// Whether it holds tasks of this job of another node.
    #[must_use]
    pub fn borrows_of(&self, job: JobId) -> bool {
        self.sharing.borrowed.values().any(|held| held.job == job)
    }
    /// Whether ends of lent tasks can be taken now; else they are not acknowledged, and come again.
    #[must_use]
    pub fn takes_results(&self, now: Now) -> bool {
        self.staged.has_room(1) && self.here.storage_retry.is_none_or(|at| at <= now.boot)
    }
    /// Grants of other nodes that this node holds, with their owners.
    pub fn borrowed(&self) -> impl Iterator<Item = (GrantId, NodeId)> {
        self.sharing.borrowed.iter().map(|(grant, held)| (*grant, held.from))
    }

    /// All jobs, in the order in which they were accepted.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobView> {
        self.state.jobs().iter().map(|(id, job)| self.view(*id, job)).collect()
    }
    #[must_use]
    pub fn job_view(&self, job: JobId) -> Option<JobView> {
        self.state.job(job).map(|known| self.view(job, known))
    }

    fn view(&self, id: JobId, job: &Job) -> JobView {
        let state = self.job_state(id, job);
        JobView {
            job: id.to_string(),
            name: job.spec.name.clone(),
            command: command_text(&job.spec.command),
            state,
            tasks: self.counts(id, job),
            round: job.round,
            accepted_ms: job.accepted_ms,
            ended_ms: state.is_over().then(|| job.ended_ms.unwrap_or(job.accepted_ms)),
            because: self.because(id).map(|reason| format!("{reason}")),
            deadline_ms: job.spec.deadline_ms,
            durability: String::from("1 of 1"),
        }
    }

    fn counts(&self, id: JobId, job: &Job) -> TaskCounts {
        let lane = self.lanes.get(&LaneKey::Own(id));
        let in_hand = lane.map_or(0, |lane| lane.in_hand);
        let (done, failed, cancelled) = (job.done.len(), job.failed.len(), job.cancelled.len());
        let left = job.spec.tasks.saturating_sub(done + failed + cancelled);
        let running = (in_hand.min(self.here.slots) + self.lent_open(id)).min(left);
        TaskCounts { total: job.spec.tasks, done, failed, cancelled, running, queued: left - running }
    }

    pub(super) fn lent_open(&self, job: JobId) -> u32 {
        self.state.lent().values().filter(|loan| loan.job == job).map(|loan| loan.open.len()).sum()
    }

    pub(super) fn job_state(&self, id: JobId, job: &Job) -> JobState {
        let lane = self.lanes.get(&LaneKey::Own(id));
        let busy = lane.is_some_and(|lane| !lane.is_idle()) || self.lent_open(id) > 0;
        if busy {
            return JobState::Running;
        }
        if !job.is_settled() {
            let begun = !job.done.is_empty() || !job.failed.is_empty();
            return match () {
                () if job.held => JobState::Held,
                () if begun => JobState::Running,
                () => JobState::Queued,
            };
        }
        let wanted = job.spec.halt.when != HaltWhen::Never && job.spec.halt.what == HaltWhat::Success;
        match () {
            // It stopped because enough succeeded: that is what it was for.
            () if wanted && job.is_halted() => JobState::Done,
            () if !job.failed.is_empty() => JobState::Failed,
            () if !job.cancelled.is_empty() => JobState::Cancelled,
            () => JobState::Done,
        }
    }

    /// Why the job waits, or why it is not over yet. None where nothing keeps it.
    #[must_use]
    pub fn because(&self, id: JobId) -> Option<Reason> {
        let job = self.state.job(id)?;
        let lane = self.lanes.get(&LaneKey::Own(id))?;
        let lent = self.lent_open(id);
        if job.is_settled() {
            return (lane.in_hand + lent > 0).then_some(Reason::Ending { tasks: lane.in_hand + lent });
        }
        if let Some((count, limit)) = job.halt_progress().filter(|(count, limit)| count >= limit) {
            return Some(Reason::Halted { count, limit });
        }
        if lane.queued.is_empty() {
            return (lent > 0).then_some(Reason::Lent { tasks: lent });
        }
        let ahead = self.ahead();
        let parallel = job.spec.parallel;
        Some(match () {
            () if job.held => Reason::Held,
            () if let Some(elsewhere) = self.only_elsewhere(id, job) => elsewhere,
            () if self.here.draining => self.stands_back().unwrap_or(Reason::Draining),
            () if self.here.full => Reason::StorageFull,
            () if let Some(put_off) = self.put_off(id) => put_off,
            () if !self.here.warden || !self.here.started => Reason::WardenAway,
            () if parallel > 0 && lane.in_hand >= parallel => Reason::AtParallel { parallel },
            () if self.is_lowered() => self.stands_back().unwrap_or(Reason::Busy { ahead, in_hand: self.here.in_hand }),
            () if self.here.in_hand < self.here.open && !job.spec.needs.is_one_slot() => {
                let needs = &job.spec.needs;
                let (memory_mib, gpus) = (needs.memory_mib, needs.gpus);
                Reason::Together { cpus: needs.cpus.max(1), memory_mib, gpus, in_hand: self.here.in_hand }
            }
            () => Reason::Busy { ahead, in_hand: self.here.in_hand },
        })
    }

    /// The law that no task is lost: each is over, or in exactly one of queue, hand, loan. Slow; for tests and simulation.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn sanity_check(&self) -> Result<(), String> {
        let mut in_hand = 0;
        for (id, job) in self.state.jobs() {
            let over = [&job.done, &job.failed, &job.cancelled];
            let mut seen = TaskSet::new();
            add_apart(&mut seen, over, id, "over twice")?;
            let lane = self.lanes.get(&LaneKey::Own(*id)).cloned().unwrap_or_default();
            add_apart(&mut seen, [lane.queued.all()], id, "queued though over")?;
            let mut held = TaskSet::new();
            add_apart(&mut held, lane.hand.values(), id, "in hand twice")?;
            let open = self.state.lent().values().filter(|loan| loan.job == *id).map(|loan| &loan.open);
            // A copy stands beside what it is a copy of.
            let copies = self.copies_of(*id);
            let open: Vec<TaskSet> = [&lane.lending].into_iter().chain(open).cloned().collect();
            let apart = open.into_iter().map(|mut set| {
                set.subtract(&copies);
                set
            });
            let apart: Vec<TaskSet> = apart.collect();
            add_apart(&mut held, &apart, id, "in hand and lent")?;
            held.union(&copies);
            if lane.queued.shared(&held) > 0 {
                return Err(format!("job {id}: tasks both queued and in somebody's hands"));
            }
            seen.union(&held);
            if seen != TaskSet::first(job.spec.tasks) {
                return Err(format!("job {id}: of {} tasks only {seen:?} are accounted for", job.spec.tasks));
            }
            if lane.in_hand != lane.hand.values().map(TaskSet::len).sum::<u32>() {
                return Err(format!("job {id}: {} in hand by count, not by set", lane.in_hand));
            }
        }
        for lane in self.lanes.values() {
            in_hand += lane.in_hand;
        }
        if in_hand != self.here.in_hand {
            return Err(format!("{} tasks in hand by count, {in_hand} by lane", self.here.in_hand));
        }
        if let Some(fault) = self.fault {
            return Err(format!("a plan broke a rule: {fault:?}"));
        }
        Ok(())
    }
}

fn add_apart<'a>(
    to: &mut TaskSet,
    sets: impl IntoIterator<Item = &'a TaskSet>,
    job: &JobId,
    wrong: &str,
) -> Result<(), String> {
    for set in sets {
        if to.shared(set) > 0 {
            return Err(format!("job {job}: tasks {wrong}"));
        }
        to.union(set);
    }
    Ok(())
}
