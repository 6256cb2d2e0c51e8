//! The node itself: its state, its throttles, its end.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{App, Asked, read_json};
use crate::control::api::{Done, Refusal, StatusView, StopQuery, ThrottleRequest};
use crate::control::document::{self, shapes};
use crate::control::words::Refused;
use crate::process::protocol::{Asker, Throttle, ThrottleState};

/// This node at this instant.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses((status = 200, body = StatusView)))]
pub async fn status(State(app): State<App>) -> Result<Json<StatusView>, Refused> {
    let status = app.handle.status().await?;
    Ok(Json(StatusView::new(status, app.handle.home())))
}

/// Processes that are held back.
#[utoipa::path(get, path = "/v1/throttles", tag = "node", responses((status = 200, body = Vec<shapes::Throttled>)))]
pub async fn throttles(State(app): State<App>) -> Result<Json<Vec<ThrottleState>>, Refused> {
    Ok(Json(app.handle.throttles().await?))
}

/// Hold a process of this user back. It is released on request, on a clean end, and when the warden dies.
#[utoipa::path(post, path = "/v1/throttles", tag = "node", request_body = ThrottleRequest,
    responses((status = 200, body = shapes::Throttled), (status = 400, body = Refusal), (status = 403, body = Refusal)))]
pub async fn throttle(State(app): State<App>, body: Bytes) -> Result<Json<ThrottleState>, Refused> {
    let request: ThrottleRequest = read_json(&body)?;
    if request.pid <= 1 {
        let message = format!("{} is no process that may be throttled", request.pid);
        return Err(Refused::new(StatusCode::FORBIDDEN, "protected", message, "Nothing was touched."));
    }
    if !(1..=100).contains(&request.percent) {
        return Err(Refused::invalid(format!("percent must be 1 to 100, and is {}", request.percent)));
    }
    let ThrottleRequest { pid, percent, method } = request;
    let wish = Throttle { pid, percent, method, asked_by: Asker::Person };
    app.handle.throttle(wish).await?.map(Json).map_err(|why| {
        Refused::new(
            StatusCode::FORBIDDEN,
            "throttle_refused",
            why,
            "Nothing was touched. `tern scum` lists what may be.",
        )
    })
}

/// Let a process run freely again.
#[utoipa::path(delete, path = "/v1/throttles/{pid}", tag = "node", params(("pid" = i32, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refusal)))]
pub async fn release_throttle(State(app): State<App>, Path(pid): Path<String>) -> Result<Json<Done>, Refused> {
    let number = pid.parse().map_err(|_| Refused::invalid(format!("{pid:?} is not a process id")))?;
    match app.handle.release_throttle(number).await? {
        Ok(true) => Ok(Json(Done::default())),
        Ok(false) => {
            let message = format!("process {number} is not throttled by this node");
            let advice = "`tern throttle list` shows those that are.";
            Err(Refused::new(StatusCode::NOT_FOUND, "not_throttled", message, advice))
        }
        Err(why) => {
            let advice = "It is still on the list: `tern throttle list`.";
            Err(Refused::new(StatusCode::FORBIDDEN, "throttle_refused", why, advice))
        }
    }
}

/// End the agent. Answered at once; the socket goes when it has ended.
#[utoipa::path(post, path = "/v1/stop", tag = "node", params(StopQuery),
    responses((status = 202, body = Done), (status = 409, body = Refusal)))]
pub async fn stop(State(app): State<App>, Asked(wish): Asked<StopQuery>) -> Result<(StatusCode, Json<Done>), Refused> {
    let Some(stop) = &app.stop else {
        let message = "this node lives inside the command that uses it and ends with it";
        return Err(Refused::new(StatusCode::CONFLICT, "no_agent", message, "There is nothing to stop."));
    };
    // Full or closed: somebody asked before, and the node is ending already.
    let _already = stop.try_send(wish);
    Ok((StatusCode::ACCEPTED, Json(Done::default())))
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "node", responses((status = 200, content_type = "application/json")))]
pub async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document::json()).into_response()
}

pub async fn no_such_route() -> Refused {
    let message = "there is nothing at this path";
    Refused::new(StatusCode::NOT_FOUND, "no_such_route", message, "GET /v1/openapi.json lists what there is.")
}

pub async fn no_such_method() -> Refused {
    let message = "this path does not take this method";
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", message, "GET /v1/openapi.json lists what there is.")
}
