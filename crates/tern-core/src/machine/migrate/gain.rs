//! What a move would gain, by the rule that every move of the grid keeps.

use crate::decide::balance::accept::{Move, Running, Side, accept};
use crate::decide::balance::migrate::At;
use crate::machine::balance::speed_of;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::words::work;
use crate::words::{Epoch, GrantId, JobId, NodeId};

/// Where the task is, and under which dispatch or loan.
type Place = (At, Option<(Epoch, u32)>, Option<GrantId>);

impl Machine {
    /// How much of the task is done, in per cent; none where nobody knows how long it runs, or since when.
    pub(super) fn done_percent(
        &self,
        job: JobId,
        task: u32,
        attempt: Option<(Epoch, u32)>,
        grant: Option<GrantId>,
    ) -> Option<u8> {
        let whole_ms = self.length_ms(job, task)?;
        let done_ms = self.done_ms(job, attempt, grant)?;
        Some((100.0 * done_ms / whole_ms.max(1.0)).clamp(0.0, 100.0) as u8)
    }

    /// On the reference core.
    fn length_ms(&self, job: JobId, task: u32) -> Option<f64> {
        work::ms(self.lanes.get(&LaneKey::Own(job))?.queued.class_of(task))
    }

    fn done_ms(&self, job: JobId, attempt: Option<(Epoch, u32)>, grant: Option<GrantId>) -> Option<f64> {
        if let Some(grant) = grant {
            let clock = self.sharing.loans.get(&grant)?;
            let speed = speed_of(self.sharing.peers.get(&clock.to)?.speed);
            return Some((self.served_at(clock.to, self.now) - clock.since_ms).max(0.0) * speed);
        }
        let (_, n) = attempt?;
        let since_ms = self.lanes.get(&LaneKey::Own(job))?.since_ms.get(&n)?;
        Some((self.balance.served.by(self.now) - since_ms).max(0.0) * speed_of(self.here.speed))
    }

    /// By how much the work of all would be evened out; none where the rule does not let it move. `anew`: what is done is lost.
    pub(super) fn move_gain(&self, (job, task): (JobId, u32), place: Place, to: NodeId, anew: bool) -> Option<f64> {
        let (at, attempt, grant) = place;
        let from = if let At::With(node) = at { node } else { self.state.node() };
        let whole = self.length_ms(job, task).unwrap_or(self.balance.typical_ms).max(1.0);
        let done = self.done_ms(job, attempt, grant).unwrap_or(0.0).min(whole);
        let work = if anew { whole } else { (whole - done).max(1.0) };
        let (mut sender, receiver) = (self.side(from)?, self.side(to)?);
        sender.backlog = sender.backlog.max(work);
        let free = self.is_free(to);
        let running = match at {
            At::Runs | At::With(_) => Some(self.running_caps(from, to, anew, done, (&sender, &receiver))?),
            At::Waits | At::Over | At::Between => None,
        };
        accept(&Move { work, from: sender, to: receiver, free, running }).ok()
    }

    fn running_caps(
        &self,
        from: NodeId,
        to: NodeId,
        anew: bool,
        done: f64,
        (sender, receiver): (&Side, &Side),
    ) -> Option<Running> {
        let (load_from, load_to) = (self.load_of(from)?, self.load_of(to)?);
        let one = |node| 1.0 / f64::from(self.open_of(node).max(1));
        let way = self.balance.way_ns as f64 / 1e6;
        Some(Running {
            sender: load_from - one(from),
            receiver: load_to + one(to),
            gain: sender.time() - receiver.time(),
            cost: way + if anew { done } else { 0.0 },
        })
    }

    fn open_of(&self, node: NodeId) -> u32 {
        if node == self.state.node() {
            return self.here.open;
        }
        self.sharing.peers.get(&node).map_or(0, |peer| peer.heard.slots)
    }

    /// Load over cores, as it was measured there.
    fn load_of(&self, node: NodeId) -> Option<f64> {
        if node == self.state.node() {
            return self.load();
        }
        let peer = self.sharing.peers.get(&node).filter(|peer| peer.heard_at > 0)?;
        Some(f64::from(peer.heard.load_milli) / 1_000.0)
    }

    fn is_free(&self, node: NodeId) -> bool {
        if node == self.state.node() {
            return self.here.in_hand < self.here.open;
        }
        let heard = self.sharing.peers.get(&node).map(|peer| peer.heard);
        heard.is_some_and(|heard| heard.queued == 0 && heard.running < heard.slots)
    }

    /// What waits and runs there, and how fast it is.
    fn side(&self, node: NodeId) -> Option<Side> {
        let typical = self.balance.typical_ms;
        let slots = f64::from(self.open_of(node));
        if node == self.state.node() {
            let backlog = (self.queued() as f64 + f64::from(self.running())) * typical;
            return Some(Side { backlog, speed: speed_of(self.here.speed) * slots });
        }
        let peer = self.sharing.peers.get(&node)?;
        let tasks = f64::from(peer.heard.queued) + f64::from(peer.heard.running);
        Some(Side { backlog: tasks * typical, speed: speed_of(peer.speed) * slots })
    }
}
