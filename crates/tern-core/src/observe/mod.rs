//! What a node knows of itself and of others.

pub mod queue;
pub mod reading;
pub mod trit;

pub use queue::QueueTrit;
pub use reading::Reading;
pub use trit::NodeTrit;
