//! The plan by which work moves between nodes: a question to a peer.

use super::check::Fault;
use super::reason::Reason;
use crate::decide::steal;

/// Ask the peer with this place in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub peer: usize,
    pub tasks: u32,
    pub because: Reason,
}

/// Gives the proposal its reason.
#[must_use]
pub fn ask(picture: &steal::Picture, proposal: steal::Ask) -> Option<Ask> {
    let peer = picture.peers.get(proposal.peer)?;
    let free = picture.slots.saturating_sub(picture.in_hand);
    let because = Reason::Idle { free, peer_queued: peer.queued, peer_slots: peer.slots };
    Some(Ask { peer: proposal.peer, tasks: proposal.tasks, because })
}

/// Whether the question may be asked.
///
/// # Errors
/// The first rule broken.
pub fn check_ask(plan: &Ask, picture: &steal::Picture) -> Result<(), Fault> {
    if plan.peer >= picture.peers.len() {
        return Err(Fault::UnknownLane { lane: plan.peer });
    }
    let room = picture.want();
    if plan.tasks == 0 || plan.tasks > room {
        return Err(Fault::MoreThanRoom { lane: plan.peer, tasks: plan.tasks, room });
    }
    Ok(())
}
