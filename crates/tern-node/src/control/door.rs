//! The client's side: one set of calls, whether an agent answers them through its socket or a node inside this process.

use super::api::{SubmitRequest, TaskResult};
use crate::home::Home;
use tern_core::view::JobView;

/// Where calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The agent of this folder where one runs, else a node in this process on the same folder.
    AgentOrHere,
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
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// An open door.
pub struct Door {
    _private: (),
}

/// Results as they count.
pub struct Results {
    _private: (),
}

impl Results {
    /// The next batch, or None at the end (job over, or nothing more where it does not follow).
    pub async fn next(&mut self) -> Result<Option<Vec<TaskResult>>, DoorError> {
        todo!()
    }
}

impl Door {
    pub async fn open(home: &Home, entry: Entry, slots: Option<u32>) -> Result<Self, DoorError> {
        let _ = (home, entry, slots);
        todo!()
    }
    /// Whether an agent answers.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        todo!()
    }
    pub async fn submit(&self, request: &SubmitRequest) -> Result<String, DoorError> {
        let _ = request;
        todo!()
    }
    pub async fn results(&self, job: &str, follow: bool, output: bool) -> Result<Results, DoorError> {
        let _ = (job, follow, output);
        todo!()
    }
    pub async fn job(&self, job: &str) -> Result<JobView, DoorError> {
        let _ = job;
        todo!()
    }
    pub async fn cancel(&self, job: &str) -> Result<(), DoorError> {
        let _ = job;
        todo!()
    }
    /// Ends an in-process node in order (its private folder goes when everything was done and is kept otherwise); no
    /// effect on an agent.
    pub async fn close(self, keep: bool) -> Result<(), DoorError> {
        let _ = keep;
        todo!()
    }
}
