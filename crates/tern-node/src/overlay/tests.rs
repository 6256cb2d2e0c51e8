//! Real keys and real connections on loopback: who gets in, how far it is, and what strangers get.
//!
//! All that a peer can change goes through the queue of the node's loop: what never comes out of it changed nothing.

mod bytes;
mod doors;
mod power;
mod tailnet;

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use iroh::endpoint::{Connection, ConnectionError, presets};
use iroh::{EndpointAddr, RelayMode};
use tempfile::TempDir;
use tern_core::observe::LinkTrit;

use super::*;
use crate::home::Home;
use crate::node::input::Peer;
use crate::sense::facts;

/// What has not come by then will not come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A node with a grid of its own, and the end of its loop's queue.
struct Node {
    overlay: Overlay,
    id: NodeId,
    inputs: Receiver<Input>,
    /// Open as long as the node.
    outbound: mpsc::Sender<(NodeId, Vec<u8>)>,
    folder: TempDir,
}

impl Node {
    async fn new(name: &str) -> Self {
        Self::on(tempfile::tempdir().expect("a folder"), name, LOOPBACK).await
    }

    /// The same node, started again at another address.
    async fn moved(self, listen: SocketAddr) -> Self {
        self.overlay.close().await;
        Self::on(self.folder, "again", listen).await
    }

    async fn on(folder: TempDir, name: &str, listen: SocketAddr) -> Self {
        let home = Home::new(folder.path());
        let (to_loop, inputs) = sync_channel(1024);
        let (outbound, frames) = mpsc::channel(OUTBOUND_MAX);
        let options = OverlayOptions::on_loopback(&home, name).expect("a grid");
        let here = Here { facts: facts::read_at(&Root::at(folder.path()), 1, None), ..Here::default() };
        let options = OverlayOptions { listen, here, ..options };
        let id = public(&options.secret);
        let overlay = Overlay::start(options, frames, to_loop).await.expect("it listens");
        Self { overlay, id, inputs, outbound, folder }
    }

    async fn joins(&self, other: &Self) {
        let invited = other.overlay.grid().invite(true, 60_000).await.expect("a ticket");
        self.overlay.grid().join(invited.ticket, None).await.expect("it is let in");
    }

    /// Waits until the loop was told of this.
    fn until(&self, what: &str, mut found: impl FnMut(&Peer) -> bool) {
        loop {
            match self.inputs.recv_timeout(PATIENCE) {
                Ok(Input::Peer(peer)) if found(&peer) => return,
                Ok(_) => {}
                Err(error) => panic!("{what} did not come: {error}"),
            }
        }
    }

    async fn until_view(&self, what: &str, found: impl Fn(&grid::GridView) -> bool) {
        let began = std::time::Instant::now();
        loop {
            let view = self.overlay.grid().view().await.expect("it answers");
            if found(&view) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not come: {view:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_machines_that_join_through_each_other_see_each_other_and_speak() {
    let (a, b, c) = (Node::new("a").await, Node::new("b").await, Node::new("c").await);
    b.joins(&a).await;
    c.joins(&b).await;
    a.until("c", |peer| matches!(peer, Peer::Up(node) if *node == c.id));
    c.until("a", |peer| matches!(peer, Peer::Up(node) if *node == a.id));
    for node in [&a, &b, &c] {
        node.until_view("everybody direct", |view| {
            view.nodes.len() == 3 && view.nodes.iter().all(|node| node.up && node.reach.trit == LinkTrit::Direct)
        })
        .await;
    }
    let rounds = a.overlay.grid().ping(&c.id, 3, 16).await.expect("c answers");
    assert_eq!(rounds.len(), 3);
    a.outbound.send((c.id, b"a frame of work".to_vec())).await.expect("it is sent");
    c.until(
        "the frame",
        |peer| matches!(peer, Peer::Frame { from, bytes } if *from == a.id && bytes == b"a frame of work"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_good_once_and_a_removed_machine_is_cut_off() {
    let (a, b, c) = (Node::new("a").await, Node::new("b").await, Node::new("c").await);
    let invited = a.overlay.grid().invite(false, 60_000).await.expect("a ticket");
    b.overlay.grid().join(invited.ticket.clone(), None).await.expect("it is let in");
    let refused = c.overlay.grid().join(invited.ticket, None).await.expect_err("it was used");
    assert!(refused.to_string().contains("was used by another machine"), "{refused}");
    a.until("b", |peer| matches!(peer, Peer::Up(node) if *node == b.id));
    let refused = b.overlay.grid().remove(a.id).await.expect_err("b is no admin");
    assert!(refused.to_string().contains("no admin"), "{refused}");
    a.overlay.grid().remove(b.id).await.expect("a is one");
    a.until("b's going", |peer| matches!(peer, Peer::Down(node) if *node == b.id));
    b.until("a's going", |peer| matches!(peer, Peer::Down(node) if *node == a.id));
    assert!(a.overlay.grid().view().await.expect("it answers").nodes.iter().all(|node| node.here));
}

/// Why a connection with this key to that address was closed.
async fn refusal(secret: SecretKey, node: EndpointAddr, alpn: &[u8]) -> ConnectionError {
    let builder = Endpoint::builder(presets::Minimal).secret_key(secret).relay_mode(RelayMode::Disabled);
    let endpoint =
        builder.clear_ip_transports().bind_addr(LOOPBACK).expect("an address").bind().await.expect("it binds");
    let connection: Connection = endpoint.connect(node, alpn).await.expect("the handshake itself is anybody's");
    tokio::time::timeout(PATIENCE, connection.closed()).await.expect("it is closed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_turned_away_at_every_door() {
    let a = Node::new("a").await;
    for (endpoint, alpn) in [(&a.overlay.link, LINK_ALPN), (&a.overlay.link, JOIN_ALPN), (&a.overlay.main, CALL_ALPN)] {
        let address =
            EndpointAddr::from_parts(endpoint.id(), endpoint.bound_sockets().into_iter().map(TransportAddr::Ip));
        let error = refusal(SecretKey::generate(), address, alpn).await;
        let forbidden = matches!(&error, ConnectionError::ApplicationClosed(closed)
            if closed.error_code == door::members::FORBIDDEN.into());
        assert!(forbidden, "{error:?}");
    }
    assert_eq!(a.overlay.grid().view().await.expect("it answers").strangers, 3);
    assert!(a.inputs.try_recv().is_err(), "nothing of it reached the loop");
}
