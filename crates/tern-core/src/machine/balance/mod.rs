//! Balance: what this node makes of what it heard of others, whom it tells of its work, and which tasks run twice for a while.

mod around;
mod copies;
mod fit;
mod offers;
mod served;

pub(super) use around::{Balance, speed_of};
pub(super) use served::Served;
