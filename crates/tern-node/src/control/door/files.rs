//! The calls that copy files, and what they hear while they run.

use std::collections::VecDeque;

use hyper::Method;
use serde::Serialize;

use super::reach::Incoming;
use super::{Door, DoorError};
use crate::control::api::files::{CopyRequest, ShareRequest};
use crate::files::wire::{Event, MESSAGE_BYTES_MAX};

/// What happens to a copy, as it happens.
pub struct Happened {
    incoming: Incoming,
    begun: Vec<u8>,
    ready: VecDeque<Event>,
}

impl Happened {
    /// The next event; None when the agent ended before the copy did.
    pub async fn next(&mut self) -> Result<Option<Event>, DoorError> {
        while self.ready.is_empty() {
            let Some(chunk) = self.incoming.chunk().await? else { return Ok(None) };
            self.begun.extend_from_slice(&chunk);
            while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.begun.drain(..=end).collect();
                self.ready.push_back(serde_json::from_slice(&line).map_err(std::io::Error::from)?);
            }
            if self.begun.len() > MESSAGE_BYTES_MAX {
                return Err(DoorError::Io(std::io::Error::other("a line without an end")));
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl Door {
    pub async fn copy(&self, request: &CopyRequest) -> Result<Happened, DoorError> {
        self.happens("/v1/copies", request).await
    }

    pub async fn share(&self, request: &ShareRequest) -> Result<Happened, DoorError> {
        self.happens("/v1/shares", request).await
    }

    async fn happens(&self, path: &str, request: &impl Serialize) -> Result<Happened, DoorError> {
        let body = serde_json::to_vec(request).map_err(std::io::Error::from)?;
        let incoming = self.reach.open_once(Method::POST, path, body).await?;
        Ok(Happened { incoming, begun: Vec::new(), ready: VecDeque::new() })
    }
}
