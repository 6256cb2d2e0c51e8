//! How long a task is expected to run on one core of the reference machine, in one byte.
//!
//! Estimates are wrong by tens of per cent at best; steps of an eighth of an octave (9 %) lose nothing, and a job of a million
//! tasks keeps them in a megabyte.

/// Nothing is known.
pub const UNKNOWN: u8 = 0;

/// The class of so many milliseconds; what is shorter than one counts as one, what is longer than 40 days as that.
#[must_use]
pub fn class(ms: f64) -> u8 {
    if ms.is_nan() || ms <= 0.0 {
        return UNKNOWN;
    }
    let steps = libm::rint(libm::log2(ms.max(1.0)) * 8.0);
    // Casting stops at the ends of the type.
    (steps as u8).saturating_add(1)
}

/// Milliseconds of a class; none where nothing is known.
#[must_use]
pub fn ms(class: u8) -> Option<f64> {
    let steps = class.checked_sub(1)?;
    Some(libm::exp2(f64::from(steps) / 8.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_within_five_per_cent_of_what_it_stands_for() {
        for exponent in 0..300 {
            let wanted = libm::exp2(f64::from(exponent) / 10.0);
            let got = ms(class(wanted)).expect("something is known");
            assert!((got / wanted - 1.0).abs() < 0.05, "{wanted} became {got}");
        }
        assert_eq!(class(f64::NAN), UNKNOWN);
        assert_eq!(class(-1.0), UNKNOWN);
        assert_eq!(class(0.2), 1);
        assert_eq!(class(1e300), u8::MAX);
    }
}
