//! `cargo xtask bench spine`: Tern's cost beside the least that the kernel asks for the same work, and beside others;
//! `cargo xtask bench mesh`: the mesh beside raw TCP and a bare iroh connection;
//! `cargo xtask bench work`: batches that cross machines.
//!
//! Everything is measured in interleaved pairs on the same machine in the same minutes, and told as the ratio of a pair:
//! seconds say little on a machine that does other things. The table goes into `docs/benchmarks.md`.

mod command;
mod http;
mod idle;
mod latency;
mod loops;
mod mesh;
mod node;
mod pairs;
mod table;
mod throughput;
mod work;

pub use command::bench;
pub use loops::{burn, spin};
pub use mesh::on_battery;
pub use work::{in_group, spend};
