//! Files of lines that a node writes as it goes, for people and scripts: the ledger of transfers, and the log of events.
//!
//! None of them holds a promise: nothing waits for the disk, and each is bounded.

pub mod events;
mod file;
pub mod ledger;
