//! What nodes say to each other over a link, below all work: who they are, whom they see, that they live.

pub mod beat;
pub mod frame;
pub mod record;
pub mod roster;

pub use beat::Beat;
pub use frame::{LinkFrame, decode_frame, encode_frame};
pub use record::{Adjacency, Kind, Neighbour, Profile, Record, Stamp};
pub use roster::{Border, Door, Load, Roster};
