//! The grid: who is in it and how each of them is.

pub mod balance;
pub mod entry;
pub mod forwards;
pub mod ways;

use axum::Json;
use axum::extract::{Path, State};
use tern_core::machine::mesh::NodeView;

use super::App;
use crate::control::api::Refusal;
use crate::control::api::grid::{MembersView, NodeEntry, NodesView};
use crate::control::api::zones::{ZoneEntry, ZonesView};
use crate::control::words::Refused;
use crate::overlay::grid::{GridError, GridView};

/// The grid at this instant, and the member of this name, short key or whole key.
pub(super) async fn view_and_node(app: &App, text: &str) -> Result<(GridView, NodeView), Refused> {
    let view = app.meshed()?.grid.view().await?;
    let node = view.find(text).cloned().ok_or_else(|| GridError::NoSuchNode(text.to_owned()))?;
    Ok((view, node))
}

/// Who is in the grid.
#[utoipa::path(get, path = "/v1/members", tag = "grid", responses((status = 200, body = MembersView), (status = 409, body = Refusal)))]
pub async fn members(State(app): State<App>) -> Result<Json<MembersView>, Refused> {
    let view = app.meshed()?.grid.view().await?;
    Ok(Json(MembersView::new(&view)))
}

/// All nodes of the grid as this one sees them.
#[utoipa::path(get, path = "/v1/nodes", tag = "grid", responses((status = 200, body = NodesView), (status = 409, body = Refusal)))]
pub async fn nodes(State(app): State<App>) -> Result<Json<NodesView>, Refused> {
    let view = app.meshed()?.grid.view().await?;
    Ok(Json(NodesView::new(&view)))
}

/// One node, by its name, its short key or its key.
#[utoipa::path(get, path = "/v1/nodes/{node}", tag = "grid", params(("node" = String, Path)),
    responses((status = 200, body = NodeEntry), (status = 404, body = Refusal)))]
pub async fn node(State(app): State<App>, Path(text): Path<String>) -> Result<Json<NodeEntry>, Refused> {
    let (view, node) = view_and_node(&app, &text).await?;
    Ok(Json(NodeEntry::new(&view, &node)))
}

/// All zones in which nodes of the grid stand, those in which others lie among them.
#[utoipa::path(get, path = "/v1/zones", tag = "grid", responses((status = 200, body = ZonesView), (status = 409, body = Refusal)))]
pub async fn zones(State(app): State<App>) -> Result<Json<ZonesView>, Refused> {
    let view = app.meshed()?.grid.view().await?;
    Ok(Json(ZonesView::new(&view)))
}

/// One zone, by its whole name; it may hold slashes.
#[utoipa::path(get, path = "/v1/zones/{zone}", tag = "grid", params(("zone" = String, Path)),
    responses((status = 200, body = ZoneEntry), (status = 404, body = Refusal)))]
pub async fn zone(State(app): State<App>, Path(text): Path<String>) -> Result<Json<ZoneEntry>, Refused> {
    let view = app.meshed()?.grid.view().await?;
    let zone = view.zones.iter().find(|zone| zone.zone == text).ok_or(GridError::NoSuchZone(text))?;
    Ok(Json(ZoneEntry::new(zone)))
}
