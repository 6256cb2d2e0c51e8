//! Commands about the node itself: its life, its settings, what it needs of the machine.

pub mod config;
pub mod doctor;
pub mod life;
