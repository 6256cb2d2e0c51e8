//! The side that gets files: what to fetch, over whom, where it goes, and what it is called until it is whole.

pub mod fetch;
mod listing;
mod part;
pub mod place;
pub mod pull;
