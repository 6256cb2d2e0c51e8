//! The mesh as a transport of the main endpoint: its packets go over links, unless there is a direct path.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use iroh::endpoint::transports::{CustomEndpoint, CustomSender, CustomTransport, RecvInfo, Transmit};
use iroh_base::CustomAddr;
use tokio::sync::mpsc;

use crate::overlay::carry::fabric::{Fabric, Packet, Prefix};

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
