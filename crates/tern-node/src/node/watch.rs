//! Watching a job's results, however slow the watcher is.
//!
//! The loop puts counted ends into a buffer that the watcher empties when it can. A watcher that lags behind loses the
//! buffer, not the results: it begins anew with the job's state and reads what was counted until then from the segments.
//! The same rule joins the past with the present, so that nothing falls between the two and nothing is told twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tern_core::promise::{Job, Outcome};
use tern_core::view::JobView;
use tern_core::words::{JobId, TaskSet};
use tokio::sync::Notify;

use super::handle::{Handle, NodeError};
use crate::store::results::Past;

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
    /// The job when the watch began, where something of it was over by then.
    before: Option<Box<Job>>,
    /// The loop has ended.
    closed: bool,
    /// Its watcher took another one in its place.
    left: bool,
}

impl Live {
    pub(super) fn new(view: JobView, job: &Job) -> Self {
        let before = !(job.done.is_empty() && job.failed.is_empty() && job.cancelled.is_empty());
        let before = before.then(|| Box::new(job.clone()));
        let state = State { fresh: Vec::new(), lagged: false, view, before, closed: false, left: false };
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
        Arc::strong_count(&self.0) == 1 || self.with(|state| state.left)
    }
}

/// Results of one job as they count: first those of the past, then as they come.
pub struct Watch {
    handle: Handle,
    job: JobId,
    follow: bool,
    live: Live,
    /// Tasks told, by round (`retry` tells a task again).
    told: BTreeMap<u16, TaskSet>,
    pending: VecDeque<Outcome>,
    past: Option<Past>,
    finished: bool,
}

/// What the loop has put into the buffer by now.
struct Present {
    fresh: Vec<Outcome>,
    lagged: bool,
    view: JobView,
    closed: bool,
}

impl Watch {
    pub(super) fn new(handle: Handle, job: JobId, follow: bool, live: Live) -> Self {
        let (told, pending) = (BTreeMap::new(), VecDeque::new());
        Self { handle, job, follow, live, told, pending, past: None, finished: false }
    }

    /// The next step; None after the update whose view is over, or after the past where the watch does not follow.
    ///
    /// # Errors
    /// The results on the disk could not be read; a later call tries again.
    pub async fn next(&mut self) -> Result<Option<Update>, NodeError> {
        while !self.finished {
            self.read_past().await?;
            let present = self.present();
            if present.lagged {
                self.begin_anew().await?;
                continue;
            }
            // While the past is read the present waits in its buffer: results are told in about the order of their ends.
            self.take(&present.fresh);
            let (view, over) = (present.view, present.closed || !self.follow);
            let outcomes: Vec<Outcome> = self.pending.drain(..self.pending.len().min(UPDATE_MAX)).collect();
            if self.pending.is_empty() && self.past.is_none() && (over || view.state.is_over()) {
                self.finished = true;
                return Ok(Some(Update { outcomes, view }));
            }
            if !outcomes.is_empty() {
                return Ok(Some(Update { outcomes, view }));
            }
            if self.past.is_none() {
                self.live.0.changed.notified().await;
            }
        }
        Ok(None)
    }

    /// Some more of the past, unless enough waits to be told.
    async fn read_past(&mut self) -> Result<(), NodeError> {
        if let Some(job) = self.live.with(|state| state.before.clone()) {
            let (home, id) = (self.handle.home().clone(), self.job);
            let opened = tokio::task::spawn_blocking(move || Past::open(&home, id, Some(&job)));
            let past = opened.await.map_err(|error| NodeError::Results(error.to_string()))?;
            self.past = Some(past.map_err(|error| NodeError::Results(error.to_string()))?);
            self.live.with(|state| state.before = None);
        }
        while self.pending.len() < UPDATE_MAX
            && let Some(past) = &mut self.past
        {
            match past.next().map_err(|error| NodeError::Results(error.to_string()))? {
                Some(outcomes) => self.take(&outcomes),
                None => self.past = None,
            }
        }
        Ok(())
    }

    fn present(&mut self) -> Present {
        let reading = self.past.is_some();
        self.live.with(|state| Present {
            fresh: if reading { Vec::new() } else { std::mem::take(&mut state.fresh) },
            lagged: state.lagged,
            view: state.view.clone(),
            closed: state.closed,
        })
    }

    /// The buffer was lost: a new one, with the job as it is now.
    async fn begin_anew(&mut self) -> Result<(), NodeError> {
        self.live.with(|state| state.left = true);
        let live = self.handle.live(self.job).await?;
        // Forgotten meanwhile: what the old buffer said last stays true.
        match live {
            Some(live) => (self.live, self.past) = (live, None),
            None => self.finished = true,
        }
        Ok(())
    }

    fn take(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if self.told.entry(outcome.attempt.round).or_default().insert(outcome.attempt.task) {
                self.pending.push_back(*outcome);
            }
        }
    }
}
