//! How fast one core of this machine is, beside a reference machine. Measured once for a processor, and kept in the
//! state folder.

mod cache;
mod measure;

pub use cache::{forget, kept};
pub use measure::{REFERENCE, measure};

use crate::home::Home;

/// The speed of this machine: what was kept of it, else measured now (about 25 ms of one core) and kept. That it cannot
/// be kept costs the next start another measurement, and nothing else.
#[must_use]
pub fn of(home: &Home, processor: Option<&str>, cores: u16) -> Option<u16> {
    let known = kept(home, processor, cores);
    if known.is_some() {
        return known;
    }
    let speed = measure()?;
    if let Err(error) = cache::keep(home, processor, cores, speed) {
        tracing::debug!(%error, path = %home.speed().display(), "the measured speed is not kept");
    }
    Some(speed)
}
