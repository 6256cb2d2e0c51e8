//! What a node tells its peers of a job: an admitted peer asks for work and keeps every byte that it is sent.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use iroh::endpoint::{Connection, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr};
use tern_core::observe::NodeTrit;
use tern_core::wire::{Message, decode, encode};
use tern_node::config::{Config, Peer};
use tern_node::control::api::SubmitRequest;
use tern_node::control::{Door, Entry, router, serve};
use tern_node::home::Home;
use tern_node::node::{self, StartOptions};
use tern_node::store::key;

use super::grid::PATIENCE;

super::grid::tests![of_a_local_job_nothing_leaves_and_of_a_shared_one_no_folder_and_no_environment];

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
        array: Some((1, if local_only { 400 } else { 40 })),
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
    let guest = SecretKey::from_bytes(&[7; 32]);
    let listen = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let peers = vec![Peer { key: guest.public().to_string(), address: None }];
    let config = Config { listen: Some(listen), peers, slots: Some(1), ..Config::default() };
    let running = node::start(home.clone(), StartOptions { config, ..StartOptions::default() }).await.expect("a node");
    let socket = serve::bind(&home.control_socket()).expect("a socket");
    let routes = router(running.handle.clone(), None, None);
    let serving = tokio::spawn(async move { socket.serve(routes).await });
    let door = Door::open(&home, Entry::Agent, None).await.expect("the door");
    for request in [job(&home, "local", true), job(&home, "shared", false)] {
        door.submit(&request).await.expect("accepted");
    }
    let (endpoint, connection) = connect(&guest, &home, listen).await;
    let frames = tokio::time::timeout(PATIENCE, ask_for_all(&connection)).await.expect("answers");
    endpoint.close().await;
    running.stop(false, false).await.expect("stopped");
    serving.abort();
    frames
}

async fn connect(guest: &SecretKey, home: &Home, listen: SocketAddr) -> (Endpoint, Connection) {
    let builder = Endpoint::builder(presets::Minimal).secret_key(guest.clone()).relay_mode(RelayMode::Disabled);
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let builder = builder.clear_ip_transports().bind_addr(here).expect("an address");
    let endpoint = builder.bind().await.expect("it binds");
    let node = EndpointId::from_bytes(&key::node_id(home).expect("a key").0).expect("a key");
    let address = EndpointAddr::from_parts(node, [TransportAddr::Ip(listen)]);
    let connection = endpoint.connect(address, b"tern/work/1").await.expect("it is admitted");
    (endpoint, connection)
}

/// Asks until something was lent and then nothing more; returns every frame that came.
async fn ask_for_all(connection: &Connection) -> Vec<Vec<u8>> {
    let mut to = connection.open_uni().await.expect("a stream");
    let vitals = Message::Vitals { trit: NodeTrit::Idle, queued: 0, running: 0, slots: 64, load_milli: 0 };
    write(&mut to, &vitals).await;
    let mut from = connection.accept_uni().await.expect("a stream");
    let reader = async move {
        let (mut frames, mut lent, mut nothing) = (Vec::new(), 0, 0);
        // Twice, so that an answer from before the last loan does not end it.
        while lent == 0 || nothing < 2 {
            let mut length = [0; 4];
            from.read_exact(&mut length).await.expect("a length");
            let mut frame = vec![0; u32::from_le_bytes(length) as usize];
            from.read_exact(&mut frame).await.expect("a frame");
            match decode(&frame).expect("a message") {
                Message::Lend { .. } => (lent, nothing) = (lent + 1, 0),
                Message::Nothing { .. } if lent > 0 => nothing += 1,
                _ => {}
            }
            frames.push(frame);
        }
        frames
    };
    tokio::pin!(reader);
    for asked in 1.. {
        tokio::select! {
            frames = &mut reader => return frames,
            () = tokio::time::sleep(AGAIN) => write(&mut to, &Message::Ask { tasks: 64, asked }).await,
        }
    }
    Vec::new()
}

async fn write(to: &mut iroh::endpoint::SendStream, message: &Message) {
    let frame = encode(message);
    let length = u32::try_from(frame.len()).expect("it is short");
    to.write_all(&length.to_le_bytes()).await.expect("sent");
    to.write_all(&frame).await.expect("sent");
}
