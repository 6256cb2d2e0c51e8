//! Lists of statements for what a person asks: found a grid, admit, make an admin, remove, rotate, leave, recover.
//!
//! Nothing here changes a roll. The caller applies the list to its own roll, makes it durable, and passes it on.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use super::name::Name;
use super::roll::{Member, Roll};
use super::sign::{GridId, Signer};
use super::statement::{Claim, FOR_GOOD, Statement};
use crate::words::NodeId;
use crate::words::limits::{ADMINS_MAX, MEMBERS_MAX};

/// Why no list was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// The key that would sign is no admin, or not any more.
    NotAdmin,
    NoSuchMember,
    /// A machine does not remove itself: it leaves.
    Itself,
    /// The node was removed; it needs a new key to come back.
    Removed,
    /// This machine's admin key was made by the machine that is to go, and falls with it: the recovery key is needed.
    NeedsRecovery,
    /// A limit of the grid would be passed.
    Full,
    /// As many links from the root as may be; let an admin nearer to the root do it.
    TooDeep,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAdmin => "this machine is no admin of the grid",
            Self::NoSuchMember => "no such member",
            Self::Itself => "a machine does not remove itself; let it leave",
            Self::Removed => "the node was removed; it needs a new key to come back",
            Self::NeedsRecovery => "this machine was made an admin by the one that is to go; use the recovery key",
            Self::Full => "the grid is full",
            Self::TooDeep => "too many links to the root; let the machine that made this one an admin do it",
        })
    }
}

impl core::error::Error for Impossible {}

fn say(roll: &Roll, claim: Claim, by: &Signer<'_>) -> Statement {
    Statement::sign(roll.grid(), claim, by)
}

/// Founds a grid: the root makes the first admin, which admits its own machine.
#[must_use]
pub fn found(root: &Signer<'_>, admin: &Signer<'_>, node: NodeId, name: &Name) -> Vec<Statement> {
    let grid = GridId(root.key);
    let first = Claim::Admin { subject: admin.key, issuer: root.key, machine: node };
    let member = Claim::Member { subject: node, issuer: admin.key, serial: 1, name: name.clone() };
    [Statement::sign(grid, first, root), Statement::sign(grid, member, admin)].into()
}

/// Admits a node, under the name it wished for or the next free one. Empty where it is a member.
pub fn admit(roll: &Roll, by: &Signer<'_>, node: NodeId, wished: &Name) -> Result<Vec<Statement>, Impossible> {
    if !roll.is_admin(by.key) {
        return Err(Impossible::NotAdmin);
    }
    if roll.is_member(node) {
        return Ok(Vec::new());
    }
    if roll.members.len() >= MEMBERS_MAX {
        return Err(Impossible::Full);
    }
    let revoked = roll.revocations_of(node).map(|(_, upto)| upto).max().unwrap_or(0);
    let serial = revoked.checked_add(1).ok_or(Impossible::Removed)?;
    let members = roll.members();
    let taken: BTreeSet<&Name> = members.values().flat_map(|member| [&member.name, &member.shown]).collect();
    let name = wished.free(|name| taken.contains(name));
    Ok([say(roll, Claim::Member { subject: node, issuer: by.key, serial, name }, by)].into())
}

/// Makes `key`, which the node `machine` holds, an admin. `by` is an admin or the root.
pub fn make_admin(roll: &Roll, by: &Signer<'_>, key: NodeId, machine: NodeId) -> Result<Vec<Statement>, Impossible> {
    if by.key != roll.grid().0 && !roll.is_admin(by.key) {
        return Err(Impossible::NotAdmin);
    }
    if roll.is_revoked_admin(key) {
        return Err(Impossible::Removed);
    }
    if roll.admins().len() >= ADMINS_MAX && !roll.is_admin(key) {
        return Err(Impossible::Full);
    }
    let list = [say(roll, Claim::Admin { subject: key, issuer: by.key, machine }, by)];
    if roll.with(&list).is_admin(key) { Ok(list.into()) } else { Err(Impossible::TooDeep) }
}

