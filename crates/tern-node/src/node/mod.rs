//! The node: the one loop that joins clock, journal, warden, peers and faces to the state machine.

pub mod handle;
pub mod start;

pub use handle::{Handle, NodeError, Submission, Watch};
pub use start::{Running, StartError, StartOptions, start};
