//! Who may enter: keys that were admitted, and nobody else.

use std::collections::BTreeSet;
use std::sync::Arc;

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks};
use tern_core::words::NodeId;

/// Tells a refused peer why, as HTTP would.
const FORBIDDEN: u32 = 403;

/// The admitted keys.
#[derive(Debug, Clone)]
pub struct Members(Arc<BTreeSet<[u8; 32]>>);

impl Members {
    pub fn new(keys: impl Iterator<Item = NodeId>) -> Self {
        Self(Arc::new(keys.map(|node| node.0).collect()))
    }
}

impl EndpointHooks for Members {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if self.0.contains(connection.remote_id().as_bytes()) {
            return AfterHandshakeOutcome::Accept;
        }
        tracing::warn!(key = %connection.remote_id(), "a key that was not admitted was refused");
        AfterHandshakeOutcome::Reject { error_code: FORBIDDEN.into(), reason: b"this key was not admitted".to_vec() }
    }
}
