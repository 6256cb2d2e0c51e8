//! Running other people's programs: the warden, and what it shares with the agent.

pub mod checkpoint;
pub mod frame;
pub mod inflight;
pub mod link;
pub mod outputs;
pub mod pidfd;
pub mod protocol;
pub mod spawn;
pub mod throttle;
pub mod trampoline;
mod usage;
pub mod warden;
