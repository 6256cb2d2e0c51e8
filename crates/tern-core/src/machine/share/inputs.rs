//! Borrowed tasks whose files have to come first: they wait for their inputs, then for a slot.

use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::plan::{Did, Reason};
use crate::promise::Refusal;
use crate::wire::Message;
use crate::words::limits::{ASK_AGAIN_FIRST, RESEND};
use crate::words::{GrantId, NodeId, Now, TaskSet, Unfit};

impl Machine {
    /// Gives back a loan before anything of it was taken. Only an answer to a question is one: else an echo could give back
    /// what runs.
    pub(in crate::machine) fn unwanted(
        &mut self,
        from: NodeId,
        grant: GrantId,
        tasks: TaskSet,
        (asked, why): (u64, Unfit),
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if self.sharing.borrowed.contains_key(&grant) || self.take_ask(from, asked, now).is_none() {
            return self.refuse(Refusal::NotAsked);
        }
        self.refuse(Refusal::Unfit);
        self.decided(Did::Return { grant, tasks: tasks.len() }, Reason::Unfit(why));
        if let Some(peer) = self.sharing.peers.get_mut(&from) {
            peer.ask_again = peer.ask_again.max(now.boot + ASK_AGAIN_FIRST);
        }
        out.push(Effect::Send { to: from, message: Message::Return { grant, tasks, why: Some(why) } });
    }

    /// Their files are here: they wait for a slot now.
    pub(in crate::machine) fn staged_inputs(&mut self, grant: GrantId, tasks: &TaskSet) {
        let Some(tasks) = self.leave_staging(grant, tasks) else { return };
        let key = LaneKey::Borrowed(grant);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.queued.union(&tasks);
            self.ready.insert(key);
        }
    }

    /// They cannot run here: the owner is told why, and gives them to another.
    pub(in crate::machine) fn unstaged_inputs(
        &mut self,
        grant: GrantId,
        tasks: &TaskSet,
        why: Unfit,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(tasks) = self.leave_staging(grant, tasks) else { return };
        let Some(held) = self.sharing.borrowed.get_mut(&grant) else { return };
        held.returned.union(&tasks);
        held.why = Some(why);
        held.resend_at = now.boot + RESEND;
        let (to, count) = (held.from, tasks.len());
        out.push(Effect::Send { to, message: Message::Return { grant, tasks, why: Some(why) } });
        self.decided(Did::Return { grant, tasks: count }, Reason::Unfit(why));
    }

    /// Those of them that still wait for their inputs. What was revoked meanwhile waits no more.
    fn leave_staging(&mut self, grant: GrantId, tasks: &TaskSet) -> Option<TaskSet> {
        let Some(held) = self.sharing.borrowed.get_mut(&grant) else {
            self.refuse(Refusal::ClosedGrant);
            return None;
        };
        let mut tasks = tasks.clone();
        tasks.intersect(&held.staging);
        held.staging.subtract(&tasks);
        (!tasks.is_empty()).then_some(tasks)
    }
}
