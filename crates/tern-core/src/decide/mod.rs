//! Free functions from a picture to a proposal. Siblings never import one another.

pub mod scum;
