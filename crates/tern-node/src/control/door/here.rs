//! A node inside this process: on the state folder itself, or on a folder of its own for one run.

use std::path::Path;

use axum::Router;

use super::DoorError;
use super::runs::Run;
use crate::config::{self, Config};
use crate::control::router;
use crate::home::Home;
use crate::node::{self, Running, StartError, StartOptions};
use crate::store::StoreError;

/// A node that ends with the door.
pub(super) struct Here {
    running: Running,
    run: Option<Run>,
}

impl Here {
    /// On `home` itself. `idle`: it starts no task.
    pub(super) async fn shared(home: &Home, slots: Option<u32>, idle: bool) -> Result<Self, DoorError> {
        let config = configuration(home)?;
        let options = StartOptions { slots, idle, config, ..StartOptions::default() };
        let running = node::start(home.clone(), options).await.map_err(|error| refused(&error, home))?;
        Ok(Self { running, run: None })
    }

    /// On a fresh folder below `home`, with a warden that ends with this process.
    pub(super) async fn private(home: &Home, slots: Option<u32>) -> Result<Self, DoorError> {
        let config = configuration(home)?;
        let run = Run::create(home)?;
        let options = StartOptions { slots, private: true, config, ..StartOptions::default() };
        match node::start(run.home().clone(), options).await {
            Ok(running) => Ok(Self { running, run: Some(run) }),
            Err(error) => {
                let refusal = refused(&error, run.home());
                run.remove()?;
                Err(refusal)
            }
        }
    }

    pub(super) fn router(&self) -> Router {
        router(self.running.handle.clone(), None)
    }

    pub(super) fn private_folder(&self) -> Option<&Path> {
        self.run.as_ref().map(|run| run.home().path())
    }

    pub(super) async fn close(self, keep: bool) -> Result<(), DoorError> {
        // On the shared folder running tasks stay with the warden; a private warden has nobody to come back to it.
        let keep_tasks = self.run.is_none();
        let end = self.running.stop(false, keep_tasks).await;
        if let Some(run) = self.run {
            if keep { run.keep()? } else { run.remove()? }
        }
        end.map_err(|error| DoorError::Io(std::io::Error::other(error.to_string())))
    }
}

fn configuration(home: &Home) -> Result<Config, DoorError> {
    config::load(home, &config::Flags::default())
        .map_err(|error| DoorError::Unreachable { kind: "config", message: error.to_string() })
}

fn refused(error: &StartError, home: &Home) -> DoorError {
    match error {
        StartError::Locked { pid } | StartError::Store(StoreError::InUse { pid, .. }) => {
            let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            let message =
                format!("{who} holds {} and does not answer yet. Try again in a moment", home.path().display());
            DoorError::Unreachable { kind: "locked", message }
        }
        other => {
            let message = format!("the node could not start on {}: {other}", home.path().display());
            DoorError::Unreachable { kind: other.kind(), message }
        }
    }
}
