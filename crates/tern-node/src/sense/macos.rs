//! The load of a macOS machine: `getloadavg` and `sysctl`.
//!
//! **Untested**: it is written from the manual pages and has never run. Its output says so. There is no
//! pressure figure, and processes cannot be sampled yet.

use tern_core::observe::Reading;

use super::SenseError;
use crate::clock;

/// What the reading is made from, for people.
pub const SOURCE: &str = "getloadavg (macOS source, untested)";

/// One look at this machine.
///
/// # Errors
/// If the system does not give its load average.
#[expect(unsafe_code, reason = "getloadavg has no safe wrapper")]
pub fn read() -> Result<Reading, SenseError> {
    let mut load = [0f64; 1];
    // SAFETY: the array has room for the one average that is asked for.
    if unsafe { libc::getloadavg(load.as_mut_ptr(), 1) } != 1 {
        return Err(SenseError::Call { call: "getloadavg", source: std::io::Error::last_os_error() });
    }
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
    let memory_total_kib = memory_bytes().map(|bytes| bytes / 1024);
    Ok(Reading { at: clock::now().boot, load1: load[0], cpus, memory_total_kib, ..Reading::default() })
}

#[expect(unsafe_code, reason = "sysctl has no safe wrapper")]
fn memory_bytes() -> Option<u64> {
    let mut bytes = 0u64;
    let mut size = size_of::<u64>();
    // SAFETY: the name is NUL-terminated, and `hw.memsize` writes at most `size` bytes, which is the size of `bytes`.
    let status = unsafe {
        libc::sysctlbyname(c"hw.memsize".as_ptr(), (&raw mut bytes).cast(), &raw mut size, std::ptr::null_mut(), 0)
    };
    (status == 0 && size == size_of::<u64>()).then_some(bytes)
}
