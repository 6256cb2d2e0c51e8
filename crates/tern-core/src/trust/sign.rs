//! Signatures, and what they are made over.
//!
//! Whatever is signed begins with a tag of its purpose and the grid's id, so that nothing signed for one purpose, or for
//! one grid, passes for another.

use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::words::NodeId;

/// Begins the text of every statement.
pub const STATEMENT_TAG: &[u8] = b"tern statement 1";
/// Begins what a joining node signs with its ticket's key.
pub const JOIN_TICKET_TAG: &[u8] = b"tern join 1 by ticket";
/// Begins what a joining node signs with its own key.
pub const JOIN_NODE_TAG: &[u8] = b"tern join 1 by node";

/// A grid *is* the public key of its root, whose secret is kept away from all machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GridId(pub NodeId);

impl fmt::Debug for GridId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for GridId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An ed25519 signature; in the simulator, a checksum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}{:02x}…", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Arrays up to 32 have a form of their own; two of them are 64 plain bytes.
        let (mut first, mut second) = ([0; 32], [0; 32]);
        first.copy_from_slice(&self.0[..32]);
        second.copy_from_slice(&self.0[32..]);
        (first, second).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (first, second) = <([u8; 32], [u8; 32])>::deserialize(from)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&first);
        bytes[32..].copy_from_slice(&second);
        Ok(Self(bytes))
    }
}

/// Whether `signature` is one over `message` by the holder of `key`.
pub type Verify = fn(key: &NodeId, message: &[u8], signature: &Signature) -> bool;

/// A key that is at hand: its public half, and how to sign with the other.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    pub key: NodeId,
    pub sign: &'a dyn Fn(&[u8]) -> Signature,
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

/// The text that is signed: tag, grid, content.
#[must_use]
pub fn signed_text(tag: &[u8], grid: GridId, content: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::with_capacity(256);
    text.extend_from_slice(tag);
    text.extend_from_slice(&grid.0.0);
    // Into a growing vector, and with types that all have a form in postcard, nothing can fail.
    postcard::to_extend(content, text).unwrap_or_default()
}
