//! What must hold, judged by somebody who sees everything.
//!
//! `anytime_*` oracles look at each effect, each start of a process and each durable record; `eventually_*` oracles look
//! when nothing has gone wrong for long enough. They keep their own books ([`Ledger`]) from what became durable and do not
//! ask the machine whether it is right.

mod answers;
mod copies;
mod effects;
mod eventually;
mod facts;
mod ledger;
mod presence;
mod runs;
mod triads;

pub use facts::{Grant, Job, Task};
pub use ledger::Ledger;
pub use triads::Triads;

use std::fmt;

/// What an oracle saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub seed: u64,
    /// True time, nanoseconds.
    pub at: u64,
    pub oracle: &'static str,
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at / 1_000_000;
        write!(f, "seed {} at {}.{:03} s: {}: {}", self.seed, ms / 1_000, ms % 1_000, self.oracle, self.detail)
    }
}

/// The name of the oracle, and what it saw.
type Finding = Option<(&'static str, String)>;
