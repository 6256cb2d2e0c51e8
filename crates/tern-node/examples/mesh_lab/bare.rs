//! What the mesh is compared with: raw TCP, and an iroh connection as the crate makes it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use iroh::endpoint::presets;
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ALPN: &[u8] = b"lab";
const BLOCK: usize = 256 * 1024;
/// Bytes of a question; the first says what is asked.
const QUESTION: usize = 64;
const ECHO: u8 = 1;
const SWALLOW: u8 = 2;

fn question(kind: u8) -> [u8; QUESTION] {
    [kind; QUESTION]
}

pub async fn tcp_listen() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.set_nodelay(true).expect("a socket");
                let mut block = vec![0; BLOCK];
                let mut asked = [0; QUESTION];
                while stream.read_exact(&mut asked).await.is_ok() {
                    if asked[0] == ECHO {
                        stream.write_all(&asked).await.expect("it listens");
                        continue;
                    }
                    let mut left = u64::from_le_bytes(std::array::from_fn(|at| asked[8 + at]));
                    while left > 0 {
                        left -= stream.read(&mut block).await.expect("it sends") as u64;
                    }
                    stream.write_all(b"!").await.expect("it listens");
                }
            });
        }
    });
    address
}

pub async fn tcp_ping(address: SocketAddr, count: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let mut times = Vec::with_capacity(count);
    let mut answer = [0; QUESTION];
    for _ in 0..count {
        let began = Instant::now();
        stream.write_all(&question(ECHO)).await.expect("it listens");
        stream.read_exact(&mut answer).await.expect("it answers");
        times.push(began.elapsed());
    }
    times
}

pub async fn tcp_flood(address: SocketAddr, bytes: u64) -> Duration {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let block = vec![7; BLOCK];
    let began = Instant::now();
    let mut asked = question(SWALLOW);
    asked[8..16].copy_from_slice(&bytes.to_le_bytes());
    stream.write_all(&asked).await.expect("it listens");
    let mut left = bytes as usize;
    while left > 0 {
        let next = left.min(BLOCK);
        stream.write_all(&block[..next]).await.expect("it listens");
        left -= next;
    }
    stream.read_exact(&mut [0]).await.expect("it answers");
    began.elapsed()
}

async fn endpoint() -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal).secret_key(SecretKey::generate()).relay_mode(RelayMode::Disabled);
    let builder =
        builder.clear_ip_transports().bind_addr("127.0.0.1:0").expect("an address").alpns(vec![ALPN.to_vec()]);
    builder.bind().await.expect("it binds")
}

/// Answers as the mesh's own services do: echo, or count.
pub async fn bare_listen() -> String {
    let endpoint = endpoint().await;
    let at = format!("{}@{}", endpoint.id(), endpoint.bound_sockets()[0]);
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let Ok(connection) = incoming.await else { continue };
            tokio::spawn(async move {
                while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                    let mut kind = [0];
                    receive.read_exact(&mut kind).await.expect("it asks");
                    if kind[0] == ECHO {
                        let mut asked = [0; QUESTION];
                        while receive.read_exact(&mut asked).await.is_ok() {
                            send.write_all(&asked).await.expect("it listens");
                        }
                    } else {
                        while let Ok(Some(_)) = receive.read_chunk(BLOCK).await {}
                        send.write_all(b"!").await.expect("it listens");
                    }
                    let _closed = send.finish();
                }
            });
        }
    });
    at
}

pub struct Bare {
    _endpoint: Endpoint,
    connection: iroh::endpoint::Connection,
}

pub async fn bare_connect(at: &str) -> Bare {
    let (id, address) = at.split_once('@').expect("key@address");
    let id: EndpointId = id.parse().expect("a key");
    let endpoint = endpoint().await;
    let target = EndpointAddr::from_parts(id, [TransportAddr::Ip(address.parse().expect("an address"))]);
    let connection = endpoint.connect(target, ALPN).await.expect("it answers");
    Bare { _endpoint: endpoint, connection }
}

impl Bare {
    pub async fn ping(&self, count: usize) -> Vec<Duration> {
        let (mut send, mut receive) = self.connection.open_bi().await.expect("a stream");
        send.write_all(&[ECHO]).await.expect("it listens");
        let mut times = Vec::with_capacity(count);
        let mut answer = [0; QUESTION];
        for _ in 0..count {
            let began = Instant::now();
            send.write_all(&question(ECHO)).await.expect("it listens");
            receive.read_exact(&mut answer).await.expect("it answers");
            times.push(began.elapsed());
        }
        let _closed = send.finish();
        times
    }

    pub async fn flood(&self, bytes: u64) -> Duration {
        let (mut send, mut receive) = self.connection.open_bi().await.expect("a stream");
        let block = Bytes::from(vec![7; BLOCK]);
        let began = Instant::now();
        send.write_all(&[SWALLOW]).await.expect("it listens");
        let mut left = bytes as usize;
        while left > 0 {
            let next = left.min(BLOCK);
            send.write_chunk(block.slice(..next)).await.expect("it listens");
            left -= next;
        }
        send.finish().expect("it is open");
        receive.read_exact(&mut [0]).await.expect("it answers");
        began.elapsed()
    }
}
