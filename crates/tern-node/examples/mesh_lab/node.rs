//! One real overlay, with a key that follows from its number.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use iroh::SecretKey;
use tern_core::words::NodeId;
use tern_node::home::Home;
use tern_node::node::input::Input;
use tern_node::overlay::{OUTBOUND_MAX, Overlay, OverlayOptions};
use tokio::sync::mpsc;

/// An overlay and what keeps it alive.
pub struct Node {
    pub overlay: Overlay,
    _outbound: mpsc::Sender<(NodeId, Vec<u8>)>,
}

fn secret(index: usize) -> SecretKey {
    SecretKey::from_bytes(&[index as u8 + 1; 32])
}

pub fn id(index: usize) -> NodeId {
    NodeId(*secret(index).public().as_bytes())
}

/// Where a node listens: processes of one laboratory have one parent.
fn at(index: usize) -> SocketAddr {
    let parent = std::os::unix::process::parent_id() as u16;
    SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + parent % 1_000 * 10 + index as u16))
}

/// Starts node `index` of a chain of `count`.
pub async fn start(index: usize, count: usize, home: &Path) -> Node {
    let home = Home::new(home);
    let name = format!("n{index}");
    std::fs::write(home.key(), secret(index).to_bytes()).expect("a key");
    std::fs::set_permissions(home.key(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a key");
    let near = |other: usize| other.abs_diff(index) == 1;
    let only: BTreeSet<NodeId> = (0..count).filter(|other| near(*other)).map(id).collect();
    let options = OverlayOptions {
        listen: at(index),
        addresses: only
            .iter()
            .map(|it| (*it, (0..count).filter(|other| id(*other) == *it).map(at).collect()))
            .collect(),
        only: Some(only),
        ..OverlayOptions::on_loopback(&home, &name).expect("a grid")
    };
    let (to_loop, inputs) = sync_channel(1024);
    std::thread::spawn(move || drain(&inputs));
    let (outbound, from_loop) = mpsc::channel(OUTBOUND_MAX);
    let overlay = Overlay::start(options, from_loop, to_loop).await.expect("it listens");
    Node { overlay, _outbound: outbound }
}

fn drain(inputs: &Receiver<Input>) {
    while inputs.recv().is_ok() {}
}
