//! `tern forward`: a port here that leads to a port there.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use iroh::endpoint::{RecvStream, SendStream};
use tern_core::words::NodeId;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Call;
use crate::overlay::carry::endpoints::STREAMS_MAX;
use crate::overlay::peers::{CallError, Peers};

/// Connections of one forwarded port at once; more wait in the kernel's queue. Half of what a member takes at once, so that other
/// questions to it find room.
const CONNECTIONS_MAX: usize = STREAMS_MAX as usize / 2;
/// Ports that one node forwards.
const FORWARDS_MAX: usize = 64;

/// One forwarded port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    pub local: SocketAddr,
    pub node: NodeId,
    pub port: u16,
}

/// All ports that this node forwards; they end with it, or when asked.
#[derive(Clone, Default)]
pub struct Forwards(Arc<Mutex<BTreeMap<SocketAddr, (Forward, tokio::task::AbortHandle)>>>);

impl Forwards {
    /// Listens on `local` and joins each connection to `port` of the other node's loopback.
    ///
    /// # Errors
    /// In words: the address cannot be listened on, or there are as many as there may be.
    pub async fn open(&self, peers: Peers, local: SocketAddr, node: NodeId, port: u16) -> Result<Forward, String> {
        if self.list().len() >= FORWARDS_MAX {
            return Err(format!("this node forwards {FORWARDS_MAX} ports already, which is the limit"));
        }
        let listener =
            TcpListener::bind(local).await.map_err(|error| format!("{local} cannot be listened on: {error}"))?;
        let local = listener.local_addr().map_err(|error| error.to_string())?;
        let forward = Forward { local, node, port };
        let task = tokio::spawn(listen(listener, peers, forward)).abort_handle();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(local, (forward, task));
        Ok(forward)
    }

    pub fn list(&self) -> Vec<Forward> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|(forward, _)| *forward).collect()
    }

    /// Ends one; connections that stand go on. False: there is none at this address.
    pub fn close(&self, local: SocketAddr) -> bool {
        let gone = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&local);
        gone.map(|(_, task)| task.abort()).is_some()
    }
}

async fn listen(listener: TcpListener, peers: Peers, forward: Forward) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let peers = peers.clone();
        tokio::spawn(async move {
            let call = Call::Connect { port: forward.port };
            match peers.call(&forward.node, &call).await {
                Ok((send, receive)) => join(client, send, receive).await,
                Err(error) => refuse(&error, &forward),
            }
            drop(place);
        });
    }
}

fn refuse(error: &CallError, forward: &Forward) {
    tracing::warn!(%error, local = %forward.local, "a connection to a forwarded port was closed");
}

/// The asked end: a connection to the own loopback.
///
/// # Errors
/// In words, for the asker.
pub async fn connect(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connected = TcpStream::connect(address).await;
    connected.map_err(|error| format!("nothing answers at port {port} of that node's loopback: {error}"))
}

/// What the end of a stream says that broke off.
const BROKEN: u32 = 1;

/// Carries bytes both ways until both ends have ended. Where one breaks off both do: nobody is to take a part for the whole.
pub async fn join(client: TcpStream, mut send: SendStream, mut receive: RecvStream) {
    // Small answers should not wait for each other; where that cannot be set they do.
    let _nagle = client.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let there = async {
        copy(&mut from_client, &mut send).await?;
        let _closed = send.finish();
        std::io::Result::Ok(())
    };
    let back = async {
        copy(&mut receive, &mut to_client).await?;
        let _closed = to_client.shutdown().await;
        Ok(())
    };
    let joined = tokio::try_join!(there, back);
    if let Err(error) = joined {
        tracing::debug!(%error, "a forwarded connection ended early");
        let _ended = (send.reset(BROKEN.into()), receive.stop(BROKEN.into()));
        if let Ok(client) = from_client.reunite(to_client) {
            // Closed at once and with a reset, so that its other end sees that this is not all.
            let _closed = client.set_zero_linger();
        }
    }
}
