//! The slow-node guard: a long task does not go to a slow machine while a fast one will be free soon.
//!
//! A machine may take a task if it would need no more than 1.6 times what the fastest one needs, or if the task would surely
//! be over no later than when the grid has done everything that waits and then the task on its fastest core.

/// How much slower than the fastest is near enough.
const NEAR: f64 = 1.6;

/// Estimates are wrong, and on a slow machine that costs most: a task there may take so many times what is expected.
const WRONG: f64 = 3.0;

/// Nobody waits longer than this for a faster machine, milliseconds: perhaps it only says that it is fast.
const PATIENCE_MS: f64 = 60_000.0;

/// What is known when a task is about to go somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// Of one core, 1 being the reference machine; of the one that would run it, and of the fastest.
    pub speed: f64,
    pub fastest: f64,
    /// Milliseconds until the grid has done what waits.
    pub drain_ms: f64,
    /// Milliseconds since when nothing of it has gone anywhere, though there was a slot: perhaps no fast machine may have it.
    pub stuck_ms: f64,
}

impl Guard {
    /// The longest task, in milliseconds on the reference core, that may go there; none: any.
    #[must_use]
    pub fn limit_ms(&self) -> Option<f64> {
        // Nobody knows how fast it is: nothing speaks against it.
        if self.speed <= 0.0 || self.speed * NEAR >= self.fastest || self.stuck_ms >= PATIENCE_MS {
            return None;
        }
        // Who has waited for as long as the slow machine costs waits no longer.
        Some((self.drain_ms / WRONG + self.stuck_ms) / (1.0 / self.speed - 1.0 / self.fastest))
    }

    /// Whether a task of this length may go there.
    #[must_use]
    pub fn allows(&self, estimate_ms: f64) -> bool {
        self.limit_ms().is_none_or(|limit| estimate_ms <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_takes_what_it_can_end_before_the_rest_is_done() {
        let guard = Guard { speed: 0.3, fastest: 1.2, drain_ms: 10_000.0, stuck_ms: 0.0 };
        // 1.3 s of work are 3.3 s more there than on the fastest, a third of the 10 s for which there is other work.
        assert!(guard.allows(1_332.0));
        assert!(!guard.allows(1_334.0));
        assert!(!Guard { drain_ms: 0.0, ..guard }.allows(1.0), "with nothing to wait for the fast one is better");
        // 20 s of work take 50 s more there.
        let stuck = |work, stuck_ms| Guard { drain_ms: 0.0, stuck_ms, ..guard }.allows(work);
        assert!(!stuck(20_000.0, 49_000.0) && stuck(20_000.0, 51_000.0), "but nobody waits for it for ever");
        assert!(!stuck(1e12, 59_000.0) && stuck(1e12, 60_000.0), "however long it may be");
    }

    #[test]
    fn a_machine_that_is_fast_enough_or_unknown_takes_anything() {
        for speed in [0.0, 0.75, 1.2, 5.0] {
            assert!(Guard { speed, fastest: 1.2, drain_ms: 0.0, stuck_ms: 0.0 }.allows(f64::MAX));
        }
    }
}
