//! A task that somebody wants elsewhere, from the wish to its answer.
//!
//! First it has to be free: what runs is asked to end, here or where it was lent to. Then it is set aside for the node that is to have
//! it, which is told so and gets exactly this task when it asks. Nothing of this is durable, and nothing has to be: whatever
//! fails on the way, the task stands in its queue again and runs somewhere.

mod begin;
mod gain;
mod pursue;

use alloc::collections::BTreeMap;

use crate::plan::Reason;
use crate::view::How;
use crate::words::{Epoch, GrantId, JobId, NodeId};

/// Tasks on the move. At most [`MIGRATIONS_MAX`](crate::words::limits::MIGRATIONS_MAX).
#[derive(Debug, Default)]
pub(super) struct Moving(BTreeMap<(JobId, u32), Move>);

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Move {
    /// Whose question it answers.
    ticket: u64,
    to: NodeId,
    how: How,
    because: Reason,
    /// Who had it, and under which token; none where it waited.
    from: NodeId,
    attempt: Option<(Epoch, u32)>,
    /// It came back without having begun.
    not_begun: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is being ended, here or in a loan; that is said again at this boot time.
    Ends { lent: Option<GrantId>, again: u64 },
    /// Set aside for its node, until then; the node is told again.
    Promised { until: u64, tell: u64 },
    /// It is in this loan; if it comes back at once it may be lent once more until then.
    Lent { grant: GrantId, until: u64 },
}

impl Moving {
    /// The task came back, and nothing of it was started.
    pub(super) fn had_not_begun(&mut self, job: JobId, task: u32) {
        if let Some(it) = self.0.get_mut(&(job, task)) {
            it.not_begun |= matches!(it.phase, Phase::Ends { .. });
        }
    }
}
