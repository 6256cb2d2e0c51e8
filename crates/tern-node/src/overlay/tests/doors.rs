//! Those who hold on to what they opened: at the door for joining, on a link, and with ten thousand streams.

use iroh::endpoint::SendStream;
use tokio::sync::mpsc;

use super::*;
use crate::overlay::calls::{self, Call};
use crate::overlay::carry::endpoints::STREAMS_MAX;
use crate::overlay::peers::CONNECTIONS_MAX;

/// More than there are places at the door.
const KNOCKING: usize = 24;
const STREAMS: usize = 10_000;
/// The beginning of a frame that never ends.
const BEGINNING: [u8; 3] = [40, 0, 0];

/// An endpoint with this key that can do as it likes.
async fn puppet(secret: SecretKey) -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal).secret_key(secret).relay_mode(RelayMode::Disabled);
    builder.clear_ip_transports().bind_addr(LOOPBACK).expect("an address").bind().await.expect("it binds")
}

async fn connected(from: &Endpoint, to: &Endpoint, alpn: &[u8]) -> Connection {
    let address = EndpointAddr::from_parts(to.id(), to.bound_sockets().into_iter().map(TransportAddr::Ip));
    from.connect(address, alpn).await.expect("the handshake itself is anybody's")
}

/// A member whose key somebody else speaks with.
async fn infiltrated(a: &Node) -> Endpoint {
    let member = Node::new("puppet").await;
    member.joins(a).await;
    let secret = key::secret(&Home::new(member.folder.path())).expect("its key");
    member.overlay.close().await;
    puppet(secret).await
}

async fn served(a: &Node, other: &Node) {
    a.until_view("the other one", |view| view.nodes.iter().any(|node| node.node == other.id && node.up)).await;
    assert_eq!(other.overlay.grid().ping(&a.id, 5, 16).await.expect("a answers").len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_stand_at_the_door_and_say_nothing_keep_nobody_out() {
    let (a, b) = (Node::new("a").await, Node::new("b").await);
    a.overlay.grid().invite(false, 60_000).await.expect("the door is open");
    let mut held: Vec<(Endpoint, Connection, SendStream)> = Vec::new();
    for _ in 0..KNOCKING {
        let stranger = puppet(SecretKey::generate()).await;
        let connection = connected(&stranger, &a.overlay.link, JOIN_ALPN).await;
        if let Ok((mut send, _receive)) = connection.open_bi().await {
            let _turned_away = send.write_all(&BEGINNING).await;
            held.push((stranger, connection, send));
        }
    }
    b.joins(&a).await;
    served(&a, &b).await;
    let (_, longest, _) = held.first().expect("one of them stood there");
    let closed = tokio::time::timeout(PATIENCE, longest.closed()).await.expect("it made place for others");
    let full = matches!(&closed, ConnectionError::ApplicationClosed(closed) if closed.error_code == 503u32.into());
    assert!(full, "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_first_frame_does_not_end_loses_its_link_and_nobody_else_waits() {
    let (a, b) = (Node::new("a").await, Node::new("b").await);
    let puppet = infiltrated(&a).await;
    let slow = connected(&puppet, &a.overlay.link, LINK_ALPN).await;
    let mut send = slow.open_uni().await.expect("a stream");
    send.write_all(&BEGINNING).await.expect("it is taken");
    b.joins(&a).await;
    served(&a, &b).await;
    let closed = tokio::time::timeout(PATIENCE, slow.closed()).await.expect("it is not waited for for ever");
    assert!(matches!(closed, ConnectionError::ApplicationClosed(_)), "{closed:?}");
    served(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_streams_of_one_member_those_within_the_limit_are_served_and_others_are_as_before() {
    let (a, b) = (Node::new("a").await, Node::new("b").await);
    b.joins(&a).await;
    let puppet = infiltrated(&a).await;
    let greedy = connected(&puppet, &a.overlay.main, CALL_ALPN).await;
    let (opened, mut open) = mpsc::channel(STREAMS);
    for _ in 0..STREAMS {
        let (greedy, opened) = (greedy.clone(), opened.clone());
        tokio::spawn(async move {
            let Ok((mut send, mut receive)) = greedy.open_bi().await else { return };
            let asked = calls::write(&mut send, &Call::Echo).await;
            if asked.is_ok() && calls::read::<Result<(), String>>(&mut receive).await.is_ok() {
                // Kept, so that the stream stays open.
                let _full = opened.send((send, receive)).await;
            }
        });
    }
    let mut held = Vec::new();
    while held.len() < STREAMS_MAX as usize {
        held.push(tokio::time::timeout(PATIENCE, open.recv()).await.expect("within the limit").expect("one more"));
    }
    served(&a, &b).await;
    assert!(open.try_recv().is_err(), "one stream more than the limit was served");
    assert_eq!(a.overlay.grid().ping(&b.id, 5, 16).await.expect("b answers").len(), 5);
    // What is given back is there for those who wait.
    held.clear();
    tokio::time::timeout(PATIENCE, open.recv()).await.expect("the next one").expect("one more");
}

/// With which code the other end closed.
async fn code_of(connection: &Connection) -> u64 {
    match tokio::time::timeout(PATIENCE, connection.closed()).await.expect("it is closed") {
        ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_has_few_connections_and_with_its_removal_none() {
    let a = Node::new("a").await;
    let puppet = infiltrated(&a).await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let connection = connected(&puppet, &a.overlay.main, CALL_ALPN).await;
        let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
        calls::write(&mut send, &Call::Echo).await.expect("it is asked");
        calls::read::<Result<(), String>>(&mut receive).await.expect("it is served").expect("an echo");
        held.push((connection, send, receive));
    }
    let beyond = connected(&puppet, &a.overlay.main, CALL_ALPN).await;
    assert_eq!(code_of(&beyond).await, 503);
    a.overlay.grid().remove(NodeId(*puppet.id().as_bytes())).await.expect("a is admin");
    for (connection, ..) in held {
        assert_eq!(code_of(&connection).await, u64::from(door::members::FORBIDDEN));
    }
}
