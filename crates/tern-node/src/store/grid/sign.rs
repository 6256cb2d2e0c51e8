//! Signatures of statements and joins: ed25519, the same keys as those of nodes.

use std::cell::Cell;

use iroh::{PublicKey, SecretKey};
use tern_core::trust::{Signature, Signer};
use tern_core::words::NodeId;

thread_local! {
    /// The key that was decoded last: a list of statements has one issuer for long stretches.
    static LAST: Cell<Option<PublicKey>> = const { Cell::new(None) };
}

/// Whether the holder of `key` signed this. For the core, which has no curve of its own. Strict: of one text and key there
/// is one signature.
#[must_use]
pub fn verify(key: &NodeId, message: &[u8], signature: &Signature) -> bool {
    let known = LAST.get().filter(|last| *last.as_bytes() == key.0);
    let Some(public) = known.or_else(|| PublicKey::from_bytes(&key.0).ok()) else { return false };
    LAST.set(Some(public));
    public.verify(message, &iroh::Signature::from_bytes(&signature.0)).is_ok()
}

#[must_use]
pub fn sign(secret: &SecretKey, message: &[u8]) -> Signature {
    Signature(secret.sign(message).to_bytes())
}

#[must_use]
pub fn public(secret: &SecretKey) -> NodeId {
    NodeId(*secret.public().as_bytes())
}

/// Lends a secret to the core for as long as `work` takes.
pub fn with_signer<T>(secret: &SecretKey, work: impl FnOnce(&Signer<'_>) -> T) -> T {
    let sign = |message: &[u8]| sign(secret, message);
    work(&Signer { key: public(secret), sign: &sign })
}
