//! What carries: endpoints, links between neighbours, and the packets that travel over them.

pub mod endpoints;
pub mod fabric;
pub mod ground;
pub mod handshakes;
pub mod links;
pub mod transport;
pub mod ways;
