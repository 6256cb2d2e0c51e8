//! The mesh as a transport of the main endpoint: its packets go over links, unless there is a direct path.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};

use iroh::address_lookup::{AddressLookup, EndpointData, EndpointInfo, Error as LookupError, Item};
use iroh::endpoint::transports::{
    Addr, CustomEndpoint, CustomSender, CustomTransport, PathSelection, PathSelectionContext, PathSelector, RecvInfo,
    Transmit,
};
use iroh::{EndpointId, TransportAddr};
use iroh_base::CustomAddr;
use tern_core::words::NodeId;
use tokio::sync::mpsc;

use crate::overlay::carry::fabric::{Fabric, Packet, Prefix, prefix};

/// Names the mesh among custom transports: `tern` in ASCII.
const MESH: u64 = 0x7465_726e;
/// Packets that the endpoint may hand over at once.
const SEGMENTS: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// A node's address in the mesh.
pub fn address(to: &Prefix) -> CustomAddr {
    CustomAddr::from_parts(MESH, to)
}

/// The transport; it can be bound once.
pub struct Mesh {
    fabric: Arc<Fabric>,
    packets: Mutex<Option<mpsc::Receiver<Packet>>>,
}

impl Mesh {
    pub fn new(fabric: Arc<Fabric>, packets: mpsc::Receiver<Packet>) -> Arc<Self> {
        Arc::new(Self { fabric, packets: Mutex::new(Some(packets)) })
    }
}

impl std::fmt::Debug for Mesh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mesh")
    }
}

impl CustomTransport for Mesh {
    fn bind(&self) -> io::Result<Box<dyn CustomEndpoint>> {
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner).take();
        let packets = packets.ok_or_else(|| io::Error::other("the mesh is bound already"))?;
        let here = n0_watcher::Watchable::new(vec![address(&self.fabric.me)]);
        Ok(Box::new(Bound { fabric: self.fabric.clone(), packets, here }))
    }
}

#[derive(Debug)]
struct Bound {
    fabric: Arc<Fabric>,
    packets: mpsc::Receiver<Packet>,
    here: n0_watcher::Watchable<Vec<CustomAddr>>,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packet({} bytes)", self.data.len())
    }
}

impl CustomEndpoint for Bound {
    fn watch_local_addrs(&self) -> n0_watcher::Direct<Vec<CustomAddr>> {
        self.here.watch()
    }

    fn create_sender(&self) -> Arc<dyn CustomSender> {
        Arc::new(Sender(self.fabric.clone()))
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
        metas: &mut [noq_udp::RecvMeta],
        infos: &mut [RecvInfo],
    ) -> Poll<io::Result<usize>> {
        let mut count = 0;
        while count < buffers.len() {
            match self.packets.poll_recv(cx) {
                Poll::Ready(Some(packet)) => {
                    let length = packet.data.len();
                    // Larger than anything that an endpoint sends: nobody's.
                    let Some(room) = buffers[count].get_mut(..length) else { continue };
                    room.copy_from_slice(&packet.data);
                    (metas[count].len, metas[count].stride) = (length, length);
                    infos[count] = RecvInfo::new(address(&packet.from), Some(address(&self.fabric.me)));
                    count += 1;
                }
                Poll::Ready(None) => return Poll::Ready(Err(io::Error::other("the mesh is closed"))),
                Poll::Pending => break,
            }
        }
        if count > 0 { Poll::Ready(Ok(count)) } else { Poll::Pending }
    }

    fn max_transmit_segments(&self) -> NonZeroUsize {
        SEGMENTS
    }
}

#[derive(Debug)]
struct Sender(Arc<Fabric>);

impl CustomSender for Sender {
    fn is_valid_send_addr(&self, address: &CustomAddr) -> bool {
        address.id() == MESH
    }

    fn poll_send(
        &self,
        _cx: &mut Context<'_>,
        to: &CustomAddr,
        _from: Option<&CustomAddr>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<()>> {
        let to = to.data().try_into().map_err(|_| io::Error::other("no address of the mesh"))?;
        self.0.send(to, transmit.contents, transmit.segment_size.unwrap_or(transmit.contents.len()));
        Poll::Ready(Ok(()))
    }
}

/// Where members' main endpoints are reached without a hop.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    known: Arc<RwLock<HashMap<[u8; 32], Vec<SocketAddr>>>>,
    /// Some: everybody else is reached over the mesh alone.
    only: Option<Arc<BTreeSet<NodeId>>>,
}

impl Directory {
    pub fn new(only: Option<BTreeSet<NodeId>>) -> Self {
        Self { known: Arc::default(), only: only.map(Arc::new) }
    }

    /// Whether a link to this node may be made, and a direct path be used.
    pub fn is_near(&self, node: &NodeId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(node))
    }

    pub fn set(&self, node: &NodeId, addresses: Vec<SocketAddr>) {
        if self.is_near(node) {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(node.0, addresses);
        }
    }

    /// Whether packets may go to this address. Endpoints also find ways that nobody told them of.
    fn is_allowed(&self, address: &Addr) -> bool {
        let (Some(_), Addr::Ip(address)) = (&self.only, address) else { return true };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().flatten().any(|near| near == address)
    }

    /// All ways to a member: over the mesh, and those without a hop.
    pub fn ways(&self, id: &EndpointId) -> Vec<TransportAddr> {
        let over_mesh = TransportAddr::Custom(address(&prefix(&NodeId(*id.as_bytes()))));
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let direct = known.get(id.as_bytes()).into_iter().flatten().copied().map(TransportAddr::Ip);
        std::iter::once(over_mesh).chain(direct).collect()
    }
}

impl AddressLookup for Directory {
    fn resolve(&self, id: EndpointId) -> Option<n0_future::boxed::BoxStream<Result<Item, LookupError>>> {
        let info = EndpointInfo { endpoint_id: id, data: EndpointData::from_iter(self.ways(&id)) };
        Some(Box::pin(n0_future::stream::once(Ok(Item::new(info, "tern", None)))))
    }
}

/// A path without a hop is taken before one over others, whatever their times; of several the fastest, but the one in use stays
/// unless another is faster by a quarter.
#[derive(Debug)]
pub struct PreferDirect(pub Directory);

impl PathSelector for PreferDirect {
    fn select(&self, context: &PathSelectionContext<'_>) -> PathSelection {
        let mut selection = PathSelection::none();
        let current = context.current();
        let allowed = context.paths().filter(|path| self.0.is_allowed(&path.network_path().remote()));
        let ranked = allowed.filter_map(|path| {
            let rtt = path.stats()?.rtt;
            let over_mesh = matches!(path.network_path().remote(), Addr::Custom(_));
            // The path in use counts as faster than it is, so that two alike do not take turns.
            let stays = current == Some(path.network_path());
            Some(((over_mesh, if stays { rtt * 3 / 4 } else { rtt }), path))
        });
        if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
            selection.set(&best);
        }
        selection
    }
}
