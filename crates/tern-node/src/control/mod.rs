//! The control API: one HTTP door on a unix socket, and the client that faces use.

pub mod api;
pub mod door;
