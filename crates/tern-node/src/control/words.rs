//! What the API says when it refuses: a kind that scripts can rely on, a sentence, and what to do.
//!
//! The core's reasons are typed; here they get their words, once for all faces.

mod grid;

pub use grid::no_mesh;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tern_core::machine::Deny;
use tern_core::view::JobState;

use super::api::Refusal;
use crate::node::NodeError;

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    pub body: Refusal,
}

impl Refused {
    #[must_use]
    pub fn new(status: StatusCode, kind: &str, message: impl Into<String>, what_to_do: impl Into<String>) -> Self {
        let body = Refusal { kind: kind.to_owned(), message: message.into(), what_to_do: what_to_do.into() };
        Self { status, body }
    }

    /// The request itself is wrong.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message, "Correct the request; nothing was changed.")
    }

    #[must_use]
    pub fn no_such_job(job: &str) -> Self {
        let message = format!("there is no job {job} on this node");
        Self::new(StatusCode::NOT_FOUND, "no_such_job", message, "See `tern jobs` for those that are kept.")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<NodeError> for Refused {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Denied(deny) => deny.into(),
            NodeError::Inputs(error) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "inputs_not_written",
                format!("the job's inputs could not be written: {error}"),
                "Nothing was accepted. See to the disk of the state folder (`tern doctor`), then submit again.",
            ),
            NodeError::Results(error) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "results_not_read",
                format!("the results could not be read: {error}"),
                "Nothing was changed. See to the disk of the state folder (`tern doctor`), then ask again.",
            ),
            NodeError::Events(error) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "events_not_read",
                format!("the event log could not be read: {error}"),
                "Nothing was changed. See to the files `events` and `events.old` of the state folder, then ask again.",
            ),
            NodeError::Busy => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "busy",
                "too many questions wait for the node",
                "Nothing was changed. Ask again in a moment.",
            ),
            NodeError::Watched => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "busy",
                "too many commands follow this job",
                "Nothing was changed. Try again when one of them has ended.",
            ),
            NodeError::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "the node is stopping",
                "What was accepted is durable and goes on at the next start: `tern up`.",
            ),
        }
    }
}

/// What to do about something of which there is too much.
fn advice_over(what: &str) -> &'static str {
    match what {
        "jobs" => "Nothing was accepted. Forget jobs that are over: `tern forget`.",
        "rounds" => "Nothing was changed. Submit it as a new job.",
        tasks if tasks.starts_with("tasks") => "Nothing was accepted. Split it into several jobs.",
        _ => "Nothing was accepted. Give less, then submit again.",
    }
}

impl From<Deny> for Refused {
    fn from(deny: Deny) -> Self {
        let message = sentence(&deny);
        let (status, kind, advice) = match &deny {
            Deny::NoSuchJob(_) => (StatusCode::NOT_FOUND, "no_such_job", "See `tern jobs` for those that are kept."),
            Deny::WrongState { state, .. } => (StatusCode::CONFLICT, "wrong_state", advice_for(*state)),
            Deny::Limit { what, .. } => (StatusCode::PAYLOAD_TOO_LARGE, "limit", advice_over(what)),
            Deny::StorageFull => (
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "Nothing was accepted; what was accepted before is kept. Make room, then try again.",
            ),
            Deny::StorageFailed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage_failed",
                "Nothing was accepted. The system's log and `tern doctor` say more about the disk.",
            ),
            Deny::Backpressure => {
                (StatusCode::TOO_MANY_REQUESTS, "backpressure", "Nothing was accepted. Try again in a moment.")
            }
            Deny::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                "draining",
                "Nothing was accepted. Wait for the agent to go and start it again with `tern up`.",
            ),
            Deny::Drained => (
                StatusCode::SERVICE_UNAVAILABLE,
                "drained",
                "Nothing was accepted. `tern status` says why; `tern undrain` undoes a drain, and with --share others run it.",
            ),
            Deny::NoMachine { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "no_machine",
                "Nothing was accepted. Ask for less, or add a machine that has it; `tern explain` of a job that runs lists the machines known here.",
            ),
            Deny::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid", "Correct the request; nothing was changed."),
        };
        Self::new(status, kind, message, advice)
    }
}

/// The reason as a sentence without its final stop.
#[must_use]
pub fn sentence(deny: &Deny) -> String {
    match deny {
        Deny::NoSuchJob(job) => format!("there is no job {job} on this node"),
        Deny::WrongState { job, state } => format!("job {job} is {}, so this cannot be done", state_word(*state)),
        Deny::Limit { what, limit, got } => format!("too much: {what} may be at most {limit}, and this would be {got}"),
        Deny::StorageFull => "the disk of the state folder is full".to_owned(),
        Deny::StorageFailed => "the disk of the state folder failed to write".to_owned(),
        Deny::Backpressure => "too much waits to be written to the disk".to_owned(),
        Deny::Draining => "the node drains and accepts no new work".to_owned(),
        Deny::Drained => "this node starts nothing now, and the job may run nowhere else".to_owned(),
        Deny::NoMachine { looked, nearest: Some((node, lack)) } => {
            format!("none of the {looked} machine(s) known here can run such a task; nearest is node {node}: {lack}")
        }
        Deny::NoMachine { .. } => "no machine known here can run such a task".to_owned(),
        Deny::Invalid(why) => why.clone(),
    }
}

/// The state as people and scripts read it.
#[must_use]
pub const fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Held => "held",
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

const fn advice_for(state: JobState) -> &'static str {
    match state {
        JobState::Done => "Nothing was changed. All of it is done: submit it again to run it again.",
        JobState::Failed | JobState::Cancelled => "Nothing was changed. `tern retry` runs what was not done.",
        JobState::Held => "Nothing was changed. `tern release` lets it start, `tern cancel` ends it.",
        JobState::Queued | JobState::Running => {
            "Nothing was changed. `tern wait` awaits its end, `tern cancel` ends it."
        }
    }
}
