//! Keys and signatures of the simulated grid: a keyed checksum stands for the curve, so that a thousand nodes sign quickly.
//!
//! Whoever knows a key can sign with it here; the liars of the simulator only use their own.

use tern_core::trust::{Signature, Signer};
use tern_core::words::NodeId;

/// The key of computer `number` in the life of a seed. Their order has nothing to do with their numbers.
#[must_use]
pub fn key(seed: u64, number: usize) -> NodeId {
    let mut dice = fastrand::Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes = [0; 32];
    dice.fill(&mut bytes);
    NodeId(bytes)
}

fn mixed(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (product >> 64) as u64 ^ product as u64
}

/// The signature of a key over a message.
#[must_use]
pub fn sign(key: &NodeId, message: &[u8]) -> Signature {
    let mut state = 0x7465_726e_u64 ^ message.len() as u64;
    for part in key.0.chunks(8).chain(message.chunks(8)) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        state = mixed(state.rotate_left(23), u64::from_le_bytes(word) ^ 0x51_7c_c1_b7_27_22_0a_95);
    }
    let mut bytes = [0; 64];
    for (number, part) in bytes.chunks_mut(8).enumerate() {
        part.copy_from_slice(&mixed(state, number as u64 + 1).to_le_bytes());
    }
    Signature(bytes)
}

/// Whether a signature is one of this key over this message.
#[must_use]
pub fn verify(key: &NodeId, message: &[u8], signature: &Signature) -> bool {
    sign(key, message) == *signature
}

/// Calls `then` with a key and how to sign with it.
pub fn with_signer<T>(key: NodeId, then: impl FnOnce(&Signer<'_>) -> T) -> T {
    let sign = move |message: &[u8]| sign(&key, message);
    then(&Signer { key, sign: &sign })
}
