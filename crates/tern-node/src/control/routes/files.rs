//! Copies of files between nodes: each answer is a stream of what happens, one JSON object a line, the last of which says how it ended.

use std::convert::Infallible;

use axum::body::{Body, Bytes as Chunk};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tern_core::words::{Bytes, NodeId};
use tokio::sync::mpsc;

use super::{App, read_json};
use crate::control::api::Refusal;
use crate::control::api::files::{CopyRequest, ShareRequest};
use crate::control::words::Refused;
use crate::files::wire::{Event, Summary, Trouble};
use crate::files::{Copy, Files};

/// Events that wait for a slow reader; the copy waits, too.
const EVENTS_AHEAD: usize = 64;

/// Copies files from one node to another. The copy ends when the reader goes away; asked again, it goes on from there.
#[utoipa::path(post, path = "/v1/copies", tag = "files", request_body = CopyRequest,
    responses((status = 200, content_type = "application/x-ndjson", body = Event), (status = 404, body = Refusal)))]
pub async fn copy(State(app): State<App>, body: Chunk) -> Result<Response, Refused> {
    let request: CopyRequest = read_json(&body)?;
    let copy = Copy {
        from: node(&app, request.from.as_deref()).await?,
        sources: request.sources.iter().map(|source| source.to_vec()).collect(),
        to: node(&app, request.to.as_deref()).await?,
        target: request.target.to_vec(),
        recursive: request.recursive,
        force: request.force,
    };
    let files = Files::new(app.meshed()?.grid.clone());
    Ok(stream(move |events| async move { files.copy(copy, &events).await }))
}

/// Sends files of this node to the least loaded idle one.
#[utoipa::path(post, path = "/v1/shares", tag = "files", request_body = ShareRequest,
    responses((status = 200, content_type = "application/x-ndjson", body = Event), (status = 409, body = Refusal)))]
pub async fn share(State(app): State<App>, body: Chunk) -> Result<Response, Refused> {
    let request: ShareRequest = read_json(&body)?;
    let sources = request.sources.iter().map(|source: &Bytes| source.to_vec()).collect();
    let files = Files::new(app.meshed()?.grid.clone());
    Ok(stream(move |events| async move { files.share(sources, request.recursive, &events).await }))
}

async fn node(app: &App, name: Option<&str>) -> Result<Option<NodeId>, Refused> {
    let Some(name) = name else { return Ok(None) };
    let found = app.meshed()?.grid.find(name).await?;
    Ok(Some(found.node))
}

/// The events of some work as a body. Dropping it ends the work.
fn stream<W>(work: impl FnOnce(mpsc::Sender<Event>) -> W) -> Response
where
    W: Future<Output = Result<Summary, Trouble>> + Send + 'static,
{
    let (events, happened) = mpsc::channel(EVENTS_AHEAD);
    let teller = events.clone();
    let work = work(events);
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = work => ended,
            () = teller.closed() => return,
        };
        let _gone = teller.send(ended.map_or_else(Event::Failed, Event::Done)).await;
    });
    let lines = n0_future::stream::unfold(happened, |mut happened| async {
        let event = happened.recv().await?;
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<Chunk, Infallible>(line.into()), happened))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
