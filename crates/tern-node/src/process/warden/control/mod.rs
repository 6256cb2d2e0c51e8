//! The control thread: the socket, signals, the agent.

mod client;
pub mod door;
pub mod outbox;
mod run;

pub use run::Control;
