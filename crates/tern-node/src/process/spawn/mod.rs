//! Turning an order into a process, at the cost of one `posix_spawn`.

pub mod context;
pub mod launch;
pub mod search;
