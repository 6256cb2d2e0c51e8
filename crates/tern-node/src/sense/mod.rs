//! What this machine says of itself: its load, its memory, the processes that use them, and what kind of machine it is.

pub mod condition;
mod error;
pub mod facts;
pub mod hogs;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod processes;
mod stat;
pub mod usage;

pub use condition::{Condition, Conditions};
pub use error::SenseError;
#[cfg(target_os = "linux")]
pub use linux::{SOURCE, read};
#[cfg(target_os = "macos")]
pub use macos::{SOURCE, read};
pub use processes::{ProcessSample, sample_processes};
pub use stat::{Stat, own_and_ancestors, process_ids, stat};
