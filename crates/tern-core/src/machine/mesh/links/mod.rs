//! Links of this node: how one begins, how it lives, which ones are wanted.

mod greeting;
mod link;
mod tend;

pub(in crate::machine::mesh) use greeting::Greeting;
pub(in crate::machine::mesh) use link::{Budget, Link, Pulse};
pub(in crate::machine::mesh) use tend::lot;
