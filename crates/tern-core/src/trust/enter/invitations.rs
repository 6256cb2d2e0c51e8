//! What an issuer remembers of its tickets, and how it judges who comes with one.
//!
//! Only public keys are kept: nobody can make a ticket of this list. A used one is remembered until it would have expired
//! and longer, so that its second user is told so, and the first one answered again if the answer was lost.

use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::talk::{Challenge, Hello, Proof};
use crate::trust::roll::{Roll, Standing};
use crate::trust::sign::Verify;
use crate::words::NodeId;
use crate::words::limits::{INVITATION_SLACK, INVITATIONS_KEPT_MAX, INVITATIONS_OPEN_MAX};

/// One ticket, as its issuer knows it. Times are the issuer's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The public key of the ticket's secret.
    pub ticket: NodeId,
    pub made_ms: u64,
    pub expires_ms: u64,
    /// The machine that comes becomes an admin, too.
    pub admin: bool,
    pub used_by: Option<NodeId>,
}

/// The tickets of one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitations(Vec<Invitation>);

/// What arrived on one connection: both messages of the joiner and the challenge that it was given there.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub hello: &'a Hello,
    pub challenge: &'a Challenge,
    pub proof: &'a Proof,
    /// The issuer's own node key.
    pub issuer: NodeId,
}

/// Who may come in. The issuer admits, marks the invitation used, makes both durable, and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admit {
        admin: bool,
    },
    /// The same node by the same ticket: it was admitted, and is answered again. Nothing is to be changed.
    Again,
}

/// Why a joiner is not let in. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinRefusal {
    ForeignGrid,
    UnknownTicket,
    /// A signature does not fit: not the ticket's secret, not the node's key, or made for another connection.
    BadProof,
    /// Another machine came in by this ticket.
    Used,
    Expired,
    /// The issuer's clock stands before the time when it made the ticket.
    NotYetValid,
    /// The joiner's key was removed from the grid.
    RevokedKey,
    AlreadyMember,
    /// The issuer is no admin, or not any more.
    NotAdmin,
    /// The grid is full.
    Full,
    /// The issuer could not write down that it lets the node in.
    Unwritten,
}

impl JoinRefusal {
    /// One word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForeignGrid => "foreign_grid",
            Self::UnknownTicket => "unknown_ticket",
            Self::BadProof => "bad_proof",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::RevokedKey => "revoked_key",
            Self::AlreadyMember => "already_member",
            Self::NotAdmin => "not_admin",
            Self::Full => "full",
            Self::Unwritten => "unwritten",
        }
    }
}

impl fmt::Display for JoinRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForeignGrid => "the ticket is of another grid",
            Self::UnknownTicket => "this machine made no such ticket, or has forgotten it; make a new one",
            Self::BadProof => "the ticket's secret or the node's key was not proven",
            Self::Used => "the ticket was used by another machine; make a new one",
            Self::Expired => "the ticket has expired; make a new one",
            Self::NotYetValid => "the clock of the machine that made the ticket was set back since; make a new one",
            Self::RevokedKey => {
                "this machine was removed from the grid; to come back it needs a new key, and so a new state folder"
            }
            Self::AlreadyMember => "this machine is a member already",
            Self::NotAdmin => "the machine that made the ticket is no admin any more; ask another one",
            Self::Full => "the grid is full",
            Self::Unwritten => {
                "the machine that made the ticket could not write it down; see to its disk, then use the ticket again"
            }
        })
    }
}

impl core::error::Error for JoinRefusal {}

impl Invitations {
    #[must_use]
    pub fn list(&self) -> &[Invitation] {
        &self.0
    }

    /// Those that may still be used.
    pub fn open(&self, now_ms: u64) -> impl Iterator<Item = &Invitation> {
        self.0.iter().filter(move |one| one.used_by.is_none() && now_ms < one.expires_ms)
    }

    /// Remembers a new one, and forgets the oldest that are over. `false`, and nothing is changed, where
    /// [`INVITATIONS_OPEN_MAX`] are open or the ticket is known.
    #[must_use]
    pub fn add(&mut self, invitation: Invitation) -> bool {
        let now_ms = invitation.made_ms;
        let known = self.0.iter().any(|one| one.ticket == invitation.ticket);
        if known || self.open(now_ms).count() >= INVITATIONS_OPEN_MAX {
            return false;
        }
        while self.0.len() >= INVITATIONS_KEPT_MAX {
            let over = self.0.iter().position(|one| one.used_by.is_some() || now_ms >= one.expires_ms);
            let Some(over) = over else { return false };
            self.0.remove(over);
        }
        self.0.push(invitation);
        true
    }

    /// Takes an open invitation back. Whether there was one.
    #[must_use]
    pub fn withdraw(&mut self, ticket: NodeId) -> bool {
        let before = self.0.len();
        self.0.retain(|one| one.ticket != ticket || one.used_by.is_some());
        self.0.len() < before
    }

    /// Marks an invitation used. To be durable before the joiner is answered. Whether it was free, or used by this very node.
    #[must_use]
    pub fn mark_used(&mut self, ticket: NodeId, by: NodeId) -> bool {
        let Some(one) = self.0.iter_mut().find(|one| one.ticket == ticket) else { return false };
        *one.used_by.get_or_insert(by) == by
    }

    /// Judges a joiner. Who cannot prove the ticket learns nothing about it.
    pub fn judge(
        &self,
        roll: &Roll,
        arrival: &Arrival<'_>,
        now_ms: u64,
        verify: Verify,
    ) -> Result<Admission, JoinRefusal> {
        let Arrival { hello, challenge, proof, issuer } = *arrival;
        if hello.grid != roll.grid() {
            return Err(JoinRefusal::ForeignGrid);
        }
        let known = self.0.iter().find(|one| one.ticket == hello.ticket);
        let invitation = known.ok_or(JoinRefusal::UnknownTicket)?;
        if !hello.is_proven(issuer, challenge, proof, verify) {
            return Err(JoinRefusal::BadProof);
        }
        if roll.is_removed(hello.node) {
            return Err(JoinRefusal::RevokedKey);
        }
        let is_member = matches!(roll.standing(hello.node), Standing::Member { .. });
        match invitation.used_by {
            Some(by) if by != hello.node => return Err(JoinRefusal::Used),
            Some(_) if is_member => return Ok(Admission::Again),
            Some(_) => return Err(JoinRefusal::Used),
            None => {}
        }
        if now_ms.saturating_add(INVITATION_SLACK.as_ms()) < invitation.made_ms {
            return Err(JoinRefusal::NotYetValid);
        }
        if now_ms >= invitation.expires_ms {
            return Err(JoinRefusal::Expired);
        }
        if is_member {
            return Err(JoinRefusal::AlreadyMember);
        }
        Ok(Admission::Admit { admin: invitation.admin })
    }
}
