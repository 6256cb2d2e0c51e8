//! The ledger: what honest nodes wrote down of their transfers adds up, and the books of brokers do.

use std::collections::{BTreeMap, BTreeSet};

use tern_core::promise::ledger::{Half, Line, Posting, audit};
use tern_core::words::{GrantId, NodeId};

use super::Finding;
use crate::computer::Kind;
use crate::world::World;

/// A loan that nobody took is over after a lease, unless the disk fails.
const CUT_SHORT: u64 = 30_000_000_000;

/// Lines of all nodes, in their order. They outlive the agents.
#[derive(Clone, Debug, Default)]
pub struct Triads {
    postings: Vec<(NodeId, Posting)>,
    aborted: BTreeSet<GrantId>,
    /// When senders posted, and when agents began anew.
    sent: BTreeMap<GrantId, u64>,
    began: Vec<(NodeId, u64)>,
}

impl Triads {
    pub fn note(&mut self, node: NodeId, line: Line, now: u64) {
        match line {
            Line::Posted(posting) => {
                if posting.half == Half::Sender {
                    self.sent.insert(posting.triad.tx(), now);
                }
                self.postings.push((node, posting));
            }
            Line::Aborted(tx) => drop(self.aborted.insert(tx)),
            Line::Began => self.began.push((node, now)),
            Line::Ended => {}
        }
    }

    /// Whether its sender's agent died before it could say that it took the transfer back.
    fn is_cut_short(&self, tx: GrantId) -> bool {
        let Some(at) = self.sent.get(&tx) else { return false };
        let sender = self.postings.iter().find(|(_, posting)| posting.triad.tx() == tx).map(|(node, _)| *node);
        self.began.iter().any(|(node, began)| Some(*node) == sender && (*at..*at + CUT_SHORT).contains(began))
    }
}

impl World {
    /// Of transfers between honest nodes each has both halves, unless it was taken back; and no book has a sum that is not nothing.
    pub(super) fn transfers_add_up(&self) -> Finding {
        let liars: BTreeSet<NodeId> =
            self.nodes.iter().filter(|node| node.kind == Kind::Liar).map(|node| node.id).collect();
        let honest = |(_, posting): &&(NodeId, Posting)| {
            let triad = &posting.triad;
            !liars.contains(&triad.sender()) && !liars.contains(&triad.receiver())
        };
        let postings = self.triads.postings.iter().filter(honest).copied();
        let findings = audit(postings, |tx| self.triads.aborted.contains(&tx) || self.triads.is_cut_short(tx));
        if let Some(finding) = findings.first() {
            return Some(("eventually_transfers_have_both_halves", format!("{finding:?}")));
        }
        let agents = self.nodes.iter().filter_map(|node| node.agent.as_ref());
        let blocked = agents.clone().flat_map(|agent| agent.machine.book().blocked());
        let honest =
            |(sender, receiver, _): &(NodeId, NodeId, GrantId)| !liars.contains(sender) && !liars.contains(receiver);
        if let Some((sender, receiver, tx)) = { blocked }.find(honest) {
            let detail = format!("{tx:?} from {sender} to {receiver} is told alike by both");
            return Some(("eventually_who_agrees_is_not_held_up", detail));
        }
        let unequal: u64 = agents.map(|agent| agent.machine.ledger_totals().unequal).sum();
        (unequal > 0).then(|| ("anytime_epochs_add_up", format!("{unequal} closed epochs do not add up to nothing")))
    }
}
