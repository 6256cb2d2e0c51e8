//! The routes of the control API.
//!
//! One table names each path with its methods; the router and the test of the OpenAPI document are made from it.

pub mod accept;
pub mod figures;
pub mod files;
pub mod grid;
pub mod jobs;
pub mod ledger;
pub mod node;
pub mod outputs;
mod travel;
pub mod work;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Query};
use axum::http::request::Parts;
use axum::routing::{MethodRouter, delete, get, post};
use tern_core::words::JobId;
use tern_core::words::limits::DOOR_BODY_BYTES_MAX;
use tokio::sync::mpsc;

use super::api::StopQuery;
use super::words::{Refused, no_mesh};
use crate::config::MeshConfig;
use crate::node::Handle;
use crate::overlay::Grid;

/// Where a wish to stop goes: to whoever runs the node and must end it in order.
pub type Stop = mpsc::Sender<StopQuery>;

/// What every route knows.
#[derive(Clone)]
pub struct App {
    pub handle: Handle,
    /// None: the node ends with its process and takes no such wish.
    pub stop: Option<Stop>,
    /// None: the node is in no grid.
    pub meshed: Option<Meshed>,
}

/// The grid of a node, and the settings by which it takes part.
#[derive(Clone)]
pub struct Meshed {
    pub grid: Grid,
    pub settings: MeshConfig,
}

impl App {
    pub(crate) fn meshed(&self) -> Result<&Meshed, Refused> {
        self.meshed.as_ref().ok_or_else(|| no_mesh(self.stop.is_some()))
    }

    /// Reads `12-3f9a1c2b`, or `12` as a job of this node.
    pub(crate) fn job(&self, text: &str) -> Result<JobId, Refused> {
        JobId::parse(text, self.handle.tag())
            .ok_or_else(|| Refused::invalid(format!("{text:?} is not a job's id: they look like 12 or 12-3f9a1c2b")))
    }
}

/// Path, methods, handlers.
type Route = (&'static str, &'static [&'static str], MethodRouter<App>);

pub(crate) fn table() -> Vec<Route> {
    vec![
        ("/v1/jobs", &["get", "post"], get(jobs::list).post(jobs::submit)),
        ("/v1/jobs/{job}", &["get", "delete"], get(jobs::show).delete(jobs::forget)),
        ("/v1/jobs/{job}/results", &["get"], get(outputs::results)),
        ("/v1/jobs/{job}/output/{number}/{stream}", &["get"], get(outputs::output)),
        ("/v1/jobs/{job}/hold", &["post"], post(jobs::hold)),
        ("/v1/jobs/{job}/release", &["post"], post(jobs::release)),
        ("/v1/jobs/{job}/cancel", &["post"], post(jobs::cancel)),
        ("/v1/jobs/{job}/retry", &["post"], post(jobs::retry)),
        ("/v1/jobs/{job}/explain", &["get"], get(work::explain)),
        ("/v1/decisions", &["get"], get(work::decisions)),
        ("/v1/status", &["get"], get(node::status)),
        ("/v1/queue", &["get"], get(work::queue)),
        ("/v1/throttles", &["get", "post"], get(node::throttles).post(node::throttle)),
        ("/v1/throttles/{pid}", &["delete"], delete(node::release_throttle)),
        ("/v1/members", &["get"], get(grid::members)),
        ("/v1/members/{node}", &["delete"], delete(grid::entry::remove)),
        ("/v1/nodes", &["get"], get(grid::nodes)),
        ("/v1/nodes/{node}", &["get"], get(grid::node)),
        ("/v1/nodes/{node}/drain", &["post"], post(work::drain_node)),
        ("/v1/nodes/{node}/undrain", &["post"], post(work::undrain_node)),
        ("/v1/migrate", &["post"], post(work::migrate::migrate)),
        ("/v1/flow", &["get"], get(work::flow)),
        ("/v1/balance", &["get", "post"], get(grid::balance::balance).post(grid::balance::apply)),
        ("/v1/ledger", &["get"], get(ledger::ledger)),
        ("/v1/kpi", &["get"], get(figures::kpi::kpi)),
        ("/v1/metrics", &["get"], get(figures::metrics::metrics)),
        ("/v1/zones", &["get"], get(grid::zones)),
        // A zone inside another has a slash in its name.
        ("/v1/zones/{*zone}", &["get"], get(grid::zone)),
        ("/v1/invitations", &["post"], post(grid::entry::invite)),
        ("/v1/join", &["post"], post(grid::entry::join)),
        ("/v1/leave", &["post"], post(grid::entry::leave)),
        ("/v1/recover", &["post"], post(grid::entry::recover)),
        ("/v1/rotate", &["post"], post(grid::entry::rotate)),
        ("/v1/path/{node}", &["get"], get(grid::ways::path)),
        ("/v1/ping/{node}", &["post"], post(grid::ways::ping)),
        ("/v1/netcheck", &["get"], get(grid::ways::netcheck)),
        ("/v1/forwards", &["get", "post"], get(grid::forwards::list).post(grid::forwards::open)),
        ("/v1/forwards/{local}", &["delete"], delete(grid::forwards::close)),
        ("/v1/copies", &["post"], post(files::copy)),
        ("/v1/shares", &["post"], post(files::share)),
        ("/v1/drain", &["post"], post(work::drain)),
        ("/v1/undrain", &["post"], post(work::undrain)),
        ("/v1/stop", &["post"], post(node::stop)),
        ("/v1/openapi.json", &["get"], get(node::document)),
    ]
}

/// The API over one node. `meshed`: None where it is in no grid.
pub fn router(handle: Handle, stop: Option<Stop>, meshed: Option<Meshed>) -> Router {
    let mut router = Router::new();
    for (path, _, methods) in table() {
        router = router.route(path, methods);
    }
    router
        .fallback(node::no_such_route)
        .method_not_allowed_fallback(node::no_such_method)
        .layer(DefaultBodyLimit::max(DOOR_BODY_BYTES_MAX))
        .with_state(App { handle, stop, meshed })
}

/// What stands behind the `?`. Unlike axum's own, a wrong one is refused as everything else is.
pub struct Asked<T>(pub T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Refused::invalid(format!("the query is not what is wanted here: {}", error.body_text()))),
        }
    }
}

/// Reads a JSON body; an empty one is the default where there is one.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body)
        .map_err(|error| Refused::invalid(format!("the body is not what is wanted here: {error}")))
}
