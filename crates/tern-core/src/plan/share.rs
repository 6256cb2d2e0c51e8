//! The plans by which work moves between nodes: a question to a peer, a loan to one that asked.

use super::check::Fault;
use super::reason::Reason;
use crate::decide::{lend, steal};
use crate::words::limits::GRANT_TASKS_MAX;

/// Ask the peer with this place in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub peer: usize,
    pub tasks: u32,
    pub because: Reason,
}

/// Lend from the queue with this place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lend {
    pub queue: usize,
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

/// Gives the proposal its reason.
#[must_use]
pub fn lend(queues: &[u32], asked: u32, proposal: lend::Lend) -> Option<Lend> {
    let queued = *queues.get(proposal.queue)?;
    Some(Lend { queue: proposal.queue, tasks: proposal.tasks, because: Reason::HalfOfQueue { queued, asked } })
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

/// Whether the loan may be given.
///
/// # Errors
/// The first rule broken.
pub fn check_lend(plan: &Lend, queues: &[u32], asked: u32) -> Result<(), Fault> {
    let Some(queued) = queues.get(plan.queue) else {
        return Err(Fault::UnknownLane { lane: plan.queue });
    };
    let room = (*queued).min(asked).min(GRANT_TASKS_MAX);
    if plan.tasks == 0 || plan.tasks > room {
        return Err(Fault::MoreThanRoom { lane: plan.queue, tasks: plan.tasks, room });
    }
    Ok(())
}
