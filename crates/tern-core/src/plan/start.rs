//! The plan by which tasks go to the own warden.

use alloc::vec::Vec;

use super::reason::Reason;
use crate::decide::dispatch::Picture;

/// Start `tasks` of the lane with this place in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub lane: usize,
    pub tasks: u32,
    pub because: Reason,
}

/// Turns shares into actions, in the order of turns; lanes that get nothing have none.
#[must_use]
pub fn plan(picture: &Picture, shares: &[u32]) -> Vec<Start> {
    let mut in_hand = picture.in_hand;
    let mut starts = Vec::new();
    for (lane, tasks) in shares.iter().copied().enumerate().filter(|(_, tasks)| *tasks > 0) {
        starts.push(Start { lane, tasks, because: Reason::Room { ahead: picture.ahead, in_hand } });
        in_hand = in_hand.saturating_add(tasks);
    }
    starts
}
