//! Whether a machine on battery takes work.
//!
//! Below a charge it starts nothing more; it comes back when it is fed again, or when the charge has risen well above that
//! mark, so that a battery that trembles around it does not switch the machine on and off. A charge that is not told
//! changes nothing.

use crate::observe::Power;

/// How far above the mark the charge must rise, in per cent.
pub const RISE: u8 = 10;

/// What is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It starts nothing more: the charge is below the mark.
    Low { percent: u8 },
    /// It starts tasks again: the charge has risen.
    Charged { percent: u8 },
    /// It starts tasks again: it is not on battery any more.
    Fed,
}

/// `low`: it stands back now. `below`: the mark in per cent; 0: it never does.
#[must_use]
pub fn propose(low: bool, power: Power, below: u8) -> Option<Change> {
    match power {
        Power::Battery { percent: Some(percent) } if !low && percent < below => Some(Change::Low { percent }),
        // A mark near the top could never be passed by so much: a full battery is enough.
        Power::Battery { percent: Some(percent) } if low && percent >= below.saturating_add(RISE).min(100) => {
            Some(Change::Charged { percent })
        }
        Power::Battery { .. } => None,
        Power::Mains | Power::Unknown => low.then_some(Change::Fed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_battery_that_falls_rises_and_trembles() {
        let on = |percent| Power::battery(Some(percent));
        for (low, power, change) in [
            (false, on(100), None),
            (false, on(20), None),
            (false, on(19), Some(Change::Low { percent: 15 })),
            (true, on(15), None),
            (true, on(29), None),
            (true, on(30), Some(Change::Charged { percent: 30 })),
            (true, Power::Mains, Some(Change::Fed)),
            (true, Power::Unknown, Some(Change::Fed)),
            (false, Power::Mains, None),
            (true, Power::battery(None), None),
            (false, Power::battery(None), None),
        ] {
            assert_eq!(propose(low, power, 20), change, "{low} {power:?}");
        }
        assert_eq!(propose(false, on(1), 0), None, "0 is never");
        assert_eq!(propose(true, on(100), 95), Some(Change::Charged { percent: 100 }));
    }
}
