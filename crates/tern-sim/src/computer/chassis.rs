//! Everything that is one computer, put together.
//!
//! The parts know nothing of one another; the world moves things between them.

use std::collections::VecDeque;

use tern_core::observe::Power as Feed;
use tern_core::words::NodeId;

use super::{Agent, Checkpoint, Clock, FromWarden, Journal, ToWarden, Warden};
use crate::queue::What;

/// What a computer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Honest,
    /// Runs no machine; forges messages.
    Liar,
}

/// Why a computer does nothing just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    On,
    /// No power; boots later.
    Off,
    /// Nothing runs, boot time goes on.
    Asleep,
}

/// What the owner leaves, and since when the agent knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yielding {
    pub open: u32,
    /// True time.
    pub since: u64,
}

/// Everything that is one computer.
#[derive(Debug)]
pub struct Computer {
    pub id: NodeId,
    pub kind: Kind,
    pub power: Power,
    pub clock: Clock,
    pub journal: Journal,
    pub warden: Warden,
    pub agent: Option<Agent>,
    /// Lies beside the journal and survives as that does.
    pub checkpoint: Option<Checkpoint>,
    /// Increased by each start of an agent.
    pub agent_generation: u32,
    /// The agent is stopped in its tracks until then (the warden is not).
    pub stalled_until: u64,
    /// Bytes on the socket, not read yet; they survive their writer.
    pub to_warden: VecDeque<ToWarden>,
    pub to_agent: VecDeque<FromWarden>,
    /// CPUs that its owner uses just now.
    pub owner: u32,
    /// Since the agent was told of him: what he leaves.
    pub yielding: Option<Yielding>,
    pub feed: Feed,
    /// Since when the agent knows that the battery is low.
    pub low: Option<u64>,
    /// What would have happened while it slept, with the true time for which it was planned.
    pub deferred: Vec<(u64, What)>,
}

impl Computer {
    #[must_use]
    pub fn new(number: u8, kind: Kind, clock: Clock, slots: u32) -> Self {
        let mut id = [number + 1; 32];
        id[..4].fill((number + 1) * 0x11);
        let warden = Warden { slots, ..Warden::default() };
        Self {
            id: NodeId(id),
            kind,
            power: Power::Off,
            clock,
            journal: Journal::default(),
            warden,
            agent: None,
            checkpoint: None,
            agent_generation: 0,
            stalled_until: 0,
            to_warden: VecDeque::new(),
            to_agent: VecDeque::new(),
            owner: 0,
            yielding: None,
            feed: Feed::Mains,
            low: None,
            deferred: Vec::new(),
        }
    }

    /// Whether packets are taken up: powered, awake, and somebody listens.
    #[must_use]
    pub const fn listens(&self) -> bool {
        matches!(self.power, Power::On) && (self.agent.is_some() || matches!(self.kind, Kind::Liar))
    }
}
