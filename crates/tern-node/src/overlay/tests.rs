//! Who gets in, with real keys and real connections on loopback.
//!
//! All that a peer can change goes through the queue of the node's loop: what never comes out of it changed nothing.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use iroh::endpoint::{Connection, ConnectionError, SendStream, WriteError};
use tokio::runtime::Runtime;

use super::*;
use crate::node::input::Peer;

/// What has not come by then will not come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A node that listens, and the end of its loop's queue.
struct Node {
    overlay: Overlay,
    inputs: Receiver<Input>,
    /// Open as long as the node.
    _outbound: mpsc::Sender<(NodeId, Vec<u8>)>,
}

impl Node {
    async fn admitting(guest: &SecretKey) -> Self {
        Self::of(SecretKey::from_bytes(&[1; 32]), guest, None).await
    }

    async fn of(secret: SecretKey, peer: &SecretKey, address: Option<SocketAddr>) -> Self {
        let (to_loop, inputs) = sync_channel(16);
        let (sender, outbound) = mpsc::channel(OUTBOUND_MAX);
        let admitted = vec![(NodeId(*peer.public().as_bytes()), address)];
        let options = OverlayOptions { secret, listen: LOOPBACK, admitted };
        let overlay = Overlay::start(options, outbound, to_loop).await.expect("it listens");
        Self { overlay, inputs, _outbound: sender }
    }

    fn address(&self) -> EndpointAddr {
        let sockets = self.overlay.endpoint.bound_sockets();
        EndpointAddr::from_parts(self.overlay.endpoint.id(), sockets.into_iter().map(TransportAddr::Ip))
    }

    fn next(&self) -> Peer {
        match self.inputs.recv_timeout(PATIENCE).expect("something came") {
            Input::Peer(peer) => peer,
            _ => panic!("not of a peer"),
        }
    }
}

async fn endpoint(secret: &SecretKey) -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal).secret_key(secret.clone()).relay_mode(RelayMode::Disabled);
    builder.clear_ip_transports().bind_addr(LOOPBACK).expect("an address").bind().await.expect("it binds")
}

/// Frames as `link` writes them. A connection that is refused meanwhile takes none.
struct Frames(SendStream);

impl Frames {
    async fn open(connection: &Connection) -> Result<Self, ConnectionError> {
        connection.open_uni().await.map(Self)
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let length = u32::try_from(frame.len()).expect("it is short").to_le_bytes();
        self.0.write_all(&[&length, frame].concat()).await
    }
}

/// Knocks, speaks, and returns why the connection ended.
async fn refusal(endpoint: &Endpoint, node: EndpointAddr) -> ConnectionError {
    let connection = endpoint.connect(node, ALPN).await.expect("the handshake itself is anybody's");
    // Spoken at once, before the refusal can have arrived; nobody may listen.
    if let Ok(mut stream) = Frames::open(&connection).await {
        let _unheard = stream.write(b"let me in").await;
    }
    tokio::time::timeout(PATIENCE, connection.closed()).await.expect("it is closed")
}

fn is_refused(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(closed)
        if closed.reason.as_ref() == b"this key was not admitted" && closed.error_code == 403u32.into())
}

#[test]
fn one_address_is_enough_whichever_of_two_nodes_has_it() {
    let runtime = Runtime::new().expect("a runtime");
    let keys = [SecretKey::from_bytes(&[1; 32]), SecretKey::from_bytes(&[2; 32])];
    for (caller, called) in [(&keys[0], &keys[1]), (&keys[1], &keys[0])] {
        let silent = runtime.block_on(Node::of(called.clone(), caller, None));
        let address = silent.overlay.endpoint.bound_sockets()[0];
        let calls = runtime.block_on(Node::of(caller.clone(), called, Some(address)));
        let (one, other) = (NodeId(*caller.public().as_bytes()), NodeId(*called.public().as_bytes()));
        assert!(matches!(calls.next(), Peer::Up(peer) if peer == other));
        assert!(matches!(silent.next(), Peer::Up(peer) if peer == one));
        runtime.block_on(async { tokio::join!(silent.overlay.close(), calls.overlay.close()) });
    }
}

#[test]
fn a_stranger_is_turned_away() {
    let runtime = Runtime::new().expect("a runtime");
    let (friend, stranger) = (SecretKey::from_bytes(&[2; 32]), SecretKey::from_bytes(&[3; 32]));
    let node = runtime.block_on(Node::admitting(&friend));

    let outside = runtime.block_on(endpoint(&stranger));
    let error = runtime.block_on(refusal(&outside, node.address()));
    assert!(is_refused(&error), "{error:?}");

    let inside = runtime.block_on(endpoint(&friend));
    let connection = runtime.block_on(inside.connect(node.address(), ALPN)).expect("it is admitted");
    let mut stream = runtime.block_on(Frames::open(&connection)).expect("it is heard");
    runtime.block_on(stream.write(b"work")).expect("it is heard");
    let me = NodeId(*friend.public().as_bytes());
    // The first thing that the loop ever hears is of the friend: the stranger left nothing.
    assert!(matches!(node.next(), Peer::Up(peer) if peer == me));
    let heard = |expected: &[u8]| matches!(node.next(), Peer::Frame { from, bytes } if from == me && bytes == expected);
    assert!(heard(b"work"));

    // Also while somebody is inside, who is not disturbed.
    let error = runtime.block_on(refusal(&outside, node.address()));
    assert!(is_refused(&error), "{error:?}");
    runtime.block_on(stream.write(b"more")).expect("the friend was not thrown out");
    assert!(heard(b"more"), "the loop heard of the stranger");
    runtime.block_on(async { tokio::join!(inside.close(), outside.close(), node.overlay.close()) });
}
