//! Frames on the socket between agent and warden: a `u32` little-endian length, then postcard.
//!
//! A frame has a limit, and a peer that breaks it is hung up on: both ends run as the same user from the same binary,
//! so a bad frame means a bug or a foreign program, never something to be patient with.

use std::io::{self, Read};

use serde::{Serialize, de::DeserializeOwned};
use tern_core::words::limits::FRAME_BYTES_MAX;

const LENGTH_BYTES: usize = 4;
const READ_BYTES: usize = 16 << 10;

/// Why a stream of frames cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes passes the limit of {FRAME_BYTES_MAX}")]
    TooLong(usize),
    #[error("a frame that does not decode: {0}")]
    Undecodable(postcard::Error),
}

/// Appends one frame.
///
/// # Errors
/// [`FrameError::TooLong`]; `out` is then as before.
pub fn push<T: Serialize>(out: &mut Vec<u8>, message: &T) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    *out = postcard::to_extend(message, std::mem::take(out)).map_err(FrameError::Undecodable)?;
    let length = out.len() - start - LENGTH_BYTES;
    if length > FRAME_BYTES_MAX {
        out.truncate(start);
        return Err(FrameError::TooLong(length));
    }
    out[start..start + LENGTH_BYTES].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

/// Bytes read and not yet understood.
#[derive(Default)]
pub struct Frames {
    buffer: Vec<u8>,
    start: usize,
}

impl Frames {
    /// Reads once; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of the source, `WouldBlock` and `Interrupted` included.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.capacity() > 4 * READ_BYTES && self.buffer.len() < READ_BYTES {
            self.buffer.shrink_to(READ_BYTES);
        }
        let end = self.buffer.len();
        self.buffer.resize(end + READ_BYTES, 0);
        let read = source.read(&mut self.buffer[end..]);
        self.buffer.truncate(end + *read.as_ref().unwrap_or(&0));
        read
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    /// [`FrameError`]: the stream is of no use any more.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.buffer[self.start..];
        let Some((length, body)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(length));
        }
        let Some(payload) = body.get(..length) else { return Ok(None) };
        let message = postcard::from_bytes(payload).map_err(FrameError::Undecodable)?;
        self.start += LENGTH_BYTES + length;
        Ok(Some(message))
    }
}
