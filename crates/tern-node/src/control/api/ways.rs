//! Ways between nodes: paths, round trips, forwarded ports, and what the network allows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::grid::{CountView, WayView};

/// `GET /v1/path/{node}`: the way to a node, hop by hop.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PathView {
    pub name: String,
    pub node: String,
    pub link: WayView,
    /// Empty: there is no way, or it is this node itself.
    pub hops: Vec<HopView>,
}

/// One node on a way.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HopView {
    pub name: String,
    pub node: String,
    /// Sum of the round trips up to here.
    pub rtt_us: Option<u64>,
}

/// `POST /v1/ping/{node}`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PingRequest {
    /// 1 to 100.
    pub count: u32,
    /// 1 to 65536, there and back.
    pub bytes: u32,
}

impl Default for PingRequest {
    fn default() -> Self {
        Self { count: 1, bytes: 32 }
    }
}

/// What came back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PingView {
    pub name: String,
    pub node: String,
    pub rounds: Vec<RoundView>,
}

/// One round trip.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RoundView {
    pub time_us: u64,
    pub direct: bool,
    /// Links on the way, 1 where it is direct.
    pub hops: u32,
}

/// `POST /v1/forwards`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardRequest {
    /// Address and port to listen on here; port 0: any that is free.
    #[schema(value_type = String)]
    pub local: std::net::SocketAddr,
    /// Name, short key or whole key.
    pub node: String,
    /// Of that node's own loopback.
    pub port: u16,
}

/// A port here that leads to a port there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForwardView {
    #[schema(value_type = String)]
    pub local: std::net::SocketAddr,
    pub name: String,
    pub node: String,
    pub port: u16,
}

/// `GET /v1/netcheck`: what the network allows, as far as this node knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NetcheckView {
    pub grid: String,
    pub link_addresses: Vec<String>,
    pub main_addresses: Vec<String>,
    /// The router is asked for a way in.
    pub port_mapping: bool,
    /// Members and newcomers are looked for on the local network.
    pub mdns: bool,
    pub links: Vec<NeighbourView>,
    pub without_a_way: Vec<LostView>,
    /// Members that do not answer are looked for among the machines of Tailscale.
    pub tailscale_followed: bool,
    /// Machines of this user's Tailscale network that are online.
    pub tailscale: Vec<TailscaleView>,
    /// Why Tailscale names none.
    pub tailscale_silent: Option<String>,
    pub strangers: u64,
    pub refused: Vec<CountView>,
}

/// A link of this node.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NeighbourView {
    pub name: String,
    pub node: String,
    /// `alive`, `suspect` or `silent`.
    pub pulse: String,
    pub rtt_us: Option<u32>,
    /// This node dialled.
    pub outgoing: bool,
    /// This node wants it; else the other one does, or it will be closed.
    pub wanted: bool,
}

/// A member that cannot be reached, and why.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LostView {
    pub name: String,
    pub node: String,
    pub why: String,
    pub addresses: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TailscaleView {
    pub host_name: String,
    pub addresses: Vec<String>,
}
