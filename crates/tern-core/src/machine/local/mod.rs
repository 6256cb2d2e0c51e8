//! The own machine: jobs that end or stop early, tasks that start, and the warden that runs them.

mod consequences;
mod dispatch;
mod jobs;
mod length;
mod order;
mod room;
mod waiting;
mod waits;
mod warden;

pub(super) use length::expected;
pub(super) use order::{Chosen, Purpose, Ready};
pub(super) use room::Room;
pub use room::WorkSettings;
pub(super) use waiting::Waiting;
