//! Running other people's programs: the warden, and what it shares with the agent.

pub mod protocol;
pub mod throttle;
