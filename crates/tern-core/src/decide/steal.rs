//! Whom an idle node asks for work, and for how much.
//!
//! Of two peers drawn it asks the one with the longer queue: the longest of all would be asked by everybody. Each eighth
//! question goes to another, so that no short queue is forgotten.
//! Long tasks are asked for one a free slot, so that
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
    /// Tasks beyond the slots: what the way here takes would leave slots idle.
    pub more: u32,
    /// More tasks than this must wait on a peer.
    pub threshold: u32,
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
        let (low, target) =
            if short_tasks { (self.ahead / 2, self.ahead) } else { (self.slots + self.more, self.slots + self.more) };
        let expected = self.in_hand.saturating_add(self.asked);
        if expected < low { target.saturating_sub(expected).min(GRANT_TASKS_MAX) } else { 0 }
    }
}

/// How many questions there are to one that goes to any peer with work.
const ANY_OF: u32 = 8;

/// `question` is the number of this question, `draw` any number: it decides between equals.
#[must_use]
pub fn propose(picture: &Picture, question: u32, draw: u64) -> Option<Ask> {
    let tasks = picture.want();
    if tasks == 0 {
        return None;
    }
    let loaded = |peer: &Peer| peer.queued > picture.threshold;
    let count = picture.peers.iter().filter(|peer| loaded(peer)).count() as u64;
    if count == 0 {
        return None;
    }
    let nth = |place: u64| picture.peers.iter().enumerate().filter(|(_, peer)| loaded(peer)).nth(place as usize);
    let (first, first_peer) = nth((draw & 0xffff_ffff) % count)?;
    let (second, second_peer) = nth((draw >> 32) % count)?;
    let other = second_peer.queued > first_peer.queued && question % ANY_OF != ANY_OF - 1;
    Some(Ask { peer: if other { second } else { first }, tasks })
}
