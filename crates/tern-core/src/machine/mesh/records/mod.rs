//! Records of this and other nodes: taken, kept, passed on, compared.

mod digest;
mod flood;
mod own;

pub(in crate::machine::mesh) use flood::{Flood, overtakes};
