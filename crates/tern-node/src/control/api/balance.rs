//! How even the load of the grid is, what the rules make of it, and which tasks would move.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/balance`: the grid as this node sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BalanceView {
    /// P, Z and M: nodes that are overloaded, balanced and idle. Those that are not reached count nowhere.
    pub plus: u32,
    pub zero: u32,
    pub minus: u32,
    /// S = P − M, and its residue modulo 3 as −1, 0 or +1.
    pub sum: i64,
    pub mod3: i8,
    /// The residue is 0. No measure of health.
    pub conserved: bool,
    /// The check digit: with it all trits add up to 0 modulo 3.
    pub parity: i8,
    /// `move`, `throttle`, `wake`, `offer`, `pairs` or `rest`; and what it means, with its figures.
    pub rule: String,
    pub because: String,
    /// `paired` or `strict`, as this node is set.
    pub mode: String,
    /// Tasks of this node that were put off and wait for idle nodes.
    pub deferred: u64,
    /// `more` or `fewer` machines: what the same sign has asked for, for a minute at least; and since how many seconds.
    pub wish: Option<String>,
    pub wish_seconds: Option<u64>,
    /// Some task should move.
    pub required: bool,
    pub moves: Vec<MoveView>,
    pub nodes: Vec<HostView>,
    /// Names of idle nodes, the one with the smallest load a core first.
    pub idle: Vec<String>,
}

/// One node.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostView {
    pub name: String,
    pub node: String,
    pub here: bool,
    /// Absent figures were not measured, or the node is not reached.
    pub reached: bool,
    /// +1 overloaded, 0 balanced, −1 idle, and the word.
    pub trit: Option<i8>,
    pub word: String,
    /// Load over cores, the load, and the cores.
    pub rho: Option<f64>,
    pub load: Option<f64>,
    pub cores: Option<u32>,
    pub queued: u32,
    pub running: u32,
    pub slots: u32,
    /// +1 tasks wait, 0 neither, −1 a slot is free and nothing waits.
    pub queue_trit: Option<i8>,
}

/// Waiting tasks that would go from one node to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MoveView {
    pub from: String,
    pub to: String,
    pub tasks: u32,
    /// By how much Φ, the sum of squared backlogs over speeds, falls.
    pub falls: f64,
    /// It was carried out: the receiver has asked for them.
    pub applied: bool,
}
