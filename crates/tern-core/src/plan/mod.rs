//! Ordered actions, each with its reason, and the checker that every plan passes before it becomes effects.

pub mod check;
pub mod decision;
pub mod next;
pub mod reason;
pub mod share;
pub mod start;

pub use check::Fault;
pub use decision::{Decision, Did};
pub use reason::Reason;
