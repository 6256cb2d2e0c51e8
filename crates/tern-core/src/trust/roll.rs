//! The roll of a grid: every statement that counts, and who is a member by them.
//!
//! A roll begins with the grid's id alone and grows by lists of statements. Two rolls that got the same statements are
//! equal, in whatever order they came, provided that what was refused for want of something else is tried again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::authority::{Authority, Links, Revokes};
use super::name::Name;
use super::sign::{GridId, Verify};
use super::statement::Statement;
use crate::words::NodeId;

/// Statements of one grid. Equal rolls hold the same ones.
#[derive(Clone, Debug)]
pub struct Roll {
    pub(super) grid: GridId,
    pub(super) links: Links,
    /// (subject, issuer) → the statement with the greatest serial. Shared between copies of a roll until one of them changes.
    pub(super) members: Arc<BTreeMap<(NodeId, NodeId), Statement>>,
    pub(super) revokes: Revokes,
    /// Members that count no more because of a revocation. They come back if the root takes that revocation back; no part of
    /// what two rolls agree on.
    pub(super) former: BTreeMap<(NodeId, NodeId), Statement>,
    /// Follows from links and revocations.
    pub(super) authority: Authority,
}

/// A member, as it counts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub serial: u64,
    /// As it was given.
    pub name: Name,
    /// As it is shown: with a number where another member has the name, too.
    pub shown: Name,
    pub issuer: NodeId,
}

/// An admin key that counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    pub key: NodeId,
    pub machine: NodeId,
    pub issuer: NodeId,
    pub depth: u8,
}

/// What a key is to the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Member { serial: u64, name: Name },
    Admin { machine: NodeId, depth: u8 },
    Revoked,
    Unknown,
}

/// What a list of statements changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Statements that were not known, and are to be passed on and made durable.
    pub fresh: usize,
    pub joined: Vec<NodeId>,
    /// To be disconnected.
    pub gone: Vec<NodeId>,
    /// Other admin keys count than before.
    pub admins: bool,
}

/// Why a list of statements was not taken. The roll was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Not by its issuer, or for another grid, or changed on its way.
    BadSignature,
    /// A claim that makes no sense, such as an admin of itself.
    Malformed,
    /// Said by a key that no link leads to, or none yet.
    UnknownIssuer,
    /// Said by a key that was revoked.
    RevokedIssuer,
    /// Said by a key whose own admin was revoked.
    OrphanedIssuer,
    /// About a key that was revoked.
    RevokedSubject,
    /// A revocation of itself by a key that is nobody.
    UnknownSubject,
    /// More links from the root than [`ADMIN_DEPTH_MAX`](crate::words::limits::ADMIN_DEPTH_MAX).
    TooDeep,
    /// A limit of the roll would be passed.
    Full,
}

impl Refusal {
    /// One word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::Malformed => "malformed",
            Self::UnknownIssuer => "unknown_issuer",
            Self::RevokedIssuer => "revoked_issuer",
            Self::OrphanedIssuer => "orphaned_issuer",
            Self::RevokedSubject => "revoked_subject",
            Self::UnknownSubject => "unknown_subject",
            Self::TooDeep => "too_deep",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Refusal {}

impl PartialEq for Roll {
    fn eq(&self, other: &Self) -> bool {
        self.grid == other.grid && self.statements_unordered().eq(other.statements_unordered())
    }
}

impl Eq for Roll {}

impl Roll {
    /// A roll that knows its root and nobody else.
    #[must_use]
    pub fn new(grid: GridId) -> Self {
        let (links, revokes) = (Links::new(), Revokes::new());
        let authority = Authority::follow(grid, &links, &revokes);
        Self { grid, links, members: Arc::default(), revokes, former: BTreeMap::new(), authority }
    }

    #[must_use]
    pub const fn grid(&self) -> GridId {
        self.grid
    }

    /// Takes a list: each statement is judged by those before it, and one that is refused refuses all.
    pub fn apply(&mut self, statements: &[Statement], verify: Verify) -> Result<Changes, Refusal> {
        let (mut next, mut taken) = (None, Vec::new());
        for statement in statements {
            if !next.as_ref().unwrap_or(self).knows(statement) {
                next.get_or_insert_with(|| self.clone()).take(statement, verify)?;
                taken.push(statement);
            }
        }
        let Some(mut next) = next else { return Ok(Changes::default()) };
        next.settle(Some(self), &subjects(&taken));
        if !next.is_within_limits() {
            return Err(Refusal::Full);
        }
        let changes = self.changes_to(&next, &taken);
        *self = next;
        Ok(changes)
    }

    /// Takes what can be taken of a list whose order and content nobody vouches for, such as all that another node has:
    /// every statement alone, again and again until nothing more fits. Returns those that were refused with why.
    pub fn merge(&mut self, statements: &[Statement], verify: Verify) -> (Changes, Vec<(usize, Refusal)>) {
        let mut waiting: Vec<usize> = (0..statements.len()).filter(|at| !self.knows(&statements[*at])).collect();
        let (mut next, mut taken, mut refused) = (self.clone(), Vec::new(), Vec::new());
        while !waiting.is_empty() {
            let before = next.clone();
            let mut again = Vec::new();
            let already = taken.len();
            for at in waiting {
                match next.take(&statements[at], verify) {
                    Ok(()) => taken.push(&statements[at]),
                    // These do not get better.
                    Err(why @ (Refusal::BadSignature | Refusal::Malformed)) => refused.push((at, why)),
                    Err(why) => again.push((at, why)),
                }
            }
            next.settle(Some(&before), &subjects(&taken[already..]));
            if taken.len() == already {
                refused.extend(again);
                break;
            }
            waiting = again.into_iter().map(|(at, _)| at).collect();
        }
        if !next.is_within_limits() {
            refused = (0..statements.len()).map(|at| (at, Refusal::Full)).collect();
            return (Changes::default(), refused);
        }
        let changes = self.changes_to(&next, &taken);
        *self = next;
        refused.sort_unstable();
        (changes, refused)
    }
}

fn subjects(statements: &[&Statement]) -> BTreeSet<NodeId> {
    statements.iter().map(|statement| statement.claim.subject()).collect()
}
