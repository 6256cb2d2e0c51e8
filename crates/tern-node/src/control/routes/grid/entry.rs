//! Letting in, coming in, going, sending away.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use tern_core::trust::{Name, Ticket};

use super::view_and_node;
use crate::control::api::entry::{
    InvitationView, InviteRequest, JoinRequest, JoinedView, LeftView, RecoverRequest, RemovedView,
};
use crate::control::api::{Done, Refusal};
use crate::control::routes::{App, read_json};
use crate::control::words::Refused;
use crate::overlay::grid::TICKET_MS_MAX;
use crate::store::grid::read_recovery;

/// A ticket by which one machine may come in, once.
#[utoipa::path(post, path = "/v1/invitations", tag = "grid", request_body = InviteRequest,
    responses((status = 200, body = InvitationView), (status = 403, body = Refusal)))]
pub async fn invite(State(app): State<App>, body: Bytes) -> Result<Json<InvitationView>, Refused> {
    let request: InviteRequest = if body.is_empty() { InviteRequest::default() } else { read_json(&body)? };
    let most = TICKET_MS_MAX / 1_000;
    if !(1..=most).contains(&request.lasts_seconds) {
        let message = format!("a ticket is good for 1 to {most} seconds, not for {}", request.lasts_seconds);
        return Err(Refused::invalid(message));
    }
    let invited = app.meshed()?.grid.invite(request.admin, request.lasts_seconds * 1_000).await?;
    Ok(Json(InvitationView {
        ticket: invited.ticket.to_text(),
        expires_ms: invited.expires_ms,
        admin: invited.ticket.admin,
        grid: invited.ticket.grid.to_string(),
    }))
}

/// Enter another grid by a ticket of it. The own grid must have no other member.
#[utoipa::path(post, path = "/v1/join", tag = "grid", request_body = JoinRequest,
    responses((status = 200, body = JoinedView), (status = 403, body = Refusal), (status = 409, body = Refusal)))]
pub async fn join(State(app): State<App>, body: Bytes) -> Result<Json<JoinedView>, Refused> {
    let request: JoinRequest = read_json(&body)?;
    let grid = &app.meshed()?.grid;
    let ticket = Ticket::parse(&request.ticket)?;
    let name = request.name.as_deref().map(|text| Name::parse(text).ok_or_else(|| no_name(text))).transpose()?;
    let joined = grid.join(ticket, name).await?;
    let members = grid.view().await?.nodes.len();
    Ok(Json(JoinedView {
        grid: joined.grid.to_string(),
        name: joined.name,
        admin: joined.admin,
        members: u32::try_from(members).unwrap_or(u32::MAX),
        clock_ahead_ms: joined.clock_ahead_ms,
    }))
}

fn no_name(text: &str) -> Refused {
    Refused::invalid(format!(
        "{text:?} is no name of a node: those have 1 to 63 letters a to z, digits and hyphens, and no hyphen at an end"
    ))
}

/// Leave the grid and be one of its own again.
#[utoipa::path(post, path = "/v1/leave", tag = "grid", responses((status = 200, body = LeftView), (status = 409, body = Refusal)))]
pub async fn leave(State(app): State<App>) -> Result<Json<LeftView>, Refused> {
    let grid = &app.meshed()?.grid;
    let left = grid.view().await?.grid.to_string();
    grid.leave().await?;
    Ok(Json(LeftView { left, grid: grid.view().await?.grid.to_string() }))
}

/// Send a machine away. Its key does not come back.
#[utoipa::path(delete, path = "/v1/members/{node}", tag = "grid", params(("node" = String, Path)),
    responses((status = 200, body = RemovedView), (status = 403, body = Refusal), (status = 404, body = Refusal)))]
pub async fn remove(State(app): State<App>, Path(text): Path<String>) -> Result<Json<RemovedView>, Refused> {
    let (_, node) = view_and_node(&app, &text).await?;
    app.meshed()?.grid.remove(node.node).await?;
    Ok(Json(RemovedView { name: node.name, node: node.node.to_string() }))
}

/// Make this machine an admin by the grid's recovery key, and send the lost machines away.
#[utoipa::path(post, path = "/v1/recover", tag = "grid", request_body = RecoverRequest,
    responses((status = 200, body = Done), (status = 400, body = Refusal), (status = 403, body = Refusal), (status = 404, body = Refusal)))]
pub async fn recover(State(app): State<App>, body: Bytes) -> Result<Json<Done>, Refused> {
    let request: RecoverRequest = read_json(&body)?;
    let root = read_recovery(request.recovery.as_bytes()).map_err(|error| Refused::invalid(error.to_string()))?;
    let mut lost = Vec::new();
    for text in &request.lost {
        lost.push(view_and_node(&app, text).await?.1.node);
    }
    app.meshed()?.grid.recover(root, lost).await?;
    Ok(Json(Done::default()))
}

/// A new admin key for this machine in the place of its old one.
#[utoipa::path(post, path = "/v1/rotate", tag = "grid", responses((status = 200, body = Done), (status = 403, body = Refusal)))]
pub async fn rotate(State(app): State<App>) -> Result<Json<Done>, Refused> {
    app.meshed()?.grid.rotate().await?;
    Ok(Json(Done::default()))
}
