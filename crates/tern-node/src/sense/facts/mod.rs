//! What this machine is: its processor, its kind, its graphics, its power, what it can do, and how fast it is.
//!
//! Read from `/proc`, `/sys` and a few marker files. Every reader starts at a [`Root`], so that tests can give it the
//! files of a machine that is not at hand. What cannot be read is absent, never zero.

mod abilities;
mod class;
mod gpu;
mod heat;
mod machine;
mod metered;
mod power;
mod root;
pub mod speed;

pub use machine::{read, read_at};
pub use root::Root;

pub(super) use class::read as class_of;
pub(super) use heat::read as temperature_of;
pub(super) use power::look as power_and_charge;

#[cfg(test)]
mod tests;
