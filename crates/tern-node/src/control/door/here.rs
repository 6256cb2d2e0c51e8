//! A node inside this process: on the state folder itself, or on a folder of its own for one run.

use std::path::Path;

use axum::Router;
use tokio::task::JoinHandle;

use super::DoorError;
use super::runs::Run;
use crate::config::{self, Config};
use crate::control::{router, serve};
use crate::home::Home;
use crate::node::{self, Running, StartError, StartOptions};
use crate::store::StoreError;

/// A node that ends with the door.
pub(super) struct Here {
    running: Running,
    run: Option<Run>,
    /// Lets other commands in while this one holds the folder.
    serving: Option<JoinHandle<()>>,
}

impl Here {
    /// On `home` itself. `idle`: it starts no task.
    pub(super) async fn shared(home: &Home, slots: Option<u32>, idle: bool) -> Result<Self, DoorError> {
        let config = configuration(home)?;
        let options = StartOptions { slots, idle, config, ..StartOptions::default() };
        let running = node::start(home.clone(), options).await.map_err(|error| refused(&error, home))?;
        let mut here = Self { running, run: None, serving: None };
        if !idle {
            match serve::bind(&home.control_socket()) {
                Ok(door) => here.serving = Some(tokio::spawn(serve_all(door, here.router()))),
                Err(error) => tracing::warn!(%error, "other commands must wait until this one is over"),
            }
        }
        Ok(here)
    }

    /// On a fresh folder below `home`, with a warden that ends with this process.
    pub(super) async fn private(home: &Home, slots: Option<u32>) -> Result<Self, DoorError> {
        let config = configuration(home)?;
        let run = Run::create(home)?;
        let options = StartOptions { slots, private: true, config, ..StartOptions::default() };
        match node::start(run.home().clone(), options).await {
            Ok(running) => Ok(Self { running, run: Some(run), serving: None }),
            Err(error) => {
                let refusal = refused(&error, run.home());
                run.remove()?;
                Err(refusal)
            }
        }
    }

    pub(super) fn router(&self) -> Router {
        // What lives inside a command is a part of no grid, whatever the settings say.
        router(self.running.handle.clone(), None, None)
    }

    pub(super) fn private_folder(&self) -> Option<&Path> {
        self.run.as_ref().map(|run| run.home().path())
    }

    pub(super) async fn close(self, keep: bool) -> Result<(), DoorError> {
        if let Some(serving) = self.serving {
            // The socket goes with it; only an abort ends it.
            serving.abort();
            let _ = serving.await;
        }
        // On the shared folder running tasks stay with the warden; a private warden has nobody to come back to it.
        let keep_tasks = self.run.is_none();
        let end = self.running.stop(false, keep_tasks).await;
        if let Some(run) = self.run {
            if keep { run.keep()? } else { run.remove()? }
        }
        end.map_err(|error| DoorError::Io(std::io::Error::other(error.to_string())))
    }
}

async fn serve_all(door: serve::Door, router: Router) {
    door.serve(router).await;
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
