//! The control API: one HTTP door on a unix socket, and the client that faces use.
//!
//! Everything that a face can do goes through it, so that a command behaves alike whether an agent runs or the node
//! lives inside the command's own process. `docs/openapi.json` describes it.

pub mod api;
pub mod document;
pub mod door;
pub mod metrics;
pub mod results;
pub mod routes;
pub mod serve;
pub mod words;

pub use door::{Door, DoorError, Entry, Happened, Results};
pub use routes::{Meshed, Stop, router};

#[cfg(test)]
mod tests;
