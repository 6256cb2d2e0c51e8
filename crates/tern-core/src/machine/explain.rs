//! Why is a job here, why does it still wait, and who has its tasks. Nothing here changes anything.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::lane::LaneKey;
use super::node::Machine;
use super::share::{Borrowed, Peer};
use crate::decide::fits;
use crate::plan::{Did, Reason};
use crate::promise::Job;
use crate::view::{Candidate, Decided, Explanation, Flow, Lately, TaskState};
use crate::words::limits::{CHECKPOINTS_MAX, MOVABLE_JOBS};
use crate::words::{Epoch, GrantId, JobId, NodeId, Span};

/// Decisions of one explanation.
const DECISIONS_SHOWN: usize = 20;

impl Machine {
    /// All that this node knows of the job, and of one of its tasks (from 0). None: it neither has the job nor tasks of it, or
    /// the job has no such task.
    #[must_use]
    pub fn explain(&self, id: JobId, task: Option<u32>) -> Option<Explanation> {
        let job = self.state.job(id);
        let flows: Vec<Flow> = self.flows().filter(|flow| flow.job == id).collect();
        if job.is_none() && flows.is_empty() {
            return None;
        }
        let number = task;
        let task = match (task, job) {
            (None, _) => None,
            (Some(task), Some(job)) if task < job.spec.tasks => Some(self.own_task(id, job, task)),
            (Some(_), Some(_)) => return None,
            (Some(task), None) => Some(self.borrowed_task(id, task)?),
        };
        let again = job.map_or_else(Vec::new, again);
        let decided = self.decisions.iter().filter(|decision| decision.job() == Some(id));
        let mut decisions: Vec<Decided> =
            decided.rev().take(DECISIONS_SHOWN).filter_map(|it| self.decided_about(it)).collect();
        // Why its tasks stand in this order was decided once, and thousands of starts must not push it out.
        let whole = self.standing.iter().rev().filter(|decision| decision.job() == Some(id));
        decisions.extend(whole.filter_map(|it| self.decided_about(it)));
        decisions.reverse();
        let estimate = job.and_then(|job| self.estimated(id, job, number));
        let because = self.because(id).map(|reason| reason.to_string());
        let nodes = job.map_or_else(Vec::new, |job| self.candidates(id, job));
        Some(Explanation { id, job: self.job_view(id), because, estimate, nodes, flows, decisions, again, task })
    }

    /// What was decided lately about this node as a whole, oldest first.
    pub fn lately(&self) -> impl Iterator<Item = Lately> {
        self.standing.iter().map(|decision| Lately {
            ms_ago: Span(self.now.boot.saturating_sub(decision.at)).as_ms(),
            what: decision.did.to_string(),
            because: decision.because.to_string(),
        })
    }

    /// Who has tasks of whom, as far as this node is one of the two.
    pub fn flows(&self) -> impl Iterator<Item = Flow> {
        let (me, now) = (self.state.node(), self.now.boot);
        let left = move |ends: u64| Some(Span(ends.saturating_sub(now)).as_ms());
        let lent = self.state.lent().iter().map(move |(grant, loan)| {
            let clock = self.sharing.loans.get(grant).map(|clock| clock.ends).filter(|ends| *ends < u64::MAX);
            let tasks = loan.open.len();
            Flow { job: loan.job, from: me, to: loan.to, n: loan.n, tasks, ends_in_ms: clock.and_then(left) }
        });
        let borrowed = self.sharing.borrowed.iter().map(move |(grant, held)| {
            let lane = self.lanes.get(&LaneKey::Borrowed(*grant));
            let tasks = held.staging.len() + lane.map_or(0, |lane| lane.queued.len() + lane.in_hand);
            Flow { job: held.job, from: held.from, to: me, n: held.n, tasks, ends_in_ms: left(held.ends) }
        });
        lent.chain(borrowed)
    }

    /// Tasks that wait here and that some node which is heard could be lent, as far as the first jobs tell.
    #[must_use]
    pub fn movable(&self) -> u64 {
        let own = self.ready.iter().filter_map(|key| match key {
            LaneKey::Own(job) => Some(*job),
            LaneKey::Borrowed(_) => None,
        });
        let leaves = |job: &JobId| self.state.job(*job).is_some_and(|job| job.spec.may_leave());
        let goes = |job: &JobId| leaves(job) && self.sharing.peers.keys().any(|peer| self.may_lend(*job, *peer));
        let lanes = own.take(MOVABLE_JOBS).filter(goes).filter_map(|job| self.lanes.get(&LaneKey::Own(job)));
        lanes.map(|lane| u64::from(lane.queued.len())).sum()
    }

