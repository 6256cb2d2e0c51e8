//! A Tern node's hands and senses: clock, sensors, journal, warden, peers and control API, and the one loop that joins
//! them to the decisions of `tern-core`.
//!
//! Nothing here decides; nothing here writes words for people.

pub mod clock;
pub mod config;
pub mod control;
pub mod files;
pub mod home;
#[cfg(test)]
#[path = "../../tern-core/tests/shared/mutated.rs"]
mod mutated;
pub mod node;
pub mod overlay;
pub mod process;
pub mod sense;
pub mod sources;
pub mod stage;
pub mod store;
