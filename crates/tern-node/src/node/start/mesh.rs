//! What the mesh of this node begins with: its grid from the disk, or a new one, and what it says of this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tern_core::machine::mesh::Here;
use tern_core::observe::Facts;
use tern_core::trust::Name;
use tern_core::words::NodeId;

use super::{StartError, StartOptions};
use crate::config::{Config, PORT};
use crate::home::Home;
use crate::overlay::OverlayOptions;
use crate::sense;
use crate::sense::facts::Root;
use crate::store;
use crate::store::grid::GridStore;

/// The options of the overlay. A node without a grid founds one, of which it is the only member.
///
/// # Errors
/// [`StartError`]
pub fn options(home: &Home, incarnation: u64, options: &StartOptions) -> Result<OverlayOptions, StartError> {
    let config = &options.config;
    let secret = store::key::secret(home)?;
    let (store, durable) = match GridStore::open(home)? {
        Some(known) => known,
        None => GridStore::found(home, &name(config))?,
    };
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let mut addresses: BTreeMap<NodeId, Vec<SocketAddr>> = BTreeMap::new();
    for peer in &config.peers {
        if let (Some(node), Some(address)) = (NodeId::from_hex(&peer.key), peer.address) {
            addresses.entry(node).or_default().push(address);
        }
    }
    Ok(OverlayOptions {
        secret,
        incarnation,
        listen: config.listen.unwrap_or(everywhere),
        any_port: config.listen.is_none(),
        port_mapping: config.mesh.port_mapping,
        mdns: config.mesh.mdns,
        here: here(home, config, &options.machine),
        flat_members: config.mesh.flat_members as usize,
        store,
        durable,
        addresses,
        only: None,
        files: config.mesh.files,
    })
}

fn name(config: &Config) -> Name {
    let host = || nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Name::near(&config.mesh.name.clone().unwrap_or_else(host))
}

/// What this machine is. Its speed is measured once and kept.
fn here(home: &Home, config: &Config, machine: &Root) -> Here {
    let facts = sense::facts::read(machine, None);
    let speed = sense::facts::speed::of(home, facts.cpu_model.as_deref(), facts.cores);
    let facts = Facts { speed, ..facts }.fitted();
    let on_battery = facts.power.is_battery();
    Here { zone: config.mesh.zone.clone(), facts, on_battery, ..Here::default() }
}
