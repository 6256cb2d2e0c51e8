//! The mesh on real networks: two endpoints, links between neighbours, and everything that travels over them.
//!
//! Decisions are the core's ([`tern_core::machine::mesh`]). Here are connections, the thread of packets between them, the door at
//! which strangers knock with a ticket, and the services that members ask of each other.

mod actor;
pub mod calls;
mod carry;
pub mod door;
pub mod grid;
pub mod peers;
mod power;
#[cfg(test)]
mod tests;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::SyncSender;

use iroh::{Endpoint, SecretKey, TransportAddr, Watcher};
use n0_future::StreamExt;
use tern_core::machine::mesh::{Here, MeshEvent};
use tern_core::observe::Vitals;
use tern_core::trust::Name;
use tern_core::words::NodeId;
use tern_core::words::limits::{FLAT_MEMBERS_MAX, NODE_ADDRESSES_MAX};
use tokio::sync::{mpsc, watch};

use crate::home::Home;
use crate::node::input::Input;
use crate::sense::facts::Root;
use crate::sense::{self, Conditions};
use crate::store::grid::{self as durable, GridStore, public};
use crate::store::{StoreError, key};
use actor::{Actor, Parts, SAID_MAX, Said};
use carry::endpoints::Making;
use carry::fabric::Fabric;
use carry::ground;
use carry::links;
use carry::ways::Directory;
use door::members::Members;
pub use door::tailnet::Tailnet;
use door::{join, nearby, tailnet};
pub use grid::{Grid, GridError};
use peers::Peers;

/// Between neighbours.
const LINK_ALPN: &[u8] = b"tern/link/1";
/// Between any two members.
const CALL_ALPN: &[u8] = b"tern/call/1";
/// The same two, where one has moved: nothing is said over it, and the connections beside it find a new path.
const PATH_ALPN: &[u8] = b"tern/path/1";
/// The only one that strangers may speak.
const JOIN_ALPN: &[u8] = b"tern/join/1";
/// Frames that may wait for the overlay as a whole.
pub const OUTBOUND_MAX: usize = 1024;

/// How this node takes part.
pub struct OverlayOptions {
    /// The node's secret key; its `Debug` shows nothing of it.
    pub secret: SecretKey,
    /// Random at each start.
    pub incarnation: u64,
    pub listen: SocketAddr,
    /// Another port is taken where this one is not free.
    pub any_port: bool,
    pub port_mapping: bool,
    /// Looks for machines on the local networks.
    pub mdns: bool,
    pub here: Here,
    /// Up to so many members everybody knows everybody; in a larger grid only those of one zone do.
    pub flat_members: usize,
    pub store: GridStore,
    /// The grid as the store has it.
    pub durable: durable::Grid,
    /// Where members may be, from the configuration.
    pub addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
    /// Links and direct paths to these and to nobody else, so that one machine can hold a chain; for tests and benchmarks.
    pub only: Option<BTreeSet<NodeId>>,
    /// Give and receive files.
    pub files: bool,
}

impl OverlayOptions {
    /// On a free port of loopback and looking for nobody, with the grid that the folder has or a new one; for tests and benchmarks.
    ///
    /// # Errors
    /// The folder's key or grid cannot be read or made.
    pub fn on_loopback(home: &Home, name: &str) -> Result<Self, StoreError> {
        let secret = key::secret(home)?;
        let (store, durable) = match GridStore::open(home)? {
            Some(known) => known,
            None => GridStore::found(home, &Name::near(name))?,
        };
        let random = SecretKey::generate().to_bytes();
        Ok(Self {
            secret,
            incarnation: u64::from_le_bytes(std::array::from_fn(|at| random[at])),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            any_port: false,
            port_mapping: false,
            mdns: false,
            here: Here { facts: sense::facts::read(&Root::default(), None).fitted(), ..Here::default() },
            flat_members: FLAT_MEMBERS_MAX,
            store,
            durable,
            addresses: BTreeMap::new(),
            only: None,
            files: true,
        })
    }
}

/// Why the overlay did not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    #[error("{address} cannot be listened on: {why}")]
    Listen { address: SocketAddr, why: String },
}

/// How loaded this node is, from its loop; the newest counts.
#[derive(Clone)]
pub struct ToMesh(mpsc::Sender<Said>);

impl ToMesh {
    /// Lost where the mesh is behind: it is said again in a second.
    pub fn vitals(&self, vitals: Vitals, busy: bool) {
        let _lost = self.0.try_send(Said::Mesh(MeshEvent::Vitals { vitals, busy }));
    }
}

/// A running overlay, until it is closed.
pub struct Overlay {
    link: Endpoint,
    main: Endpoint,
    grid: Grid,
    to_actor: mpsc::Sender<Said>,
    links: links::Shared,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    actor: tokio::task::JoinHandle<()>,
}

