//! What can be asked of a roll: who is a member, who is an admin, what a key is, and whether two rolls are the same.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::name::Name;
use super::roll::{Admin, Member, Roll, Standing};
use super::sign::Verify;
use super::statement::{Claim, Statement};
use crate::words::NodeId;
use crate::words::limits::MEMBERS_MAX;

impl Roll {
    /// All members, each under a name that no other has: of two with the same one the smaller key keeps it.
    #[must_use]
    pub fn members(&self) -> BTreeMap<NodeId, Member> {
        let mut members = BTreeMap::new();
        let mut taken = BTreeSet::new();
        let mut doubles = Vec::new();
        let subjects: BTreeSet<NodeId> = self.members.keys().map(|(subject, _)| *subject).collect();
        for subject in subjects {
            let Some((serial, issuer, statement)) = self.counting(subject) else { continue };
            let Claim::Member { name, .. } = &statement.claim else { continue };
            if !taken.insert(name.clone()) {
                doubles.push(subject);
            }
            members.insert(subject, Member { serial, name: name.clone(), shown: name.clone(), issuer });
        }
        for subject in doubles {
            let Some(member) = members.get_mut(&subject) else { continue };
            member.shown = member.name.free(|name| taken.contains(name));
            taken.insert(member.shown.clone());
        }
        members
    }

    /// Keys of all members, in their order.
    pub fn member_keys(&self) -> impl Iterator<Item = NodeId> {
        let mut last = None;
        let subjects = self.members.keys().map(|(subject, _)| *subject);
        subjects.filter(move |key| last.replace(*key) != Some(*key)).filter(|key| self.is_member(*key))
    }

    /// The name of a member, as it was given.
    #[must_use]
    pub fn name_of(&self, node: NodeId) -> Option<&Name> {
        match &self.counting(node)?.2.claim {
            Claim::Member { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Admin keys that count, in the order of their keys.
    #[must_use]
    pub fn admins(&self) -> Vec<Admin> {
        let admin = |(key, place): (&NodeId, &super::authority::Place)| Admin {
            key: *key,
            machine: place.machine,
            issuer: place.issuer,
            depth: place.depth,
        };
        self.authority.good().iter().map(admin).collect()
    }

    #[must_use]
    pub fn is_admin(&self, key: NodeId) -> bool {
        self.authority.good().contains_key(&key)
    }

    /// Whether a node may be connected to. The question of every connection, and cheap.
    #[must_use]
    pub fn is_member(&self, node: NodeId) -> bool {
        self.counting(node).is_some()
    }

    /// Whether somebody else revoked this node, so that it may not come back by a ticket. One that left may.
    #[must_use]
    pub fn is_removed(&self, node: NodeId) -> bool {
        !self.is_member(node) && self.revoked_by_others(node).is_some()
    }

    #[must_use]
    pub fn standing(&self, key: NodeId) -> Standing {
        if let Some((serial, _, Statement { claim: Claim::Member { name, .. }, .. })) = self.counting(key) {
            return Standing::Member { serial, name: name.clone() };
        }
        if let Some(place) = self.authority.good().get(&key) {
            return Standing::Admin { machine: place.machine, depth: place.depth };
        }
        let revoked = self.authority.is_revoked(key) || self.revocations_of(key).next().is_some();
        if revoked { Standing::Revoked } else { Standing::Unknown }
    }

    /// Members that count no more because of a revocation; to be made durable beside the statements.
    #[must_use]
    pub fn former(&self) -> Vec<Statement> {
        self.former.values().cloned().collect()
    }

    /// Takes back what [`former`](Self::former) gave. What is not signed is left out.
    pub fn remember(&mut self, former: Vec<Statement>, verify: Verify) {
        for statement in former.into_iter().take(MEMBERS_MAX) {
            let is_member = matches!(statement.claim, Claim::Member { .. });
            if is_member && statement.is_signed(self.grid, verify) {
                self.former.insert((statement.claim.subject(), statement.claim.issuer()), statement);
            }
        }
        self.settle(None, &BTreeSet::new());
    }

    pub(super) fn statements_unordered(&self) -> impl Iterator<Item = &Statement> {
        self.links.values().chain(self.revokes.values()).chain(self.members.values())
    }

    /// All statements, in an order in which a new roll takes them.
    #[must_use]
    pub fn statements(&self) -> Vec<Statement> {
        let mut ordered: Vec<(u8, (u8, u8, u32), &Statement)> = self
            .statements_unordered()
            .map(|statement| (self.turn(statement), statement))
            .map(|((turn, place), statement)| (turn, place, statement))
            .collect();
        ordered.sort_by_key(|(turn, place, statement)| (*turn, *place, *statement));
        ordered.into_iter().map(|(_, _, statement)| statement.clone()).collect()
    }

    /// What the root took away; then links and successions by depth, those who say it before those they say it of; then
    /// revocations, then members, then those who revoked themselves.
    fn turn(&self, statement: &Statement) -> (u8, (u8, u8, u32)) {
        let place = |key: NodeId| self.authority.known(key).map_or((0, 0), |place| (place.depth, place.order));
        match &statement.claim {
            Claim::Revoke { issuer, .. } if *issuer == self.grid.0 => (0, (0, 0, 0)),
            Claim::Revoke { issuer, successor: Some(_), .. } => (1, (place(*issuer).0, 0, place(*issuer).1)),
            Claim::Admin { issuer, .. } => (1, (place(*issuer).0, 1, place(*issuer).1)),
            Claim::Revoke { issuer, subject, .. } if issuer != subject => (2, (0, 0, 0)),
            Claim::Member { .. } => (3, (0, 0, 0)),
            Claim::Revoke { .. } => (4, (0, 0, 0)),
        }
    }

    /// The same for equal rolls, and different for others but for chance. Not a proof against somebody who may sign.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(&self.grid.0.0);
        for statement in self.statements_unordered() {
            add(&statement.encode());
        }
        hash
    }
}
