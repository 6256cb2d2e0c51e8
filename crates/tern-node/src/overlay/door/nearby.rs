//! Machines on the same local network: members are dialled, others are shown to people and never let in by that.
//!
//! What is heard here is anybody's word. It names a key and addresses; a member's key is dialled there and must prove itself, and a
//! stranger's is a line in `tern members`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use iroh::address_lookup::UserData;
use iroh::{Endpoint, TransportAddr};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use n0_future::StreamExt;
use tern_core::trust::{GridId, Name};
use tern_core::words::NodeId;
use tern_core::words::limits::NODE_ADDRESSES_MAX;
use tokio::sync::mpsc;

use crate::overlay::actor::Said;

/// Names the service on the network.
const SERVICE: &str = "tern";
/// Machines of others that are remembered.
const NEARBY_MAX: usize = 128;

/// A machine on this network that is not in the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearby {
    pub node: NodeId,
    /// What it calls itself and its grid; its own word.
    pub name: Option<Name>,
    pub grid: Option<String>,
    pub addresses: Vec<SocketAddr>,
}

/// Machines that were heard of lately.
#[derive(Debug, Default)]
pub struct Neighbourhood(BTreeMap<NodeId, Nearby>);

impl Neighbourhood {
    pub fn heard(&mut self, nearby: Nearby) {
        if self.0.len() < NEARBY_MAX || self.0.contains_key(&nearby.node) {
            self.0.insert(nearby.node, nearby);
        }
    }

    pub fn gone(&mut self, node: &NodeId) {
        self.0.remove(node);
    }

    pub fn list(&self) -> impl Iterator<Item = &Nearby> {
        self.0.values()
    }
}

/// What this node says of itself on the network.
pub fn introduce(endpoint: &Endpoint, name: &str, grid: &GridId) {
    // Names and ids are a few dozen letters; what does not fit is not said.
    endpoint.set_user_data_for_address_lookup(UserData::try_from(format!("{name} {grid}")).ok());
}

/// Speaks and listens on the local networks until the task is ended. A network without multicast is no error.
pub async fn listen(endpoint: Endpoint, to_actor: mpsc::Sender<Said>) {
    let services = match endpoint.address_lookup() {
        Ok(services) => services,
        Err(error) => return tracing::warn!(%error, "machines on this network are not looked for"),
    };
    let mdns = match MdnsAddressLookup::builder().service_name(SERVICE).build(endpoint.id()) {
        Ok(mdns) => mdns,
        Err(error) => return tracing::warn!(%error, "machines on this network are not looked for"),
    };
    let mut events = mdns.subscribe().await;
    services.add(mdns);
    while let Some(event) = events.next().await {
        let said = match event {
            DiscoveryEvent::Discovered { endpoint_info, .. } => Said::Nearby(Box::new(read(&endpoint_info))),
            DiscoveryEvent::Expired { endpoint_id } => Said::NotNearby(NodeId(*endpoint_id.as_bytes())),
            _ => continue,
        };
        if to_actor.send(said).await.is_err() {
            return;
        }
    }
}

fn read(info: &iroh::address_lookup::EndpointInfo) -> Nearby {
    let addresses = info.data.addrs().filter_map(|address| match address {
        TransportAddr::Ip(address) => Some(*address),
        _ => None,
    });
    let said = info.data.user_data().map(ToString::to_string).unwrap_or_default();
    let (name, grid) = introduced(&said);
    let node = NodeId(*info.endpoint_id.as_bytes());
    Nearby { node, name, grid, addresses: addresses.take(NODE_ADDRESSES_MAX).collect() }
}

/// Name and grid in what a machine says of itself, each only where it could be one.
pub fn introduced(said: &str) -> (Option<Name>, Option<String>) {
    let (name, grid) = said.split_once(' ').unwrap_or((said, ""));
    let is_id = grid.len() == 8 && grid.bytes().all(|byte| byte.is_ascii_hexdigit());
    (Name::parse(name), is_id.then(|| grid.to_owned()))
}
