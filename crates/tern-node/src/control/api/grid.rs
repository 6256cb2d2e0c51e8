//! The grid and its nodes, as this node sees them.
//!
//! What was not measured, or not heard yet, is absent and never zero. Names, facts and zones are what the nodes say of
//! themselves.

use serde::{Deserialize, Serialize};
use tern_core::machine::mesh::NodeView;
use tern_core::observe::{Facts, LinkTrit, Power, Vitals};
use tern_core::words::NodeId;
use utoipa::ToSchema;

use super::trit;
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

/// How a node was when it last said so.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VitalsView {
    pub age_ms: u64,
    pub trit: i8,
    pub trit_word: String,
    /// Load average over CPUs.
    pub load_ratio: Option<f64>,
    /// Per cent of the last ten seconds.
    pub cpu_pressure: Option<f32>,
    pub memory_total_mib: Option<u32>,
    pub memory_available_mib: Option<u32>,
    /// The hottest sensor.
    pub celsius: Option<i8>,
    pub slots: u16,
    pub running: u16,
    pub queued: u16,
    pub draining: bool,
    pub disk_full: bool,
    pub on_battery: bool,
}

/// What a machine is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FactsView {
    pub version: String,
    pub arch: String,
    pub os: String,
    pub kernel: Option<String>,
    pub cpu_model: Option<String>,
    pub cores: u16,
    pub memory_mib: Option<u32>,
    /// Vendor and model of each.
    pub gpus: Vec<String>,
    /// `server`, `laptop` …
    pub class: Option<String>,
    /// `mains`, `battery` or `unknown`.
    pub power: String,
    pub battery_percent: Option<u8>,
    pub metered: Option<bool>,
    pub capabilities: Vec<String>,
    /// The speed of one core, 1.0 being the reference machine.
    pub speed: Option<f64>,
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

impl VitalsView {
    #[must_use]
    pub fn new(vitals: &Vitals, age_ms: u64) -> Self {
        let (number, word) = trit(vitals.trit);
        let available = vitals.memory.and_then(|memory| {
            let share = u64::from(memory.available?);
            u32::try_from(u64::from(memory.total_mib) * share / HALF_PERCENTS).ok()
        });
        Self {
            age_ms,
            trit: number,
            trit_word: word.to_owned(),
            load_ratio: vitals.rho_milli.map(|rho| f64::from(rho) / 1_000.0),
            cpu_pressure: vitals.cpu_pressure.map(|half| f32::from(half) / 2.0),
            memory_total_mib: vitals.memory.map(|memory| memory.total_mib),
            memory_available_mib: available,
            celsius: vitals.celsius,
            slots: vitals.slots,
            running: vitals.running,
            queued: vitals.queued,
            draining: vitals.flags.draining,
            disk_full: vitals.flags.disk_full,
            on_battery: vitals.flags.on_battery,
        }
    }
}

/// A whole in the unit of vitals.
const HALF_PERCENTS: u64 = 200;

impl FactsView {
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let (power, battery_percent) = match facts.power {
            Power::Unknown => ("unknown", None),
            Power::Mains => ("mains", None),
            Power::Battery { percent } => ("battery", percent),
        };
        Self {
            version: facts.version.clone(),
            arch: facts.arch.clone(),
            os: facts.os.clone(),
            kernel: facts.kernel.clone(),
            cpu_model: facts.cpu_model.clone(),
            cores: facts.cores,
            memory_mib: facts.memory_mib,
            gpus: facts.gpus.iter().map(|gpu| format!("{} {}", gpu.vendor, gpu.model)).collect(),
            class: facts.class.map(|class| class.word().to_owned()),
            power: power.to_owned(),
            battery_percent,
            metered: facts.metered,
            capabilities: facts.capabilities.clone(),
            speed: facts.speed.map(|speed| f64::from(speed) / 1_000.0),
        }
    }
}
