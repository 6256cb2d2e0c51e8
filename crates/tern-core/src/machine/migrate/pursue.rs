//! The way of a task that is wanted elsewhere, step by step: looked at after every event.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Move, Phase};
use crate::decide::balance::migrate::Why;
use crate::decide::fits;
use crate::machine::effect::{Answer, Effect};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::plan::{Did, Reason};
use crate::view::{How, Migration};
use crate::wire::Message;
use crate::words::limits::{MOVE_PATIENCE, RESEND};
use crate::words::{GrantId, JobId, NodeId, Now, Span, TaskSet};

/// How a step went.
enum Step {
    /// It goes on like this.
    Goes(Phase),
    /// It is there, or its loan is.
    Done(How),
    Stays(Why),
}

impl Machine {
    /// Takes each task that is wanted elsewhere as far as it comes.
    pub(in crate::machine) fn pursue(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.moving.0.is_empty() {
            return;
        }
        let all: Vec<((JobId, u32), Move)> = self.moving.0.iter().map(|(key, it)| (*key, *it)).collect();
        for (key, it) in all {
            match self.step(key, &it, now, out) {
                Step::Goes(phase) => {
                    if let Some(it) = self.moving.0.get_mut(&key) {
                        it.phase = phase;
                    }
                }
                Step::Done(how) => self.finish_move(key, &it, how, it.because, out),
                Step::Stays(Why::Ended) => {
                    self.put_back(key, it.phase);
                    self.finish_move(key, &it, How::Ended, Reason::Stays(Why::Ended), out);
                }
                Step::Stays(why) => {
                    if !self.planted(Plant::MoveForgotten) {
                        self.put_back(key, it.phase);
                    }
                    self.finish_move(key, &it, How::Stayed, Reason::Stays(why), out);
                }
            }
        }
    }

    fn step(&mut self, (job, task): (JobId, u32), it: &Move, now: Now, out: &mut Vec<Effect>) -> Step {
        if self.state.job(job).is_none_or(|known| known.is_over(task)) {
            return Step::Stays(Why::Ended);
        }
        let waits = self.lanes.get(&LaneKey::Own(job)).is_some_and(|lane| lane.waits(task));
        match it.phase {
            Phase::Ends { .. } if waits && it.to == self.state.node() => {
                self.come_home((job, task), it, now);
                Step::Done(self.came_by((job, task), it))
            }
            Phase::Ends { .. } | Phase::Lent { .. } if waits => self.set_aside((job, task), it, now, out),
            Phase::Ends { lent, again } if again <= now.boot => {
                self.end_again((job, task), lent, out);
                Step::Goes(Phase::Ends { lent, again: now.boot + RESEND })
            }
            Phase::Promised { until, .. } if until <= now.boot => Step::Stays(Why::NotTaken),
            Phase::Promised { until, tell } if tell <= now.boot => {
                let message = Message::Offer { tasks: 1 };
                out.push(Effect::Send { to: it.to, message });
                Step::Goes(Phase::Promised { until, tell: now.boot + RESEND })
            }
            Phase::Lent { grant, .. } if self.sharing.loans.get(&grant).is_some_and(|clock| clock.taken) => {
                Step::Done(self.came_by((job, task), it))
            }
            phase => Step::Goes(phase),
        }
    }

    /// What was said may be lost: the message, or the warden that it was said to.
    fn end_again(&self, (job, task): (JobId, u32), lent: Option<GrantId>, out: &mut Vec<Effect>) {
        let tasks: TaskSet = [task].into_iter().collect();
        match lent.map(|grant| (grant, self.state.lent().get(&grant))) {
            Some((grant, Some(loan))) => {
                out.push(Effect::Send { to: loan.to, message: Message::Recall { grant, tasks } });
            }
            Some(_) => {}
            None if self.lanes.get(&LaneKey::Own(job)).is_some_and(|lane| lane.holds(task)) => {
                out.push(Effect::Revoke { job, tasks: tasks.clone() });
                out.push(Effect::End { job, tasks });
            }
            None => {}
        }
    }