impl Overlay {
    /// Listens, finds its neighbours and carries what there is to carry until closed. `outbound` is the other end of the loop's
    /// [`ToPeers`](crate::node::ToPeers).
    ///
    /// # Errors
    /// [`OverlayError`]
    pub async fn start(
        options: OverlayOptions,
        outbound: mpsc::Receiver<(NodeId, Vec<u8>)>,
        to_loop: SyncSender<Input>,
    ) -> Result<Self, OverlayError> {
        let me = public(&options.secret);
        let (fabric, packets) = Fabric::new(&me);
        let (members, directory) = (Members::default(), Directory::new(options.only, fabric.clone()));
        let ground = ground::watch();
        let making = Making { secret: &options.secret, members: &members, port_mapping: options.port_mapping };
        let link = listen(&making, options.listen, options.any_port).await?;
        let main = making.main(options.listen, &fabric, packets, &directory).await?;
        let (to_actor, said) = mpsc::channel(SAID_MAX);
        let queue = work::to_loop(to_loop);
        let peers =
            Peers::new(main.clone(), directory.clone(), members.clone(), queue, to_actor.clone(), ground.clone());
        peers.files().set_open(options.files);
        let numbers = Arc::new(AtomicU64::new(1));
        let links = links::Shared {
            endpoint: link.clone(),
            fabric,
            to_actor: to_actor.clone(),
            numbers,
            directory: directory.clone(),
            ground: ground.clone(),
            door: join::Door::default(),
        };
        let (link_addresses, main_addresses) = (addresses(&link), addresses(&main));
        let here = Here { link_addresses, main_addresses, ..options.here };
        let parts = Parts {
            secret: options.secret,
            incarnation: options.incarnation,
            here,
            flat_members: options.flat_members,
            store: options.store,
            durable: options.durable,
            links: links.clone(),
            peers: peers.clone(),
            members,
            directory,
            addresses: options.addresses,
            said,
        };
        let actor = tokio::spawn(Actor::new(parts).run());
        let mut tasks = vec![
            tokio::spawn(links::accept(links.clone())),
            tokio::spawn(calls::accept(peers.clone())),
            tokio::spawn(work::distribute(outbound, peers.clone())),
            tokio::spawn(follow_addresses(link.clone(), main.clone(), to_actor.clone())),
            tokio::spawn(follow_ground(ground, to_actor.clone())),
        ];
        if options.mdns {
            tasks.push(tokio::spawn(nearby::listen(link.clone(), to_actor.clone())));
        }
        let grid = Grid::new(to_actor.clone(), peers);
        Ok(Self { link, main, grid, to_actor, links, tasks, actor })
    }

    /// Tells the grid whenever something else feeds this machine.
    pub fn follow_condition(&mut self, conditions: Conditions) {
        self.tasks.push(tokio::spawn(power::follow(conditions, self.to_actor.clone())));
    }

    /// Looks for members that do not answer among the machines of the user's Tailscale network.
    pub fn follow_tailnet(&mut self, tailnet: Tailnet) {
        self.tasks.push(tokio::spawn(tailnet::follow(tailnet, self.grid.clone(), self.links.clone())));
    }

    /// The handle for faces.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Where the loop says how loaded this node is.
    pub fn to_mesh(&self) -> ToMesh {
        ToMesh(self.to_actor.clone())
    }

    /// Tells the neighbours and ends.
    pub async fn close(mut self) {
        // An actor that has ended has nobody to tell.
        let _ended = self.to_actor.send(Said::Mesh(MeshEvent::Leave)).await;
        tokio::time::sleep(GOODBYE).await;
        // What it knows is written down; a disk that hangs does not keep the node from its end.
        let _late = tokio::time::timeout(WRITING, &mut self.actor).await;
        for task in &self.tasks {
            task.abort();
        }
        self.actor.abort();
        // In this order: what the first says as its last may travel over the second.
        self.main.close().await;
        self.link.close().await;
    }
}

/// How long the last writing may take.
const WRITING: std::time::Duration = std::time::Duration::from_secs(5);

/// How long a good-bye has to leave before the connections that carry it are closed.
const GOODBYE: std::time::Duration = std::time::Duration::from_millis(30);

async fn listen(making: &Making<'_>, wished: SocketAddr, any_port: bool) -> Result<Endpoint, OverlayError> {
    match making.link(wished).await {
        Err(error) if any_port && wished.port() != 0 => {
            tracing::info!(%error, "another port is taken");
            making.link(SocketAddr::new(wished.ip(), 0)).await
        }
        other => other,
    }
}

/// Where an endpoint is reached now, as far as it knows.
fn addresses(endpoint: &Endpoint) -> Vec<SocketAddr> {
    let known = endpoint.addr().addrs.into_iter().filter_map(|address| match address {
        TransportAddr::Ip(address) => Some(address),
        _ => None,
    });
    let mut known: Vec<SocketAddr> = known.collect();
    if known.len() > NODE_ADDRESSES_MAX {
        // A machine of many networks names the one that reaches farthest.
        known.sort_by_key(|address| !tailnet::is_of_tailnet(&address.ip()));
        known.truncate(NODE_ADDRESSES_MAX);
    }
    known
}

/// Tells the mesh whenever this machine is somewhere else.
async fn follow_addresses(link: Endpoint, main: Endpoint, to_actor: mpsc::Sender<Said>) {
    let (mut of_link, mut of_main) = (link.watch_addr().stream(), main.watch_addr().stream());
    loop {
        let more = tokio::select! {
            more = of_link.next() => more.is_some(),
            more = of_main.next() => more.is_some(),
        };
        if !more {
            return;
        }
        let said = Said::Addresses { link: addresses(&link), main: addresses(&main) };
        if to_actor.send(said).await.is_err() {
            return;
        }
    }
}

/// Tells the mesh at once when the kernel gives or takes an address.
async fn follow_ground(mut ground: watch::Receiver<u64>, to_actor: mpsc::Sender<Said>) {
    while ground.changed().await.is_ok() {
        if to_actor.send(Said::Moved).await.is_err() {
            return;
        }
    }
}
