//! The methods, side by side: each finds out whether it works, takes hold, and lets go.

mod autogroup;
pub mod cgroup;
mod duty;
mod method;

pub use duty::{DutyCycle, Turn};
pub use method::{METHODS, Unfit, engage, is_ours, prepare, release};