/// Removes a node that holds no admin key; see [`remove_machine`] for any node.
pub fn revoke_member(roll: &Roll, by: &Signer<'_>, node: NodeId) -> Result<Vec<Statement>, Impossible> {
    if !roll.is_admin(by.key) {
        return Err(Impossible::NotAdmin);
    }
    let upto = roll.serial_of(node).ok_or(Impossible::NoSuchMember)?;
    Ok([say(roll, Claim::Revoke { subject: node, issuer: by.key, upto, successor: None }, by)].into())
}

/// A node leaves. Its admin key goes with it where nobody hangs on it; otherwise the key stays good, and is to be destroyed.
pub fn leave(roll: &Roll, node: &Signer<'_>, admin: Option<&Signer<'_>>) -> Result<Vec<Statement>, Impossible> {
    let upto = roll.serial_of(node.key).ok_or(Impossible::NoSuchMember)?;
    let revoke =
        |by: &Signer<'_>, upto| say(roll, Claim::Revoke { subject: by.key, issuer: by.key, upto, successor: None }, by);
    let mut list = Vec::from([revoke(node, upto)]);
    if let Some(admin) = admin.filter(|admin| roll.is_admin(admin.key)) {
        let needed = roll.members().iter().any(|(key, member)| member.issuer == admin.key && *key != node.key)
            || roll.admins().iter().any(|other| other.issuer == admin.key);
        if !needed {
            list.push(revoke(admin, FOR_GOOD));
        }
    }
    Ok(list)
}

/// What hangs on the admin keys `from`, signed anew by `to`, but for the nodes that go.
fn hand_over(roll: &Roll, to: &Signer<'_>, from: &BTreeSet<NodeId>, going: &[NodeId]) -> Vec<Statement> {
    let mut list = Vec::new();
    for admin in roll.admins() {
        if from.contains(&admin.issuer) && !from.contains(&admin.key) && admin.key != to.key {
            let claim = Claim::Admin { subject: admin.key, issuer: to.key, machine: admin.machine };
            list.push(say(roll, claim, to));
        }
    }
    for (subject, member) in roll.members() {
        if from.contains(&member.issuer) && !going.contains(&subject) {
            let Member { serial, name, .. } = member;
            list.push(say(roll, Claim::Member { subject, issuer: to.key, serial, name }, to));
        }
    }
    list
}

fn revoke_all(roll: &Roll, by: &Signer<'_>, keys: &BTreeSet<NodeId>) -> Vec<Statement> {
    let claim = |key: &NodeId| Claim::Revoke { subject: *key, issuer: by.key, upto: FOR_GOOD, successor: None };
    keys.iter().map(|key| say(roll, claim(key), by)).collect()
}

/// Removes a node and its admin keys: whoever hangs on these is signed anew by the remover first, so that nobody else drops
/// out.
pub fn remove_machine(roll: &Roll, by: &Signer<'_>, node: NodeId) -> Result<Vec<Statement>, Impossible> {
    if !roll.is_admin(by.key) {
        return Err(Impossible::NotAdmin);
    }
    let keys: BTreeSet<NodeId> = roll.keys_on(&[node]);
    if keys.contains(&by.key) {
        return Err(Impossible::Itself);
    }
    if keys.is_empty() && !roll.is_member(node) {
        return Err(Impossible::NoSuchMember);
    }
    let mut list = hand_over(roll, by, &keys, &[node]);
    if roll.is_member(node) {
        list.extend(revoke_member(roll, by, node)?);
    }
    list.extend(revoke_all(roll, by, &keys));
    all_others_stay(roll, &list, by.key, &[node]).map(|()| list)
}

