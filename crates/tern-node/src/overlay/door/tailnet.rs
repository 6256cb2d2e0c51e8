//! Members that have no address which answers are looked for among the machines of the user's Tailscale network.
//!
//! Tailscale knows machines, and no keys of Tern. Of a machine whose address a member once gave as its own, the other addresses are
//! that member's, too. Every other machine that is online is a place to try: whoever answers there must prove the member's key, as
//! anywhere else. Nothing is asked while everybody is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use iroh::{EndpointAddr, EndpointId, TransportAddr, Watcher as _};
use n0_future::StreamExt as _;
use tern_core::machine::mesh::MeshEvent;
use tern_core::words::NodeId;
use tern_core::words::limits::NODE_ADDRESSES_MAX;
use tokio::time::Instant;

use crate::config::PORT;
use crate::overlay::LINK_ALPN;
use crate::overlay::actor::Said;
use crate::overlay::carry::links::{self, Shared};
use crate::overlay::grid::{Grid, GridView};
use crate::sources::tailscale::{self, Machine};

/// Between two questions to Tailscale, while somebody is missing.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// A machine that moves says so several times.
const SETTLE: Duration = Duration::from_secs(2);
/// How long a machine has to answer.
const KNOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// Members that are looked for at once; the others have their turn later.
const LOOKED_FOR_MAX: usize = 8;
/// Machines at which one member is looked for at once.
const PLACES_MAX: usize = 32;
/// A search that found nobody is repeated after twice as many rounds as before, up to this many.
const PAUSE_MAX: u32 = 16;

/// How to ask, and what to believe.
#[derive(Clone, Debug)]
pub struct Tailnet {
    pub program: PathBuf,
    pub every: Duration,
    /// Where a machine listens of which no more is known.
    pub port: u16,
    /// Whether this can be the address of a machine there.
    pub believed: fn(&IpAddr) -> bool,
}

impl Default for Tailnet {
    fn default() -> Self {
        Self { program: "tailscale".into(), every: ASK_EVERY, port: PORT, believed: is_of_tailnet }
    }
}

/// Tailscale gives its machines addresses of these two ranges and no others; of these no answer of a program can lead astray.
pub fn is_of_tailnet(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.segments()[..3] == [0xfd7a, 0x115c, 0xa1e0],
    }
}

/// A member that is missed.
#[derive(Debug)]
struct Missed {
    node: NodeId,
    /// Where it said that it is, or was found.
    addresses: Vec<SocketAddr>,
}

/// What one look at the tailnet gives.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hints {
    /// Addresses of a machine that is certainly the member's.
    certain: BTreeMap<NodeId, Vec<SocketAddr>>,
    /// Where a member that is on no known machine may be.
    places: Vec<SocketAddr>,
}

fn hints(machines: &[Machine], missed: &[Missed], taken: &BTreeSet<IpAddr>, port: u16) -> Hints {
    let mut hints = Hints::default();
    for machine in machines {
        for member in missed {
            let of_it = member.addresses.iter().filter(|known| machine.addresses.contains(&known.ip()));
            let ports: BTreeSet<u16> = of_it.map(SocketAddr::port).collect();
            if ports.is_empty() {
                continue;
            }
            let all = ports.iter().flat_map(|port| machine.addresses.iter().map(|ip| SocketAddr::new(*ip, *port)));
            let new = all.filter(|address| !member.addresses.contains(address));
            hints.certain.entry(member.node).or_default().extend(new.take(NODE_ADDRESSES_MAX / 2));
        }
        if let Some(first) =
            machine.addresses.first().filter(|_| !machine.addresses.iter().any(|ip| taken.contains(ip)))
        {
            hints.places.push(SocketAddr::new(*first, port));
        }
    }
    hints
}

/// When a member is looked for again, and where.
#[derive(Debug, Default)]
struct Search {
    rounds: u32,
    /// The round in which it was looked for.
    last: u32,
    next: u32,
    pause: u32,
}

/// Searches that go on, so that nobody is knocked at every minute for ever.
#[derive(Debug, Default)]
struct Searches {
    round: u32,
    places: Vec<SocketAddr>,
    of: BTreeMap<NodeId, Search>,
}

