//! Holding a process back, and letting it go again exactly as it was found.
//!
//! A throttle gives a process a share of one CPU (or a lower weight). Whoever holds it keeps a [`Throttles`]; what was
//! found before is written to a file first, so that nothing is forgotten when the holder dies: then a watchdog, a tiny
//! process of its own, continues the victim and restores what was changed. A process is known by its number and its
//! start time; a number that was given to another process is never acted upon.
//!
//! Four methods exist, and what works is found by looking at this machine: a control group's quota, stopping and
//! continuing in turn, a control group's weight, and the weight of a whole session. The first two keep to a share, so
//! they are the ones taken when none is named.

mod error;
mod grip;
mod held;
mod record;
mod set;
mod target;
pub mod watchdog;

pub use error::ThrottleError;
pub use held::{Held, Inspection, apply, inspect};
pub use record::{Found, Record};
pub use set::Throttles;

#[cfg(test)]
mod tests;
