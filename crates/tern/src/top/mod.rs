//! `tern top`: the grid on one screen, as it is now.
//!
//! What is drawn follows from a picture and from how it is looked at, and from nothing else; the terminal is elsewhere.

mod draw;
mod look;
mod picture;
mod run;
mod screen;
#[cfg(test)]
mod tests;

pub use run::{TopArgs, top};
