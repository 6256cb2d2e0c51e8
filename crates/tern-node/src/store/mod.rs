//! What outlives a crash.

pub mod segment;
