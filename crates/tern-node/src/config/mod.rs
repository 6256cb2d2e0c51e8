//! Settings: defaults, then the system's file, this user's file, the environment, and flags; what comes later wins.
//!
//! A key that Tern does not know is refused with its name, its file and its line, and so is a value out of its bounds: a
//! setting that does nothing is worse than an error.

mod check;
mod load;
mod place;
mod settings;

pub use load::{ConfigError, Flags, Loaded, Sources, Wrong, load, load_from, origins};
pub use settings::{Config, MeshConfig, PORT, Peer, ScumConfig, TritConfig, WorkConfig};
