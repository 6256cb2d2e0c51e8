//! Ordered actions, each with its reason, and the checker that every plan passes before it becomes effects.

pub mod check;
pub mod reason;
pub mod share;
pub mod start;

pub use check::Fault;
pub use reason::Reason;
