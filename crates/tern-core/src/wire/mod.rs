//! What nodes say to each other.

mod bounded;
pub mod frame;
pub mod mesh;
pub mod message;
pub mod travel;

pub use frame::{WireError, decode, encode, try_encode};
pub use message::{Message, WIRE_VERSION};
pub use travel::{Made, MadeFile, Saved, TaskFiles, Travel};
