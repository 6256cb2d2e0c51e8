//! Getting to know a node of another zone, and forgetting it when no work is shared any more.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Far;
use crate::machine::effect::{Effect, Told};
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::observe::Fit;
use crate::plan::{Did, Reason};
use crate::promise::Refusal;
use crate::wire::Message;
use crate::words::limits::{FAR_LINGERS, FAR_PEERS_MAX, FAR_SILENT};
use crate::words::{NodeId, Now};

impl Machine {
    /// A broker of this zone says that tasks wait there.
    pub(in crate::machine) fn meet(&mut self, from: NodeId, with: NodeId, now: Now, out: &mut Vec<Effect>) {
        if self.is_near(from) {
            self.get_in_touch(with, now, out);
        } else {
            self.refuse(Refusal::NotAsked);
        }
    }

    /// Where this node has room it greets that one, hears how loaded it is, and asks it or does not.
    pub(super) fn get_in_touch(&mut self, with: NodeId, now: Now, out: &mut Vec<Effect>) {
        if self.is_near(with) || self.room_for_far() == 0 {
            return;
        }
        // Also one that is known: it may have missed the greeting, and would lend nothing to a machine of which it knows nothing.
        if self.broker.is_far(with) || self.get_to_know(with, now) {
            self.greet(with, false, out);
        }
    }

    /// A node of another zone has free slots and was told of this one.
    pub(in crate::machine) fn greeted(
        &mut self,
        from: NodeId,
        fit: Fit,
        answers: bool,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if self.is_near(from) {
            return self.refuse(Refusal::NotAsked);
        }
        if !self.broker.is_far(from) && (answers || !self.get_to_know(from, now)) {
            return self.refuse(if answers { Refusal::NotAsked } else { Refusal::TooLarge });
        }
        self.peer_fit(from, fit);
        if !answers {
            self.greet(from, true, out);
        }
    }

    fn greet(&mut self, to: NodeId, answers: bool, out: &mut Vec<Effect>) {
        let fit = Fit { speed: self.here.speed, ..self.here.fit.clone() };
        out.push(Effect::Send { to, message: Message::Greet { fit, answers } });
        out.push(Effect::Send { to, message: self.told().message() });
    }

    /// False: there are as many as there may be.
    fn get_to_know(&mut self, node: NodeId, now: Now) -> bool {
        if self.broker.far.len() >= FAR_PEERS_MAX {
            return false;
        }
        self.add_peer(node, now);
        self.broker.far.insert(node, Far { since: now.boot, used: now.boot });
        self.decided(Did::Meet { with: node }, Reason::OtherZone);
        true
    }

    /// Tells nodes of other zones what the own zone was told, and forgets those that are silent or with which nothing is shared.
    pub(in crate::machine) fn tell_far(&mut self, told: &Told, now: Now, out: &mut Vec<Effect>) {
        if self.broker.far.is_empty() {
            return;
        }
        let lent = self.sharing.loans.values().map(|loan| loan.to);
        let borrowed = self.sharing.borrowed.values().map(|held| held.from);
        let partners: BTreeSet<NodeId> = lent.chain(borrowed).filter(|node| self.broker.is_far(*node)).collect();
        let mut gone = Vec::new();
        for (node, far) in &mut self.broker.far {
            if partners.contains(node) {
                far.used = now.boot;
            }
            let heard_at = self.sharing.peers.get(node).map_or(0, |peer| peer.heard_at).max(far.since);
            if heard_at + FAR_SILENT <= now.boot || far.used + FAR_LINGERS <= now.boot {
                gone.push(*node);
            } else {
                out.push(Effect::Send { to: *node, message: told.message() });
            }
        }
        for node in gone {
            if !self.planted(Plant::StrangersStay) {
                self.peer_down(node, now);
            }
        }
    }
}
