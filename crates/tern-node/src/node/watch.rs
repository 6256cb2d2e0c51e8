//! Watching a job's results, however slow the watcher is.
//!
//! The loop puts counted ends into a buffer that the watcher empties when it can. A watcher that lags behind loses the
//! buffer, not the results: it reads them again from the segments and drops what it has seen. The same rule joins the
//! past with the present, so that nothing falls between the two and nothing is told twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tern_core::promise::Outcome;
use tern_core::view::JobView;
use tern_core::words::{JobId, TaskSet};
use tokio::sync::Notify;

use crate::home::Home;
use crate::store;

/// Ends that wait for one watcher before it is sent back to the segments.
const WATCH_BUFFER_MAX: usize = 8192;
/// Ends in one update.
const UPDATE_MAX: usize = 1024;

/// One step of a [`Watch`].
#[derive(Clone, Debug)]
pub struct Update {
    /// Counted ends since the last update, each task at most once a round.
    pub outcomes: Vec<Outcome>,
    pub view: JobView,
}

/// What the loop and one watcher share.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    fresh: Vec<Outcome>,
    lagged: bool,
    view: JobView,
    /// The loop has ended.
    closed: bool,
}

impl Live {
    pub(super) fn new(view: JobView) -> Self {
        let state = State { fresh: Vec::new(), lagged: false, view, closed: false };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn counted(&self, outcomes: &[Outcome]) {
        self.with(|state| {
            if state.fresh.len() + outcomes.len() > WATCH_BUFFER_MAX {
                state.fresh.clear();
                state.lagged = true;
            } else if !state.lagged {
                state.fresh.extend_from_slice(outcomes);
            }
        });
        self.0.changed.notify_one();
    }

    pub(super) fn changed(&self, view: JobView) {
        self.with(|state| state.view = view);
        self.0.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.with(|state| state.closed = true);
        self.0.changed.notify_one();
    }

    /// Whether the watcher has gone away.
    pub(super) fn is_orphan(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Results of one job as they count: first those of the past, then as they come.
pub struct Watch {
    home: Arc<Home>,
    job: JobId,
    follow: bool,
    live: Live,
    /// Tasks told at least once, and those told in the present round (`retry` tells a task again).
    seen: TaskSet,
    seen_in_round: TaskSet,
    round: u16,
    pending: VecDeque<Outcome>,
    read_past: bool,
    finished: bool,
}

impl Watch {
    pub(super) fn new(home: Arc<Home>, job: JobId, follow: bool, live: Live) -> Self {
        let (seen, seen_in_round, pending) = (TaskSet::new(), TaskSet::new(), VecDeque::new());
        Self { home, job, follow, live, seen, seen_in_round, round: 0, pending, read_past: true, finished: false }
    }

    /// The next step; None after the update whose view is over, or after the past where the watch does not follow.
    ///
    /// # Errors
    /// The results on the disk could not be read; a later call tries again.
    pub async fn next(&mut self) -> Result<Option<Update>, super::NodeError> {
        loop {
            if self.finished {
                return Ok(None);
            }
            let (view, closed) = self.gather()?;
            let outcomes: Vec<Outcome> = self.pending.drain(..self.pending.len().min(UPDATE_MAX)).collect();
            let all_told = self.pending.is_empty() && !self.read_past;
            if all_told && (view.state.is_over() || closed || !self.follow) {
                self.finished = true;
                return Ok(Some(Update { outcomes, view }));
            }
            if !outcomes.is_empty() {
                return Ok(Some(Update { outcomes, view }));
            }
            self.live.0.changed.notified().await;
        }
    }

    /// Moves what is new into `pending`; the view is read before the past, so that an over view has all its results.
    fn gather(&mut self) -> Result<(JobView, bool), super::NodeError> {
        let (fresh, lagged, view, closed) = self.live.with(|state| {
            let lagged = std::mem::take(&mut state.lagged);
            (std::mem::take(&mut state.fresh), lagged, state.view.clone(), state.closed)
        });
        if view.round != self.round {
            self.round = view.round;
            self.seen_in_round = TaskSet::new();
        }
        self.read_past |= lagged;
        if self.read_past {
            let past = store::results::counted(&self.home, self.job)
                .map_err(|error| super::NodeError::Results(error.to_string()))?;
            self.read_past = false;
            self.take(&past);
        }
        self.take(&fresh);
        Ok((view, closed))
    }

    fn take(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let task = outcome.attempt.task;
            let first = self.seen.insert(task);
            let in_round = outcome.attempt.round == self.round && self.seen_in_round.insert(task);
            if first || (in_round && self.round > 0) {
                self.pending.push_back(*outcome);
            }
        }
    }
}
