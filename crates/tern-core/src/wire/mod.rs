//! What nodes say to each other.

pub mod message;
pub use message::Message;
