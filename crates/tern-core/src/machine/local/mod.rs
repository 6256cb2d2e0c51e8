//! The own machine: jobs that end or stop early, tasks that start, and the warden that runs them.

mod consequences;
mod dispatch;
mod jobs;
mod room;
mod warden;

pub(super) use room::Room;
pub use room::WorkSettings;
