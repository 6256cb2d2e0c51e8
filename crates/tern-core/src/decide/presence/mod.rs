//! When a machine stands back: on a battery that runs low, and while its owner uses it.

pub mod battery;
pub mod owner;
