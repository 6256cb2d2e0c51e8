//! Reading results: what became of each task, and what it wrote.
//!
//! Results stand in segments, in the order in which attempts ended. Nothing here holds more of them in memory than it
//! was asked for.

mod counted;
mod garbage;
mod output;
mod summary;
mod tail;
#[cfg(test)]
mod tests;

pub use counted::{Past, counted, counted_page};
pub use garbage::{Garbage, garbage};
pub use output::{copy_output, read_output};
pub(super) use summary::last_number;
pub use tail::{Tail, segments_after};
pub(super) use tail::{each_after, ends};
