//! A simulated world around the very core that runs on machines: network, disks, clocks, crashes, suspend, liars.
//!
//! One seed is one life of a small grid: computers with clocks that drift and stop, journals that tear, wardens that die
//! and leave orphans, a network that loses and repeats, and somebody who asks for things and remembers what was promised.
//! First everything goes wrong, then nothing any more; oracles watch all the while and judge at the end. The same seed is
//! the same life, to the byte.
//!
//! [`life`] renders one as text; [`check_seed`] and [`check_seeds`] judge.
//!
//! Not modelled: the adapters themselves (sockets, redb, the real warden), mutated frames, bit rot in what is durable, an
//! fsync that fails and yet persists, a failing fsync under the result segment, paused virtual machines (which stop boot
//! time), cloned disks, more than one computer writing to one journal, and output of tasks.
#![forbid(unsafe_code)]

pub mod client;
pub mod computer;
pub mod mesh;
pub mod oracle;
pub mod plan;
pub mod queue;
pub mod seeds;
mod story;
mod text;
pub mod workload;
pub mod world;

pub use oracle::Failure;
pub use plan::Plan;
pub use seeds::{Options, Report, check_plan, check_seed, check_seeds, life};
pub use story::Story;
pub use world::{Stats, World};
