//! How work is spread over machines that differ: which task is next, who may take it, who is told, what is copied.
//!
//! A task stays in the durable queue of its job until a free slot takes it, so that it seldom has to move again.

pub mod accept;
pub mod even;
pub mod guard;
pub mod migrate;
pub mod next;
pub mod pairing;
pub mod rules;
pub mod straggler;
pub mod token;