/// Puts a new admin key in the place of an old one, on the same machine.
pub fn rotate(roll: &Roll, old: &Signer<'_>, new: &Signer<'_>) -> Result<Vec<Statement>, Impossible> {
    if !roll.is_admin(old.key) {
        return Err(Impossible::NotAdmin);
    }
    let successor = Some(new.key);
    let claim = Claim::Revoke { subject: old.key, issuer: old.key, upto: FOR_GOOD, successor };
    let mut list = Vec::from([say(roll, claim, old)]);
    list.extend(hand_over(roll, new, &[old.key].into(), &[]));
    all_others_stay(roll, &list, new.key, &[]).map(|()| list)
}

/// With the recovery key: makes `admin` on `machine` an admin right below the root, signs anew whoever hung on the admin keys
/// of the lost nodes, and takes from these all power that they ever had.
pub fn recover(
    roll: &Roll,
    root: &Signer<'_>,
    admin: &Signer<'_>,
    machine: NodeId,
    lost: &[NodeId],
) -> Result<Vec<Statement>, Impossible> {
    if root.key != roll.grid().0 {
        return Err(Impossible::NotAdmin);
    }
    if lost.contains(&machine) {
        return Err(Impossible::Itself);
    }
    let keys = roll.keys_on(lost);
    let mut list = make_admin(roll, root, admin.key, machine)?;
    let mut after = roll.with(&list);
    list.extend(hand_over(&after, admin, &keys, lost));
    // What the lost ones took away for a reason stays away; what a thief took away for good comes back.
    for statement in roll.revokes.values() {
        let Claim::Revoke { subject, issuer, upto, successor: None } = statement.claim else { continue };
        if keys.contains(&issuer) && subject != issuer && upto != FOR_GOOD {
            list.push(say(roll, Claim::Revoke { subject, issuer: admin.key, upto, successor: None }, admin));
        }
    }
    list.extend(revoke_all(roll, root, &keys));
    for node in lost {
        after = roll.with(&list);
        if after.is_member(*node) {
            list.extend(revoke_member(&after, admin, *node)?);
        }
    }
    after = roll.with(&list);
    // Those whose only admins a thief had revoked before: the statements about them are still there.
    for statement in roll.former.values() {
        let Claim::Member { subject, serial, ref name, .. } = statement.claim else { continue };
        let revoked = after.revocations_of(subject).any(|(_, upto)| upto >= serial);
        if !revoked && !lost.contains(&subject) && !after.is_member(subject) {
            let name = name.clone();
            list.push(say(roll, Claim::Member { subject, issuer: admin.key, serial, name }, admin));
        }
    }
    all_others_stay(roll, &list, admin.key, lost).map(|()| list)
}

/// Whether a list does what it is for: the one who signed stays an admin, and nobody drops out but those who are to go.
fn all_others_stay(roll: &Roll, list: &[Statement], by: NodeId, going: &[NodeId]) -> Result<(), Impossible> {
    let after = roll.with(list);
    if !after.is_admin(by) {
        return Err(Impossible::NeedsRecovery);
    }
    if !after.is_within_limits() {
        return Err(Impossible::Full);
    }
    let stays = |node: &NodeId| going.contains(node) || after.is_member(*node);
    if roll.members().keys().all(stays) { Ok(()) } else { Err(Impossible::TooDeep) }
}

impl Roll {
    /// This roll with statements that were just made here.
    fn with(&self, list: &[Statement]) -> Self {
        let mut after = self.clone();
        for statement in list {
            if !after.knows(statement) {
                after.keep(statement.clone());
            }
        }
        after.settle(Some(self), &list.iter().map(|statement| statement.claim.subject()).collect());
        after
    }

    fn serial_of(&self, node: NodeId) -> Option<u64> {
        self.counting(node).map(|(serial, ..)| serial)
    }

    /// Admin keys that these nodes hold or held.
    fn keys_on(&self, nodes: &[NodeId]) -> BTreeSet<NodeId> {
        self.authority.all_known().filter(|(_, place)| nodes.contains(&place.machine)).map(|(key, _)| *key).collect()
    }

    fn is_revoked_admin(&self, key: NodeId) -> bool {
        self.authority.is_revoked(key)
    }
}
