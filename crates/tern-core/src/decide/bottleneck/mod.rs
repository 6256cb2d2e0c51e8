//! What holds a machine back, and the work on it: the USE method over its parts, and its queue of tasks.
//!
//! Of each part it is asked how much of it is used (*utilisation*), whether something waits for it (*saturation*), and what
//! went wrong (*errors*). A part is named where a figure is beyond its bound, with all figures beside it as evidence; where
//! none is, nothing holds the machine back, and that is said, too. What was not measured is listed with the reason and is
//! never taken for good.
//!
//! A part that is much used is only *worth watching*. That it *holds work back* is said where something waits or fails.

mod cpu;
mod disk;
mod finding;
mod judge;
mod memory;
mod network;
mod queue;
mod sample;

pub use finding::{Advice, Bound, Evidence, Figure, Finding, Kind, Missing, Part, Resource, Severity, Verdict};
pub use judge::judge;
pub use sample::{
    Absent, Cause, Cpu, CpuTime, Disk, DiskWork, FileSystem, Link, Measured, Memory, Pressure, Queue, Sample, Tcp,
    Traffic, Wait,
};

#[cfg(test)]
mod tests;
