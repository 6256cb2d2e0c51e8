//! One connection: frames in, and whether it has said who it is.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::process::frame::{FrameError, Frames};
use crate::process::protocol::ToWarden;

/// Reads at once at most, so that signals and the agent's death are not kept waiting.
const READS_MAX: usize = 64;

/// An accepted connection.
pub struct Client {
    pub stream: Arc<UnixStream>,
    /// Tells its events from those of earlier connections.
    pub token: u64,
    frames: Frames,
    /// Readable bytes were left for the next turn.
    over: bool,
}

impl Client {
    pub fn new(stream: UnixStream, token: u64) -> Self {
        Self { stream: Arc::new(stream), token, frames: Frames::default(), over: false }
    }

    /// Reads what there is.
    pub fn read(&mut self) {
        for _ in 0..READS_MAX {
            match self.frames.fill(&mut &*self.stream) {
                Ok(0) => self.over = true,
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.over = true,
            }
            return;
        }
    }

    /// The next message that was read.
    ///
    /// # Errors
    /// A bad frame: the connection is of no use any more.
    pub fn next_message(&mut self) -> Result<Option<ToWarden>, FrameError> {
        self.frames.next_frame()
    }

    /// The other end is gone, and all it said was read.
    pub const fn is_over(&self) -> bool {
        self.over
    }
}
