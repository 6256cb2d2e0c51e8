//! The world: several computers, a network, a client, and what goes wrong.
//!
//! Virtual time; nothing here knows the machine it runs on. The parts of [`World`] live in the files of this folder by
//! subject, and each of them is plain code that plans the next events.

mod agents;
mod commands;
pub mod faults;
mod inputs;
mod liar;
mod network;
mod perform;
mod step;
mod wardens;

use tern_core::machine::Effect;

use crate::client::Client;
use crate::computer::Computer;
use crate::oracle::{Failure, Ledger, Triads};
use crate::plan::{Dice, Plan};
pub use crate::queue::{Parcel, Queue, What};
use crate::story::Story;
pub(crate) use agents::Cause;
pub use network::Network;

/// What a life came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Things that happened, of all kinds.
    pub steps: u64,
    /// Events that machines handled.
    pub events: u64,
    pub effects: u64,
    pub messages: u64,
    pub jobs: u64,
    pub tasks: u64,
    /// Processes started.
    pub runs: u64,
    pub faults: u64,
    /// Forged messages.
    pub lies: u64,
    pub loans: u64,
    /// Second copies of running tasks.
    pub copies: u64,
    /// Nanoseconds of virtual time.
    pub lived: u64,
}

/// Everything there is.
pub struct World {
    /// True time, nanoseconds since the beginning.
    pub now: u64,
    pub nodes: Vec<Computer>,
    pub plan: Plan,
    pub stats: Stats,
    pub story: Story,
    pub client: Client,
    pub ledger: Ledger,
    /// What nodes wrote down of transfers.
    pub triads: Triads,
    pub failure: Option<Failure>,
    /// From then on nothing goes wrong any more.
    pub calm_since: Option<u64>,
    pub(crate) queue: Queue,
    pub(crate) network: Network,
    pub(crate) dice: Dice,
    /// Numbers processes.
    pub(crate) runs: u64,
    /// Kept between events for its room.
    effects: Vec<Effect>,
}

/// Adds a line to the story, if somebody listens: `say!(world, node, "who", "format", …)`.
macro_rules! say {
    ($world:expr, $node:expr, $who:expr, $($text:tt)*) => {
        if $world.story.is_told() {
            let text = format!($($text)*);
            $world.story.tell($world.now, $node, $who, &text);
        }
    };
}
pub(crate) use say;
