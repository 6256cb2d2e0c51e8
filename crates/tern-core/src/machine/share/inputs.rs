//! Borrowed tasks whose files have to come first: they wait for their inputs, then for a slot.

use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::plan::{Did, Reason};
use crate::promise::Refusal;
use crate::wire::Message;
use crate::words::limits::RESEND;
use crate::words::{GrantId, Now, TaskSet, Unfit};

impl Machine {
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
