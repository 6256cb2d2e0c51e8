//! Cables between machines, and what they let pass: all, a part, late, or nothing.

mod cable;
pub mod filter;
mod slow;

pub use cable::{Kind, Link};
pub use slow::probe;
