//! `cargo xtask test`, `sim` and `soak`: every test of the repository, on a machine that has only Rust.
//!
//! The last line is the sum over all test programs: `N passed, N failed, N skipped`. A skipped test is not a passed
//! one, and a skip that `tests/skips.txt` does not foresee fails the run.

mod parts;
mod skips;
mod tally;
mod tools;

pub use parts::{sim, soak, test};
pub use tools::install_musl;
