//! How the parts of this machine are used over a short window: processors, memory, disks, network.
//!
//! Two looks at the kernel's counters and what lies between them. Nothing is kept and nothing is changed; whatever a kernel or
//! a container does not show is absent with its reason.

mod between;
mod disks;
mod links;
mod look;
mod text;

pub use between::{sample, source};

#[cfg(test)]
mod tests;
