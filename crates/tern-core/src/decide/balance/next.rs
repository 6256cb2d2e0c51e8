//! Which of the waiting tasks is next, in the order that their jobs asked for.
//!
//! Tasks of about the same length stand together, the most urgent of each length first; so a choice looks at a few dozen
//! heads, however many tasks wait.

use core::cmp::Ordering;

use crate::words::spec::Discipline;

/// The first of the waiting tasks of about one length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Milliseconds on the reference core.
    pub estimate_ms: f64,
    /// The smaller, the earlier: a turn, the time of arrival or a deadline (Unix milliseconds), as the order has it.
    pub key: u64,
}

/// The key of a job that takes turns: those with fewer turns first.
#[must_use]
pub fn turn_key(turns: u64, number: u32) -> u64 {
    turns << 32 | u64::from(number)
}

impl Head {
    /// Turns that its job had before.
    const fn turns(&self) -> u64 {
        self.key >> 32
    }

    /// How long it has waited and will run, over how long it will run.
    fn response_ratio(&self, now_ms: u64) -> f64 {
        1.0 + now_ms.saturating_sub(self.key) as f64 / self.estimate_ms.max(1.0)
    }
}

/// The place of the next task; among equals the first.
#[must_use]
pub fn next(discipline: Discipline, heads: &[Head], now_ms: u64) -> Option<usize> {
    let earlier = |one: &Head, other: &Head| one.key.cmp(&other.key);
    let before = |one: &Head, other: &Head| match discipline {
        Discipline::Fifo | Discipline::Deadline => earlier(one, other),
        // Jobs take turns: the many long tasks of one must not keep all of another waiting.
        Discipline::Batch => {
            let longer = || other.estimate_ms.total_cmp(&one.estimate_ms);
            one.turns().cmp(&other.turns()).then_with(longer).then_with(|| earlier(one, other))
        }
        Discipline::Interactive => {
            other.response_ratio(now_ms).total_cmp(&one.response_ratio(now_ms)).then_with(|| earlier(one, other))
        }
    };
    let mut best: Option<usize> = None;
    for (place, head) in heads.iter().enumerate() {
        if best.is_none_or(|best| before(head, &heads[best]) == Ordering::Less) {
            best = Some(place);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [Head; 3] = [
        Head { estimate_ms: 1_000.0, key: 900 },
        Head { estimate_ms: 9_000.0, key: 500 },
        Head { estimate_ms: 4_000.0, key: 100 },
    ];

    #[test]
    fn each_order_has_its_own_first() {
        assert_eq!(next(Discipline::Fifo, &HEADS, 1_000), Some(2), "the oldest");
        assert_eq!(next(Discipline::Batch, &HEADS, 1_000), Some(1), "the longest");
        assert_eq!(next(Discipline::Deadline, &HEADS, 1_000), Some(2), "the earliest deadline");
        // Ratios are 1.1, 1.06 and 1.23; much later the short one overtakes.
        assert_eq!(next(Discipline::Interactive, &HEADS, 1_000), Some(2));
        assert_eq!(next(Discipline::Interactive, &HEADS, 20_000), Some(0));
        assert_eq!(next(Discipline::Fifo, &[], 0), None);
        let served = HEADS.map(|head| Head { key: turn_key(u64::from(head.estimate_ms > 5_000.0), 1), ..head });
        assert_eq!(next(Discipline::Batch, &served, 1_000), Some(2), "the longest of the job whose turn it is");
    }
}
