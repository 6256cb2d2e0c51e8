//! Vectors of 64 digits of which each is −1, 0 or +1, added digit by digit modulo 3.
//!
//! Every transfer has such a vector, drawn from its number. Its sender posts it, its receiver posts the opposite, and all that was
//! posted adds up to nothing. One posting too many or too few is always seen; that several hide each other has a chance of 3⁻⁶⁴.

use serde::{Deserialize, Serialize};

use crate::words::GrantId;

/// One bit a digit in both words: the digits that are +1, and those that are −1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trits {
    plus: u64,
    minus: u64,
}

impl Trits {
    pub const ZERO: Self = Self { plus: 0, minus: 0 };

    /// The vector of a transfer: each digit is −1, 0 or +1 with the same chance.
    #[must_use]
    pub fn of(tx: GrantId) -> Self {
        let mut state = tx.incarnation ^ u64::from(tx.n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (mut trits, mut open) = (Self::ZERO, u64::MAX);
        // Each round settles three quarters of the digits that are open.
        while open != 0 {
            let (high, low) = (mix(&mut state), mix(&mut state));
            trits.plus |= open & low & !high;
            trits.minus |= open & high & !low;
            open &= high & low;
        }
        trits
    }

    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.plus | self.minus == 0
    }

    /// The sum, digit by digit.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        let carry = (self.plus | other.minus) ^ (self.minus | other.plus);
        Self { plus: (self.minus | other.minus) ^ carry, minus: (self.plus | other.plus) ^ carry }
    }

    /// The opposite.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { plus: self.minus, minus: self.plus }
    }
}

/// The next of a row of well mixed words.
const fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(value: i64) -> Trits {
        Trits { plus: u64::from(value == 1), minus: u64::from(value == -1) }
    }

    #[test]
    fn digits_add_modulo_three() {
        for one in -1i64..=1 {
            for other in -1i64..=1 {
                let sum = [0, 1, -1][(one + other).rem_euclid(3) as usize];
                assert_eq!(digit(one).with(digit(other)), digit(sum), "{one} + {other}");
            }
            assert_eq!(digit(one).with(digit(one).negated()), Trits::ZERO);
        }
    }

    #[test]
    fn digits_are_even_and_transfers_differ() {
        let all = (0..10_000).map(|n| Trits::of(GrantId { incarnation: 7, n }));
        let (plus, minus) = all.fold((0u32, 0u32), |(plus, minus), trits| {
            assert!(!trits.is_zero() && trits.plus & trits.minus == 0);
            (plus + trits.plus.count_ones(), minus + trits.minus.count_ones())
        });
        let third = 10_000.0 * 64.0 / 3.0;
        for count in [plus, minus] {
            assert!((f64::from(count) / third - 1.0).abs() < 0.02, "{count}");
        }
    }
}
