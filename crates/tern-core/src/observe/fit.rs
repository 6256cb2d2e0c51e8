//! What of a machine decides whether a task may run on it.
//!
//! A small part of its facts, in the form in which demands are compared with it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::facts::Facts;

/// What a machine has for tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// Name of its zone, with all that this lies in: `home/attic`; empty: none.
    pub zone: String,
    /// As Rust names it; empty: unknown.
    pub arch: String,
    /// CPUs that tasks may use.
    pub cores: u16,
    pub memory_mib: Option<u32>,
    pub gpus: u8,
    /// The speed of one core, 1000 being the reference machine; 0: not measured.
    pub speed: u16,
}

impl Fit {
    /// The part of `facts` that counts.
    #[must_use]
    pub fn of(zone: &str, facts: &Facts) -> Self {
        Self {
            zone: String::from(zone),
            arch: facts.arch.clone(),
            cores: facts.cores,
            memory_mib: facts.memory_mib,
            gpus: u8::try_from(facts.gpus.len()).unwrap_or(u8::MAX),
            speed: facts.speed.unwrap_or(0),
        }
    }

    /// Whether the machine stands in this zone, or in one within it.
    #[must_use]
    pub fn is_in(&self, zone: &str) -> bool {
        is_in_zone(&self.zone, zone)
    }
}

/// Whether one zone is the other, or lies within it.
#[must_use]
pub fn is_in_zone(one: &str, other: &str) -> bool {
    one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
