//! How much of a core each task of a machine got, added up: where more run than there are slots, less than the whole time.

use crate::machine::node::Machine;
use crate::words::Now;

/// The sum so far, and how it grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) struct Served {
    ms: f64,
    share: f64,
    at: u64,
}

impl Default for Served {
    fn default() -> Self {
        Self { ms: 0.0, share: 1.0, at: 0 }
    }
}

impl Served {
    /// From now on each of `running` tasks gets its part of so many slots.
    pub(in crate::machine) fn divide(&mut self, slots: u32, running: u32, now: Now) {
        self.ms = self.by(now);
        self.at = now.boot;
        self.share = (f64::from(slots.max(1)) / f64::from(running.max(1))).min(1.0);
    }

    /// Milliseconds of a core that a task would have had which runs since this sum was 0.
    pub(in crate::machine) fn by(&self, now: Now) -> f64 {
        self.ms + now.boot.saturating_sub(self.at) as f64 / 1e6 * self.share
    }

    /// The part of a core that each task gets now.
    pub(in crate::machine) const fn share(&self) -> f64 {
        self.share
    }
}

impl Machine {
    /// Brings the sum of this machine up to date.
    pub(in crate::machine) fn count_served(&mut self, now: Now) {
        let (slots, running) = (self.here.open, self.running());
        self.balance.served.divide(slots, running, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_shares_its_core_gets_on_more_slowly() {
        let at = |seconds: u64| Now { boot: seconds * 1_000_000_000, ..Now::default() };
        let mut served = Served::default();
        served.divide(8, 8, at(0));
        served.divide(2, 8, at(10));
        assert_eq!(served.by(at(30)), 10_000.0 + 5_000.0);
        served.divide(8, 3, at(30));
        assert_eq!(served.by(at(40)), 25_000.0, "a task has one core at most");
    }
}