impl Searches {
    /// Whom to look for in this round, and at which places.
    fn due(&mut self, missed: &[NodeId], places: &[SocketAddr]) -> Vec<(NodeId, Vec<SocketAddr>)> {
        self.round = self.round.saturating_add(1);
        if self.places != places {
            // Somebody came online.
            self.places = places.to_vec();
            self.of.clear();
        }
        self.of.retain(|node, _| missed.contains(node));
        let parts: Vec<&[SocketAddr]> = places.chunks(PLACES_MAX).collect();
        if parts.is_empty() {
            return Vec::new();
        }
        for node in missed {
            self.of.entry(*node).or_default();
        }
        // Those first who waited longest.
        let mut due: Vec<(&NodeId, &mut Search)> = self.of.iter_mut().filter(|(_, it)| it.next <= self.round).collect();
        due.sort_by_key(|(node, search)| (search.last, **node));
        let mut asked = Vec::new();
        for (node, search) in due.into_iter().take(LOOKED_FOR_MAX) {
            let at = search.rounds as usize % parts.len();
            search.rounds = search.rounds.wrapping_add(1);
            search.last = self.round;
            // Every place once, before it pauses.
            if at + 1 == parts.len() {
                search.pause = (search.pause * 2).clamp(1, PAUSE_MAX);
                search.next = self.round + 1 + search.pause;
            }
            asked.push((*node, parts[at].to_vec()));
        }
        asked
    }
}

/// Looks for members until the node ends: about every minute, and when this machine has moved.
pub async fn follow(tailnet: Tailnet, grid: Grid, links: Shared) {
    let mut moves = links.endpoint.watch_addr().stream_updates_only();
    let mut searches = Searches::default();
    // At first nobody is reached, and most are in a moment.
    tokio::time::sleep(SETTLE.min(tailnet.every)).await;
    while let Ok(view) = grid.view().await {
        look(&tailnet, &view, &links, &mut searches).await;
        tokio::select! {
            () = tokio::time::sleep(tailnet.every) => {}
            Some(_) = moves.next() => {
                let until = Instant::now() + SETTLE.min(tailnet.every);
                while let Ok(Some(_)) = tokio::time::timeout_at(until, moves.next()).await {}
            }
        }
    }
}

async fn look(tailnet: &Tailnet, view: &GridView, links: &Shared, searches: &mut Searches) {
    let others = view.nodes.iter().filter(|node| !node.here);
    let missed: Vec<Missed> = others
        .filter(|node| node.reach.path.is_empty() && !node.disputed && links.directory.is_near(&node.node))
        .map(|node| Missed { node: node.node, addresses: node.addresses.clone() })
        .collect();
    if missed.is_empty() {
        return;
    }
    let program = tailnet.program.clone();
    // Another program is asked, which may take seconds.
    let found = tokio::task::spawn_blocking(move || tailscale::online_by(&program)).await.unwrap_or_default();
    if let Some(silent) = found.silent {
        return tracing::debug!(%silent, "Tailscale names no machines");
    }
    let mut machines = found.machines;
    for machine in &mut machines {
        machine.addresses.retain(tailnet.believed);
    }
    let taken = view.nodes.iter().flat_map(|node| node.addresses.iter().map(SocketAddr::ip)).collect();
    let Hints { certain, places } = hints(&machines, &missed, &taken, tailnet.port);
    let unknown = missed.iter().map(|member| member.node).filter(|node| !certain.contains_key(node));
    let due = searches.due(&unknown.collect::<Vec<NodeId>>(), &places);
    for (peer, addresses) in certain.into_iter().filter(|(_, addresses)| !addresses.is_empty()) {
        let _ended = links.to_actor.send(Said::Mesh(MeshEvent::Addresses { peer, addresses })).await;
    }
    for (peer, places) in due {
        tokio::spawn(knock(peer, places, links.clone()));
    }
}

/// Asks at several places at once for one member. The first that proves its key is linked, and its address kept.
async fn knock(peer: NodeId, places: Vec<SocketAddr>, links: Shared) {
    let Ok(id) = EndpointId::from_bytes(&peer.0) else { return };
    let target = EndpointAddr::from_parts(id, places.into_iter().map(TransportAddr::Ip));
    let connecting = tokio::time::timeout(KNOCK_TIMEOUT, links.endpoint.connect(target, LINK_ALPN));
    let Ok(Ok(connection)) = connecting.await else { return };
    let address = connection.paths().iter().find(|path| path.is_selected()).and_then(|path| match path.remote_addr() {
        TransportAddr::Ip(address) => Some(*address),
        _ => None,
    });
    tracing::info!(%peer, ?address, "a member was found over Tailscale");
    let addresses = address.into_iter().collect();
    let _ended = links.to_actor.send(Said::Mesh(MeshEvent::Addresses { peer, addresses })).await;
    links::run(connection, true, links).await;
}

#[cfg(test)]
mod tests;
