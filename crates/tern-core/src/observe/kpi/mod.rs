//! How well a node and its grid work, in figures that anybody can compute again: the lines of the event log, and what is made of them.
//!
//! The log is `events` in the state folder. Nothing is decided by any of it.

pub mod figures;
mod gather;
mod jobs;
pub mod line;
mod report;

pub use gather::Gather;
pub use line::{End, Event, How, Line, Peer, Tag};
pub use report::{Figures, Kpi, Moves, Tasks};
