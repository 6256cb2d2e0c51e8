//! How many slots a machine keeps for tasks while its owner uses it.
//!
//! What of the load is not ours is the owner's: as many slots as that takes are given up, and given back when it falls. Both
//! loads are averages of the last minute, and a whole slot changes hands only when the owner's load is three quarters of a
//! slot away from what was given up: a load that trembles changes nothing. Running tasks are not touched by this.

/// How far the owner's load must be from what was given up.
pub const AWAY: f64 = 0.75;
/// How much of a slot may be taken for a whole one.
const SPARE: f64 = 1.0 - AWAY;

/// What is known of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture {
    /// Slots where nobody uses it.
    pub slots: u32,
    pub cpus: u32,
    /// The load average of the machine, and what of it our own tasks make.
    pub load: f64,
    pub ours: f64,
    /// CPUs that are left to the owner now.
    pub taken: u32,
    /// A task may run even where the owner takes all.
    pub leave_one: bool,
}

/// How a machine is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// CPUs for the owner.
    pub taken: u32,
    /// Slots for tasks.
    pub open: u32,
}

/// What is known is not a number: all stays as it is.
#[must_use]
pub fn propose(picture: &Picture) -> Share {
    let Picture { slots, cpus, taken, .. } = *picture;
    let others = picture.load - picture.ours;
    let now = f64::from(taken);
    // Casting stops at the ends of the type, and what is not a number fails both comparisons.
    let taken = if others >= now + AWAY {
        libm::floor(others + SPARE) as u32
    } else if others <= now - AWAY {
        libm::ceil(others - SPARE) as u32
    } else {
        taken
    };
    let least = u32::from(picture.leave_one).min(slots);
    // More slots than CPUs were wished for: then each CPU of the owner's is a slot less.
    let open = slots.min(slots.max(cpus).saturating_sub(taken)).max(least);
    Share { taken, open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(load: f64, ours: f64, taken: u32) -> Picture {
        Picture { slots: 4, cpus: 4, load, ours, taken, leave_one: true }
    }

    #[test]
    fn an_owner_who_comes_and_goes_is_made_room_for() {
        for (load, ours, taken, share) in [
            (0.0, 0.0, 0, (0, 4)),
            (4.1, 4.0, 0, (0, 4)),
            (4.8, 4.0, 0, (1, 3)),
            (2.7, 0.0, 0, (2, 4 - 2)),
            (2.75, 0.0, 0, (3, 1)),
            (1.6, 0.0, 1, (1, 3)),
            (1.3, 0.0, 2, (2, 2)),
            (1.2, 0.0, 2, (1, 3)),
            (0.2, 0.0, 1, (0, 4)),
            (0.3, 0.0, 1, (1, 3)),
            (99.0, 0.0, 0, (99, 1)),
            (0.0, 3.0, 2, (0, 4)),
            (f64::NAN, 0.0, 2, (2, 2)),
        ] {
            let found = propose(&picture(load, ours, taken));
            assert_eq!((found.taken, found.open), share, "load {load}, ours {ours}, {taken} taken");
        }
        let none = Picture { leave_one: false, ..picture(9.0, 0.0, 0) };
        assert_eq!(propose(&none).open, 0);
        let few = Picture { slots: 2, ..picture(1.0, 0.0, 0) };
        assert_eq!(propose(&few).open, 2, "three CPUs are left for two slots");
        let many = Picture { slots: 8, ..picture(1.0, 0.0, 0) };
        assert_eq!(propose(&many).open, 7);
    }

    proptest! {
        /// The same load twice changes nothing the second time, and a quarter of a slot more or less never does.
        #[test]
        fn what_was_decided_stands(load in 0.0..64.0f64, ours in 0.0..8.0f64, taken in 0u32..80, trembles in -0.25..0.25f64) {
            let first = propose(&picture(load, ours, taken));
            let again = propose(&picture(load, ours, first.taken));
            prop_assert_eq!(first, again);
            // Away from where it was decided by less than the width of the band.
            if (load - ours).max(0.0) > 1.0 && (f64::from(first.taken) - (load - ours)).abs() < 0.5 {
                prop_assert_eq!(propose(&picture(load + trembles, ours, first.taken)), first);
            }
        }

        #[test]
        fn there_are_never_more_slots_than_there_were(slots in 0u32..5000, cpus in 0u32..5000, load in 0.0..9e9f64,
            taken in 0u32..u32::MAX, leave_one: bool) {
            let share = propose(&Picture { slots, cpus, load, ours: 0.0, taken, leave_one });
            prop_assert!(share.open <= slots);
            prop_assert!(share.open >= u32::from(leave_one).min(slots));
        }
    }
}
