//! Jobs: submit, look, hold, release, cancel, retry, forget.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tern_core::machine::{Answer, Command, Deny};
use tern_core::view::JobView;
use tern_core::words::TaskSet;
use tern_core::words::limits::TASKS_PER_JOB_MAX;

use super::{App, Asked, accept, read_json};
use crate::control::api::{Done, Refusal, RetryRequest, ShowQuery, SubmitRequest, Submitted};
use crate::control::document::shapes;
use crate::control::words::Refused;
use crate::node::NodeError;
use crate::overlay::GridError;

/// Accept a job. The answer comes when the job is durable.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = SubmitRequest,
    responses((status = 201, body = Submitted), (status = 400, body = Refusal), (status = 413, body = Refusal),
              (status = 429, body = Refusal), (status = 503, body = Refusal), (status = 507, body = Refusal)))]
pub async fn submit(State(app): State<App>, body: Bytes) -> Result<(StatusCode, Json<Submitted>), Refused> {
    let request: SubmitRequest = read_json(&body)?;
    drop(body);
    let named = named(&app, &request).await?;
    let travels = request.stage || !request.inputs.is_empty() || !request.outputs.is_empty();
    let submission = if travels {
        // Names are looked for on the disk, and a network file system may hang.
        let looked = tokio::task::spawn_blocking(move || accept::submission(request, named)).await;
        looked.map_err(|_| Refused::from(NodeError::Stopping))??
    } else {
        accept::submission(request, named)?
    };
    let tasks = submission.spec.tasks;
    let job = match app.handle.submit(submission).await {
        Ok(job) => job,
        Err(error) => return Err(by_name(&app, error).await),
    };
    Ok((StatusCode::CREATED, Json(Submitted { job: job.to_string(), tasks })))
}

/// The nodes that a request names, by the names that the grid has for them.
async fn named(app: &App, request: &SubmitRequest) -> Result<accept::Named, Refused> {
    let needs = &request.needs;
    if needs.on.is_empty() && needs.not_on.is_empty() {
        return Ok(accept::Named::default());
    }
    let view = app.meshed()?.grid.view().await?;
    let find = |name: &String| {
        let node = view.find(name).ok_or_else(|| GridError::NoSuchNode(name.clone()));
        node.map(|node| node.node).map_err(Refused::from)
    };
    let find_all = |names: &[String]| names.iter().map(find).collect::<Result<Vec<_>, _>>();
    Ok(accept::Named { on: find_all(&needs.on)?, not_on: find_all(&needs.not_on)? })
}

/// A refusal that speaks of a node by its key speaks of it by the name that the grid has for it.
async fn by_name(app: &App, error: NodeError) -> Refused {
    let node = match &error {
        NodeError::Denied(Deny::NoMachine { nearest: Some((node, _)), .. }) => Some(*node),
        _ => None,
    };
    let mut refused = Refused::from(error);
    let (Some(node), Ok(meshed)) = (node, app.meshed()) else { return refused };
    if let Ok(view) = meshed.grid.view().await
        && let Some(known) = view.nodes.iter().find(|known| known.node == node)
    {
        refused.body.message = refused.body.message.replace(&format!("node {node}"), &known.name);
    }
    refused
}

/// All jobs that the node keeps.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", responses((status = 200, body = Vec<shapes::Job>)))]
pub async fn list(State(app): State<App>) -> Result<Json<Vec<JobView>>, Refused> {
    Ok(Json(app.handle.jobs().await?))
}

/// One job; with `wait`, answered when it is over.
#[utoipa::path(get, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = String, Path, description = "12 or 12-3f9a1c2b"), ShowQuery),
    responses((status = 200, body = shapes::Job), (status = 404, body = Refusal)))]
pub async fn show(
    State(app): State<App>,
    Path(job): Path<String>,
    Asked(query): Asked<ShowQuery>,
) -> Result<Json<JobView>, Refused> {
    let id = app.job(&job)?;
    if query.wait {
        // The results go by unread: only the end matters. A client that goes away ends this with its connection.
        let mut watch = app.handle.watch(id, true).await?.ok_or_else(|| Refused::no_such_job(&job))?;
        while watch.next().await?.is_some() {}
    }
    let view = app.handle.job(id).await?.ok_or_else(|| Refused::no_such_job(&job))?;
    if query.wait && !view.state.is_over() {
        return Err(NodeError::Stopping.into());
    }
    Ok(Json(view))
}

/// Remove a job that is over, and its results.
#[utoipa::path(delete, path = "/v1/jobs/{job}", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refusal), (status = 409, body = Refusal)))]
pub async fn forget(State(app): State<App>, Path(job): Path<String>) -> Result<Json<Done>, Refused> {
    let job = app.job(&job)?;
    command(&app, Command::Forget(job)).await
}

/// Start nothing more of it; what runs goes on.
#[utoipa::path(post, path = "/v1/jobs/{job}/hold", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refusal), (status = 409, body = Refusal)))]
pub async fn hold(State(app): State<App>, Path(job): Path<String>) -> Result<Json<Done>, Refused> {
    let job = app.job(&job)?;
    command(&app, Command::Hold(job)).await
}

/// Let a held job start.
#[utoipa::path(post, path = "/v1/jobs/{job}/release", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refusal), (status = 409, body = Refusal)))]
pub async fn release(State(app): State<App>, Path(job): Path<String>) -> Result<Json<Done>, Refused> {
    let job = app.job(&job)?;
    command(&app, Command::Release(job)).await
}

/// End it: what waits never runs, what runs gets TERM, then KILL.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = Refusal), (status = 409, body = Refusal)))]
pub async fn cancel(State(app): State<App>, Path(job): Path<String>) -> Result<Json<Done>, Refused> {
    let job = app.job(&job)?;
    command(&app, Command::Cancel(job)).await
}

/// Run again what failed or was cancelled.
#[utoipa::path(post, path = "/v1/jobs/{job}/retry", tag = "jobs", params(("job" = String, Path)),
    request_body(content = RetryRequest, description = "May be absent"),
    responses((status = 200, body = Done), (status = 404, body = Refusal), (status = 409, body = Refusal)))]
pub async fn retry(State(app): State<App>, Path(job): Path<String>, body: Bytes) -> Result<Json<Done>, Refused> {
    let job = app.job(&job)?;
    let request: RetryRequest = if body.is_empty() { RetryRequest::default() } else { read_json(&body)? };
    let tasks = request.tasks.map(|ranges| task_set(&ranges)).transpose()?;
    command(&app, Command::Retry { job, tasks }).await
}

/// Numbers from 1 as people write them to indices from 0.
fn task_set(ranges: &[(u32, u32)]) -> Result<TaskSet, Refused> {
    let mut set = TaskSet::new();
    for &(first, last) in ranges {
        if first == 0 || last < first || last > TASKS_PER_JOB_MAX {
            return Err(Refused::invalid(format!("{first}-{last} is no range of task numbers, which count from 1")));
        }
        set.0.insert_range(first - 1..last);
    }
    Ok(set)
}

async fn command(app: &App, command: Command) -> Result<Json<Done>, Refused> {
    let tasks = match app.handle.command(command).await? {
        Answer::Tasks(tasks) => Some(tasks),
        Answer::Done | Answer::Accepted(_) | Answer::Migrated(_) => None,
    };
    Ok(Json(Done { tasks }))
}
