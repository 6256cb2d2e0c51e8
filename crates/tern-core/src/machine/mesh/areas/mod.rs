//! Zones as areas of routing: in a large grid a node knows the nodes of its own zone, and of the others only what their speakers say.
//!
//! Up to [`FLAT_MEMBERS_MAX`](crate::words::limits::FLAT_MEMBERS_MAX) members everybody knows everybody, and a zone is a word beside a
//! name. Above it adjacency stays inside the zone. The first nodes of each zone, by an order that all of it compute alike, speak for it:
//! who is there, where it borders on others, how loaded it is. From these rosters every node draws the same small graph of
//! zones; a packet goes to the border that leads on, and there the next zone knows more.

mod attach;
mod broker;
mod far;
mod hold;
mod order;
mod speak;
mod view;
mod ways;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::words::NodeId;

pub use view::ZoneView;

pub(super) use hold::Spoken;
use speak::Speech;
use ways::FarWay;

/// What this node knows of zones.
#[derive(Debug, Default)]
pub(super) struct Areas {
    /// More members than this do not all know each other.
    pub above: usize,
    /// There are so many.
    pub areal: bool,
    /// The zone of this machine, declared or by its network.
    home: String,
    /// The zone to which it belongs while it is elsewhere.
    attached: Option<String>,
    strays_since: Option<u64>,
    /// What the neighbours were told last; None: everybody knows everybody.
    told: Option<String>,
    /// What others said in the name of their zones.
    pub held: BTreeMap<NodeId, Spoken>,
    speech: Speech,
    /// Rosters or borders are others than those that the ways were drawn from.
    changed: bool,
    drawn_at: u64,
    ways: Vec<FarWay>,
    borders_seen: u64,
    /// Pairs of nodes with short ways between them, in a grid without areas.
    near: BTreeSet<(NodeId, NodeId)>,
    published: u64,
    /// When this node last told how loaded all zones are, as the broker of its own.
    told_all: u64,
}

impl Areas {
    pub fn new(above: usize) -> Self {
        Self { above, ..Self::default() }
    }
}
