//! A simulated world of many mesh machines: who meets whom, what gets lost, who dies, who lies.
//!
//! It plays the adapter: dials where the matrix of reachability lets it, carries frames in order and datagrams with loss,
//! jitter and repetition, times connections out after fifteen seconds of nothing, stops and starts computers. Oracles see
//! everything: whether all who are connected see one picture, whether routes lead to where they say, whether anybody was
//! called dead who lived. A seed is one life.
//!
//! Not modelled: packets of users (but for [`World::carry`], which walks a route), the main endpoint, bandwidth, clocks that drift.

pub mod computer;
pub mod faults;
pub mod keys;
pub mod life;
pub mod network;
pub mod oracle;
mod perform;
pub mod queue;
pub mod world;

pub use computer::{Computer, Count, State};
pub use life::{Life, Report, live};
pub use network::Quality;
pub use world::{Alarm, World};
