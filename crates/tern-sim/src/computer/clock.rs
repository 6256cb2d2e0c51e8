//! The clocks of one simulated computer.
//!
//! Boot time runs up to 1 % fast or slow and goes on while the computer sleeps; monotonic time stands still then; both
//! start over when power is lost. Wall time is set to anything by a fault. True time is known to nobody but the world.

use tern_core::words::Now;

/// Parts in a million, for the rate of a clock.
const MILLION: u64 = 1_000_000;

/// Reads true time (nanoseconds since the world began) as one computer does.
#[derive(Clone, Debug)]
pub struct Clock {
    started: u64,
    /// Local nanoseconds in a million true ones: 990 000 to 1 010 000.
    rate: u64,
    boot_at_start: u64,
    slept: u64,
    asleep_since: Option<u64>,
    wall_ms_at_zero: u64,
}

impl Clock {
    #[must_use]
    pub const fn new(started: u64, rate: u64, boot_at_start: u64, wall_ms_at_zero: u64) -> Self {
        Self { started, rate, boot_at_start, slept: 0, asleep_since: None, wall_ms_at_zero }
    }

    const fn local(&self, true_span: u64) -> u64 {
        true_span * self.rate / MILLION
    }

    #[must_use]
    pub const fn boot(&self, at: u64) -> u64 {
        self.boot_at_start + self.local(at.saturating_sub(self.started))
    }

    #[must_use]
    pub fn now(&self, at: u64) -> Now {
        let boot = self.boot(at);
        let asleep = self.asleep_since.map_or(0, |since| boot - self.boot(since));
        Now { boot, mono: boot - self.slept - asleep, wall_ms: self.wall_ms_at_zero + at / 1_000_000 }
    }

    /// The first true instant at which the boot clock shows `boot` or more; saturates far beyond the end of any life.
    #[must_use]
    pub fn when_boot(&self, boot: u64) -> u64 {
        let ahead = u128::from(boot.saturating_sub(self.boot_at_start));
        let span = (ahead * u128::from(MILLION)).div_ceil(u128::from(self.rate));
        self.started.saturating_add(u64::try_from(span).unwrap_or(u64::MAX))
    }

    pub const fn sleep(&mut self, at: u64) {
        self.asleep_since = Some(at);
    }

    /// Returns how long it slept, in true nanoseconds.
    pub fn wake(&mut self, at: u64) -> u64 {
        let Some(since) = self.asleep_since.take() else { return 0 };
        self.slept += self.boot(at) - self.boot(since);
        at - since
    }

    /// Somebody set the time of day.
    pub const fn set_wall(&mut self, wall_ms_at_zero: u64) {
        self.wall_ms_at_zero = wall_ms_at_zero;
    }

    /// After a loss of power: boot time starts over, the crystal and the time of day stay.
    #[must_use]
    pub const fn rebooted(&self, at: u64) -> Self {
        Self::new(at, self.rate, 1_000_000_000, self.wall_ms_at_zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_runs_through_sleep_and_monotonic_time_does_not() {
        let mut clock = Clock::new(0, 1_010_000, 5, 0);
        clock.sleep(1_000_000);
        assert_eq!(clock.now(2_000_000).mono, 5 + 1_010_000);
        assert_eq!(clock.wake(3_000_000), 2_000_000);
        let now = clock.now(4_000_000);
        assert_eq!((now.boot, now.mono), (5 + 4_040_000, 5 + 2_020_000));
    }

    #[test]
    fn an_alarm_never_rings_early() {
        for rate in [990_000, 999_999, 1_000_000, 1_010_000] {
            let clock = Clock::new(17, rate, 1_000, 0);
            for boot in [0, 1_000, 1_001, 123_456_789] {
                let at = clock.when_boot(boot);
                assert!(clock.boot(at) >= boot, "rate {rate} boot {boot}");
            }
        }
        assert_eq!(Clock::new(17, 1_000_000, 0, 0).when_boot(u64::MAX), u64::MAX);
    }
}
