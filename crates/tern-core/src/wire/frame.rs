//! Messages as bytes: a version, then postcard, nothing after it.
//!
//! What arrives is not trusted: a frame has a greatest size, lists have greatest lengths that are checked before they
//! are read, and a message is refused if a single byte is left over.

use alloc::vec::Vec;
use core::fmt;

use super::message::{Message, WIRE_VERSION};
use crate::words::limits::{FRAME_BYTES_MAX, SPEC_BYTES_MAX};

/// Why bytes are no message. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// More than [`FRAME_BYTES_MAX`] bytes.
    TooLarge { bytes: usize },
    /// The peer speaks another version; it is told so and left alone.
    Version { theirs: u16 },
    /// No message of this version: cut short, or beyond a limit.
    Malformed,
    /// Bytes after the end of the message.
    Trailing { bytes: usize },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "a message of {bytes} bytes; the limit is {FRAME_BYTES_MAX}"),
            Self::Version { theirs } => write!(f, "the peer speaks version {theirs}, this node {WIRE_VERSION}"),
            Self::Malformed => f.write_str("no message of this version"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes after the end of the message"),
        }
    }
}

impl core::error::Error for WireError {}

/// The frame of a message, without the length before it.
///
/// # Errors
/// [`WireError::TooLarge`]: the adapter put too much output or too many arguments into it.
pub fn try_encode(message: &Message) -> Result<Vec<u8>, WireError> {
    let frame = encode(message);
    if frame.len() > FRAME_BYTES_MAX { Err(WireError::TooLarge { bytes: frame.len() }) } else { Ok(frame) }
}

/// The frame of a message, however large.
#[must_use]
pub fn encode(message: &Message) -> Vec<u8> {
    let version = WIRE_VERSION.to_le_bytes().to_vec();
    // Into a growing vector, and with types that all have a form in postcard, nothing can fail.
    postcard::to_extend(message, version).unwrap_or_default()
}

/// Reads a frame.
///
/// # Errors
/// [`WireError`]
pub fn decode(frame: &[u8]) -> Result<Message, WireError> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(WireError::TooLarge { bytes: frame.len() });
    }
    let (version, body) = frame.split_first_chunk::<2>().ok_or(WireError::Malformed)?;
    let theirs = u16::from_le_bytes(*version);
    if theirs != WIRE_VERSION {
        return Err(WireError::Version { theirs });
    }
    let (message, rest) = postcard::take_from_bytes::<Message>(body).map_err(|_| WireError::Malformed)?;
    if !rest.is_empty() {
        return Err(WireError::Trailing { bytes: rest.len() });
    }
    if let Message::Lend { spec, .. } = &message {
        let size = postcard::ser_flavors::Size::default();
        let bytes = postcard::serialize_with_flavor(&**spec, size).unwrap_or(usize::MAX);
        if bytes > SPEC_BYTES_MAX {
            return Err(WireError::Malformed);
        }
    }
    Ok(message)
}
