//! What outlives a crash: the journal, the jobs' inputs, the results, and who may hold them.
//!
//! Accepted means fsynced. Everything here can be killed at any instant and opened again; what is damaged is said, kept
//! aside and never guessed at.

mod error;
pub mod grid;
pub mod history;
pub mod job;
pub mod journal;
pub mod key;
pub mod lines;
pub mod lock;
pub mod results;
pub mod rows;
pub mod segment;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use grid::{Grid, GridStore};
pub use job::{context, discard_job, sweep_jobs, write_inputs};
pub use journal::{Journal, Note, Recovery};
pub use lines::events::EventLog;
pub use lines::ledger::LedgerLog;
pub use lines::{events, ledger};
pub use lock::{Lock, lay_out, lock};
pub use results::{Garbage, Tail, garbage, segments_after};
