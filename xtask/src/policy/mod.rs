//! `cargo xtask policy`: which code of others may be in the tree, decided without a network.
//!
//! Reads `policy.toml`, `Cargo.lock` and what cargo has already fetched. The lock file covers every platform; licences
//! and weight are those of the platform this runs on, since only its crates are on the disk.

mod command;
mod lock;
mod rules;
mod spdx;
mod tree;
mod verdict;

pub use command::policy;
