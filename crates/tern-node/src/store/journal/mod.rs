//! The journal: what this node promised, in one crash-safe file.
//!
//! A record is acknowledged after its fsync and never before. About once a second the state is written as a checkpoint
//! and the records that it covers go. Opening is recovery, always: the file of a node that was stopped and of one that
//! was killed look the same.

mod backend;
mod commit;
mod database;
mod note;
mod outputs;
mod recover;
mod row;
#[cfg(test)]
mod tests;
mod witness;

pub use commit::Journal;
pub use note::Note;
pub use recover::Recovery;

/// Version of the rows; a journal of a greater one is refused untouched.
pub const FORMAT: u16 = 3;
