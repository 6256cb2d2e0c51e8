//! Who comes and goes: admitted keys, tickets, machines nearby, and this node's own joining and leaving.

mod entry;
pub mod join;
pub mod members;
pub mod nearby;
pub mod tailnet;
