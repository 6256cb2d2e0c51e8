//! Records of this and other nodes: taken, kept, passed on, compared.

mod digest;
mod flood;

pub(in crate::machine::mesh) use flood::{Flood, overtakes};
