//! How long lent work is somebody's: the arithmetic of leases, on boot time.
//!
//! Boot time counts while a laptop sleeps. The holder counts from the moment it asked, the granter from the moment it
//! answered, and waits a margin beyond: whatever the network did to the messages, the holder stops first.

use crate::words::Span;
use crate::words::limits::{LEASE_MARGIN, LEASE_RENEW, LEASE_TTL};

/// When the holder must have stopped. `asked` is its own boot time when it asked, nanoseconds.
#[must_use]
pub fn holder_ends(asked: u64) -> u64 {
    asked + LEASE_TTL
}

/// When the granter may give the work to another. `answered` is its own boot time when it answered.
#[must_use]
pub fn granter_ends(answered: u64) -> u64 {
    answered + LEASE_TTL + LEASE_MARGIN
}

/// When the holder asks again.
#[must_use]
pub fn renew_at(asked: u64) -> u64 {
    asked + LEASE_RENEW
}

/// Twice the last wait, up to `most`.
#[must_use]
pub fn back_off(last: Span, first: Span, most: Span) -> Span {
    Span(last.0.saturating_mul(2).clamp(first.0, most.0))
}
