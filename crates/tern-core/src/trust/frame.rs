//! Statements and the talk of a join as bytes: a version, then postcard, nothing after it.
//!
//! What arrives is not trusted: it has a greatest size, and is refused if a single byte is left over.

use alloc::vec::Vec;
use core::fmt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::statement::Statement;
use crate::words::limits::{STATEMENT_BYTES_MAX, STATEMENT_LIST_BYTES_MAX, STATEMENT_LIST_MAX};

/// Version of everything in this module; bytes of another are refused with it.
pub const TRUST_VERSION: u16 = 1;

/// Why bytes are no statement, or none of the talk. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    TooLarge {
        bytes: usize,
        most: usize,
    },
    Version {
        theirs: u16,
    },
    /// Cut short, or beyond a limit.
    Malformed,
    Trailing {
        bytes: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, most } => write!(f, "{bytes} bytes; the limit is {most}"),
            Self::Version { theirs } => write!(f, "written in version {theirs}, this node reads {TRUST_VERSION}"),
            Self::Malformed => f.write_str("cut short, or nothing of this version"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes after the end"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Bytes of anything here.
#[must_use]
pub(super) fn seal<T: Serialize>(content: &T) -> Vec<u8> {
    let version = TRUST_VERSION.to_le_bytes().to_vec();
    // Into a growing vector, and with types that all have a form in postcard, nothing can fail.
    postcard::to_extend(content, version).unwrap_or_default()
}

pub(super) fn open<T: DeserializeOwned>(frame: &[u8], most: usize) -> Result<T, FrameError> {
    if frame.len() > most {
        return Err(FrameError::TooLarge { bytes: frame.len(), most });
    }
    let (version, body) = frame.split_first_chunk::<2>().ok_or(FrameError::Malformed)?;
    let theirs = u16::from_le_bytes(*version);
    if theirs != TRUST_VERSION {
        return Err(FrameError::Version { theirs });
    }
    let (content, rest) = postcard::take_from_bytes(body).map_err(|_| FrameError::Malformed)?;
    if rest.is_empty() { Ok(content) } else { Err(FrameError::Trailing { bytes: rest.len() }) }
}

impl Statement {
    /// The statement with its version, at most [`STATEMENT_BYTES_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        seal(self)
    }

    pub fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        open(frame, STATEMENT_BYTES_MAX)
    }
}

/// A list of statements, as nodes send it to each other and as the roll's file holds it.
#[must_use]
pub fn encode_list(statements: &[Statement]) -> Vec<u8> {
    seal(&statements)
}

/// Reads a list of at most [`STATEMENT_LIST_MAX`] statements.
pub fn decode_list(frame: &[u8]) -> Result<Vec<Statement>, FrameError> {
    open::<List>(frame, STATEMENT_LIST_BYTES_MAX).map(|list| list.0)
}

/// Statements, no more of them than a roll can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List(#[serde(deserialize_with = "bounded")] pub(super) Vec<Statement>);

/// A statement takes about as many bytes in memory as in a frame, so that the frame's size bounds what is built here.
pub(super) fn bounded<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Statement>, D::Error> {
    let list = Vec::<Statement>::deserialize(from)?;
    if list.len() > STATEMENT_LIST_MAX { Err(serde::de::Error::custom("a list beyond its limit")) } else { Ok(list) }
}
