//! Which admin keys count: followed from the root, link by link, after every revocation.
//!
//! Giving and taking are judged apart. A revoked admin gives nothing any more: whom it admitted drops out. What it took
//! away stays away, because nobody can tell whether it spoke before or after its own revocation: two admins that revoke
//! each other are both out, whoever is heard first. Only the root takes that power, too: what a key said that the root
//! revoked is as if it had never been said.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::sign::GridId;
use super::statement::{Claim, FOR_GOOD, Statement};
use crate::words::NodeId;
use crate::words::limits::ADMIN_DEPTH_MAX;

/// (subject, issuer) → a statement that makes an admin.
pub(super) type Links = BTreeMap<(NodeId, NodeId), Statement>;
/// (subject, issuer, whether it names a successor) → a revocation.
pub(super) type Revokes = BTreeMap<(NodeId, NodeId, bool), Statement>;

/// Where an admin key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Links between the root and this key; 1 for an admin that the root itself made.
    pub depth: u8,
    /// Who made it an admin, or made the one whose place it took.
    pub issuer: NodeId,
    /// The node that holds the key.
    pub machine: NodeId,
    /// Running number in the order in which keys were reached.
    pub order: u32,
}

/// What follows from links and revocations. Always made anew, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Keys that the root revoked.
    cut: BTreeSet<NodeId>,
    /// Keys that were ever made admins by way of no cut key. They may revoke.
    known: BTreeMap<NodeId, Place>,
    /// Those that another admin revoked.
    struck: BTreeSet<NodeId>,
    /// Those that revoked themselves, with or without a successor.
    yielded: BTreeSet<NodeId>,
    /// Those that may admit.
    good: BTreeMap<NodeId, Place>,
}

/// What happens at a key that has been reached.
struct Step {
    /// It has a place, and its links are followed.
    stands: bool,
    /// Another key is reached at the same depth.
    passes_to: Option<NodeId>,
}

impl Authority {
    pub(super) fn follow(grid: GridId, links: &Links, revokes: &Revokes) -> Self {
        let mut made = Self::default();
        let mut successors = BTreeMap::new();
        for (&(subject, issuer, _), statement) in revokes {
            let Claim::Revoke { upto: FOR_GOOD, successor, .. } = statement.claim else { continue };
            if issuer == grid.0 {
                made.cut.insert(subject);
            } else if issuer == subject {
                successors.extend(successor.map(|successor| (subject, successor)));
            }
        }
        made.known = spread(grid, links, |key| {
            let lives = !made.cut.contains(&key);
            Step { stands: lives, passes_to: successors.get(&key).copied().filter(|_| lives) }
        });
        for (&(subject, issuer, _), statement) in revokes {
            let for_good = matches!(statement.claim, Claim::Revoke { upto: FOR_GOOD, .. });
            if !for_good || !made.known.contains_key(&subject) {
                continue;
            }
            if issuer == subject {
                made.yielded.insert(subject);
            } else if made.known.contains_key(&issuer) {
                made.struck.insert(subject);
            }
        }
        made.good = spread(grid, links, |key| {
            let lives = !made.cut.contains(&key) && !made.struck.contains(&key);
            let yielded = made.yielded.contains(&key);
            Step { stands: lives && !yielded, passes_to: successors.get(&key).copied().filter(|_| lives && yielded) }
        });
        made
    }

    pub(super) fn known(&self, key: NodeId) -> Option<&Place> {
        self.known.get(&key)
    }
    pub(super) fn all_known(&self) -> impl Iterator<Item = (&NodeId, &Place)> {
        self.known.iter()
    }
    pub(super) fn good(&self) -> &BTreeMap<NodeId, Place> {
        &self.good
    }
    pub(super) fn is_cut(&self, key: NodeId) -> bool {
        self.cut.contains(&key)
    }
    /// A known or cut key that was revoked by anybody.
    pub(super) fn is_revoked(&self, key: NodeId) -> bool {
        self.is_cut(key) || self.known.contains_key(&key) && (self.struck.contains(&key) || self.yielded.contains(&key))
    }
}

/// Level by level from the root, at most [`ADMIN_DEPTH_MAX`] of them. Each key is visited once, at its smallest depth, so
/// a loop ends by itself. Successions are followed within a level.
fn spread(grid: GridId, links: &Links, visit: impl Fn(NodeId) -> Step) -> BTreeMap<NodeId, Place> {
    let mut by_issuer: BTreeMap<NodeId, Vec<(NodeId, NodeId)>> = BTreeMap::new();
    for (&(subject, issuer), statement) in links {
        let Claim::Admin { machine, .. } = statement.claim else { continue };
        by_issuer.entry(issuer).or_default().push((subject, machine));
    }
    let below = |issuer: NodeId| by_issuer.get(&issuer).into_iter().flatten().map(move |&(key, on)| (key, issuer, on));
    let mut places = BTreeMap::new();
    let mut visited = BTreeSet::from([grid.0]);
    let mut level: VecDeque<(NodeId, NodeId, NodeId)> = below(grid.0).collect();
    for depth in 1..=ADMIN_DEPTH_MAX {
        let mut next = VecDeque::new();
        while let Some((key, issuer, machine)) = level.pop_front() {
            if !visited.insert(key) {
                continue;
            }
            let step = visit(key);
            if step.stands {
                places.insert(key, Place { depth, issuer, machine, order: visited.len() as u32 });
                next.extend(below(key));
            }
            level.extend(step.passes_to.map(|successor| (successor, issuer, machine)));
        }
        level = next;
    }
    places
}
