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
        Ok(Box::new(Bound { fabric: self.fabric.clone(), packets, next: None, here }))
    }
}

#[derive(Debug)]
struct Bound {
    fabric: Arc<Fabric>,
    packets: mpsc::Receiver<Packet>,
    /// Taken, but not handed over yet.
    next: Option<Packet>,
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
        let (mut count, mut last) = (0, None);
        loop {
            let packet = match self.next.take() {
                Some(packet) => packet,
                None => match self.packets.poll_recv(cx) {
                    Poll::Ready(Some(packet)) => packet,
                    Poll::Ready(None) => return Poll::Ready(Err(io::Error::other("the mesh is closed"))),
                    Poll::Pending => break,
                },
            };
            let length = packet.data.len();
            // Behind others from the same node, all as long as the first; a shorter one is the last of its row.
            if last == Some(packet.from)
                && let (buffer, meta) = (&mut buffers[count - 1], &mut metas[count - 1])
                && length <= meta.stride
                && meta.len.is_multiple_of(meta.stride)
                && let Some(room) = buffer.get_mut(meta.len..meta.len + length)
            {
                room.copy_from_slice(&packet.data);
                meta.len += length;
                continue;
            }
            if count == buffers.len() {
                self.next = Some(packet);
                break;
            }
            // Larger than anything that an endpoint sends: nobody's.
            let Some(room) = buffers[count].get_mut(..length).filter(|_| length > 0) else { continue };
            room.copy_from_slice(&packet.data);
            (metas[count].len, metas[count].stride) = (length, length);
            infos[count] = RecvInfo::new(address(&packet.from), Some(address(&self.fabric.me)));
            (count, last) = (count + 1, Some(packet.from));
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tern_core::words::NodeId;

    use super::*;

    /// The rows that the endpoint gets of packets of these senders and lengths: length, stride and sender, which is their content.
    fn rows(packets: &[(u8, usize)], room: usize) -> Vec<(usize, usize, u8)> {
        let (fabric, _) = Fabric::new(&NodeId([9; 32]));
        let (inbox, receiver) = mpsc::channel(packets.len());
        for (from, length) in packets {
            let packet = Packet { from: [*from; 8], data: Bytes::from(vec![*from; *length]) };
            assert!(inbox.try_send(packet).is_ok());
        }
        let mut bound = Mesh::new(fabric, receiver).bind().unwrap();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut rows = Vec::new();
        loop {
            let mut memory = vec![vec![0; room]; 2];
            let mut buffers: Vec<_> = memory.iter_mut().map(|bytes| io::IoSliceMut::new(bytes)).collect();
            let mut metas = [noq_udp::RecvMeta::default(); 2];
            let mut infos: [RecvInfo; 2] = std::array::from_fn(|_| RecvInfo::default());
            let polled = bound.poll_recv(&mut context, &mut buffers, &mut metas, &mut infos);
            let Poll::Ready(count) = polled else { return rows };
            rows.extend((0..count.unwrap()).map(|at| (metas[at].len, metas[at].stride, memory[at][0])));
        }
    }

    #[test]
    fn packets_of_one_sender_come_in_rows_that_end_with_a_shorter_one() {
        let sent = [(1, 100), (1, 100), (1, 40), (1, 100), (2, 100), (2, 120), (2, 120), (2, 120), (2, 120)];
        let expected = [(240, 100, 1), (100, 100, 1), (100, 100, 2), (240, 120, 2), (240, 120, 2)];
        assert_eq!(rows(&sent, 300), expected);
    }

    #[test]
    fn a_packet_that_no_buffer_holds_is_nobodys() {
        assert_eq!(rows(&[(1, 301), (1, 0), (1, 8)], 300), [(8, 8, 1)]);
    }
}
