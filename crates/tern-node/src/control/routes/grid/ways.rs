//! Ways to other nodes, and what the network allows.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tern_core::machine::mesh::NodeView;

use super::view_and_node;
use crate::control::api::Refusal;
use crate::control::api::grid::{Names, NodesView, WayView};
use crate::control::api::ways::{
    HopView, LostView, NeighbourView, NetcheckView, PathView, PingRequest, PingView, RoundView, TailscaleView,
};
use crate::control::routes::{App, read_json};
use crate::control::words::Refused;
use crate::overlay::grid::GridView;
use tern_core::words::NodeId;

use crate::sources::tailscale;

/// Round trips of one question.
const PINGS_MAX: u32 = 100;
/// Bytes of one of them.
const PING_BYTES_MAX: u32 = 64 * 1024;
/// A way that is this slow is none.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// The way to a node, hop by hop.
#[utoipa::path(get, path = "/v1/path/{node}", tag = "grid", params(("node" = String, Path)),
    responses((status = 200, body = PathView), (status = 404, body = Refusal)))]
pub async fn path(State(app): State<App>, Path(text): Path<String>) -> Result<Json<PathView>, Refused> {
    let (view, node) = view_and_node(&app, &text).await?;
    let hop = |key: &NodeId| {
        let known = view.nodes.iter().find(|view| view.node == *key);
        // The best way to a hop is the beginning of the best way over it.
        HopView {
            name: Names(&view).of(key),
            node: key.to_string(),
            rtt_us: known.and_then(|known| known.reach.rtt_us),
        }
    };
    Ok(Json(PathView {
        hops: node.reach.path.iter().map(hop).collect(),
        link: WayView::new(&view, &node),
        name: node.name,
        node: node.node.to_string(),
    }))
}

/// Send something to a node and back.
#[utoipa::path(post, path = "/v1/ping/{node}", tag = "grid", params(("node" = String, Path)), request_body = PingRequest,
    responses((status = 200, body = PingView), (status = 404, body = Refusal), (status = 502, body = Refusal)))]
pub async fn ping(State(app): State<App>, Path(text): Path<String>, body: Bytes) -> Result<Json<PingView>, Refused> {
    let request: PingRequest = if body.is_empty() { PingRequest::default() } else { read_json(&body)? };
    if !(1..=PINGS_MAX).contains(&request.count) || !(1..=PING_BYTES_MAX).contains(&request.bytes) {
        let message = format!("count must be 1 to {PINGS_MAX}, and bytes 1 to {PING_BYTES_MAX}");
        return Err(Refused::invalid(message));
    }
    let (view, node) = view_and_node(&app, &text).await?;
    if node.here {
        return Err(Refused::invalid(format!("{} is this very node", node.name)));
    }
    let (count, bytes) = (request.count as usize, request.bytes as usize);
    let pings = app.meshed()?.grid.ping(&node.node, count, bytes);
    let rounds = tokio::time::timeout(ROUND_MAX * (request.count + 1), pings).await.map_err(|_| {
        let message = format!("{} has not answered within {} s", node.name, ROUND_MAX.as_secs());
        Refused::new(StatusCode::BAD_GATEWAY, "unreachable", message, "`tern path` shows the way to it.")
    })??;
    let linked = node.reach.path.len() as u32;
    let round = |round: crate::overlay::calls::Round| RoundView {
        time_us: u64::try_from(round.time.as_micros()).unwrap_or(u64::MAX),
        direct: round.direct,
        hops: if round.direct { 1 } else { linked.max(1) },
    };
    let rounds = rounds.into_iter().map(round).collect();
    drop(view);
    Ok(Json(PingView { name: node.name, node: node.node.to_string(), rounds }))
}

/// Addresses, links, and who cannot be reached.
#[utoipa::path(get, path = "/v1/netcheck", tag = "grid", responses((status = 200, body = NetcheckView), (status = 409, body = Refusal)))]
pub async fn netcheck(State(app): State<App>) -> Result<Json<NetcheckView>, Refused> {
    let meshed = app.meshed()?;
    let view = meshed.grid.view().await?;
    // Another program is asked, which may take seconds. If its thread fails there is nothing to tell.
    let found = tokio::task::spawn_blocking(tailscale::online).await.unwrap_or_default();
    let machine = |machine: tailscale::Machine| TailscaleView {
        host_name: machine.host_name.escape_debug().to_string(),
        addresses: machine.addresses.iter().map(ToString::to_string).collect(),
    };
    let here = view.nodes.iter().find(|node| node.here);
    let shown = |addresses: Option<&Vec<std::net::SocketAddr>>| {
        addresses.into_iter().flatten().map(ToString::to_string).collect()
    };
    let counted = NodesView::new(&view);
    Ok(Json(NetcheckView {
        grid: counted.grid,
        link_addresses: shown(here.map(|here| &here.addresses)),
        main_addresses: shown(here.map(|here| &here.main_addresses)),
        port_mapping: meshed.settings.port_mapping,
        mdns: meshed.settings.mdns,
        links: neighbours(&view),
        without_a_way: view.nodes.iter().filter(|node| node.reach.path.is_empty() && !node.here).map(lost).collect(),
        tailscale_followed: meshed.settings.tailscale,
        tailscale: found.machines.into_iter().map(machine).collect(),
        tailscale_silent: found.silent.map(|silent| silent.to_string()),
        strangers: counted.strangers,
        refused: counted.refused,
    }))
}

fn neighbours(view: &GridView) -> Vec<NeighbourView> {
    let neighbour = |link: &tern_core::machine::mesh::LinkView| NeighbourView {
        name: Names(view).of(&link.peer),
        node: link.peer.to_string(),
        pulse: link.pulse.to_owned(),
        rtt_us: link.rtt_us,
        outgoing: link.outgoing,
        wanted: link.wanted,
    };
    view.links.iter().map(neighbour).collect()
}

fn lost(node: &NodeView) -> LostView {
    let why = match node.addresses.len() {
        _ if node.disputed => "two machines claim its key".to_owned(),
        0 => "no address of it is known here, and nobody who is reached has a link to it".to_owned(),
        1 => "its address does not answer, and nobody who is reached has a link to it".to_owned(),
        count => format!("none of its {count} addresses answers, and nobody who is reached has a link to it"),
    };
    LostView {
        name: node.name.clone(),
        node: node.node.to_string(),
        why,
        addresses: node.addresses.iter().map(ToString::to_string).collect(),
    }
}
