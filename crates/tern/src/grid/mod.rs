//! Commands about the grid: who is in it, how to come in, and the ways between its nodes.

pub mod args;
pub mod entry;
pub mod forward;
pub mod founded;
pub mod members;
pub mod netcheck;
mod qr;
pub mod table;
pub mod ways;
