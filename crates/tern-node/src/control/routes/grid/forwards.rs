//! Forwarded ports.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::view_and_node;
use crate::control::api::grid::Names;
use crate::control::api::ways::{ForwardRequest, ForwardView};
use crate::control::api::{Done, Refusal};
use crate::control::routes::{App, read_json};
use crate::control::words::Refused;
use crate::overlay::calls::Forward;
use crate::overlay::grid::GridView;

fn shown(view: &GridView, forward: Forward) -> ForwardView {
    let Forward { local, node, port } = forward;
    ForwardView { local, name: Names(view).of(&node), node: node.to_string(), port }
}

/// Ports of this node that lead to other nodes.
#[utoipa::path(get, path = "/v1/forwards", tag = "grid", responses((status = 200, body = Vec<ForwardView>), (status = 409, body = Refusal)))]
pub async fn list(State(app): State<App>) -> Result<Json<Vec<ForwardView>>, Refused> {
    let grid = &app.meshed()?.grid;
    let view = grid.view().await?;
    Ok(Json(grid.forwards().list().into_iter().map(|forward| shown(&view, forward)).collect()))
}

/// Listen on a port here and join each connection to a port of another node's loopback. It ends with the agent, or when asked.
#[utoipa::path(post, path = "/v1/forwards", tag = "grid", request_body = ForwardRequest,
    responses((status = 200, body = ForwardView), (status = 404, body = Refusal), (status = 409, body = Refusal)))]
pub async fn open(State(app): State<App>, body: Bytes) -> Result<Json<ForwardView>, Refused> {
    let request: ForwardRequest = read_json(&body)?;
    if request.port == 0 {
        return Err(Refused::invalid("port 0 of another node is none that something listens on"));
    }
    let (view, node) = view_and_node(&app, &request.node).await?;
    if node.here {
        return Err(Refused::invalid(format!("{} is this very node: its ports need no forwarding", node.name)));
    }
    let forward = app.meshed()?.grid.forward(request.local, node.node, request.port).await?;
    Ok(Json(shown(&view, forward)))
}

/// Listen no more; connections that stand go on.
#[utoipa::path(delete, path = "/v1/forwards/{local}", tag = "grid", params(("local" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refusal)))]
pub async fn close(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Done>, Refused> {
    let forwards = app.meshed()?.grid.forwards();
    let local =
        text.parse().map_err(|_| Refused::invalid(format!("{text:?} is not an address such as 127.0.0.1:80")))?;
    if forwards.close(local) {
        return Ok(Json(Done::default()));
    }
    let message = format!("nothing is forwarded from {local}");
    Err(Refused::new(StatusCode::NOT_FOUND, "no_such_forward", message, "`tern forward --list` shows what is."))
}
