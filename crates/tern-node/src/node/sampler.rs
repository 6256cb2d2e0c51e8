//! When to look at this machine again.

use tern_core::observe::Reading;
use tern_core::words::{Now, Span};

use crate::config::Config;
use crate::sense;

/// Takes a reading each `sample_seconds`.
pub struct Sampler {
    every: Span,
    next_at: u64,
    last: Option<Reading>,
    /// A sensor that failed is told of once.
    complained: bool,
}

impl Sampler {
    pub fn new(config: &Config) -> Self {
        Self { every: Span((config.trit.sample_seconds * 1e9) as u64), next_at: 0, last: None, complained: false }
    }

    pub const fn next_at(&self) -> u64 {
        self.next_at
    }

    /// The newest reading.
    pub fn last(&self) -> Option<Reading> {
        self.last
    }

    /// A reading, if one is due. What cannot be measured is absent, never zero.
    pub fn due(&mut self, now: Now) -> Option<Reading> {
        if now.boot < self.next_at {
            return None;
        }
        self.next_at = now.boot + self.every;
        match sense::read() {
            Ok(reading) => {
                self.last = Some(reading);
                Some(reading)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!(%error, "the load of this machine cannot be read: its trit stays balanced");
                }
                None
            }
        }
    }
}
