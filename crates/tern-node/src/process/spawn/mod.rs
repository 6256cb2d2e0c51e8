//! Turning an order into a process, at the cost of one `vfork`.

pub mod context;
pub mod launch;
pub mod search;
pub mod vfork;
