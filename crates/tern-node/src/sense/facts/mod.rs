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

use tern_core::observe::{Class, Power};

/// What feeds this machine; a few small files, cheap enough for every five seconds. `class` as its facts tell it: a
/// machine that is known to have no battery is fed by the mains though nothing says so.
#[must_use]
pub fn power(class: Option<Class>) -> Power {
    power::read(&Root::system(), class)
}

/// The hottest sensor of the processor or the board, degrees Celsius; cheap enough for every five seconds.
#[must_use]
pub fn temperature() -> Option<i8> {
    heat::read(&Root::system())
}

#[cfg(test)]
mod tests;
