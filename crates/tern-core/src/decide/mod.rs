//! Free functions from a picture to a proposal. Siblings never import one another.

pub mod balance;
pub mod bottleneck;
pub mod dispatch;
pub mod fits;
pub mod lend;
pub mod links;
pub mod presence;
pub mod route;
pub mod scum;
pub mod steal;
pub mod strategy;
pub mod target;
pub mod zones;
