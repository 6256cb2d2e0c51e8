//! Records: what a node says of itself to everybody, signed, with a sequence, carried on by everybody.
//!
//! Four kinds are flooded. The *profile* (name, zone, facts) changes seldom and is sent again every ten minutes. The *adjacency*
//! (addresses, neighbours with round-trip times) changes with every link. In a grid with zones both stay inside their zone, and two
//! nodes of each tell all others the [*roster*](super::roster) and the *load* of the whole. How loaded a node is travels apart, unsigned, in
//! [`beat`](super::beat), since it is said every second and believed for a few.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use super::roster::{Load, Roster};
use crate::observe::Facts;
use crate::trust::{GridId, Signature, Verify};
use crate::wire::WireError;
use crate::wire::bounded;
use crate::words::limits::{NODE_ADDRESSES_MAX, RECORD_BYTES_MAX, ROSTER_BYTES_MAX, ZONE_BYTES_MAX};
use crate::words::{Bytes, NodeId};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Profile,
    Adjacency,
    Roster,
    Load,
}

impl Kind {
    /// Whether it is for all zones.
    #[must_use]
    pub const fn is_for_all(self) -> bool {
        matches!(self, Self::Roster | Self::Load)
    }
}

/// Names one record: of each node and kind only the one with the greatest sequence counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    pub origin: NodeId,
    pub kind: Kind,
    pub sequence: u64,
}

/// A signed record, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub stamp: Stamp,
    /// A [`Profile`], an [`Adjacency`], a [`Roster`] or a [`Load`]; each begins with the incarnation of its origin.
    pub body: Bytes,
    pub signature: Signature,
}

/// Who a node is, beyond its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Random at each start of the node: two machines with one key are told apart by it.
    pub incarnation: u64,
    /// Segments of a nested zone from the outermost, joined by `/`; empty: no zone.
    pub zone: String,
    pub facts: Facts,
}

/// Whom a node sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjacency {
    pub incarnation: u64,
    /// Where links to it are dialled.
    #[serde(deserialize_with = "bounded::per_address")]
    pub link_addresses: Vec<SocketAddr>,
    /// Where its other endpoint is reached without a hop.
    #[serde(deserialize_with = "bounded::per_address")]
    pub main_addresses: Vec<SocketAddr>,
    #[serde(deserialize_with = "bounded::per_link")]
    pub neighbours: Vec<Neighbour>,
    /// The same in other zones.
    #[serde(deserialize_with = "bounded::per_link")]
    pub borders: Vec<Neighbour>,
    /// Keys that a second machine claims, as this node has seen.
    #[serde(deserialize_with = "bounded::per_address")]
    pub disputed: Vec<NodeId>,
    /// It says good-bye: it is gone at once, and no link of it counts.
    pub leaving: bool,
}

impl Adjacency {
    /// Whether it lists this node as a neighbour.
    #[must_use]
    pub fn names(&self, node: &NodeId) -> bool {
        self.neighbours.iter().any(|neighbour| neighbour.node == *node)
    }
}

/// One link as its one end sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    pub node: NodeId,
    /// Rounded, so that a jitter does not change the record.
    pub rtt_us: u32,
}

impl Record {
    /// The text that is signed: for one purpose, one grid and one record.
    #[must_use]
    pub fn signed_text(grid: &GridId, stamp: &Stamp, body: &[u8]) -> Vec<u8> {
        let mut text = b"tern record 1".to_vec();
        text.extend_from_slice(&grid.0.0);
        text.extend_from_slice(&stamp.origin.0);
        text.push(match stamp.kind {
            Kind::Profile => 0,
            Kind::Adjacency => 1,
            Kind::Roster => 2,
            Kind::Load => 3,
        });
        text.extend_from_slice(&stamp.sequence.to_le_bytes());
        text.extend_from_slice(body);
        text
    }

    /// Signs a body.
    pub fn sign(grid: &GridId, stamp: Stamp, body: Vec<u8>, sign: &dyn Fn(&[u8]) -> Signature) -> Self {
        let signature = sign(&Self::signed_text(grid, &stamp, &body));
        Self { stamp, body: Bytes(body), signature }
    }

    /// Whether its origin signed it. The dearest of all checks: made after every other.
    #[must_use]
    pub fn is_genuine(&self, grid: &GridId, verify: Verify) -> bool {
        verify(&self.stamp.origin, &Self::signed_text(grid, &self.stamp, &self.body), &self.signature)
    }

    /// The life of its origin in which it was said: that stands first in every body. Nothing is checked.
    #[must_use]
    pub fn incarnation(&self) -> Option<u64> {
        postcard::take_from_bytes(&self.body).ok().map(|(incarnation, _)| incarnation)
    }

    /// # Errors
    /// The body is none of its kind, or beyond a limit.
    pub fn profile(&self) -> Result<Profile, WireError> {
        let profile: Profile = self.read()?;
        let good = profile.zone.len() <= ZONE_BYTES_MAX && profile.facts.check().is_ok();
        if good { Ok(profile) } else { Err(WireError::Malformed) }
    }

    /// # Errors
    /// The body is none of its kind, or beyond a limit.
    pub fn adjacency(&self) -> Result<Adjacency, WireError> {
        self.read()
    }

    /// # Errors
    /// The body is none of its kind, or beyond a limit.
    pub fn roster(&self) -> Result<Roster, WireError> {
        let roster: Roster = self.read_up_to(ROSTER_BYTES_MAX)?;
        if roster.is_sound() { Ok(roster) } else { Err(WireError::Malformed) }
    }

    /// # Errors
    /// The body is none of its kind, or beyond a limit.
    pub fn load(&self) -> Result<Load, WireError> {
        let load: Load = self.read()?;
        if load.zone.len() <= ZONE_BYTES_MAX { Ok(load) } else { Err(WireError::Malformed) }
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, WireError> {
        self.read_up_to(RECORD_BYTES_MAX)
    }

    fn read_up_to<'a, T: Deserialize<'a>>(&'a self, most: usize) -> Result<T, WireError> {
        if self.body.len() > most {
            return Err(WireError::TooLarge { bytes: self.body.len() });
        }
        let (value, rest) = postcard::take_from_bytes(&self.body).map_err(|_| WireError::Malformed)?;
        if rest.is_empty() { Ok(value) } else { Err(WireError::Trailing { bytes: rest.len() }) }
    }
}

/// The bytes of a body.
#[must_use]
pub fn body<T: Serialize>(value: &T) -> Vec<u8> {
    // Into a growing vector, and with types that all have a form in postcard, nothing can fail.
    postcard::to_extend(value, Vec::new()).unwrap_or_default()
}

const _: () = assert!(NODE_ADDRESSES_MAX <= 16, "an adjacency must stay a small record");
