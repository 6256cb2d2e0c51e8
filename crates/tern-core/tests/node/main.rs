//! The state machine of a node, driven from outside: alone, in pairs, through storms, and by its laws.

mod attacks;
mod balance;
mod comings;
mod controller;
mod history;
mod laws;
mod moving;
#[path = "../shared/mutated.rs"]
mod mutated;
mod one_node;
mod storms;
mod two_nodes;
mod waits;
mod wire;
mod world;
