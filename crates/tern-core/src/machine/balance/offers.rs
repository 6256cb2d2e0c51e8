//! Telling idle nodes that tasks wait here.
//!
//! A free slot that was heard of is a token. Each waiting task takes one and its node is told; who is told asks, and its lease
//! counts from its own question. No task is told of twice, so that nobody comes in vain.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::decide::balance::guard::Guard;
use crate::machine::effect::Effect;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::observe::NodeTrit;
use crate::plan::{Did, Reason};
use crate::promise::Refusal;
use crate::wire::Message;
use crate::words::{NodeId, Now, Span};

/// Nodes that were told and have not asked yet.
const TOLD_MAX: usize = 32;
/// Who has not asked by then is not waited for.
const TOLD_WAIT: Span = Span::ms(250);
/// After so long all others know that tasks wait here.
const HEARD_BY_ALL: Span = Span::ms(300);
/// How often running tasks are looked at while nothing waits.
const LOOK_EVERY: Span = Span::ms(500);
/// Jobs looked at to know that something waits.
const LOOK_JOBS: usize = 8;

impl Machine {
    /// Brings the tokens of a peer up to date.
    pub(in crate::machine) fn count_tokens(&mut self, peer: NodeId) {
        let Some(known) = self.sharing.peers.get(&peer) else {
            self.balance.tokens.remove(peer);
            self.balance.told.remove(&peer);
            return;
        };
        let heard = known.heard;
        let free = if heard.queued > 0 { 0 } else { heard.slots.saturating_sub(heard.running) };
        self.balance.tokens.set(peer, free, super::around::speed_of(known.speed));
    }

    /// Own tasks that could be lent, as far as the first jobs tell.
    pub(in crate::machine) fn on_offer(&self) -> u32 {
        let own = |key: &&LaneKey| matches!(key, LaneKey::Own(job) if self.may_lend(*job, self.state.node()));
        self.ready
            .iter()
            .take(LOOK_JOBS)
            .filter(own)
            .filter_map(|key| self.lanes.get(key))
            .map(|lane| lane.queued.len())
            .sum()
    }

    /// Whether nothing that waits here may go to nodes that are not idle, as far as the first jobs tell.
    fn is_for_idle(&self) -> bool {
        let mut own = self.ready.iter().take(LOOK_JOBS).filter_map(|key| match key {
            LaneKey::Own(job) => Some(*job),
            LaneKey::Borrowed(_) => None,
        });
        !own.any(|job| self.lets_go(job, NodeTrit::Balanced))
    }

    /// Called after dispatch: what still waits may run elsewhere.
    pub(in crate::machine) fn offer(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.balance.tokens.is_empty() || !self.here.started || !self.here.met || self.here.full {
            return;
        }
        self.balance.told.retain(|_, until| *until > now.boot);
        if self.balance.told.len() >= TOLD_MAX {
            return;
        }
        let waiting = self.on_offer();
        if waiting == 0 {
            return self.offer_copy(now, out);
        }
        // Everybody has heard of it by now, and asks.
        if self.sharing.pulse.waits_since.is_some_and(|since| since + HEARD_BY_ALL <= now.boot) {
            return;
        }
        self.look_around(now);
        let most = TOLD_MAX.min(waiting as usize);
        let idle: Option<BTreeSet<NodeId>> = self.is_for_idle().then(|| self.idle_peers().map(|(id, _)| id).collect());
        while self.balance.told.len() < most {
            let draw = self.draw();
            let (guard, typical_ms) = (self.guard(0.0), self.balance.typical_ms);
            let lets = |who: NodeId| idle.as_ref().is_none_or(|idle| idle.contains(&who));
            let may = |who, speed| lets(who) && Guard { speed, ..guard }.allows(typical_ms);
            let Some(to) = self.balance.tokens.take(may, draw) else { return };
            self.tell_of(to, waiting, now, out);
        }
    }

    fn tell_of(&mut self, to: NodeId, waiting: u32, now: Now, out: &mut Vec<Effect>) {
        if self.balance.told.insert(to, now.boot + TOLD_WAIT).is_none() {
            self.decided(Did::Offer { to, tasks: waiting }, Reason::FreeThere { waiting });
            out.push(Effect::Send { to, message: Message::Offer { tasks: waiting } });
        }
    }

    /// Nothing waits: perhaps a task that runs too long is better run twice.
    fn offer_copy(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.may_copy()
            || now.boot < self.balance.look_at
            || (self.sharing.loans.is_empty() && self.here.in_hand == 0)
        {
            return;
        }
        self.balance.look_at = now.boot + LOOK_EVERY;
        let draw = self.draw();
        let Some(to) = self.balance.tokens.take(|_, _| true, draw) else { return };
        if self.straggler_for(to, 0.0, now).is_some() {
            self.tell_of(to, 1, now, out);
        } else {
            // Its slot is as free as before.
            self.count_tokens(to);
        }
    }

    /// When tasks are to be looked at again, or another is to be told.
    pub(in crate::machine) fn next_offer(&self) -> Option<u64> {
        if self.balance.tokens.is_empty() || (self.sharing.loans.is_empty() && self.here.in_hand == 0) {
            return None;
        }
        let later = |at: &u64| *at > self.now.boot;
        let told = self.balance.told.values().copied().min();
        [Some(self.balance.look_at), told].into_iter().flatten().filter(later).min()
    }

    /// A peer says that tasks wait there.
    pub(in crate::machine) fn offered(&mut self, from: NodeId, tasks: u32, now: Now) {
        let Some(peer) = self.sharing.peers.get_mut(&from) else { return self.refuse(Refusal::NotAsked) };
        peer.heard.queued = peer.heard.queued.max(tasks).max(1);
        peer.offered = true;
        if peer.ask.is_none() {
            peer.wait = Span::default();
            peer.ask_again = now.boot;
        }
        self.sharing.loaded.insert(from);
        self.count_tokens(from);
    }
}
