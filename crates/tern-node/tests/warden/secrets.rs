//! What a node tells its peers of a job: an admitted peer asks for work and keeps every byte that it is sent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tempfile::TempDir;
use tern_core::wire::{Message, decode, encode};
use tern_core::words::NodeId;
use tern_node::config::{Config, MeshConfig};
use tern_node::control::api::SubmitRequest;
use tern_node::control::{Door, Entry, router, serve};
use tern_node::home::Home;
use tern_node::node::input::{Input, Peer};
use tern_node::node::{self, StartOptions};
use tern_node::overlay::{OUTBOUND_MAX, Overlay, OverlayOptions};
use tern_node::store::key;
use tokio::sync::mpsc;

use super::grid::PATIENCE;

super::grid::tests![of_a_local_job_nothing_leaves_and_of_a_shared_one_no_folder_and_no_environment];

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Nothing is looked for on the networks of this machine.
const QUIET: MeshConfig = MeshConfig {
    enabled: true,
    name: None,
    zone: String::new(),
    flat_members: 128,
    mdns: false,
    port_mapping: false,
    tailscale: false,
    files: true,
};
/// Between two questions of the peer.
const AGAIN: Duration = Duration::from_millis(50);

fn of_a_local_job_nothing_leaves_and_of_a_shared_one_no_folder_and_no_environment() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let frames = runtime.block_on(overheard());
    let all = frames.concat();
    let told = |marker: &str| all.windows(marker.len()).any(|window| window == marker.as_bytes());
    // What is meant to travel does: these bytes are the ones to look into.
    for travels in ["shared-argument", "shared-name", "TRAVELS", "named-by-env"] {
        assert!(told(travels), "{travels} was not sent");
    }
    for stays in ["local-argument", "local-name", "local-folder", "local-secret"] {
        assert!(!told(stays), "{stays} of a local job was sent");
    }
    for stays in ["shared-folder", "shared-secret"] {
        assert!(!told(stays), "{stays} was sent");
    }
}

fn job(home: &Home, kind: &str, local_only: bool) -> SubmitRequest {
    // It must be there, or its tasks would end at once and none would wait to be lent.
    let folder = home.path().join(format!("{kind}-folder"));
    std::fs::create_dir(&folder).expect("a folder");
    let word = |text: &str| format!("{kind}-{text}").as_str().into();
    SubmitRequest {
        name: format!("{kind}-name"),
        argv: vec!["/bin/sh".into(), "-c".into(), "sleep 600".into(), word("argument")],
        array: Some((1, if local_only { 400 } else { 6 })),
        local_only,
        cwd: folder.to_str().expect("text").into(),
        environment: vec![("SECRET".into(), word("secret"))],
        env: if local_only { Vec::new() } else { vec![("TRAVELS".into(), "named-by-env".into())] },
        ..SubmitRequest::default()
    }
}

/// A node with a long local job and a shared one; a peer asks it until there is nothing more to be had.
async fn overheard() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let config = Config { listen: Some(LOOPBACK), mesh: QUIET, slots: Some(1), ..Config::default() };
    let running = node::start(home.clone(), StartOptions { config, ..StartOptions::default() }).await.expect("a node");
    let socket = serve::bind(&home.control_socket()).expect("a socket");
    let routes = router(running.handle.clone(), None, None);
    let serving = tokio::spawn(async move { socket.serve(routes).await });
    let door = Door::open(&home, Entry::Agent, None).await.expect("the door");
    for request in [job(&home, "local", true), job(&home, "shared", false)] {
        door.submit(&request).await.expect("accepted");
    }
    let owner = key::node_id(&home).expect("a key");
    let ticket = running.grid().expect("a grid").invite(false, 60_000).await.expect("a ticket").ticket;
    let guest = Guest::new().await;
    guest.overlay.grid().join(ticket, None).await.expect("it is let in");
    let frames = tokio::time::timeout(PATIENCE, guest.ask_for_all(owner)).await.expect("answers");
    guest.overlay.close().await;
    running.stop(false, false).await.expect("stopped");
    serving.abort();
    frames
}

/// A member without a machine behind it: it keeps what it is sent.
struct Guest {
    overlay: Overlay,
    inputs: Receiver<Input>,
    outbound: mpsc::Sender<(NodeId, Vec<u8>)>,
    _folder: TempDir,
}

impl Guest {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        let (to_loop, inputs) = sync_channel(4096);
        let (outbound, frames) = mpsc::channel(OUTBOUND_MAX);
        let options = OverlayOptions::on_loopback(&home, "guest").expect("a grid");
        let overlay = Overlay::start(options, frames, to_loop).await.expect("it listens");
        Self { overlay, inputs, outbound, _folder: folder }
    }

    /// Asks until something was lent and then nothing more; returns every frame that came.
    async fn ask_for_all(&self, owner: NodeId) -> Vec<Vec<u8>> {
        let (mut frames, mut lent, mut nothing) = (Vec::new(), 0, 0);
        for asked in 1.. {
            let ask = encode(&Message::Ask { tasks: 64, asked });
            self.outbound.send((owner, ask)).await.expect("the overlay runs");
            tokio::time::sleep(AGAIN).await;
            while let Ok(input) = self.inputs.try_recv() {
                let Input::Peer(Peer::Frame { bytes, .. }) = input else { continue };
                match decode(&bytes).expect("a message") {
                    Message::Lend { .. } => (lent, nothing) = (lent + 1, 0),
                    Message::Nothing { .. } if lent > 0 => nothing += 1,
                    _ => {}
                }
                frames.push(bytes);
            }
            // Twice, so that an answer from before the last loan does not end it.
            if lent > 0 && nothing > 1 {
                break;
            }
        }
        frames
    }
}
