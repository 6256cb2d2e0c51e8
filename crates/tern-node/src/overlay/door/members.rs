//! Who may enter: keys on the grid's roll, and nobody else. Only the door for joining is open to strangers, and only where
//! invitations were made that are still remembered; behind it nobody is let in without one that is good.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks, Side};
use tern_core::words::NodeId;

use crate::overlay::JOIN_ALPN;

/// Tells a refused peer why, as HTTP would.
pub const FORBIDDEN: u32 = 403;

/// Between two lines in the log about strangers.
const TOLD_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Shared {
    admitted: RwLock<HashSet<[u8; 32]>>,
    inviting: AtomicBool,
    refused: AtomicU64,
    told: Mutex<Option<Instant>>,
}

/// The admitted keys; all copies are one.
#[derive(Debug, Clone, Default)]
pub struct Members(Arc<Shared>);

impl Members {
    pub fn replace(&self, keys: &[NodeId]) {
        let keys = keys.iter().map(|node| node.0).collect();
        *self.0.admitted.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub fn has(&self, key: &[u8; 32]) -> bool {
        self.0.admitted.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Whether strangers may knock at the door for joining.
    pub fn set_inviting(&self, inviting: bool) {
        self.0.inviting.store(inviting, Relaxed);
    }

    /// Whether it is time to say that strangers come: they must not fill the disk with it.
    fn tells(&self) -> bool {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = told.is_none_or(|at| at.elapsed() >= TOLD_EVERY);
        if now {
            *told = Some(Instant::now());
        }
        now
    }

    /// Strangers turned away since the start.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }
}

impl EndpointHooks for Members {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if self.has(connection.remote_id().as_bytes()) {
            return AfterHandshakeOutcome::Accept;
        }
        // Who knocks here with a ticket; or this node, which knocks elsewhere.
        let knocks = connection.alpn() == JOIN_ALPN;
        if knocks && (connection.side() == Side::Client || self.0.inviting.load(Relaxed)) {
            return AfterHandshakeOutcome::Accept;
        }
        let refused = self.0.refused.fetch_add(1, Relaxed) + 1;
        if self.tells() {
            tracing::warn!(key = %connection.remote_id(), refused, "a key that is not in this grid was refused");
        }
        let reason: &[u8] = if knocks { b"no invitation is open here" } else { b"this key is not in this grid" };
        AfterHandshakeOutcome::Reject { error_code: FORBIDDEN.into(), reason: reason.to_vec() }
    }
}
