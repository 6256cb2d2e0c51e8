//! What was promised and what became of it: records, and the state that they add up to.

pub mod job;
pub mod lease;
pub mod ledger;
pub mod outcome;
pub mod record;
pub mod refusal;
pub mod state;
pub mod winner;

pub use job::{Job, Kept, Verdict};
pub use outcome::{Exit, Outcome, Output};
pub use record::Record;
pub use refusal::Refusal;
pub use state::{Applied, Dirty, Head, Loan, State};
