//! What this node counts, for those who collect it again and again.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::control::metrics;
use crate::control::routes::App;
use crate::control::words::Refused;

/// Counts since the agent began and how the node stands, as OpenMetrics text.
#[utoipa::path(get, path = "/v1/metrics", tag = "node",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub async fn metrics(State(app): State<App>) -> Result<Response, Refused> {
    let page = app.handle.metrics().await?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&page)).into_response())
}
