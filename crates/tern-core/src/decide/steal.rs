//! Whom an idle node asks for work, and for how much.
//!
//! It asks the peer with the longest queue for each of its slots. Long tasks are asked for one a free slot, so that
//! nobody hoards them; short ones so many that the slots stay busy until the next answer.

use alloc::vec::Vec;

use crate::words::limits::GRANT_TASKS_MAX;

/// What an idle node sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub slots: u32,
    /// Tasks that should be in the warden's hands.
    pub ahead: u32,
    pub in_hand: u32,
    /// Tasks asked for and not answered yet.
    pub asked: u32,
    /// Peers that may be asked now, in the order of their ids.
    pub peers: Vec<Peer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub queued: u32,
    pub slots: u32,
}

/// Whom to ask (by its place in the picture), and for how many tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub peer: usize,
    pub tasks: u32,
}

impl Picture {
    /// How many tasks this node could take.
    #[must_use]
    pub fn want(&self) -> u32 {
        let short_tasks = self.ahead > self.slots.saturating_mul(2);
        let (low, target) = if short_tasks { (self.ahead / 2, self.ahead) } else { (self.slots, self.slots) };
        let expected = self.in_hand.saturating_add(self.asked);
        if expected < low { target.saturating_sub(expected).min(GRANT_TASKS_MAX) } else { 0 }
    }
}

#[must_use]
pub fn propose(picture: &Picture) -> Option<Ask> {
    let tasks = picture.want();
    if tasks == 0 {
        return None;
    }
    // Backlogs a slot are compared by cross-multiplication: no rounding, no floats. Among equals the first stays.
    let load = |peer: &Peer, other: &Peer| u64::from(peer.queued) * u64::from(other.slots.max(1));
    let mut best: Option<(usize, &Peer)> = None;
    for (place, peer) in picture.peers.iter().enumerate().filter(|(_, peer)| peer.queued > 0) {
        if best.is_none_or(|(_, best)| load(peer, best) > load(best, peer)) {
            best = Some((place, peer));
        }
    }
    best.map(|(peer, _)| Ask { peer, tasks })
}