    /// It waits, and is kept for the node that is to have it.
    fn set_aside(&mut self, (job, task): (JobId, u32), it: &Move, now: Now, out: &mut Vec<Effect>) -> Step {
        let until = match it.phase {
            // It came back from there, or never left.
            Phase::Lent { until, .. } => until,
            _ => now.boot + MOVE_PATIENCE,
        };
        let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) else { return Step::Stays(Why::Ended) };
        let unfit = lane.unfit.get(&it.to).is_some_and(|(to, _)| *to > now.boot);
        if until <= now.boot || unfit {
            return Step::Stays(Why::NotTaken);
        }
        lane.queued.remove(task);
        lane.lending.insert(task);
        out.push(Effect::Send { to: it.to, message: Message::Offer { tasks: 1 } });
        Step::Goes(Phase::Promised { until, tell: now.boot + RESEND })
    }

    /// It is to run on this node, and waits here with the others.
    fn come_home(&mut self, (job, task): (JobId, u32), it: &Move, now: Now) {
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job)) {
            lane.came_home(task, it.from, now);
        }
        self.wake_lane(LaneKey::Own(job));
    }

    /// What was set aside waits for anybody again.
    fn put_back(&mut self, (job, task): (JobId, u32), phase: Phase) {
        let Phase::Promised { .. } = phase else { return };
        let goes_on = self.state.job(job).is_some_and(|known| !known.is_over(task));
        if let Some(lane) = self.lanes.get_mut(&LaneKey::Own(job))
            && lane.lending.remove(task)
            && goes_on
        {
            lane.queued.insert(task);
        }
        self.bar_strays(job);
        self.wake_lane(LaneKey::Own(job));
    }

    /// How it really came free: what was asked for a checkpoint may have left none.
    fn came_by(&self, (job, task): (JobId, u32), it: &Move) -> How {
        let kept = self.state.job(job).and_then(|known| known.kept.get(&task));
        match it.attempt {
            None => How::Moved,
            Some(_) if it.not_begun => How::Moved,
            Some(attempt) if kept.is_some_and(|kept| (kept.epoch, kept.n) == attempt) => How::Checkpointed,
            Some(_) => How::Rerun,
        }
    }

    fn finish_move(&mut self, key: (JobId, u32), it: &Move, how: How, because: Reason, out: &mut Vec<Effect>) {
        self.moving.0.remove(&key);
        let (job, task) = key;
        self.decided(Did::Moved { job, task, to: it.to }, because);
        let because = match how {
            How::Rerun if it.how == How::Checkpointed => {
                String::from("it left no checkpoint in time, and goes on from its last one")
            }
            _ => match because {
                Reason::Moves(way) => way.to_string(),
                other => other.to_string(),
            },
        };
        let migration = Migration { how, from: Some(it.from), to: Some(it.to), because };
        out.push(Effect::Reply { ticket: it.ticket, outcome: Ok(Answer::Migrated(migration)) });
    }

    /// The task that is kept for this node, if its job may start tasks now.
    pub(in crate::machine) fn wished_by(&self, to: NodeId) -> Option<(JobId, u32)> {
        let promised = |it: &Move| it.to == to && matches!(it.phase, Phase::Promised { .. });
        let peer = self.sharing.peers.get(&to)?;
        let may = |job: &JobId| {
            self.state.job(*job).is_some_and(|known| {
                let fits = fits::lack(to, peer.fit.as_ref(), &known.spec.needs).is_none();
                fits && !known.held && !known.is_halted() && known.spec.may_leave()
            })
        };
        self.moving.0.iter().find(|((job, _), it)| promised(it) && may(job)).map(|(key, _)| *key)
    }

    /// Lends exactly this task. Returns false where the disk has no room for the record.
    pub(in crate::machine) fn lend_wished(
        &mut self,
        (job, task): (JobId, u32),
        to: NodeId,
        asked: u64,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> bool {
        if !self.may_stage(1, now) {
            return false;
        }
        let grant = self.next_grant();
        let Some(it) = self.moving.0.get_mut(&(job, task)) else { return false };
        let until = if let Phase::Promised { until, .. } = it.phase { until } else { now.boot };
        it.phase = Phase::Lent { grant, until };
        let because = it.because;
        self.decided(Did::Lend { job, to, tasks: 1 }, because);
        self.stage_loan(grant, (job, [task].into_iter().collect()), (to, asked), now, out)
    }

    /// For whom the task is set aside, and for how much longer.
    pub(in crate::machine) fn promised_to(&self, job: JobId, task: u32) -> Option<(NodeId, Span)> {
        let it = self.moving.0.get(&(job, task))?;
        let Phase::Promised { until, .. } = it.phase else { return None };
        Some((it.to, Span(until.saturating_sub(self.now.boot))))
    }

    /// When a step is due that no event brings.
    pub(in crate::machine) fn next_move(&self) -> Option<u64> {
        let due = self.moving.0.values().filter_map(|it| match it.phase {
            Phase::Ends { again, .. } => Some(again),
            Phase::Promised { until, tell } => Some(until.min(tell)),
            Phase::Lent { .. } => None,
        });
        due.min()
    }
}
