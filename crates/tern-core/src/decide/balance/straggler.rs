//! A second copy of a task that runs too long: when an idle, faster machine would end it clearly earlier.
//!
//! Whichever copy ends first counts; the work of the other is wasted. So copies are made only out of a budget: two hundredths
//! of the work that has counted.

/// Share of the work that counted which copies may waste.
pub const BUDGET: f64 = 0.02;
/// A copy must be over in this part of the time that the first still needs …
const CLEARLY: f64 = 0.8;
/// … and so much earlier, in milliseconds.
const GAIN_MS: f64 = 1_000.0;
/// By how much more than so far a late task is believed to need, at most …
const BEYOND: f64 = 2.0;
/// … and how many times its estimate it needs elsewhere.
const WRONG: f64 = 1.5;
/// How much longer than all that waits a task must need to be copied before that is done.
const OUTLASTS: f64 = 1.25;
/// What it takes to get there.
const TRANSFER_MS: f64 = 100.0;

/// A task that runs, and where it could run instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// Milliseconds on the reference core.
    pub estimate_ms: f64,
    /// Since it was given away.
    pub ran_ms: f64,
    pub speed_there: f64,
    pub speed_here: f64,
    /// Milliseconds until all that waits is done: what would end earlier than that anyway holds nobody up.
    pub drain_ms: f64,
}

/// Milliseconds that a copy would gain; none where it is not worth it.
#[must_use]
pub fn gain_ms(case: &Case) -> Option<f64> {
    if case.speed_there <= 0.0 || case.speed_here <= 0.0 {
        return None;
    }
    let done = case.ran_ms * case.speed_there;
    // A task far beyond its estimate is rather on a machine that is slower than it says: what is left grows with how far.
    let beyond = (done / case.estimate_ms.max(1.0) - 1.0).clamp(0.5, BEYOND);
    let left = ((case.estimate_ms - done) / case.speed_there).max(beyond * case.ran_ms);
    let anew = TRANSFER_MS + case.estimate_ms.max(done.min(case.estimate_ms * WRONG)) / case.speed_here;
    if case.drain_ms > 0.0 && left < case.drain_ms * OUTLASTS + GAIN_MS {
        return None;
    }
    let gain = left - anew;
    (anew < CLEARLY * left && gain > GAIN_MS).then_some(gain)
}

/// Whether a copy of this length may be made, after so much work counted and so much was wasted or is at risk. Only half of the
/// budget while other tasks wait: at the end, when slots are idle anyway, copies matter most.
#[must_use]
pub fn affords(counted_ms: f64, spent_ms: f64, estimate_ms: f64, waiting: bool) -> bool {
    spent_ms + estimate_ms <= counted_ms * if waiting { BUDGET / 2.0 } else { BUDGET }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_pays_only_on_a_faster_machine_and_for_a_late_task() {
        let case = Case { estimate_ms: 10_000.0, ran_ms: 5_000.0, speed_there: 0.3, speed_here: 1.2, drain_ms: 0.0 };
        // 28 s are left there, 8.4 s here.
        assert!(gain_ms(&case).is_some_and(|gain| (gain - 19_900.0).abs() < 200.0));
        assert_eq!(gain_ms(&Case { speed_here: 0.3, ..case }), None);
        assert_eq!(gain_ms(&Case { drain_ms: 60_000.0, ..case }), None, "until then nobody waits for it");
        assert_eq!(gain_ms(&Case { speed_there: 0.0, ..case }), None);
    }

    #[test]
    fn the_budget_is_two_hundredths() {
        assert!(!affords(1_000.0, 5.0, 5.1, true));
        assert!(affords(1_000.0, 10.0, 10.0, false));
        assert!(!affords(1_000.0, 10.1, 10.0, false));
    }
}
