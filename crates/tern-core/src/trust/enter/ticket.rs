//! A ticket: what one machine prints and another is given to enter the grid, as one word of letters and digits.
//!
//! It names the grid, the machine that made it and where that is, and holds a secret that is good once. Whoever reads it
//! can come in until it is used or expires, so it is shown once and never logged.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use super::letters;
use crate::trust::GridId;
use crate::words::NodeId;
use crate::words::limits::{ADDRESSES_MAX, TICKET_CHARS_MAX};

/// Version of a ticket's content.
pub const TICKET_VERSION: u8 = 1;
/// Every ticket begins so, in capitals or not.
const PREFIX: &str = "TERN1";
/// Version (1), length of the content (2), a checksum of these three (1).
const HEAD_BYTES: usize = 4;
/// CRC-32 of head and content, behind them.
const TAIL_BYTES: usize = 4;

/// An invitation with its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub grid: GridId,
    /// The node key of the machine that made it.
    pub issuer: NodeId,
    /// The secret key that is good once.
    pub secret: [u8; 32],
    /// The machine that comes becomes an admin, too.
    pub admin: bool,
    /// By the issuer's clock. For the reader to know; only the issuer decides.
    pub expires_ms: u64,
    /// Where the issuer is; at most [`ADDRESSES_MAX`].
    pub addresses: Vec<SocketAddr>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grid, issuer, secret: _, admin, expires_ms, addresses } = self;
        f.debug_struct("Ticket")
            .field("grid", grid)
            .field("issuer", issuer)
            .field("secret", &"hidden")
            .field("admin", admin)
            .field("expires_ms", expires_ms)
            .field("addresses", addresses)
            .finish()
    }
}

/// Why a text is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketError {
    /// It does not begin as tickets do.
    Prefix,
    /// A letter is wrong.
    Mistyped,
    /// Its end is missing.
    Truncated,
    /// Something stands after its end.
    Trailing,
    Version {
        theirs: u8,
    },
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("no ticket: a ticket begins with tern1"),
            Self::Mistyped => f.write_str("the ticket is mistyped: its checksum does not fit; copy it again"),
            Self::Truncated => f.write_str("the end of the ticket is missing; copy the whole of it"),
            Self::Trailing => f.write_str("something stands after the end of the ticket; copy it alone"),
            Self::Version { theirs } => {
                write!(f, "a ticket of version {theirs}, this tern reads {TICKET_VERSION}; update this machine's tern")
            }
        }
    }
}

impl core::error::Error for TicketError {}

fn head(version: u8, length: u16) -> [u8; HEAD_BYTES] {
    let [low, high] = length.to_le_bytes();
    [version, low, high, crc32fast::hash(&[version, low, high]) as u8]
}

impl Ticket {
    /// The ticket in capitals and digits, as a QR code packs them best. Addresses beyond [`ADDRESSES_MAX`] are left out.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut ticket = self.clone();
        ticket.addresses.truncate(ADDRESSES_MAX);
        // Into a growing vector nothing can fail.
        let content = postcard::to_extend(&ticket, Vec::new()).unwrap_or_default();
        let mut bytes = head(TICKET_VERSION, content.len() as u16).to_vec();
        bytes.extend(content);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let mut text = String::from(PREFIX);
        letters::write(&bytes, &mut text);
        text
    }

    /// Reads a ticket, in capitals or not, with blanks around it or not.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        let (prefix, rest) = text.split_at_checked(PREFIX.len()).ok_or(TicketError::Prefix)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return Err(TicketError::Prefix);
        }
        if text.len() > TICKET_CHARS_MAX {
            return Err(TicketError::Trailing);
        }
        let bytes = letters::read(rest).ok_or(TicketError::Mistyped)?;
        let (found, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(TicketError::Truncated)?;
        let length = u16::from_le_bytes([found[1], found[2]]);
        if *found != head(found[0], length) {
            return Err(TicketError::Mistyped);
        }
        let end = HEAD_BYTES + usize::from(length);
        // Letters, not bytes: one letter more may hold no whole byte.
        let wanted = ((end + TAIL_BYTES) * 8).div_ceil(5);
        match rest.len().cmp(&wanted) {
            core::cmp::Ordering::Less => return Err(TicketError::Truncated),
            core::cmp::Ordering::Greater => return Err(TicketError::Trailing),
            core::cmp::Ordering::Equal => {}
        }
        let (content, sum) = bytes.split_at(end);
        if sum != crc32fast::hash(content).to_le_bytes() {
            return Err(TicketError::Mistyped);
        }
        if found[0] != TICKET_VERSION {
            return Err(TicketError::Version { theirs: found[0] });
        }
        let read = postcard::take_from_bytes::<Self>(&content[HEAD_BYTES..]);
        let (ticket, after) = read.map_err(|_| TicketError::Mistyped)?;
        if !after.is_empty() || ticket.addresses.len() > ADDRESSES_MAX {
            return Err(TicketError::Trailing);
        }
        // The last letter holds bits that belong to no byte.
        if ticket.to_text().eq_ignore_ascii_case(text) { Ok(ticket) } else { Err(TicketError::Mistyped) }
    }
}
