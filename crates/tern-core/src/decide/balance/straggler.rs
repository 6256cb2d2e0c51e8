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
/// While other tasks wait, a copy begins when so many times its time on the fastest core is left …
const IN_TIME: f64 = 1.6;
/// … and on a core that is not slower than the fastest by more than this.
const FAST: f64 = 1.3;
/// What it takes to get there.
const TRANSFER_MS: f64 = 100.0;

/// A task that runs, and where it could run instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// Milliseconds on the reference core.
    pub estimate_ms: f64,
    /// What of it should have been done by now.
    pub done_ms: f64,
    /// How fast it gets on where it runs, and would where it could run.
    pub speed_there: f64,
    pub speed_here: f64,
    /// The speed of the fastest core.
    pub fastest: f64,
    /// Milliseconds until all that waits is done: what would end earlier than that anyway holds nobody up.
    pub drain_ms: f64,
}

/// What a copy is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// Milliseconds by which the task would end earlier.
    pub gain_ms: f64,
    /// Milliseconds of work on the reference core that are likely to be wasted.
    pub risk_ms: f64,
}

/// What a copy is worth; none where it is not needed.
#[must_use]
pub fn worth(case: &Case) -> Option<Worth> {
    if case.speed_there <= 0.0 || case.speed_here <= 0.0 {
        return None;
    }
    let (done, estimate) = (case.done_ms, case.estimate_ms);
    // A copy that would be over in time later, too, is not needed yet: perhaps it never is. Meanwhile there is a choice of
    // machines for it.
    let early = estimate.max(done) / case.fastest.max(case.speed_here) * IN_TIME < case.drain_ms;
    if early || (case.drain_ms > 0.0 && case.speed_here * FAST < case.fastest) {
        return None;
    }
    // A task far beyond its estimate is rather on a machine that is slower than it says: what is left grows with how far.
    let beyond = (done / estimate.max(1.0) - 1.0).clamp(0.5, BEYOND);
    let left = (estimate - done).max(beyond * done) / case.speed_there;
    let anew = TRANSFER_MS + estimate.max(done.min(estimate * WRONG)) / case.speed_here;
    if left < case.drain_ms {
        return None;
    }
    let gain_ms = left - anew;
    // Since the copy is expected to end first: what the other will have done by then.
    let risk_ms = done + anew * case.speed_there;
    (anew < CLEARLY * left && gain_ms > GAIN_MS).then_some(Worth { gain_ms, risk_ms })
}

/// Whether so much more may be risked, after so much work counted and so much was wasted or is at risk.
#[must_use]
pub fn affords(counted_ms: f64, spent_ms: f64, risk_ms: f64) -> bool {
    spent_ms + risk_ms <= BUDGET * counted_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_pays_only_on_a_faster_machine_and_for_a_late_task() {
        let case = Case {
            estimate_ms: 10_000.0,
            done_ms: 1_500.0,
            speed_there: 0.3,
            speed_here: 1.2,
            fastest: 1.2,
            drain_ms: 0.0,
        };
        // 28 s are left there, 8.4 s here.
        let found = worth(&case).expect("it is worth it");
        assert!((found.gain_ms - 19_900.0).abs() < 200.0, "{found:?}");
        // It has done 1.5 s, and does 2.5 s more meanwhile.
        assert!((found.risk_ms - 4_000.0).abs() < 100.0, "{found:?}");
        assert_eq!(worth(&Case { speed_here: 0.3, ..case }), None);
        assert_eq!(worth(&Case { drain_ms: 60_000.0, ..case }), None, "until then nobody waits for it");
        assert_eq!(worth(&Case { speed_there: 0.0, ..case }), None);
    }

    #[test]
    fn while_others_wait_a_copy_is_made_late_and_only_on_a_fast_machine() {
        // Its owner has come back to the machine: most of its work is left, at a tenth of the speed.
        let case = Case {
            estimate_ms: 60_000.0,
            done_ms: 6_000.0,
            speed_there: 0.1,
            speed_here: 1.2,
            fastest: 1.2,
            drain_ms: 75_000.0,
        };
        assert!(worth(&case).is_some());
        assert_eq!(worth(&Case { drain_ms: 150_000.0, ..case }), None, "there is time still");
        assert_eq!(worth(&Case { speed_here: 0.8, ..case }), None, "a faster one will ask");
        assert!(worth(&Case { speed_here: 0.8, drain_ms: 0.0, ..case }).is_some(), "nothing waits that could go there");
    }

    #[test]
    fn the_budget_is_two_hundredths() {
        assert!(affords(1_000.0, 10.0, 10.0));
        assert!(!affords(1_000.0, 10.1, 10.0));
    }
}