    fn candidates(&self, id: JobId, job: &Job) -> Vec<Candidate> {
        let me = self.state.node();
        let here = fits::lack(me, Some(&self.here.fit), &job.spec.needs).map(|lack| lack.to_string());
        let stands_back = || self.stands_back().filter(|_| self.here.draining).map(|reason| reason.to_string());
        let own = Candidate {
            node: me,
            here: true,
            refused: here.or_else(stands_back),
            slots: self.here.open,
            running: self.running(),
            queued: u32::try_from(self.queued()).unwrap_or(u32::MAX),
            heard_ms_ago: None,
        };
        let peers = self.sharing.peers.iter().map(|(node, peer)| Candidate {
            node: *node,
            here: false,
            refused: self.refused_there(id, job, *node),
            slots: peer.heard.slots,
            running: peer.heard.running,
            queued: peer.heard.queued,
            heard_ms_ago: (peer.heard_at > 0).then(|| Span(self.now.boot.saturating_sub(peer.heard_at)).as_ms()),
        });
        [own].into_iter().chain(peers).collect()
    }

    /// Why a peer is lent no task of the job.
    fn refused_there(&self, id: JobId, job: &Job, node: NodeId) -> Option<String> {
        if !job.spec.may_leave() {
            return Some(String::from("the job may not leave this node"));
        }
        let peer = self.sharing.peers.get(&node)?;
        if let Some(lack) = fits::lack(node, peer.fit.as_ref(), &job.spec.needs) {
            return Some(lack.to_string());
        }
        if !self.may_move_to(peer.heard.trit)
            && fits::lack(self.state.node(), Some(&self.here.fit), &job.spec.needs).is_none()
        {
            return Some(String::from(
                "mode strict: tasks go from overloaded nodes to idle ones, while more are overloaded than idle",
            ));
        }
        let (until, why) = self.lanes.get(&LaneKey::Own(id))?.unfit.get(&node)?;
        let left = Span(until.saturating_sub(self.now.boot));
        (left.0 > 0).then(|| format!("it gave tasks back: {why}; asked again in {} s", left.as_ms().div_ceil(1_000)))
    }

    /// Why a job waits that may not run here, where that is so: who else may run it, and how many slots are free there.
    pub(super) fn only_elsewhere(&self, id: JobId, job: &Job) -> Option<Reason> {
        let lack = fits::lack(self.state.node(), Some(&self.here.fit), &job.spec.needs)?;
        // A node that was heard of and has no slots starts nothing more.
        let takes = |peer: &Peer| peer.heard_at == 0 || peer.heard.slots > 0;
        let may = self.sharing.peers.iter();
        let may = may.filter(|(node, peer)| takes(peer) && self.refused_there(id, job, **node).is_none());
        let (nodes, free) = may.fold((0, 0_u32), |(nodes, free), (_, peer)| {
            (nodes + 1, free.saturating_add(peer.heard.slots.saturating_sub(peer.heard.running)))
        });
        Some(Reason::Elsewhere { lack, nodes, free })
    }

    /// A task of a job of this node.
    fn own_task(&self, id: JobId, job: &Job, task: u32) -> TaskState {
        let round = job.round_of(task);
        let failures = u32::try_from(job.failures(task)).unwrap_or(u32::MAX);
        let state =
            |state, node, token, because| TaskState { number: task + 1, state, node, token, round, failures, because };
        let me = Some(self.state.node());
        for (set, word) in [(&job.done, "done"), (&job.failed, "failed"), (&job.cancelled, "cancelled")] {
            if set.contains(task) {
                let endless = word == "failed" && job.kept.contains_key(&task);
                let endless =
                    endless.then(|| format!("it left {CHECKPOINTS_MAX} checkpoints and did not come to an end"));
                return state(word, None, None, endless);
            }
        }
        let lent = self.state.lent().iter().find(|(_, loan)| loan.job == id && loan.open.contains(task));
        if let Some((grant, loan)) = lent {
            let epoch = Epoch { incarnation: grant.incarnation, ..self.epoch() };
            return state("lent", Some(loan.to), Some(token(epoch, loan.n)), None);
        }
        let lane = self.lanes.get(&LaneKey::Own(id));
        if let Some((epoch, n)) = lane.and_then(|lane| hand(lane, task)) {
            return state("running", me, Some(token(epoch, n)), None);
        }
        if let Some((to, left)) = self.promised_to(id, task) {
            return state("being lent", Some(to), None, Some(Reason::Promised { left }.to_string()));
        }
        if lane.is_some_and(|lane| lane.lending.contains(task)) {
            return state("being lent", None, None, None);
        }
        state("waiting", me, None, self.because(id).map(|reason| reason.to_string()))
    }

