//! The node: the one loop that joins clock, journal, warden, peers and faces to the state machine.
//!
//! The loop runs on a thread of its own and is the only place where events become effects. It takes what has come since
//! it last looked, lets the machine handle all of it, makes the records of the whole batch durable with one fsync, and
//! only then performs what depended on them.

pub mod handle;
pub mod input;
pub mod watch;

mod effects;
mod faces;
mod run;
mod sampler;
mod start;
mod wardens;

pub use effects::tally::{Tally, WAIT_CLASSES_MS};
pub use handle::{Handle, MetricsPage, NodeError, NodeStatus, PeerStatus, Submission};
pub use input::Peer;
pub use run::ToPeers;
pub use start::{Running, StartError, StartOptions, start};
pub use watch::{Update, Watch};
