//! How well this node and what it knows of its grid worked, from its event log.

use axum::Json;
use axum::extract::State;
use tern_core::observe::kpi::Kpi;

use crate::control::api::Refusal;
use crate::control::api::work::KpiQuery;
use crate::control::document::shapes;
use crate::control::routes::{App, Asked};
use crate::control::words::Refused;
use crate::node::NodeError;
use crate::store::events;

/// Figures of the time since then, made from the event log.
#[utoipa::path(get, path = "/v1/kpi", tag = "node", params(KpiQuery),
    responses((status = 200, body = shapes::Kpi), (status = 400, body = Refusal)))]
pub async fn kpi(State(app): State<App>, Asked(query): Asked<KpiQuery>) -> Result<Json<Kpi>, Refused> {
    app.handle.written().await?;
    let home = app.handle.home().clone();
    let read = tokio::task::spawn_blocking(move || events::read(&home, query.since));
    let read = read.await.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()));
    let gather = read.map_err(NodeError::Events)?;
    Ok(Json(gather.report()))
}
