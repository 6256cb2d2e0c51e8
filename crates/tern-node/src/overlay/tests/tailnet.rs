//! Members that moved while nobody was there are found again over a tailnet.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Node;
use crate::node::input::Peer;
use crate::overlay::Tailnet;
use crate::sources::tailscale::tests::program;

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 9, 0, last], 0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_both_moved_find_each_other_over_a_tailnet() {
    let (a, b) = (Node::new("a").await, Node::new("b").await);
    b.joins(&a).await;
    a.until("b", |peer| matches!(peer, Peer::Up(node) if *node == b.id));
    b.until("a", |peer| matches!(peer, Peer::Up(node) if *node == a.id));
    // What each knows of the other is wrong from here on.
    let mut a = a.moved(at(1)).await;
    let b = b.moved(at(2)).await;
    let port = b.overlay.link.bound_sockets()[0].port();
    // A machine of somebody else answers at the same port, and is nobody's member here.
    let stranger = Node::on(tempfile::tempdir().expect("a folder"), "c", SocketAddr::new(at(3).ip(), port)).await;
    let machine = |n: u8| {
        let address = at(n).ip();
        format!(r#""k{n}":{{"ID":"n{n}","HostName":"h","TailscaleIPs":["{address}","8.8.8.8"],"Online":true}}"#)
    };
    let list = [machine(2), machine(3)].join(",");
    let script = format!("#!/bin/sh\ncat <<'END'\n{{\"BackendState\":\"Running\",\"Peer\":{{{list}}}}}\nEND\n");
    let (_folder, program) = program(&script);
    let believed = |address: &IpAddr| address.is_loopback();
    a.overlay.follow_tailnet(Tailnet { program, every: Duration::from_millis(200), port, believed });
    a.until("b again", |peer| matches!(peer, Peer::Up(node) if *node == b.id));
    b.until("a again", |peer| matches!(peer, Peer::Up(node) if *node == a.id));
    assert!(!stranger.overlay.grid().view().await.expect("it answers").nodes.iter().any(|node| !node.here));
}
