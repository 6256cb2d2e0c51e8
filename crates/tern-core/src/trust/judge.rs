//! How the roll takes one statement, and what it keeps.
//!
//! What is cheap is asked before the signature. After each list the roll is settled: what counts no more is dropped by a
//! rule that looks only at the statements there are, so that the order in which they came leaves no trace.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use super::authority::Authority;
use super::roll::{Changes, Refusal, Roll};
use super::sign::Verify;
use super::statement::{Claim, FOR_GOOD, Statement};
use crate::words::NodeId;
use crate::words::limits::{ADMIN_DEPTH_MAX, ADMIN_LINKS_MAX, ADMINS_MAX, MEMBERS_MAX, REVOCATIONS_MAX};

impl Roll {
    /// Whether the roll has this statement, or one that takes its place.
    pub(super) fn knows(&self, statement: &Statement) -> bool {
        let (subject, issuer) = (statement.claim.subject(), statement.claim.issuer());
        match &statement.claim {
            Claim::Admin { .. } => self.links.get(&(subject, issuer)).is_some_and(|held| held <= statement),
            Claim::Member { .. } => self.members.get(&(subject, issuer)).is_some_and(|held| held >= statement),
            Claim::Revoke { successor, .. } => {
                let held = self.revokes.get(&(subject, issuer, successor.is_some()));
                held.is_some_and(|held| if successor.is_some() { held <= statement } else { held >= statement })
            }
        }
    }

    /// Judges one statement and keeps it. The roll is to be settled afterwards.
    pub(super) fn take(&mut self, statement: &Statement, verify: Verify) -> Result<(), Refusal> {
        if self.knows(statement) {
            return Ok(());
        }
        self.may_be_said(&statement.claim)?;
        if !statement.is_signed(self.grid, verify) {
            return Err(Refusal::BadSignature);
        }
        self.keep(statement.clone());
        Ok(())
    }

    /// Keeps a statement that was judged, or was just made here.
    pub(super) fn keep(&mut self, statement: Statement) {
        let (subject, issuer) = (statement.claim.subject(), statement.claim.issuer());
        let moves_admins = match statement.claim {
            Claim::Admin { .. } => {
                self.links.insert((subject, issuer), statement);
                true
            }
            Claim::Member { .. } => {
                Arc::make_mut(&mut self.members).insert((subject, issuer), statement);
                false
            }
            Claim::Revoke { upto, successor, .. } => {
                self.revokes.insert((subject, issuer, successor.is_some()), statement);
                upto == FOR_GOOD && (issuer == self.grid.0 || self.authority.known(subject).is_some())
            }
        };
        if moves_admins {
            self.authority = Authority::follow(self.grid, &self.links, &self.revokes);
        }
    }

    fn may_be_said(&self, claim: &Claim) -> Result<(), Refusal> {
        let root = self.grid.0;
        let (subject, issuer) = (claim.subject(), claim.issuer());
        let is_self = subject == issuer;
        if subject == root {
            return Err(Refusal::Malformed);
        }
        match claim {
            Claim::Admin { .. } | Claim::Member { .. } if is_self => Err(Refusal::Malformed),
            Claim::Admin { .. } => {
                self.may_speak(issuer)?;
                let depth = self.authority.known(issuer).map_or(0, |place| place.depth);
                if depth >= ADMIN_DEPTH_MAX {
                    return Err(Refusal::TooDeep);
                }
                if self.authority.is_cut(subject) { Err(Refusal::RevokedSubject) } else { Ok(()) }
            }
            Claim::Member { .. } if issuer == root => Err(Refusal::Malformed),
            Claim::Member { serial, .. } => {
                self.may_admit(issuer)?;
                if self.revoked_by_others(subject) >= Some(*serial) { Err(Refusal::RevokedSubject) } else { Ok(()) }
            }
            Claim::Revoke { upto, successor: Some(successor), .. } => {
                let sound = is_self && *upto == FOR_GOOD && *successor != subject && *successor != root;
                if !sound {
                    return Err(Refusal::Malformed);
                }
                self.may_speak(issuer)
            }
            Claim::Revoke { .. } if is_self => {
                if self.is_somebody(subject) {
                    Ok(())
                } else {
                    Err(Refusal::UnknownSubject)
                }
            }
            Claim::Revoke { .. } => self.may_speak(issuer),
        }
    }

    /// A key that may revoke: the root, or one that was made an admin by way of no key that the root revoked.
    fn may_speak(&self, issuer: NodeId) -> Result<(), Refusal> {
        if issuer == self.grid.0 || self.authority.known(issuer).is_some() {
            Ok(())
        } else if self.authority.is_cut(issuer) {
            Err(Refusal::RevokedIssuer)
        } else {
            Err(Refusal::UnknownIssuer)
        }
    }

    fn may_admit(&self, issuer: NodeId) -> Result<(), Refusal> {
        if self.authority.good().contains_key(&issuer) {
            Ok(())
        } else if self.authority.is_revoked(issuer) {
            Err(Refusal::RevokedIssuer)
        } else if self.authority.known(issuer).is_some() {
            Err(Refusal::OrphanedIssuer)
        } else {
            Err(Refusal::UnknownIssuer)
        }
    }

    fn is_somebody(&self, key: NodeId) -> bool {
        self.authority.known(key).is_some() || self.claims_about(key).next().is_some()
    }

    /// Up to which serial somebody else revoked this key.
    pub(super) fn revoked_by_others(&self, subject: NodeId) -> Option<u64> {
        self.revocations_of(subject).filter(|(issuer, _)| *issuer != subject).map(|(_, upto)| upto).max()
    }

