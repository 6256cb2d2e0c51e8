//! The wish: what is known of the task, what is done with it, and the first step.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Move, Phase};
use crate::decide::balance::migrate::{self, At, Candidate, Picture, Way, Why};
use crate::decide::fits;
use crate::machine::effect::{Answer, Deny, Effect};
use crate::machine::lane::{Lane, LaneKey};
use crate::machine::node::Machine;
use crate::observe::NodeTrit;
use crate::plan::{Did, Reason};
use crate::promise::Job;
use crate::view::{How, Migration};
use crate::wire::Message;
use crate::words::limits::{MIGRATIONS_MAX, RESEND};
use crate::words::{Epoch, GrantId, JobId, NodeId, Now, TaskSet};

/// The ticket of a move that no command asked for: askers' tickets count from 1.
const NOBODY: u64 = 0;

/// Where a task is, with the names under which it is there.
#[derive(Clone, Copy, Debug)]
struct Found {
    at: At,
    /// What it runs under: dispatch or loan.
    attempt: Option<(Epoch, u32)>,
    grant: Option<GrantId>,
}

impl Found {
    const fn new(at: At) -> Self {
        Self { at, attempt: None, grant: None }
    }
}

impl Machine {
    /// Somebody wants a task elsewhere. Answered at once where nothing is done, else when it is there or stays.
    pub(in crate::machine) fn migrate(
        &mut self,
        ticket: u64,
        (id, task): (JobId, u32),
        wanted: Option<NodeId>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if let Some(deny) = self.cannot_look(id, task) {
            return out.push(Effect::Reply { ticket, outcome: Err(deny) });
        }
        let Some((found, answer)) = self.judge_move(id, task, wanted, now) else { return };
        let from = self.holder(&found);
        match answer {
            migrate::Answer::Move(way, to) => self.begin_move(ticket, (id, task), (way, to), &found, now, out),
            migrate::Answer::Throttle(why) => {
                out.push(not_moved(ticket, How::Throttled, from, wanted, why));
            }
            migrate::Answer::Refuse(why) => {
                out.push(not_moved(ticket, How::Refused, from, wanted, why));
            }
        }
    }

    /// Whether it is on its way to another node.
    pub(in crate::machine) fn is_moving(&self, job: JobId, task: u32) -> bool {
        self.moving.0.contains_key(&(job, task))
    }

    /// The decision matrix wants the task away. Returns whether it goes; nobody waits for the answer.
    pub(in crate::machine) fn relieve_of(&mut self, id: JobId, task: u32, now: Now, out: &mut Vec<Effect>) -> bool {
        if self.cannot_look(id, task).is_some() {
            return false;
        }
        match self.judge_move(id, task, None, now) {
            Some((found, migrate::Answer::Move(way, to))) => {
                self.begin_move(NOBODY, (id, task), (way, to), &found, now, out);
                true
            }
            _ => false,
        }
    }

    fn judge_move(
        &mut self,
        id: JobId,
        task: u32,
        wanted: Option<NodeId>,
        now: Now,
    ) -> Option<(Found, migrate::Answer)> {
        self.look_around(now);
        let job = self.state.job(id)?;
        let found = self.find(id, job, task);
        let answer = match self.barred(id, task) {
            Some(why) => migrate::Answer::Refuse(why),
            None => migrate::decide(&self.move_picture(id, job, task, &found, wanted)),
        };
        Some((found, answer))
    }

    /// Why the wish is not even looked at.
    fn cannot_look(&self, id: JobId, task: u32) -> Option<Deny> {
        match self.state.job(id) {
            None => Some(Deny::NoSuchJob(id)),
            Some(job) if task >= job.spec.tasks => {
                let tasks = job.spec.tasks;
                Some(Deny::Invalid(format!("job {id} has {tasks} task(s), and no number {}", u64::from(task) + 1)))
            }
            Some(_) if self.moving.0.len() >= MIGRATIONS_MAX => Some(Deny::Backpressure),
            Some(_) => None,
        }
    }

    /// What keeps a task from moving that has nothing to do with its job or with other nodes.
    fn barred(&self, id: JobId, task: u32) -> Option<Why> {
        if self.moving.0.contains_key(&(id, task)) {
            return Some(Why::Moving);
        }
        // What waits may run: nobody has said that it does not.
        if !self.here.met {
            return Some(Why::Unmet);
        }
        self.copies_of(id).contains(task).then_some(Why::Copied)
    }

