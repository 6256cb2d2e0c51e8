//! `cargo xtask bench mesh`: what the mesh costs beside a raw TCP pair and a bare iroh connection, and what it costs to be in it.
//!
//! Rates and latencies come from the laboratory `mesh_lab`, which measures everybody in the same rounds; joining and idling
//! are those of real agents. The table goes into `docs/benchmarks.md`.

mod agents;
mod battery;
mod command;
mod lab;
mod sheet;

pub use agents::{named, ticket};
pub use battery::on_battery;
pub use command::bench;
pub use sheet::{Goal, Sheet, facts};
