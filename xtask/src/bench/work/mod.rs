//! `cargo xtask bench work`: batches that cross machines, beside what they would cost otherwise.
//!
//! Real agents of this machine, each with one slot: a fast and a slow one beside two workers that pull from one queue, two of them
//! beside one that has both slots, and three that bring each other files beside GNU parallel over ssh.

mod command;
mod quarter;
mod rate;
mod ssh;
mod staged;

pub use command::bench;
pub use quarter::{in_group, spend};
