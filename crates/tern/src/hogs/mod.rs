//! How loaded this machine is, what holds it back, which processes load it, and holding one of them back.

pub mod bottlenecks;
pub mod escape;
pub mod scum;
pub mod throttle;
pub mod trit;
pub mod trouble;

pub use trouble::Trouble;
