//! An idle node asks for work.

use alloc::vec::Vec;

use crate::decide::steal;
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::plan::{Did, share};
use crate::promise::{Refusal, lease};
use crate::wire::Message;
use crate::words::limits::{ASK_AGAIN_FIRST, ASK_AGAIN_MOST, GRANTS_HELD_MAX};
use crate::words::{NodeId, Now, Span};

/// How often the time doubles for which a node asks nobody after questions in vain.
const QUIET_DOUBLES: u32 = 4;
/// What inputs take to arrive, besides the question and its answer.
const STAGING: Span = Span::ms(50);

impl Machine {
    /// Called after dispatch: what could start here has started, so that a free slot means an empty queue.
    pub(in crate::machine) fn ask(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.sharing.loaded.is_empty() {
            self.look_around(now);
        }
        while let Some((picture, ids)) = self.steal_picture(|peer, quiet| peer.ask_again.max(quiet) <= now.boot) {
            let draw = self.draw();
            let proposal = steal::propose(&picture, self.sharing.questions, draw);
            let Some(plan) = proposal.and_then(|proposal| share::ask(&picture, proposal)) else { return };
            if let Err(fault) = share::check_ask(&plan, &picture) {
                self.fault = Some(fault);
                return;
            }
            let to = ids[plan.peer];
            let asked = self.lease_clock(now);
            if let Some(peer) = self.sharing.peers.get_mut(&to) {
                peer.ask = Some((asked, plan.tasks));
                peer.offered = false;
                self.sharing.asking.insert(to);
            }
            self.sharing.questions = self.sharing.questions.wrapping_add(1);
            self.decided(Did::Ask { peer: to, tasks: plan.tasks }, plan.because);
            out.push(Effect::Send { to, message: Message::Ask { tasks: plan.tasks, asked } });
        }
    }

    /// None where this node would ask nobody.
    fn steal_picture(&self, may: impl Fn(&super::Peer, u64) -> bool) -> Option<(steal::Picture, Vec<NodeId>)> {
        let here = &self.here;
        if !here.started || !here.warden || here.full || here.draining || self.sharing.loaded.is_empty() {
            return None;
        }
        if self.sharing.borrowed.len() >= GRANTS_HELD_MAX {
            return None;
        }
        let ahead = self.worth_borrowing().map_or_else(|| self.ahead(), |most| most.min(self.ahead()));
        // What was borrowed and may not start yet is in hand, too: else a job with `parallel` would be hoarded.
        let staging: u32 = self.sharing.borrowed.values().map(|held| held.staging.len()).sum();
        let held = self.ready.borrowed().filter_map(|key| self.lanes.get(key));
        let in_hand = here.in_hand + staging + held.map(|lane| lane.queued.len()).sum::<u32>();
        let peer = |id: &NodeId| self.sharing.peers.get(id);
        let asked = self.sharing.asking.iter().filter_map(|id| peer(id)?.ask).map(|(_, tasks)| tasks).sum();
        let threshold = self.sharing.threshold;
        // A task may take more than a slot: none is asked for that would wait beside it.
        let left = self.exactly_left().map(|left| here.in_hand + left.slots);
        let (slots, ahead) = left.map_or((here.open, ahead), |most| (here.open.min(most), ahead.min(most)));
        let more = self.prefetch();
        let peers = Vec::new();
        let mut picture = steal::Picture { slots, ahead, in_hand, asked, more, threshold, peers };
        if picture.want() == 0 {
            return None;
        }
        let mut ids = Vec::new();
        let quiet = |peer: &super::Peer| if peer.offered { 0 } else { self.sharing.quiet_until };
        for id in &self.sharing.loaded {
            if let Some(peer) = peer(id).filter(|peer| peer.ask.is_none() && may(peer, quiet(peer))) {
                picture.peers.push(steal::Peer { queued: peer.heard.queued, slots: peer.heard.slots });
                ids.push(*id);
            }
        }
        (!ids.is_empty()).then_some((picture, ids))
    }

    /// How many tasks beyond its slots this node should have: one, where much waits elsewhere and the way here takes a tenth of
    /// the time after which a slot becomes free.
    fn prefetch(&self) -> u32 {
        let way = u128::from(self.balance.way_ns + STAGING.0) * u128::from(self.here.open);
        let idle = self.here.mean_ns.is_some_and(|mean| way * 10 >= u128::from(mean));
        // While the owner uses this machine what waits goes back.
        u32::from(idle && self.balance.plenty && self.here.open > 1 && !self.is_lowered())
    }

    /// When a peer that waits out its back-off is to be asked, if this node would ask it.
    pub(super) fn next_ask(&self, now: u64) -> Option<u64> {
        let (_, ids) = self.steal_picture(|_, _| true)?;
        let later = |id: &NodeId| {
            self.sharing.peers.get(id).map(|peer| peer.ask_again.max(self.sharing.quiet_until)).filter(|at| *at > now)
        };
        ids.iter().filter_map(later).min()
    }

    /// The peer had nothing, or did not answer in time.
    pub(super) fn asked_in_vain(&mut self, from: NodeId, asked: u64, now: Now) {
        match self.sharing.peers.get_mut(&from) {
            Some(peer) if peer.ask.is_some_and(|(at, _)| at == asked) => {
                peer.ask = None;
                self.sharing.asking.remove(&from);
                peer.wait = lease::back_off(peer.wait, ASK_AGAIN_FIRST, ASK_AGAIN_MOST);
                peer.ask_again = now.boot + peer.wait;
                let quiet = Span(ASK_AGAIN_FIRST.0 << self.sharing.misses.min(QUIET_DOUBLES));
                self.sharing.misses += 1;
                self.sharing.quiet_until = now.boot + quiet;
            }
            _ => self.refuse(Refusal::NotAsked),
        }
    }

    /// Takes the question that this answers. Returns for how many tasks it asked.
    pub(super) fn take_ask(&mut self, from: NodeId, asked: u64, now: Now) -> Option<u32> {
        let peer = self.sharing.peers.get_mut(&from)?;
        let (_, tasks) = peer.ask.take_if(|(at, _)| *at == asked)?;
        peer.wait = Span::default();
        (self.sharing.misses, self.sharing.quiet_until) = (0, 0);
        self.sharing.asking.remove(&from);
        let took = now.boot.saturating_sub(asked);
        self.balance.way_ns = self.balance.way_ns / 8 * 7 + took / 8;
        Some(tasks)
    }
}
