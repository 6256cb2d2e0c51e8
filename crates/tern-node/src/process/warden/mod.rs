//! The warden: the small process that is the parent of every task, so that tasks outlive the agent.
//!
//! ```text
//! control  the socket: orders in, ends out; signals; the agent that it restarts; throttles
//! worker   one a core: spawns into its slots, waits, reaps, enforces time-outs
//! commit   makes ends durable in batches, then tells the agent
//! saves    makes checkpoints durable before the ends that name them are
//! hub      what these share, under one lock
//! recover  what an earlier warden left running: adopted, or ended before it may run again
//! ```
//! It uses no async runtime and no database and stays within a few MiB, since a large process spawns slowly and one that
//! does little dies seldom. Most of those are pages of the binary,
//! which it shares with the agent.

mod commit;
mod control;
mod hub;
mod options;
mod recover;
mod saves;
mod start;
mod stray;
mod supervise;
mod worker;

pub use control::door::connect;
pub use options::Options;
pub use start::{living, main, main_from_args};