    /// A task of another node's job.
    fn borrowed_task(&self, id: JobId, task: u32) -> Option<TaskState> {
        let here = |(grant, held): (&GrantId, &Borrowed)| {
            let lane = self.lanes.get(&LaneKey::Borrowed(*grant));
            let word = match () {
                () if held.staging.contains(task) => "staging",
                () if lane.is_some_and(|lane| lane.queued.all().contains(task)) => "waiting",
                () if lane.is_some_and(|lane| lane.holds(task)) => "running",
                () if held.results.contains_key(&task) => "reported",
                () if held.returned.contains(task) => "returned",
                () => return None,
            };
            let because = match word {
                "staging" => Some(String::from("its inputs are on their way here")),
                "waiting" => {
                    let reason = self.stands_back();
                    let busy = Reason::Busy { ahead: self.ahead(), in_hand: self.here.in_hand };
                    Some(reason.unwrap_or(busy).to_string())
                }
                "returned" => held.why.map(|why| why.to_string()),
                _ => None,
            };
            let token = Some(token(held.epoch, held.n));
            let node = Some(self.state.node());
            Some(TaskState { number: task + 1, state: word, node, token, round: held.round, failures: 0, because })
        };
        self.sharing.borrowed.iter().filter(|(_, held)| held.job == id).find_map(here)
    }

    /// This node, or the connected one of that tag.
    fn node_of(&self, tag: u32) -> Option<NodeId> {
        let me = self.state.node();
        [me].into_iter().chain(self.sharing.peers.keys().copied()).find(|node| node.tag() == tag)
    }

    fn decided_about(&self, decision: &crate::plan::Decision) -> Option<Decided> {
        let (what, tasks, peer) = match decision.did {
            Did::Start { tasks, .. } => ("started", tasks, None),
            Did::Order { .. } => ("ordered", 0, None),
            Did::Unstart { tasks, .. } => ("put back", tasks, None),
            Did::Lend { tasks, to, .. } => ("lent", tasks, Some(to)),
            Did::End { tasks, .. } => ("ended", tasks, None),
            Did::Copy { to, .. } => ("copied", 1, Some(to)),
            Did::Reclaim { from, tasks, .. } => ("taken back", tasks, Some(from)),
            Did::CameBack { from, tasks, .. } => ("given back", tasks, Some(from)),
            Did::Move { to, .. } => ("to move", 1, Some(to)),
            Did::Moved { to, .. } if matches!(decision.because, Reason::Stays(_)) => ("not moved", 1, Some(to)),
            Did::Moved { to, .. } => ("moved", 1, Some(to)),
            Did::Checkpoint { on, .. } => ("checkpointed", 1, self.node_of(on)),
            _ => return None,
        };
        let ms_ago = Span(self.now.boot.saturating_sub(decision.at)).as_ms();
        let mut because = decision.because.to_string();
        if matches!(decision.did, Did::Order { .. }) {
            because = format!("{}: {because}", decision.did);
        }
        Some(Decided { ms_ago, what, tasks, peer, because })
    }
}

/// The token under which a task is in the warden's hands.
fn hand(lane: &super::lane::Lane, task: u32) -> Option<(Epoch, u32)> {
    lane.hand.iter().find(|(_, tasks)| tasks.contains(task)).map(|(token, _)| *token)
}

fn token(epoch: Epoch, n: u32) -> String {
    format!("{}.{:08x}.{:016x}/{n}", epoch.counter, epoch.keeper, epoch.incarnation)
}

/// How many tasks failed so often and no more.
fn again(job: &Job) -> Vec<u32> {
    let counts: Vec<u32> = job.tries.iter().map(crate::words::TaskSet::len).collect();
    let next = |at: usize| counts.get(at + 1).copied().unwrap_or(0);
    counts.iter().enumerate().map(|(at, count)| count.saturating_sub(next(at))).collect()
}
