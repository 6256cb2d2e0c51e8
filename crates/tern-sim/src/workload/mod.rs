//! A workload in virtual time: recorded or drawn tasks on given machines, through the very decisions that run on real ones.
//!
//! Each node is a real machine of the core, with an honest agent, a disk that takes its time for an fsync, a warden, and a
//! line that sends one thing after another. Nothing goes wrong here (that is what the rest of this crate is for): what is
//! measured is how well work is spread. Beside it stand references without machines: one queue for all, without
//! any delay, a scheduler without tokens, and the three rules of balance to the letter. [`run`] replays a workload through machines.

mod agenda;
mod bound;
mod dice;
mod generate;
mod grid;
mod host;
mod input;
mod model;
mod reference;
mod report;

pub use bound::lower_bound;
pub use generate::{Kind, Recipe, generate};
pub use grid::{Course, Noted, Settings, run, watched};
pub use input::{Refused, nodes, workload};
pub use model::{NodeSpec, TaskSpec, Workload};
pub use reference::{central, control, literal};
pub use report::Report;
