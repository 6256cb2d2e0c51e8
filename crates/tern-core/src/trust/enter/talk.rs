//! The four messages of a join, on a connection of their own.
//!
//! hello → challenge → proof → answer. A message that does not come in its turn ends the connection; a joiner whose
//! answer was lost says everything again and is answered again.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::JoinRefusal;
use crate::trust::frame::{self, FrameError};
use crate::trust::sign::{GridId, JOIN_NODE_TAG, JOIN_TICKET_TAG, Signature, Signer, Verify, signed_text};
use crate::trust::{Name, Statement};
use crate::words::NodeId;
use crate::words::limits::{STATEMENT_BYTES_MAX, STATEMENT_LIST_BYTES_MAX};

/// The joiner's first message: who it is, and by which ticket it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub grid: GridId,
    /// The public key of the ticket's secret.
    pub ticket: NodeId,
    pub node: NodeId,
    /// What the joiner would like to be called; the issuer may add a number.
    pub name: Name,
    /// A fresh key for the case that the ticket makes its bearer an admin.
    pub admin: NodeId,
    /// The joiner's clock. Decides nothing; the joiner is told how far it is off.
    pub wall_ms: u64,
}

/// The issuer's answer: 32 bytes that were never drawn before, so that no proof can be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub nonce: [u8; 32],
}

/// That the joiner holds the ticket's secret and its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub by_ticket: Signature,
    pub by_node: Signature,
}

/// How a join ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// All statements of the grid, the joiner's own among them; and the joiner's clock minus the issuer's.
    Welcome {
        #[serde(deserialize_with = "frame::bounded")]
        statements: Vec<Statement>,
        clock_ahead_ms: i64,
    },
    Refused {
        reason: JoinRefusal,
    },
}

/// Any of them, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Talk {
    Hello(Hello),
    Challenge(Challenge),
    Proof(Proof),
    Answer(Answer),
}

/// What both proofs are made over, beside tag and grid.
#[derive(Serialize)]
struct Proven<'a> {
    nonce: &'a [u8; 32],
    ticket: NodeId,
    node: NodeId,
    name: &'a Name,
    admin: NodeId,
    issuer: NodeId,
}

impl Talk {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        frame::seal(self)
    }

    /// Reads what a joiner sends, a hello or a proof: small, for it comes from strangers.
    pub fn decode_of_joiner(bytes: &[u8]) -> Result<Self, FrameError> {
        match frame::open(bytes, STATEMENT_BYTES_MAX)? {
            Self::Challenge(_) | Self::Answer(_) => Err(FrameError::Malformed),
            talk => Ok(talk),
        }
    }

    /// Reads what an issuer sends, a challenge or the answer.
    pub fn decode_of_issuer(bytes: &[u8]) -> Result<Self, FrameError> {
        match frame::open(bytes, STATEMENT_LIST_BYTES_MAX)? {
            Self::Hello(_) | Self::Proof(_) => Err(FrameError::Malformed),
            talk => Ok(talk),
        }
    }
}

impl Hello {
    fn texts(&self, issuer: NodeId, challenge: &Challenge) -> (Vec<u8>, Vec<u8>) {
        let Self { grid, ticket, node, ref name, admin, .. } = *self;
        let proven = Proven { nonce: &challenge.nonce, ticket, node, name, admin, issuer };
        (signed_text(JOIN_TICKET_TAG, grid, &proven), signed_text(JOIN_NODE_TAG, grid, &proven))
    }

    /// How far the joiner's clock is ahead of the issuer's, for the welcome.
    #[must_use]
    pub fn clock_ahead_ms(&self, now_ms: u64) -> i64 {
        let ahead = i128::from(self.wall_ms) - i128::from(now_ms);
        i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
    }

    /// Answers a challenge of the node `issuer`.
    #[must_use]
    pub fn prove(&self, issuer: NodeId, challenge: &Challenge, ticket: &Signer<'_>, node: &Signer<'_>) -> Proof {
        let (by_ticket, by_node) = self.texts(issuer, challenge);
        Proof { by_ticket: (ticket.sign)(&by_ticket), by_node: (node.sign)(&by_node) }
    }

    /// Whether both signatures are over this hello and this challenge.
    #[must_use]
    pub fn is_proven(&self, issuer: NodeId, challenge: &Challenge, proof: &Proof, verify: Verify) -> bool {
        let (by_ticket, by_node) = self.texts(issuer, challenge);
        verify(&self.ticket, &by_ticket, &proof.by_ticket) && verify(&self.node, &by_node, &proof.by_node)
    }
}
