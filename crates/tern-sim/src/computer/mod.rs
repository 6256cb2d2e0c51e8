//! One simulated computer: clocks, disks, a warden, and an agent around the machine of the core.

pub mod agent;
pub mod clock;
pub mod journal;
pub mod warden;

use std::collections::VecDeque;

use tern_core::words::NodeId;

pub use agent::{Agent, Link};
pub use clock::Clock;
pub use journal::{Commit, Health, Journal};
pub use warden::{FromWarden, Run, ToWarden, Warden};

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
    /// Increased by each start of an agent.
    pub agent_generation: u32,
    /// The agent is stopped in its tracks until then (the warden is not).
    pub stalled_until: u64,
    /// Bytes on the socket, not read yet; they survive their writer.
    pub to_warden: VecDeque<ToWarden>,
    pub to_agent: VecDeque<FromWarden>,
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
            agent_generation: 0,
            stalled_until: 0,
            to_warden: VecDeque::new(),
            to_agent: VecDeque::new(),
            deferred: Vec::new(),
        }
    }

    /// Whether packets are taken up: powered, awake, and somebody listens.
    #[must_use]
    pub const fn listens(&self) -> bool {
        matches!(self.power, Power::On) && (self.agent.is_some() || matches!(self.kind, Kind::Liar))
    }
}
