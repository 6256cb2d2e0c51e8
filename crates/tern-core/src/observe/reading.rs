//! One look at this machine.

use serde::{Deserialize, Serialize};

/// What the sensors said at one time. Anything that could not be measured is absent, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// CLOCK_BOOTTIME of the sample, nanoseconds.
    pub at: u64,
    /// The one-minute load average.
    pub load1: f64,
    /// CPUs this node may use.
    pub cpus: u32,
    /// PSI `some avg10` of the CPU, per cent.
    pub cpu_pressure: Option<f32>,
    pub memory_total_kib: Option<u64>,
    pub memory_available_kib: Option<u64>,
}
