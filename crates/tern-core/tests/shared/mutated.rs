//! Bytes that were damaged on their way, or made up by somebody who knows the format: the same ones at every run.
//!
//! `TERN_MUTATIONS` says how many each decoder is given; `cargo xtask soak` gives ten times as many as `cargo xtask test`.

fn mutations() -> u64 {
    std::env::var("TERN_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000)
}

/// Splitmix: the same mutations at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    /// A few bytes are changed, put in, taken out, or the end is cut.
    fn mutate(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => bytes.extend_from_slice(&good[..self.below(good.len())]),
                4 | 5 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, self.below(256) as u8][self.below(6)],
                _ => {}
            }
        }
        bytes
    }
}

/// Gives `read` mutations of each sample; `read` says whether something was read.
pub fn storm(samples: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> bool) {
    let mut dice = Dice(42);
    let mut taken = 0;
    for round in 0..mutations() {
        taken += u64::from(read(&dice.mutate(&samples[round as usize % samples.len()])));
    }
    assert!(taken < mutations(), "nothing was ever refused");
}
