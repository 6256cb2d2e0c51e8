//! The ground for grids: networks made of namespaces, programs in them, and what passes on their wires.
//!
//! A test begins with [`Net::new`], draws machines and cables with it ([`Grid`]), and starts `tern` on some of them
//! ([`Machine`]). Everything goes away when its last handle is dropped.

mod capture;
mod grid;
mod homes;
mod link;
mod load;
mod machine;
mod net;
mod node;
mod run;
mod traffic;

pub use capture::Capture;
pub use grid::Grid;
pub use link::Link;
pub use load::Load;
pub use machine::Machine;
pub use net::{Need, Net, left, remove_stale, skip};
pub use node::Node;
pub use run::until;
pub use traffic::{Echo, Pulse, answers, reaches};
