//! The decisions of a Tern node, and nothing else.
//!
//! A node observes itself, decides from the picture it has, and acts. This crate is the middle of that sentence: it
//! is given events and the time, and returns effects. It opens no file, reads no clock, draws no random number and
//! sends no packet; `no_std` makes most of those compile errors. That is why a whole grid of these machines can be
//! run inside the simulator, with the same code that runs on a real one.
//!
//! The modules stand in the order in which facts flow, and import only to the left:
//! `words` ← `trust` ← `observe` ← `decide` ← `plan` ← `promise` ← `wire` ← `view` ← `machine`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod decide;
pub mod machine;
pub mod observe;
pub mod plan;
pub mod promise;
pub mod trust;
pub mod view;
pub mod wire;
pub mod words;
