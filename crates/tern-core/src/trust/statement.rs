//! What an admin can say about a key, and its signature.
//!
//! Three sentences are enough: this key is an admin, this key is a member, this key is revoked. A statement never
//! changes; a newer one stands beside it or takes its place.

use serde::{Deserialize, Serialize};

use super::sign::{GridId, STATEMENT_TAG, Signature, Signer, Verify, signed_text};
use crate::trust::Name;
use crate::words::NodeId;

/// `upto` of a revocation that is for good, and that also reaches admin keys.
pub const FOR_GOOD: u64 = u64::MAX;

/// What is said. Every key is a public key; `issuer` is whose signature stands below.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Claim {
    /// `subject` is an admin key, held by the node `machine`. Said by an admin or by the root.
    Admin { subject: NodeId, issuer: NodeId, machine: NodeId },
    /// The node `subject` is a member. Said by an admin. A greater serial replaces a smaller one.
    Member { subject: NodeId, issuer: NodeId, serial: u64, name: Name },
    /// `subject` is no member up to this serial, and no admin if it is [`FOR_GOOD`]. Said by an admin, by the root, or by
    /// the subject; an admin key that revokes itself may name the key that takes its place.
    Revoke { subject: NodeId, issuer: NodeId, upto: u64, successor: Option<NodeId> },
}

impl Claim {
    #[must_use]
    pub const fn subject(&self) -> NodeId {
        match self {
            Self::Admin { subject, .. } | Self::Member { subject, .. } | Self::Revoke { subject, .. } => *subject,
        }
    }
    #[must_use]
    pub const fn issuer(&self) -> NodeId {
        match self {
            Self::Admin { issuer, .. } | Self::Member { issuer, .. } | Self::Revoke { issuer, .. } => *issuer,
        }
    }
}

/// A claim and the signature of its issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Statement {
    pub claim: Claim,
    pub signature: Signature,
}

impl Statement {
    /// Signs a claim for one grid. The claim's issuer is the signer.
    #[must_use]
    pub fn sign(grid: GridId, claim: Claim, by: &Signer<'_>) -> Self {
        let signature = (by.sign)(&signed_text(STATEMENT_TAG, grid, &claim));
        Self { claim, signature }
    }

    /// Whether the issuer signed this claim for this grid. Says nothing about whether the issuer may say so.
    #[must_use]
    pub fn is_signed(&self, grid: GridId, verify: Verify) -> bool {
        verify(&self.claim.issuer(), &signed_text(STATEMENT_TAG, grid, &self.claim), &self.signature)
    }
}
