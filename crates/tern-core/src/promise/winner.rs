//! Which of several results of one task is *the* result.
//!
//! Replicas that hold the same results name the same one: success beats failure, then the lowest epoch, dispatch and
//! checksum. What was accepted first stays.

use super::outcome::Outcome;
use crate::words::Epoch;

/// The place of a result among those of the same job, task and round; the lowest wins.
#[must_use]
pub fn rank(outcome: &Outcome) -> (bool, Epoch, u32, u32) {
    let attempt = &outcome.attempt;
    let bytes = postcard::to_allocvec(outcome).unwrap_or_default();
    (!outcome.exit.is_success(), attempt.epoch, attempt.n, crc32fast::hash(&bytes))
}

/// The winner among results of one (job, task, round).
#[must_use]
pub fn winner<'a>(results: impl IntoIterator<Item = &'a Outcome>) -> Option<&'a Outcome> {
    results.into_iter().min_by_key(|outcome| rank(outcome))
}
