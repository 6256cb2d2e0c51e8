//! Holding the postings of several nodes against each other.
//!
//! The sum says that something is wrong, the numbers of the transfers say what: three equal postings would cancel each other in the
//! sum, so that numbers are always compared, too.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::triad::{Half, Posting, Triad};
use crate::words::{GrantId, NodeId};

/// What is wrong with a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Posted by a node that is not that side of the transfer, or by nobody's agent.
    Forged,
    /// Told otherwise than by the other side: one of the two is wrong.
    Unlike,
    /// Posted by one side only, and not open.
    Lost,
    /// Posted by one side more than once.
    Repeated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    pub tx: GrantId,
    pub wrong: Wrong,
    /// In whose postings it is seen; of a lost half the one that did not post it, if the other side tells the truth.
    pub node: NodeId,
}

#[derive(Default)]
struct Seen {
    sender: Vec<(NodeId, Triad)>,
    receiver: Vec<(NodeId, Triad)>,
}

/// Looks at postings with the nodes in whose books they stand. `open` says of a transfer that one side may still be missing.
#[must_use]
pub fn audit(postings: impl IntoIterator<Item = (NodeId, Posting)>, open: impl Fn(GrantId) -> bool) -> Vec<Finding> {
    let mut all: BTreeMap<GrantId, Seen> = BTreeMap::new();
    let mut findings = Vec::new();
    for (node, posting) in postings {
        let (tx, seen) = (posting.triad.tx(), all.entry(posting.triad.tx()).or_default());
        let side = if posting.half == Half::Sender { &mut seen.sender } else { &mut seen.receiver };
        if node != posting.author() {
            findings.push(Finding { tx, wrong: Wrong::Forged, node });
        } else if side.iter().any(|(by, _)| *by == node) {
            findings.push(Finding { tx, wrong: Wrong::Repeated, node });
        } else {
            side.push((node, posting.triad));
        }
    }
    for (tx, seen) in all {
        match (&seen.sender[..], &seen.receiver[..]) {
            ([(_, one)], [(_, other)]) if one == other => {}
            ([_, ..], [_, ..]) => {
                // Two sides that agree are believed; else all who posted it are named, whoever is right.
                let agree = |triad: &Triad| {
                    let same = |(_, other): &(NodeId, Triad)| other == triad;
                    seen.sender.iter().any(same) && seen.receiver.iter().any(same)
                };
                let all = seen.sender.iter().chain(&seen.receiver);
                let wrong = all.filter(|(_, triad)| !agree(triad)).map(|(node, _)| *node);
                findings.extend(wrong.map(|node| Finding { tx, wrong: Wrong::Unlike, node }));
            }
            ([(_, triad), ..], []) if !open(tx) => {
                findings.push(Finding { tx, wrong: Wrong::Lost, node: triad.receiver() });
            }
            ([], [(_, triad), ..]) if !open(tx) => {
                findings.push(Finding { tx, wrong: Wrong::Lost, node: triad.sender() });
            }
            _ => {}
        }
    }
    findings.sort_unstable();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests {
    use super::super::triad::sample;
    use super::*;

    fn sound(count: u32) -> Vec<(NodeId, Posting)> {
        (0..count).flat_map(|n| sample(n, [1, 2, 3]).halves()).map(|posting| (posting.author(), posting)).collect()
    }

    fn wrongs(findings: &[Finding]) -> Vec<(u32, Wrong, u8)> {
        findings.iter().map(|finding| (finding.tx.n, finding.wrong, finding.node.0[0])).collect()
    }

    #[test]
    fn every_planted_fault_is_named() {
        let closed = |_| false;
        assert!(audit(sound(50), closed).is_empty());
        for place in 0..100 {
            let (n, side) = (place as u32 / 2, if place % 2 == 0 { 1 } else { 3 });
            let mut lost = sound(50);
            lost.remove(place);
            assert_eq!(wrongs(&audit(lost.clone(), closed)), [(n, Wrong::Lost, side)]);
            assert!(audit(lost, |tx| tx.n == n).is_empty(), "it is open still");
            // Three times more would cancel in the sum.
            let mut repeated = sound(50);
            (0..3).for_each(|_| repeated.push(repeated[place]));
            assert_eq!(wrongs(&audit(repeated, closed)), [(n, Wrong::Repeated, side)]);
            let mut forged = sound(50);
            forged[place].0 = NodeId([7; 32]);
            let found = wrongs(&audit(forged, closed));
            assert_eq!(found, [(n, Wrong::Forged, 7), (n, Wrong::Lost, side)]);
            let mut unlike = sound(50);
            unlike[place].1 = sample(n, [1, 5, 3]).halves()[place % 2];
            assert_eq!(wrongs(&audit(unlike, closed)), [(n, Wrong::Unlike, 1), (n, Wrong::Unlike, 3)]);
        }
    }
}
