use alloc::format;
use alloc::vec::Vec;

use super::*;
use proptest::prelude::*;

fn literal() -> TritSettings {
    TritSettings { literal: true, ..TritSettings::default() }
}

#[test]
fn the_bounds_themselves_belong_to_the_middle() {
    let table = [
        (0.0, NodeTrit::Idle),
        (0.2999, NodeTrit::Idle),
        (0.3, NodeTrit::Balanced),
        (0.5, NodeTrit::Balanced),
        (0.8, NodeTrit::Balanced),
        (0.8001, NodeTrit::Overloaded),
        (f64::INFINITY, NodeTrit::Overloaded),
        (f64::NAN, NodeTrit::Balanced),
    ];
    for (rho, trit) in table {
        assert_eq!(NodeTrit::literal(rho), trit, "ρ = {rho}");
        assert_eq!(TritTracker::new(literal()).next(rho), trit, "tracked, ρ = {rho}");
        assert_eq!(TritTracker::default().next(rho), trit, "the first reading has nothing to hold on to, ρ = {rho}");
    }
}

#[test]
fn a_load_that_trembles_around_a_bound_flips_at_most_once() {
    for bound in [OVERLOADED_ABOVE, IDLE_BELOW] {
        let noise = (0..1000).map(|step| bound + 0.05 * libm::sin(f64::from(step) * 1.7));
        let flips = |settings| {
            let mut tracker = TritTracker::new(settings);
            let trits: Vec<_> = noise.clone().map(|rho| tracker.next(rho)).collect();
            trits.windows(2).filter(|pair| pair[0] != pair[1]).count()
        };
        assert!(flips(TritSettings::default()) <= 1, "with hysteresis around {bound}");
        assert!(flips(literal()) > 100, "literally, the noise around {bound} must show, or this test proves nothing");
    }
}

#[test]
fn the_plain_word_stands_beside_the_sign() {
    assert_eq!(format!("{}", NodeTrit::Overloaded), "+1 overloaded");
    assert_eq!(format!("{}", NodeTrit::Balanced), "0 balanced");
    assert_eq!(format!("{:<8}|", NodeTrit::Idle), "-1 idle |");
}

#[test]
fn hysteresis_leaves_at_its_own_bounds_and_may_cross_the_middle_at_once() {
    let mut tracker = TritTracker::default();
    let walk = [0.9, 0.7, 0.6999, 0.75, 0.2, 0.4, 0.4001, 0.35, 0.1, 0.95, 0.05].map(|rho| tracker.next(rho).sign());
    assert_eq!(walk, ["+1", "+1", "0", "0", "-1", "-1", "0", "0", "-1", "+1", "-1"]);
}

#[test]
fn what_was_not_measured_changes_nothing() {
    let mut tracker = TritTracker::default();
    tracker.next(0.9);
    assert_eq!(tracker.next(f64::NAN), NodeTrit::Overloaded);
    let mut smooth = Smoothed::new(Span::secs(10));
    assert!(smooth.next(0, f64::NAN).is_nan());
    smooth.next(0, 0.5);
    assert_eq!(smooth.next(1, f64::INFINITY), 0.5);
}

#[test]
fn the_ratio_of_a_reading_without_cpus_is_no_number() {
    let reading = |load1, cpus| Reading { load1, cpus, ..Reading::default() };
    assert_eq!(load_ratio(&reading(3.0, 4)), 0.75);
    assert!(load_ratio(&reading(3.0, 0)).is_nan());
    assert!(load_ratio(&reading(-1.0, 4)).is_nan());
    assert!(load_ratio(&reading(f64::NAN, 4)).is_nan());
}

#[test]
fn after_one_time_constant_the_old_value_weighs_one_over_e() {
    let mut smooth = Smoothed::new(Span::secs(10));
    smooth.next(5, 1.0);
    let after = smooth.next(5 + Span::secs(10).0, 0.0);
    assert!((after - libm::exp(-1.0)).abs() < 1e-12, "{after}");
    assert_eq!(smooth.next(0, 7.0), after, "a clock that steps back lets no time pass");
}

proptest! {
    #[test]
    fn how_often_one_looks_does_not_change_the_average(cuts in proptest::collection::vec(1u64..2_000_000_000, 1..40)) {
        let (mut often, mut once) = (Smoothed::new(Span::secs(10)), Smoothed::new(Span::secs(10)));
        often.next(0, 0.2);
        once.next(0, 0.2);
        let mut at = 0;
        for cut in cuts {
            at += cut;
            often.next(at, 0.9);
        }
        let (often, once) = (often.value().unwrap(), once.next(at, 0.9));
        prop_assert!((often - once).abs() < 1e-9, "{often} {once}");
    }

    #[test]
    fn the_average_stays_between_what_it_has_seen(samples in proptest::collection::vec((0u64..u64::MAX, 0.0f64..64.0), 1..50)) {
        let mut smooth = Smoothed::new(Span::secs(10));
        let low = samples.iter().map(|s| s.1).fold(f64::INFINITY, f64::min);
        let high = samples.iter().map(|s| s.1).fold(0.0, f64::max);
        for (at, sample) in samples {
            let value = smooth.next(at, sample);
            prop_assert!(value >= low - 1e-9 && value <= high + 1e-9);
        }
    }
}
