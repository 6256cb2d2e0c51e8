//! One simulated computer: clocks, disks, a warden, and an agent around the machine of the core.

pub mod agent;
pub mod chassis;
pub mod clock;
pub mod journal;
pub mod warden;

pub use agent::{Agent, Checkpoint, Link};
pub use chassis::{Computer, Kind, Power, Yielding};
pub use clock::Clock;
pub use journal::{Commit, Health, Journal};
pub use warden::{FromWarden, Run, ToWarden, Warden};
