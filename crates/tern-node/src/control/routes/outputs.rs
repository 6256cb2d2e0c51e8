//! Results as they count, and what tasks wrote.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tern_core::promise::Outcome;
use tern_core::words::limits::{DOOR_INLINE_BYTES, DOOR_INLINE_BYTES_MAX};

use super::{App, Asked};
use crate::control::api::{OutputQuery, Refusal, ResultsQuery, TaskResult};
use crate::control::results::{self, Lines, Stream};
use crate::control::words::Refused;

/// The job's counted ends, one JSON object a line: those of the past, then, with `follow`, as they come until it is over.
#[utoipa::path(get, path = "/v1/jobs/{job}/results", tag = "jobs", params(("job" = String, Path), ResultsQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = TaskResult), (status = 404, body = Refusal)))]
pub async fn results(
    State(app): State<App>,
    Path(job): Path<String>,
    Asked(query): Asked<ResultsQuery>,
) -> Result<Response, Refused> {
    let id = app.job(&job)?;
    let limit = query.limit.unwrap_or(DOOR_INLINE_BYTES);
    if limit > DOOR_INLINE_BYTES_MAX {
        let message =
            format!("limit may be at most {DOOR_INLINE_BYTES_MAX}; read longer outputs through their own route");
        return Err(Refused::invalid(message));
    }
    let watch = app.handle.watch(id, query.follow).await?.ok_or_else(|| Refused::no_such_job(&job))?;
    let lines = Lines::new(app.handle.home().clone(), query.output.then_some(limit), query.number);
    let body = results::stream(watch, lines, query.follow);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// All that a task wrote, as it wrote it; while it runs, what it wrote up to now.
#[utoipa::path(get, path = "/v1/jobs/{job}/output/{number}/{stream}", tag = "jobs",
    params(("job" = String, Path), ("number" = u32, Path, description = "From 1"),
           ("stream" = String, Path, description = "stdout or stderr"), OutputQuery),
    responses((status = 200, content_type = "application/octet-stream", body = [u8]), (status = 404, body = Refusal)))]
pub async fn output(
    State(app): State<App>,
    Path((job, number, stream)): Path<(String, String, String)>,
    Asked(query): Asked<OutputQuery>,
) -> Result<Response, Refused> {
    let id = app.job(&job)?;
    let stream = Stream::parse(&stream)
        .ok_or_else(|| Refused::invalid(format!("{stream:?} is no output: there are stdout and stderr")))?;
    let number: u32 =
        number.parse().ok().filter(|n| *n > 0).ok_or_else(|| Refused::invalid("tasks are numbered from 1"))?;
    let mut range = match results::running(app.handle.home(), id, number - 1, stream) {
        Some(range) => range,
        None => stream.of(&find(&app, id, number, &job).await?),
    };
    let skipped = query.from.min(range.len);
    range.offset += skipped;
    range.len -= skipped;
    let path = stream.path(app.handle.home(), range.file);
    let length = std::fs::metadata(&path).map_or(0, |meta| meta.len());
    if range.len > 0 && range.offset.saturating_add(range.len) > length {
        let message =
            format!("{} is damaged or gone: it is shorter than the result of task {number} says", path.display());
        let advice = "What that task wrote is lost; `tern retry` runs again only what was not done.";
        return Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", message, advice));
    }
    let body = results::whole(stream.path(app.handle.home(), range.file), range);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.len));
    Ok(response)
}

/// The task's counted end of the latest round.
async fn find(app: &App, id: tern_core::words::JobId, number: u32, job: &str) -> Result<Outcome, Refused> {
    let mut watch = app.handle.watch(id, false).await?.ok_or_else(|| Refused::no_such_job(job))?;
    let mut found: Option<Outcome> = None;
    while let Some(update) = watch.next().await? {
        for outcome in update.outcomes {
            let newer = found.is_none_or(|known| known.attempt.round <= outcome.attempt.round);
            if outcome.attempt.task == number - 1 && newer {
                found = Some(outcome);
            }
        }
    }
    found.ok_or_else(|| {
        let message = format!("task {number} of job {job} has no result yet");
        Refused::new(StatusCode::NOT_FOUND, "no_result", message, "`tern wait` awaits the job's end.")
    })
}
