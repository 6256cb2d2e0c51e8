//! The grid and its nodes, as this node sees them.
//!
//! What was not measured, or not heard yet, is absent and never zero. Names, facts and zones are what the nodes say of
//! themselves.

use serde::{Deserialize, Serialize};
use tern_core::machine::mesh::NodeView;
use tern_core::observe::LinkTrit;
use tern_core::words::NodeId;
use utoipa::ToSchema;

use super::machine::{FactsView, VitalsView};
use crate::overlay::door::nearby::Nearby;
use crate::overlay::grid::GridView;

/// `GET /v1/members`: who is in the grid.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MembersView {
    /// Its short id, and its public key.
    pub grid: String,
    pub grid_key: String,
    /// This node: its name in the grid, and whether its machine may let others in.
    pub here: String,
    pub admin: bool,
    pub open_invitations: u32,
    pub members: Vec<MemberView>,
    /// Machines on the same network that are no members; what they say of themselves.
    pub nearby: Vec<NearbyView>,
}

/// A machine on the same network that is in another grid. It is shown, and not let in by that.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NearbyView {
    pub node: String,
    pub name: Option<String>,
    pub grid: Option<String>,
    pub addresses: Vec<String>,
}

/// One member of the grid.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MemberView {
    pub name: String,
    /// The short form of its key.
    pub node: String,
    pub key: String,
    /// It is the node that answers.
    pub here: bool,
    /// Its machine may let others in and send them away.
    pub admin: bool,
    /// Where it stands; empty where it does not say.
    pub zone: String,
    pub up: bool,
    /// Two machines claim its key.
    pub disputed: bool,
    pub link: WayView,
}

/// How a node is reached.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WayView {
    /// +1 direct, 0 relayed, −1 failed, and the same as a word.
    pub trit: i8,
    pub word: String,
    /// The first node on the way, where it is relayed.
    pub via: Option<String>,
    /// Links on the way; 0: this node itself, or no way.
    pub hops: u32,
    /// Sum of the round trips on the way.
    pub rtt_us: Option<u64>,
}

/// `GET /v1/nodes`: all nodes, and what this node's mesh has counted since its start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodesView {
    pub grid: String,
    pub nodes: Vec<NodeEntry>,
    /// What was not believed, by reason.
    pub refused: Vec<CountView>,
    /// Keys outside the grid that were turned away.
    pub strangers: u64,
    /// Packets of others that were carried on, and those that could not be.
    pub forwarded: u64,
    pub dropped: u64,
    /// What its owner should know of.
    pub notes: Vec<String>,
}

/// How often something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountView {
    pub what: String,
    pub count: u64,
}

/// `GET /v1/nodes/{node}`: one node, with all that is known of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NodeEntry {
    #[serde(flatten)]
    pub member: MemberView,
    /// Names of the nodes on the way, this one last.
    pub path: Vec<String>,
    pub vitals: Option<VitalsView>,
    pub facts: Option<FactsView>,
    /// Where its links are dialled, and where it is reached without a hop.
    pub link_addresses: Vec<String>,
    pub main_addresses: Vec<String>,
}

/// Names of nodes, for views that speak of several.
pub struct Names<'a>(pub &'a GridView);

impl Names<'_> {
    #[must_use]
    pub fn of(&self, node: &NodeId) -> String {
        let known = self.0.nodes.iter().find(|view| view.node == *node);
        known.map_or_else(|| node.to_string(), |view| view.name.clone())
    }
}

impl MembersView {
    #[must_use]
    pub fn new(view: &GridView) -> Self {
        Self {
            grid: view.grid.to_string(),
            grid_key: view.grid.0.to_hex(),
            here: Names(view).of(&view.me),
            admin: view.admin,
            open_invitations: u32::try_from(view.open_invitations).unwrap_or(u32::MAX),
            members: view.nodes.iter().map(|node| MemberView::new(view, node)).collect(),
            nearby: view.nearby.iter().map(NearbyView::new).collect(),
        }
    }
}

impl NearbyView {
    #[must_use]
    pub fn new(nearby: &Nearby) -> Self {
        Self {
            node: nearby.node.to_string(),
            name: nearby.name.as_ref().map(ToString::to_string),
            // Anybody's word: nothing in it may steer a terminal.
            grid: nearby.grid.as_ref().map(|grid| grid.escape_debug().to_string()),
            addresses: nearby.addresses.iter().map(ToString::to_string).collect(),
        }
    }
}

impl MemberView {
    #[must_use]
    pub fn new(view: &GridView, node: &NodeView) -> Self {
        Self {
            name: node.name.clone(),
            node: node.node.to_string(),
            key: node.node.to_hex(),
            here: node.here,
            admin: view.admins.iter().any(|admin| admin.machine == node.node),
            zone: node.zone.clone(),
            up: node.up,
            disputed: node.disputed,
            link: WayView::new(view, node),
        }
    }
}

impl WayView {
    #[must_use]
    pub fn new(view: &GridView, node: &NodeView) -> Self {
        let reach = &node.reach;
        let relayed = reach.trit == LinkTrit::Relayed && reach.path.len() > 1;
        let number = match reach.trit {
            LinkTrit::Failed => -1,
            LinkTrit::Relayed => 0,
            LinkTrit::Direct => 1,
        };
        // The path follows links; a direct connection beside it takes none of them.
        let hops = if reach.trit == LinkTrit::Direct { u32::from(!node.here) } else { reach.path.len() as u32 };
        Self {
            trit: number,
            word: reach.trit.word().to_owned(),
            via: relayed.then(|| reach.path.first().map(|first| Names(view).of(first))).flatten(),
            hops,
            rtt_us: reach.rtt_us,
        }
    }
}

impl NodesView {
    #[must_use]
    pub fn new(view: &GridView) -> Self {
        let refused = view.refused.iter().map(|(what, count)| CountView { what: (*what).to_owned(), count: *count });
        Self {
            grid: view.grid.to_string(),
            nodes: view.nodes.iter().map(|node| NodeEntry::new(view, node)).collect(),
            refused: refused.collect(),
            strangers: view.strangers,
            forwarded: view.forwarded,
            dropped: view.dropped,
            notes: view.notes.clone(),
        }
    }
}

impl NodeEntry {
    #[must_use]
    pub fn new(view: &GridView, node: &NodeView) -> Self {
        let age_ms = node.vitals_age.unwrap_or(0) / 1_000_000;
        Self {
            member: MemberView::new(view, node),
            path: node.reach.path.iter().map(|hop| Names(view).of(hop)).collect(),
            vitals: node.vitals.map(|vitals| VitalsView::new(&vitals, age_ms)),
            facts: node.facts.as_ref().map(FactsView::new),
            link_addresses: node.addresses.iter().map(ToString::to_string).collect(),
            main_addresses: node.main_addresses.iter().map(ToString::to_string).collect(),
        }
    }
}
