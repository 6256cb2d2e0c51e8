//! All throttles of one holder, and what makes them outlive it in good order.
//!
//! Before a process is touched, a watchdog runs and the list on disk names what will be changed. A holder that starts
//! anew takes over what its predecessor left; one that ends releases everything.

use std::collections::BTreeMap;
use std::path::Path;

use super::ThrottleError;
use super::held::{Held, Plan};
use super::record::{Holder, ListFile, Record};
use super::watchdog::{Start, Watchdog};
use crate::process::protocol::{Asker, Throttle, ThrottleState};

/// Processes that one holder holds at a time.
pub(super) const THROTTLES_MAX: usize = 256;

/// Everything that this process holds back.
#[derive(Debug)]
pub struct Throttles {
    list: ListFile,
    holder: Holder,
    held: BTreeMap<i32, Held>,
    start: Start,
    watchdog: Option<Watchdog>,
}

impl Throttles {
    /// Opens the list at `path` (its folder exists) and takes over what an earlier holder left there, with remarks for
    /// people. `watchdog`: how to start one; usually [`Start::own_program`].
    ///
    /// # Errors
    /// If the list cannot be used or the watchdog not started; then nothing was changed.
    pub fn open(path: &Path, watchdog: Start) -> Result<(Self, Vec<String>), ThrottleError> {
        let holder = Holder::own().map_err(|source| ThrottleError::Look { pid: 0, source })?;
        let list = ListFile::new(path);
        let mut new = Self { list, holder, held: BTreeMap::new(), start: watchdog, watchdog: None };
        // A holder that never throttled leaves no file: nothing to lock, nothing to read.
        if !path.exists() {
            return Ok((new, Vec::new()));
        }
        let lock = new.list.lock()?;
        let found = new.list.read()?.throttles;
        if found.is_empty() {
            return Ok((new, Vec::new()));
        }
        new.watch()?;
        // From here on the list is ours, and the earlier holder's watchdog leaves it alone.
        new.list.write(new.holder, found.clone())?;
        let notes = found.into_iter().map(|record| new.readopt(record)).collect();
        // Before a watchdog that is no longer needed is awaited: it takes the lock too.
        drop(lock);
        new.settle();
        Ok((new, notes))
    }

    fn readopt(&mut self, record: Record) -> String {
        let pid = record.pid;
        match Held::readopt(record) {
            Ok(held) if held.is_over() => match held.release() {
                Ok(()) => format!("process {pid}, which was held back, has ended"),
                Err(error) => error.to_string(),
            },
            Ok(held) => {
                self.held.insert(pid, held);
                format!("process {pid} is held back as before")
            }
            Err(error) => error.to_string(),
        }
    }

    /// Holds a process back. One that is held already is released first, unless a person had it held and the matrix asks:
    /// then it stays as it is. `own` are processes that must never be held, beside this one and those that it descends
    /// from: the holder's agent.
    ///
    /// # Errors
    /// If the wish is refused or does not work; then the process is as it was found.
    pub fn throttle(&mut self, wish: &Throttle, own: &[i32]) -> Result<ThrottleState, ThrottleError> {
        self.drop_ended();
        if let Some(state) = self.held.get(&wish.pid).map(Held::state) {
            if (wish.asked_by, state.asked_by) == (Asker::Matrix, Asker::Person) {
                return Ok(state);
            }
            self.release(wish.pid)?;
        }
        let plan = Plan::new(wish, own)?;
        if self.held.len() >= THROTTLES_MAX {
            return Err(ThrottleError::TooMany { limit: THROTTLES_MAX });
        }
        self.watch()?;
        let held = plan.engage(|record| self.write(Some(record)));
        let state = held.map(|mut held| {
            held.tick_now();
            let state = held.state();
            self.held.insert(state.pid, held);
            state
        });
        if state.is_err() {
            self.settle();
        }
        state
    }

    /// Lets a process go. False: it was not held.
    ///
    /// # Errors
    /// If something could not be put back: it stays on the list, and may be released again.
    pub fn release(&mut self, pid: i32) -> Result<bool, ThrottleError> {
        let Some(held) = self.held.get_mut(&pid) else { return Ok(false) };
        held.let_go()?;
        self.held.remove(&pid);
        self.settle();
        Ok(true)
    }

    /// Lets everything go. What could not be put back stays on the list, for the watchdog to try again.
    pub fn release_all(&mut self) -> Vec<ThrottleError> {
        let failed = self.held.values_mut().filter_map(|held| held.let_go().err()).collect();
        self.held.retain(|_, held| !held.is_released());
        self.settle();
        failed
    }

    /// What is held, in the order of process numbers.
    #[must_use]
    pub fn list(&self) -> Vec<ThrottleState> {
        self.held.values().filter(|held| !held.is_over()).map(Held::state).collect()
    }

    /// Does what is due, and says when to come back (both CLOCK_MONOTONIC, nanoseconds); None: nothing is held.
    pub fn tick(&mut self, mono_ns: u64) -> Option<u64> {
        let next = self.held.values_mut().map(|held| held.tick(mono_ns)).min();
        if next == Some(u64::MAX) || self.held.values().any(Held::is_over) {
            self.drop_ended();
        }
        if !self.held.is_empty() && self.watchdog.as_mut().is_none_or(|watchdog| !watchdog.is_alive()) {
            self.renew_watchdog();
        }
        (!self.held.is_empty()).then_some(next.unwrap_or(u64::MAX).min(mono_ns.saturating_add(super::held::LOOK_NS)))
    }

    fn drop_ended(&mut self) {
        let over: Vec<i32> = self.held.iter().filter(|(_, held)| held.is_over()).map(|(pid, _)| *pid).collect();
        for pid in over {
            // Kept until it works: a group of ours may stay busy for an instant.
            if let Err(error) = self.release(pid) {
                tracing::warn!(%error, "the process has ended");
            }
        }
    }

    /// Somebody ended the watchdog: without one nothing may stay held for long.
    fn renew_watchdog(&mut self) {
        self.watchdog = None;
        if let Err(error) = self.watch() {
            tracing::error!(%error, "everything is released");
            self.release_all();
        }
    }

    fn watch(&mut self) -> Result<(), ThrottleError> {
        if self.watchdog.as_mut().is_none_or(|watchdog| !watchdog.is_alive()) {
            self.watchdog = None;
            let started = Watchdog::start(&self.start, self.list.path(), self.holder);
            self.watchdog = Some(started.map_err(|source| ThrottleError::Watchdog { source })?);
        }
        Ok(())
    }

    /// Writes what is held, and what is about to be.
    fn write(&self, coming: Option<&Record>) -> Result<(), ThrottleError> {
        let held = self.held.values().map(Held::record).chain(coming).cloned().collect();
        self.list.write(self.holder, held)
    }

    /// After something was let go: the list says so, and a watchdog that has nothing to watch ends.
    fn settle(&mut self) {
        if let Err(error) = self.write(None) {
            // Harmless: to put back what was put back already changes nothing.
            tracing::warn!(%error, "the list names too much");
        }
        if self.held.is_empty() {
            self.watchdog = None;
        }
    }
}

impl Drop for Throttles {
    fn drop(&mut self) {
        for error in self.release_all() {
            tracing::error!(%error, "at the end");
        }
        // What is still there stays on the list; the watchdog tries it when the pipe closes with this value.
        for (_, held) in std::mem::take(&mut self.held) {
            held.forget();
        }
    }
}