    /// Who revoked this key, and up to which serial; without those who may not speak any more.
    pub(super) fn revocations_of(&self, subject: NodeId) -> impl Iterator<Item = (NodeId, u64)> {
        let about = (subject, NodeId([0; 32]), false)..=(subject, NodeId([0xff; 32]), true);
        let about = self.revokes.range(about).filter_map(|(_, statement)| match statement.claim {
            Claim::Revoke { issuer, upto, .. } => Some((issuer, upto)),
            _ => None,
        });
        about.filter(move |(issuer, _)| *issuer == subject || self.may_speak(*issuer).is_ok())
    }

    /// Statements that make this key a member, whether or not they count.
    pub(super) fn claims_about(&self, subject: NodeId) -> impl Iterator<Item = &Statement> {
        self.members.range((subject, NodeId([0; 32]))..=(subject, NodeId([0xff; 32]))).map(|(_, statement)| statement)
    }

    /// Drops what counts no more. Of members, where the admins are the same as in `before`, only those in `touched` are
    /// looked at.
    pub(super) fn settle(&mut self, before: Option<&Self>, touched: &BTreeSet<NodeId>) {
        let (root, authority) = (self.grid.0, &self.authority);
        let depth = |issuer: &NodeId| {
            if *issuer == root { Some(0) } else { authority.known(*issuer).map(|place| place.depth) }
        };
        self.links.retain(|(subject, issuer), _| {
            !authority.is_cut(*subject) && depth(issuer).is_some_and(|depth| depth < ADMIN_DEPTH_MAX)
        });
        self.revokes.retain(|(subject, issuer, _), _| subject == issuer || depth(issuer).is_some());
        self.authority = Authority::follow(self.grid, &self.links, &self.revokes);
        let all: BTreeSet<NodeId>;
        let subjects = if before.is_some_and(|before| before.authority == self.authority) {
            touched
        } else {
            all = self.members.keys().chain(self.former.keys()).map(|(subject, _)| *subject).collect();
            &all
        };
        for subject in subjects {
            self.settle_member(*subject);
        }
        // Last, for a revocation of oneself needs the member's statement beside it.
        let mut revokes = core::mem::take(&mut self.revokes);
        revokes.retain(|(subject, issuer, _), _| subject != issuer || self.is_somebody(*subject));
        self.revokes = revokes;
    }

    /// Parts the statements about one node into those that count and those that may count again.
    fn settle_member(&mut self, subject: NodeId) {
        let about = (subject, NodeId([0; 32]))..=(subject, NodeId([0xff; 32]));
        let keys = self.members.range(about.clone()).chain(self.former.range(about)).map(|(key, _)| *key);
        let keys: BTreeSet<(NodeId, NodeId)> = keys.collect();
        let revoked = self.revoked_by_others(subject);
        for key in keys {
            let members = Arc::make_mut(&mut self.members);
            let Some(statement) = members.remove(&key).max(self.former.remove(&key)) else { continue };
            let Claim::Member { serial, issuer, .. } = statement.claim else { continue };
            if self.authority.good().contains_key(&issuer) && revoked < Some(serial) {
                Arc::make_mut(&mut self.members).insert(key, statement);
            } else if self.former.len() < MEMBERS_MAX {
                self.former.insert(key, statement);
            }
        }
    }

    pub(super) fn is_within_limits(&self) -> bool {
        self.members.len() <= MEMBERS_MAX
            && self.links.len() <= ADMIN_LINKS_MAX
            && self.revokes.len() <= REVOCATIONS_MAX
            && self.authority.good().len() <= ADMINS_MAX
    }

    /// What counts about a member: the greatest serial that no revocation reaches, of the smallest issuer.
    pub(super) fn counting(&self, subject: NodeId) -> Option<(u64, NodeId, &Statement)> {
        let revoked = self.revocations_of(subject).map(|(_, upto)| upto).max();
        let mut best: Option<(u64, NodeId, &Statement)> = None;
        for statement in self.claims_about(subject) {
            let Claim::Member { serial, issuer, .. } = statement.claim else { continue };
            let counts = self.authority.good().contains_key(&issuer) && revoked < Some(serial);
            if counts && best.is_none_or(|(other, ..)| serial > other) {
                best = Some((serial, issuer, statement));
            }
        }
        best
    }

    /// What became of `self`, which took `taken`.
    pub(super) fn changes_to(&self, next: &Self, taken: &[&Statement]) -> Changes {
        let fresh = taken.iter().filter(|statement| next.holds(statement)).count();
        let mut changes = Changes {
            fresh,
            admins: !self.authority.good().keys().eq(next.authority.good().keys()),
            ..Changes::default()
        };
        let subjects: BTreeSet<NodeId> = if self.authority == next.authority {
            taken.iter().map(|statement| statement.claim.subject()).collect()
        } else {
            self.members.keys().chain(next.members.keys()).map(|(subject, _)| *subject).collect()
        };
        for subject in subjects {
            match (self.is_member(subject), next.is_member(subject)) {
                (false, true) => changes.joined.push(subject),
                (true, false) => changes.gone.push(subject),
                _ => {}
            }
        }
        changes
    }

    fn holds(&self, statement: &Statement) -> bool {
        let (subject, issuer) = (statement.claim.subject(), statement.claim.issuer());
        let held = match &statement.claim {
            Claim::Admin { .. } => self.links.get(&(subject, issuer)),
            Claim::Member { .. } => self.members.get(&(subject, issuer)),
            Claim::Revoke { successor, .. } => self.revokes.get(&(subject, issuer, successor.is_some())),
        };
        held == Some(statement)
    }
}
