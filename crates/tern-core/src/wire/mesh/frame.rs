//! Frames of a link: what must arrive, in order.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::record::{Record, Stamp};
use crate::trust::Statement;
use crate::wire::{WireError, bounded};
use crate::words::NodeId;
use crate::words::limits::{LINK_FRAME_BYTES_MAX, ZONE_BYTES_MAX};

/// Version of everything under `wire/mesh`; a peer with another one is told so and left alone.
pub const LINK_VERSION: u16 = 2;

/// One frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LinkFrame {
    /// The first frame in each direction.
    Hello {
        incarnation: u64,
        /// Takes the place of the link that there was: its end has lost the ground under it.
        instead: bool,
    },
    /// From now on the sender takes what it is sent; before, it only listens to introductions. With the digest of its roll:
    /// where the other end's differs, that one sends what it has.
    Listening {
        roll: u64,
        /// The zone to which it belongs, where only those of one zone know each other; None: everybody knows everybody.
        area: Option<String>,
    },
    /// Statements about who is in the grid, in an order in which they can be judged.
    Statements(#[serde(deserialize_with = "bounded::per_statement")] Vec<Statement>),
    /// The records that the sender has of the origins from one key to another, both included; the other end sends what is
    /// newer or missing among these.
    Digest {
        from: NodeId,
        to: NodeId,
        #[serde(deserialize_with = "bounded::per_record")]
        stamps: Vec<Stamp>,
    },
    Records(#[serde(deserialize_with = "bounded::per_record")] Vec<Record>),
}

/// The bytes of a frame, without the length before it.
#[must_use]
pub fn encode_frame(frame: &LinkFrame) -> Vec<u8> {
    let version = LINK_VERSION.to_le_bytes().to_vec();
    // Into a growing vector, and with types that all have a form in postcard, nothing can fail.
    postcard::to_extend(frame, version).unwrap_or_default()
}

/// Reads a frame.
///
/// # Errors
/// [`WireError`]
pub fn decode_frame(bytes: &[u8]) -> Result<LinkFrame, WireError> {
    if bytes.len() > LINK_FRAME_BYTES_MAX {
        return Err(WireError::TooLarge { bytes: bytes.len() });
    }
    let (version, body) = bytes.split_first_chunk::<2>().ok_or(WireError::Malformed)?;
    let theirs = u16::from_le_bytes(*version);
    if theirs != LINK_VERSION {
        return Err(WireError::Version { theirs });
    }
    let (frame, rest) = postcard::take_from_bytes(body).map_err(|_| WireError::Malformed)?;
    if matches!(&frame, LinkFrame::Listening { area: Some(zone), .. } if zone.len() > ZONE_BYTES_MAX) {
        return Err(WireError::Malformed);
    }
    if rest.is_empty() { Ok(frame) } else { Err(WireError::Trailing { bytes: rest.len() }) }
}
