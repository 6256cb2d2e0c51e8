//! Sharing work with other nodes: who is there, what was lent to them, what was borrowed from them.

mod asking;
mod borrowing;
mod held;
mod inputs;
mod lending;
mod moves;
mod peers;
mod results;
mod timers;

use alloc::collections::{BTreeMap, BTreeSet};

pub(super) use held::Borrowed;
pub(super) use lending::LoanClock;
pub(super) use moves::Moved;
pub use peers::Heard;
pub(super) use peers::{Peer, Pulse};

use crate::words::{GrantId, NodeId};

/// What a node knows of others; none of it is durable.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// Those that are connected.
    pub peers: BTreeMap<NodeId, Peer>,
    /// Those of them that wait for nothing but somebody to ask: they said that tasks wait there.
    pub loaded: BTreeSet<NodeId>,
    /// Those that were asked and have not answered.
    pub asking: BTreeSet<NodeId>,
    /// Questions asked so far.
    pub questions: u32,
    /// Questions in a row that brought nothing, and until when for that reason only those are asked who offer something.
    pub misses: u32,
    pub quiet_until: u64,
    /// More tasks than this must wait somewhere before it is asked.
    pub threshold: u32,
    /// Loans of the durable state, with their clocks.
    pub loans: BTreeMap<GrantId, LoanClock>,
    pub borrowed: BTreeMap<GrantId, Borrowed>,
    /// What was last told to peers.
    pub pulse: Pulse,
}