    fn find(&self, id: JobId, job: &Job, task: u32) -> Found {
        if job.is_over(task) {
            return Found::new(At::Over);
        }
        let lent = self.state.lent().iter().find(|(_, loan)| loan.job == id && loan.open.contains(task));
        if let Some((grant, loan)) = lent {
            let epoch = Epoch { incarnation: grant.incarnation, ..self.epoch() };
            return Found { at: At::With(loan.to), attempt: Some((epoch, loan.n)), grant: Some(*grant) };
        }
        let Some(lane) = self.lanes.get(&LaneKey::Own(id)) else { return Found::new(At::Between) };
        if let Some((token, _)) = lane.hand.iter().find(|(_, tasks)| tasks.contains(task)) {
            return Found { attempt: Some(*token), ..Found::new(At::Runs) };
        }
        Found::new(if lane.queued.all().contains(task) { At::Waits } else { At::Between })
    }

    const fn holder(&self, found: &Found) -> Option<NodeId> {
        match found.at {
            At::Over | At::Between => None,
            At::Waits | At::Runs => Some(self.state.node()),
            At::With(node) => Some(node),
        }
    }

    fn move_picture(&self, id: JobId, job: &Job, task: u32, found: &Found, wanted: Option<NodeId>) -> Picture {
        let here = self.state.node();
        let spec = &job.spec;
        let mut it = Picture {
            here,
            at: found.at,
            held: job.held,
            may_leave: spec.may_leave(),
            checkpoint: spec.checkpoint.is_some(),
            idempotent: spec.idempotent,
            done: self.done_percent(id, task, found.attempt, found.grant),
            overloaded: self.trit() == NodeTrit::Overloaded,
            wanted,
            candidates: Vec::new(),
        };
        let anew = !it.checkpoint;
        let gain = |to| self.move_gain((id, task), (found.at, found.attempt, found.grant), to, anew);
        let can = fits::lack(here, Some(&self.here.fit), &spec.needs).is_none() && !self.here.draining;
        let own = Candidate { node: here, can, idle: self.trit() == NodeTrit::Idle, gain: gain(here) };
        it.candidates.push(own);
        let lane = self.lanes.get(&LaneKey::Own(id));
        for (node, peer) in &self.sharing.peers {
            let unfit = lane.and_then(|lane| lane.unfit.get(node)).is_some_and(|(until, _)| *until > self.now.boot);
            // One that was heard of and has no slots starts nothing more.
            let takes = peer.heard_at == 0 || peer.heard.slots > 0;
            let can = takes && !unfit && fits::lack(*node, peer.fit.as_ref(), &spec.needs).is_none();
            let idle = peer.heard.trit == NodeTrit::Idle;
            it.candidates.push(Candidate { node: *node, can, idle, gain: gain(*node) });
        }
        it
    }

    fn begin_move(
        &mut self,
        ticket: u64,
        (job, task): (JobId, u32),
        (way, to): (Way, NodeId),
        found: &Found,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let because = Reason::Moves(way);
        let tasks: TaskSet = [task].into_iter().collect();
        let how = match way {
            Way::Waiting => How::Moved,
            Way::Checkpoint => How::Checkpointed,
            Way::Rerun => How::Rerun,
        };
        self.decided(Did::Move { job, task, to }, because);
        let mut lent = None;
        match (found.at, found.grant) {
            (At::With(holder), Some(grant)) => {
                lent = Some(grant);
                out.push(Effect::Send { to: holder, message: Message::Recall { grant, tasks } });
                self.decided(Did::End { job, tasks: 1 }, because);
            }
            (At::Runs, _) => {
                out.push(Effect::Revoke { job, tasks: tasks.clone() });
                out.push(Effect::End { job, tasks });
                self.decided(Did::End { job, tasks: 1 }, because);
            }
            _ => {}
        }
        let from = self.holder(found).unwrap_or_else(|| self.state.node());
        let phase = Phase::Ends { lent, again: now.boot + RESEND };
        let it = Move { ticket, to, how, because, from, attempt: found.attempt, not_begun: false, phase };
        self.moving.0.insert((job, task), it);
    }
}

impl Lane {
    /// Whether the task waits here, for whoever may have it.
    pub(super) fn waits(&self, task: u32) -> bool {
        self.queued.all().contains(task)
    }
}

fn not_moved(ticket: u64, how: How, from: Option<NodeId>, to: Option<NodeId>, why: Why) -> Effect {
    let migration = Migration { how, from, to, because: why.to_string() };
    Effect::Reply { ticket, outcome: Ok(Answer::Migrated(migration)) }
}
