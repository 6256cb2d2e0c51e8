//! What a node knows of itself and of others.

pub mod reading;
pub mod trit;

pub use reading::Reading;
pub use trit::NodeTrit;
