//! The ledger of transfers: every task that changes its node leaves one pair of postings that add up to nothing.
//!
//! It is derived from the records by which work changes its owner, and never decides who has what: a wrong ledger shows a bug or a
//! lie, and moves nothing.

pub mod audit;
pub mod book;
pub mod field;
pub mod triad;

pub use audit::{Finding, Wrong, audit};
pub use book::{Book, Closed, Entry, Unposted};
pub use field::Trits;
pub use triad::{Half, Line, Posting, Triad};
