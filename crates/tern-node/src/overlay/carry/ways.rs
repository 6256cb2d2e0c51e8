//! Ways to members: where their main endpoints are reached, and which of several paths carries what is said.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use iroh::address_lookup::{AddressLookup, EndpointData, EndpointInfo, Error as LookupError, Item};
use iroh::endpoint::transports::{Addr, FourTuple, PathSelection, PathSelectionContext, PathSelector};
use iroh::endpoint::{Connection, LocalTransportAddr};
use iroh::{EndpointId, TransportAddr};
use tern_core::words::NodeId;

use crate::overlay::carry::fabric::{Fabric, prefix};
use crate::overlay::carry::ground;
use crate::overlay::carry::transport::address;

/// Where members are reached.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Main endpoints without a hop, as members say of themselves.
    told: Arc<RwLock<HashMap<[u8; 32], Vec<SocketAddr>>>>,
    /// Machines from which members were linked last: where they are, whatever was told before.
    seen: Arc<RwLock<HashMap<[u8; 32], IpAddr>>>,
    fabric: Arc<Fabric>,
    /// Some: everybody else is reached over the mesh alone.
    only: Option<Arc<BTreeSet<NodeId>>>,
}

impl Directory {
    pub fn new(only: Option<BTreeSet<NodeId>>, fabric: Arc<Fabric>) -> Self {
        Self { told: Arc::default(), seen: Arc::default(), fabric, only: only.map(Arc::new) }
    }

    /// Whether a link to this node may be made, and a direct path be used.
    pub fn is_near(&self, node: &NodeId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(node))
    }

    pub fn set(&self, node: &NodeId, addresses: Vec<SocketAddr>) {
        if self.is_near(node) {
            self.told.write().unwrap_or_else(PoisonError::into_inner).insert(node.0, addresses);
        }
    }

    /// A new link shows where its other end is now.
    pub fn linked(&self, node: &NodeId, link: &Connection) {
        // It has one path; which one is used may still be that of the link before.
        let paths = link.paths();
        let mut remotes = paths.iter().map(|path| path.remote_addr().clone());
        if let Some(TransportAddr::Ip(remote)) = remotes.next() {
            let remote = remote.ip().to_canonical();
            self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(node.0, remote);
        }
    }

    /// A path to a machine where some member was linked last goes before others: who moved is not where it was.
    fn is_seen(&self, remote: IpAddr) -> bool {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.values().any(|at| *at == remote.to_canonical())
    }

    /// Whether packets may go to this address. Endpoints also find ways that nobody told them of.
    fn is_allowed(&self, address: &Addr) -> bool {
        let (Some(_), Addr::Ip(address)) = (&self.only, address) else { return true };
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner);
        told.values().flatten().any(|near| near == address)
    }

    /// The ways by which a connection to a member begins. Where there is one over the mesh it is the only one: a direct path is
    /// found from there within a few round trips, and the one over the mesh stays beside it for when the direct one dies.
    /// It could not be opened later.
    pub fn ways(&self, id: &EndpointId) -> Vec<TransportAddr> {
        let node = prefix(&NodeId(*id.as_bytes()));
        let over_mesh = TransportAddr::Custom(address(&node));
        if self.fabric.has_way(&node) {
            return vec![over_mesh];
        }
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner);
        let direct = told.get(id.as_bytes()).into_iter().flatten().copied().map(TransportAddr::Ip);
        std::iter::once(over_mesh).chain(direct).collect()
    }
}

impl AddressLookup for Directory {
    fn resolve(&self, id: EndpointId) -> Option<n0_future::boxed::BoxStream<Result<Item, LookupError>>> {
        let info = EndpointInfo { endpoint_id: id, data: EndpointData::from_iter(self.ways(&id)) };
        Some(Box::pin(n0_future::stream::once(Ok(Item::new(info, "tern", None)))))
    }
}

/// Which path carries what is said: none from an address that this machine has lost, where there is another; one without a hop
/// before one over others, whatever their times; of several the one to where the member is known to be, then the fastest, but the
/// one in use stays unless another is faster by a quarter.
#[derive(Debug)]
pub struct PreferDirect {
    /// None: all addresses may be used, and nothing is known of them.
    pub directory: Option<Directory>,
}

impl PathSelector for PreferDirect {
    fn select(&self, context: &PathSelectionContext<'_>) -> PathSelection {
        let mut selection = PathSelection::none();
        let current = context.current();
        let ranked = context.paths().filter_map(|path| {
            let way = path.network_path();
            if self.directory.as_ref().is_some_and(|directory| !directory.is_allowed(&way.remote())) {
                return None;
            }
            let rtt = path.stats()?.rtt;
            // The path in use counts as faster than it is, so that two alike do not take turns.
            let stays = current == Some(way);
            Some(((self.rank(way), if stays { rtt * 3 / 4 } else { rtt }), path))
        });
        if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
            selection.set(&best);
        }
        selection
    }
}

impl PreferDirect {
    fn rank(&self, way: &FourTuple) -> (bool, bool, bool) {
        let Addr::Ip(remote) = way.remote() else { return (false, true, false) };
        let lost = matches!(way.local(), LocalTransportAddr::Ip(Some(from)) if !ground::is_here(from));
        let elsewhere = self.directory.as_ref().is_some_and(|directory| !directory.is_seen(remote.ip()));
        (lost, false, elsewhere)
    }
}
