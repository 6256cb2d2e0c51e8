//! What goes to the agent.
//!
//! A frame is written by whoever has something to say, without waiting: a stopped agent must not stop the committer.
//! What the socket does not take stays here; it cannot grow beyond what was ordered, since everything said is an answer.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::process::frame;
use crate::process::protocol::FromWarden;

/// One client's outgoing frames.
pub struct Outbox {
    stream: Arc<UnixStream>,
    backlog: Vec<u8>,
    broken: bool,
}

impl Outbox {
    /// `stream` does not block.
    #[must_use]
    pub fn new(stream: Arc<UnixStream>) -> Self {
        Self { stream, backlog: Vec::new(), broken: false }
    }

    /// True: the socket did not take all of it, and somebody must look when it becomes writable.
    pub fn send(&mut self, message: &FromWarden) -> bool {
        if self.broken {
            return false;
        }
        if let Err(error) = frame::push(&mut self.backlog, message) {
            eprintln!("tern warden: a message to the agent was left out: {error}");
        }
        self.flush()
    }

    /// Writes what it can. True: the socket must become writable for the rest.
    pub fn flush(&mut self) -> bool {
        let mut done = 0;
        while done < self.backlog.len() && !self.broken {
            match (&*self.stream).write(&self.backlog[done..]) {
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The reading side notices the end of the client; the segments hold what it missed.
                Err(_) => self.broken = true,
            }
        }
        self.backlog.drain(..done);
        if self.broken {
            self.backlog.clear();
        }
        self.backlog.shrink_to(16 << 10);
        !self.backlog.is_empty()
    }
}
