//! Ed25519 for the core: keys, signatures made and checked.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use iroh::{PublicKey, SecretKey, Signature as Ed25519};
use tern_core::trust::{Signature, Signer};
use tern_core::words::NodeId;

/// Decoded keys that are kept; decompressing a point of the curve costs about as much as checking a signature.
const KEYS_MAX: usize = 16_384;

static KEYS: RwLock<Option<HashMap<[u8; 32], PublicKey>>> = RwLock::new(None);

/// The node that a secret key is.
pub fn node(secret: &SecretKey) -> NodeId {
    NodeId(*secret.public().as_bytes())
}

pub fn sign(secret: &SecretKey, text: &[u8]) -> Signature {
    Signature(secret.sign(text).to_bytes())
}

/// Lends a secret key to a function of the core that signs.
pub fn with<T>(secret: &SecretKey, act: impl FnOnce(&Signer<'_>) -> T) -> T {
    let sign = |text: &[u8]| sign(secret, text);
    act(&Signer { key: node(secret), sign: &sign })
}

/// Whether the holder of `key` signed `text`.
pub fn verify(key: &NodeId, text: &[u8], signature: &Signature) -> bool {
    let Some(key) = decoded(key) else { return false };
    key.verify(text, &Ed25519::from_bytes(&signature.0)).is_ok()
}

fn decoded(key: &NodeId) -> Option<PublicKey> {
    let known = KEYS.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|keys| keys.get(&key.0).copied());
    if known.is_some() {
        return known;
    }
    let decoded = PublicKey::from_bytes(&key.0).ok()?;
    let mut keys = KEYS.write().unwrap_or_else(PoisonError::into_inner);
    let keys = keys.get_or_insert_default();
    if keys.len() >= KEYS_MAX {
        // Of strangers, most likely: those of members are soon there again.
        keys.clear();
    }
    keys.insert(key.0, decoded);
    Some(decoded)
}
