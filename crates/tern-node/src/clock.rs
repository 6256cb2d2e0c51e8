//! The clocks of this machine, read once an event.

use nix::time::{ClockId, clock_gettime};
use tern_core::words::Now;

/// Reads all three clocks.
#[must_use]
pub fn now() -> Now {
    Now { boot: read(BOOT), mono: read(ClockId::CLOCK_MONOTONIC), wall_ms: read(ClockId::CLOCK_REALTIME) / 1_000_000 }
}

#[cfg(target_os = "linux")]
const BOOT: ClockId = ClockId::CLOCK_BOOTTIME;
/// macOS counts sleep in CLOCK_MONOTONIC; untested there.
#[cfg(not(target_os = "linux"))]
const BOOT: ClockId = ClockId::CLOCK_MONOTONIC;

fn read(clock: ClockId) -> u64 {
    // These clocks exist on every kernel that Tern runs on; a failure would mean a broken libc.
    clock_gettime(clock).map_or(0, |time| time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs())
}
