//! Writes down what a node must know after a restart, beside everything else: a slow disk must not keep it from its heartbeats.

use std::future::Future;
use std::pin::pin;

use tern_core::machine::mesh::MeshEvent;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;

use super::{Actor, SAVE_AFTER, Said};
use crate::overlay::grid::GridAsk;
use crate::store::StoreError;

/// Questions that wait for something slow; with more, the mesh waits, too.
const WAITING_MAX: usize = 256;

impl Actor {
    /// Waits for something slow. Links, heartbeats and records go on meanwhile, and whoever only looks is answered; whoever wants to
    /// change the grid waits.
    pub(in crate::overlay) async fn meanwhile<T>(&mut self, slow: impl Future<Output = T>) -> T {
        let mut slow = pin!(slow);
        loop {
            let wake = self.until_wake();
            tokio::select! {
                done = &mut slow => return done,
                Some(said) = self.said.recv(), if self.waiting.len() < WAITING_MAX => match said {
                    Said::Ask(GridAsk::View(_) | GridAsk::Reach { .. }) => self.take_now(said),
                    Said::Knock(_) | Said::Ask(_) | Said::Mesh(MeshEvent::Leave) => self.waiting.push_back(said),
                    other => self.take_now(other),
                },
                () = tokio::time::sleep(wake) => self.handle(MeshEvent::Tick),
            }
        }
    }

    /// Does something with files, on a thread where that may take its time.
    ///
    /// # Errors
    /// Those of the work.
    pub(in crate::overlay) async fn aside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Two that write to one folder would meet.
        self.saved().await;
        self.meanwhile(spawn_blocking(work)).await.unwrap_or_else(panicked)
    }

    /// Writes what waits to be written, at the end.
    pub(super) async fn save(&mut self) {
        self.saved().await;
        if self.save_at.is_some() {
            self.begin_to_save();
            self.saved().await;
        }
    }

    /// Begins to write when it is time, and looks how the last writing ended.
    pub(super) fn save_in_time(&mut self) {
        if self.saving.is_none() && self.save_at.is_some_and(|at| at <= Instant::now()) {
            self.begin_to_save();
        }
    }

    /// One write at a time, so that an older one never ends after a newer.
    fn begin_to_save(&mut self) {
        self.save_at = None;
        self.durable.roll = self.mesh.roll().clone();
        self.durable.addresses = self.mesh.known_addresses().collect();
        let (store, durable) = (self.store.clone(), self.durable.clone());
        self.saving = Some(spawn_blocking(move || store.save(&durable)));
    }

    /// Waits for the write that goes on, if one does.
    async fn saved(&mut self) {
        if let Some(saving) = self.saving.take() {
            let end = self.meanwhile(saving).await;
            self.was_saved(end);
        }
    }

    /// A failure is told, and tried again.
    pub(super) fn was_saved(&mut self, end: Result<Result<(), StoreError>, JoinError>) {
        if let Err(error) = end.unwrap_or_else(panicked) {
            self.save_at.get_or_insert_with(|| Instant::now() + SAVE_AFTER);
            self.note(format!("what this node knows of its grid could not be written: {error}"));
        }
    }
}

/// Work that panicked takes the task with it that waits for it: what it did is unknown.
fn panicked<T>(error: JoinError) -> T {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => unreachable!("nobody aborts it: {error}"),
    }
}
