//! What was promised and what became of it: records, and the state that they add up to.

pub mod outcome;
pub mod record;

pub use outcome::{Exit, Outcome, Output};
pub use record::Record;
