//! Time as an argument.
//!
//! Two clocks, since laptops sleep: *boot* time counts through suspend and decides leases; *mono* time stands still
//! in suspend and decides task time-outs, so that a resume does not kill every task. *Wall* time is for people only.

use core::ops::Add;
use serde::{Deserialize, Serialize};

/// What the clocks say at one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Now {
    /// CLOCK_BOOTTIME, nanoseconds.
    pub boot: u64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub mono: u64,
    /// Unix time in milliseconds; may jump either way, never used to decide.
    pub wall_ms: u64,
}

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span(pub u64);

impl Span {
    #[must_use]
    pub const fn ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }
    #[must_use]
    pub const fn secs(secs: u64) -> Self {
        Self::ms(secs.saturating_mul(1_000))
    }
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Span> for u64 {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        self.saturating_add(span.0)
    }
}
