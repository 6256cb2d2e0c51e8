//! The trits of many nodes together: how many there are of each, their sum, and a check digit.
//!
//! The rules of balance ask for the whole number S = P − M, in which the sign has a meaning. Its residue modulo 3 says nothing of
//! how even the load is: three overloaded nodes have the residue 0 as three balanced ones have. It is published since it makes a
//! check digit, the *parity trit*: with it the trits of all nodes add up to 0 modulo 3, so that whoever has a trit of one node wrong
//! sees that something is. Two wrong ones may hide each other; the counts are published, too.

use serde::{Deserialize, Serialize};

use super::NodeTrit;

/// Counted trits of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs {
    /// P: overloaded nodes.
    pub plus: u32,
    /// Z: balanced ones.
    pub zero: u32,
    /// M: idle ones.
    pub minus: u32,
}

impl Signs {
    #[must_use]
    pub fn of(trits: impl IntoIterator<Item = NodeTrit>) -> Self {
        let mut signs = Self::default();
        trits.into_iter().for_each(|trit| signs.count(trit));
        signs
    }

    pub const fn count(&mut self, trit: NodeTrit) {
        let counted = match trit {
            NodeTrit::Idle => &mut self.minus,
            NodeTrit::Balanced => &mut self.zero,
            NodeTrit::Overloaded => &mut self.plus,
        };
        *counted = counted.saturating_add(1);
    }

    /// S: above 0 more nodes are overloaded than idle.
    #[must_use]
    pub fn sum(&self) -> i64 {
        i64::from(self.plus) - i64::from(self.minus)
    }

    /// S modulo 3, as −1, 0 or +1.
    #[must_use]
    pub fn residue(&self) -> i8 {
        match self.sum().rem_euclid(3) {
            0 => 0,
            1 => 1,
            _ => -1,
        }
    }

    /// Whether the residue is 0. No measure of health.
    #[must_use]
    pub fn conserved(&self) -> bool {
        self.residue() == 0
    }

    /// The check digit: added to all trits it makes their sum 0 modulo 3.
    #[must_use]
    pub fn parity(&self) -> i8 {
        -self.residue()
    }

    /// Whether trits as somebody sees them go with the check digit of who knows them.
    #[must_use]
    pub fn goes_with(&self, parity: i8) -> bool {
        self.parity() == parity
    }

    /// Pairs of an overloaded and an idle node that could help each other.
    #[must_use]
    pub fn pairs(&self) -> u32 {
        self.plus.min(self.minus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ALL: [NodeTrit; 3] = [NodeTrit::Idle, NodeTrit::Balanced, NodeTrit::Overloaded];

    fn value(trit: NodeTrit) -> i64 {
        trit as i64 - 1
    }

    /// Every vector of up to eight trits.
    fn vectors() -> impl Iterator<Item = Vec<NodeTrit>> {
        (0..=8u32).flat_map(|nodes| {
            (0..3usize.pow(nodes)).map(move |number| {
                (0..nodes).scan(number, |rest, _| Some(ALL[core::mem::replace(rest, *rest / 3) % 3])).collect()
            })
        })
    }

    #[test]
    fn counts_sum_residue_and_parity_belong_together_for_all_vectors_of_up_to_eight() {
        for trits in vectors() {
            let signs = Signs::of(trits.iter().copied());
            assert_eq!(signs.plus + signs.zero + signs.minus, trits.len() as u32);
            let sum: i64 = trits.iter().map(|trit| value(*trit)).sum();
            assert_eq!(signs.sum(), sum);
            assert_eq!((sum - i64::from(signs.residue())) % 3, 0);
            assert_eq!((sum + i64::from(signs.parity())) % 3, 0);
            assert_eq!(signs.conserved(), sum % 3 == 0);
        }
    }

    #[test]
    fn the_check_digit_finds_any_one_wrong_trit() {
        for trits in vectors() {
            let parity = Signs::of(trits.iter().copied()).parity();
            for place in 0..trits.len() {
                for other in ALL.into_iter().filter(|other| *other != trits[place]) {
                    let mut seen = trits.clone();
                    seen[place] = other;
                    assert!(!Signs::of(seen).goes_with(parity), "{trits:?} as {other} at {place}");
                }
            }
        }
    }

    #[test]
    fn conserved_is_no_health() {
        let overloaded = Signs::of([NodeTrit::Overloaded; 3]);
        assert!(overloaded.conserved() && overloaded.sum() == 3);
        let uneven = Signs::of([NodeTrit::Overloaded, NodeTrit::Idle]);
        assert!(uneven.sum() == 0 && uneven.pairs() == 1);
    }
}
