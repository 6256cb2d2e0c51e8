//! The client's side: one set of calls, whether an agent answers them through its socket or a node inside this process.
//!
//! Both are the same HTTP API; only the way differs: a unix socket, or a call of the very router. So a command cannot behave
//! differently with and without an agent.

mod answers;
mod files;
mod grid;
mod here;
mod reach;
mod runs;
mod work;

use std::sync::Arc;

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tern_core::view::JobView;

use super::api::{Done, RetryRequest, StatusView, StopQuery, SubmitRequest, Submitted, ThrottleRequest};
use super::results::Stream;
use crate::home::Home;
use crate::process::protocol::{Throttle, ThrottleState};
pub use answers::{Output, Results};
pub use files::Happened;
use here::Here;
use reach::Reach;

/// Where calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The agent of this folder where one runs, else a node in this process on the same folder.
    AgentOrHere,
    /// As the last, but a node in this process starts nothing: for commands that only look or order.
    AgentOrLook,
    /// The agent, or an error that says how to start it.
    Agent,
    /// The agent where one runs, else a node in this process on a folder of its own under `runs/` (what `map` and `run` use).
    AgentOrPrivate,
    /// As the last, but never the agent.
    Private,
}

/// What can go wrong between a face and the node.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The node refused; `kind` is stable for scripts, `message` for people. Nothing was changed.
    #[error("{message}")]
    Refused { status: u16, kind: String, message: String },
    /// No node answered. Nothing was changed.
    #[error("{message}")]
    Unreachable { kind: &'static str, message: String },
    /// The connection broke: what was asked for may or may not have been done.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// An open door.
pub struct Door {
    reach: Arc<Reach>,
    here: Option<Here>,
}

impl Door {
    /// Opens the way that `entry` names. `slots` counts only for a node in this process.
    ///
    /// # Errors
    /// [`DoorError::Unreachable`], [`DoorError::Io`]
    pub async fn open(home: &Home, entry: Entry, slots: Option<u32>) -> Result<Self, DoorError> {
        if entry != Entry::Private
            && let Some(reach) = Reach::agent(home).await?
        {
            return Ok(Self { reach: Arc::new(reach), here: None });
        }
        if entry == Entry::Agent {
            return Err(no_agent(home));
        }
        // Made here and not by whoever needs a file first: nobody else may look into it.
        crate::home::make_folder(home.path()).map_err(|error| at(home, &error))?;
        let here = match entry {
            Entry::Agent => return Err(no_agent(home)),
            Entry::AgentOrHere => Here::shared(home, slots, false).await?,
            Entry::AgentOrLook => Here::shared(home, slots, true).await?,
            Entry::AgentOrPrivate | Entry::Private => Here::private(home, slots).await?,
        };
        Ok(Self { reach: Arc::new(Reach::router(here.router())), here: Some(here) })
    }

    /// Whether an agent answers.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        self.here.is_none()
    }

    /// The state folder of a private run.
    #[must_use]
    pub fn private_folder(&self) -> Option<&std::path::Path> {
        self.here.as_ref().and_then(Here::private_folder)
    }

    pub async fn submit(&self, request: &SubmitRequest) -> Result<String, DoorError> {
        let submitted: Submitted = self.call(Method::POST, "/v1/jobs", Some(request)).await?;
        Ok(submitted.job)
    }

    pub async fn jobs(&self) -> Result<Vec<JobView>, DoorError> {
        self.get("/v1/jobs").await
    }

    pub async fn job(&self, job: &str) -> Result<JobView, DoorError> {
        self.get(&format!("/v1/jobs/{}", segment(job))).await
    }

    /// The job when it is over.
    pub async fn wait(&self, job: &str) -> Result<JobView, DoorError> {
        let path = format!("/v1/jobs/{}?wait=true", segment(job));
        let answer = self.reach.alone(&path).await?;
        serde_json::from_slice(&answer).map_err(|error| DoorError::Io(error.into()))
    }

    /// Counted ends, each with up to 1 MiB of each output if `output`: where `stdout_bytes` is more, see [`Self::output`].
    pub async fn results(&self, job: &str, follow: bool, output: bool) -> Result<Results, DoorError> {
        let path = format!("/v1/jobs/{}/results?follow={follow}&output={output}", segment(job));
        Results::open(&self.reach, path).await
    }

    /// The counted ends of one task, from 1.
    pub async fn result(&self, job: &str, number: u32, output: bool) -> Result<Results, DoorError> {
        let path = format!("/v1/jobs/{}/results?number={number}&output={output}", segment(job));
        Results::open(&self.reach, path).await
    }

    /// All that a task wrote, in chunks.
    pub async fn output(&self, job: &str, number: u32, stream: Stream) -> Result<Output, DoorError> {
        self.output_from(job, number, stream, 0).await
    }

    /// What a task wrote without the first `from` bytes; while it runs, what it wrote up to now.
    pub async fn output_from(&self, job: &str, number: u32, stream: Stream, from: u64) -> Result<Output, DoorError> {
        let path = format!("/v1/jobs/{}/output/{number}/{}", segment(job), stream.name());
        Output::open(&self.reach, path, from).await
    }

    pub async fn hold(&self, job: &str) -> Result<(), DoorError> {
        self.order(job, "hold").await.map(drop)
    }

    pub async fn release(&self, job: &str) -> Result<(), DoorError> {
        self.order(job, "release").await.map(drop)
    }

    pub async fn cancel(&self, job: &str) -> Result<(), DoorError> {
        self.order(job, "cancel").await.map(drop)
    }

    /// Runs again what was not done; with `tasks` (ranges of numbers from 1) only those. Returns how many.
    pub async fn retry(&self, job: &str, tasks: Option<Vec<(u32, u32)>>) -> Result<Option<u32>, DoorError> {
        let path = format!("/v1/jobs/{}/retry", segment(job));
        let done: Done = self.call(Method::POST, &path, Some(&RetryRequest { tasks })).await?;
        Ok(done.tasks)
    }

    pub async fn forget(&self, job: &str) -> Result<(), DoorError> {
        let path = format!("/v1/jobs/{}", segment(job));
        let _done: Done = self.call(Method::DELETE, &path, NOTHING).await?;
        Ok(())
    }

    pub async fn status(&self) -> Result<StatusView, DoorError> {
        self.get("/v1/status").await
    }

    /// Asks an agent to end; it has ended when its socket is gone.
    pub async fn stop(&self, drain: bool, keep_tasks: bool) -> Result<(), DoorError> {
        let StopQuery { drain, keep_tasks } = StopQuery { drain, keep_tasks };
        let path = format!("/v1/stop?drain={drain}&keep_tasks={keep_tasks}");
        let _done: Done = self.call(Method::POST, &path, NOTHING).await?;
        Ok(())
    }

    pub async fn throttle(&self, wish: Throttle) -> Result<ThrottleState, DoorError> {
        let request = ThrottleRequest { pid: wish.pid, percent: wish.percent, method: wish.method };
        self.call(Method::POST, "/v1/throttles", Some(&request)).await
    }

    /// A process that was not throttled is refused with kind `not_throttled`.
    pub async fn release_throttle(&self, pid: i32) -> Result<(), DoorError> {
        let _done: Done = self.call(Method::DELETE, &format!("/v1/throttles/{pid}"), NOTHING).await?;
        Ok(())
    }

    pub async fn throttles(&self) -> Result<Vec<ThrottleState>, DoorError> {
        self.get("/v1/throttles").await
    }

    /// Ends an in-process node in order (its private folder goes when everything was done and is kept otherwise); no
    /// effect on an agent.
    pub async fn close(self, keep: bool) -> Result<(), DoorError> {
        match self.here {
            Some(here) => here.close(keep).await,
            None => Ok(()),
        }
    }

    async fn order(&self, job: &str, verb: &str) -> Result<Done, DoorError> {
        self.call(Method::POST, &format!("/v1/jobs/{}/{verb}", segment(job)), NOTHING).await
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, DoorError> {
        self.call(Method::GET, path, NOTHING).await
    }

    async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<A, DoorError> {
        let body = body.map(serde_json::to_vec).transpose().map_err(std::io::Error::from)?.unwrap_or_default();
        let answer = self.reach.whole(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| DoorError::Io(error.into()))
    }
}

const NOTHING: Option<&()> = None;

/// A name as a path segment: whatever is no letter, digit or `-` is escaped.
fn segment(job: &str) -> String {
    use std::fmt::Write;
    job.bytes().fold(String::with_capacity(job.len()), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ok = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// The same kind of error, which names the state folder.
fn at(home: &Home, error: &std::io::Error) -> DoorError {
    let message = format!("the state folder {} cannot be used: {error}", home.path().display());
    DoorError::Io(std::io::Error::new(error.kind(), message))
}

fn no_agent(home: &Home) -> DoorError {
    let message = format!("no agent runs on {}. Start one with `tern up --detach`", home.path().display());
    DoorError::Unreachable { kind: "no_agent", message }
}
