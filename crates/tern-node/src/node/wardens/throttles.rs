//! Who waits for the warden's word about throttles, and what it said last.

use std::collections::BTreeMap;

use tern_core::decide::scum::control::Holding;
use tokio::sync::oneshot::Sender;

use crate::process::protocol::{Asker, ThrottleState};

/// Questions on their way, and the last list.
#[derive(Default)]
pub struct Throttles {
    asked: BTreeMap<i32, Vec<Sender<Result<ThrottleState, String>>>>,
    release_asked: BTreeMap<i32, Vec<Sender<Result<bool, String>>>>,
    list_asked: Vec<Sender<Vec<ThrottleState>>>,
    held: Vec<ThrottleState>,
}

// Whoever has stopped waiting gets no answer: that is what ignored results mean here.
impl Throttles {
    pub fn asked(&mut self, pid: i32, reply: Sender<Result<ThrottleState, String>>) {
        self.asked.entry(pid).or_default().push(reply);
    }

    pub fn release_asked(&mut self, pid: i32, reply: Sender<Result<bool, String>>) {
        self.release_asked.entry(pid).or_default().push(reply);
    }

    pub fn list_asked(&mut self, reply: Sender<Vec<ThrottleState>>) {
        self.list_asked.push(reply);
    }

    /// Whether nothing was held when the warden last said so.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// All of it, as the machine is told.
    pub fn holdings(&self) -> Vec<Holding> {
        let holding = |state: &ThrottleState| {
            let ThrottleState { pid, start_time, asked_by, .. } = *state;
            Holding { pid, start_time, by_matrix: asked_by == Asker::Matrix }
        };
        self.held.iter().map(holding).collect()
    }

    pub fn holds(&self, pid: i32, start_time: u64) -> bool {
        self.held.iter().any(|state| state.pid == pid && state.start_time == start_time)
    }

    /// The warden's list. Answers come in the order of questions, so what the list before still named was released.
    pub fn are(&mut self, held: Vec<ThrottleState>) {
        for state in &held {
            for reply in self.asked.remove(&state.pid).into_iter().flatten() {
                let _ = reply.send(Ok(state.clone()));
            }
        }
        let has = |list: &[ThrottleState], pid: i32| list.iter().any(|state| state.pid == pid);
        let over: Vec<i32> = self.release_asked.keys().copied().filter(|pid| !has(&held, *pid)).collect();
        for pid in over {
            let was = has(&self.held, pid);
            for reply in self.release_asked.remove(&pid).into_iter().flatten() {
                let _ = reply.send(Ok(was));
            }
        }
        for reply in self.list_asked.drain(..) {
            let _ = reply.send(held.clone());
        }
        self.held = held;
    }

    /// The warden did not do it.
    pub fn refused(&mut self, pid: i32, why: &str) {
        for reply in self.asked.remove(&pid).into_iter().flatten() {
            let _ = reply.send(Err(why.to_owned()));
        }
        for reply in self.release_asked.remove(&pid).into_iter().flatten() {
            let _ = reply.send(Err(why.to_owned()));
        }
    }

    /// Frees everybody who waits.
    pub fn refuse_all(&mut self, why: &str) {
        let pids: Vec<i32> = self.asked.keys().chain(self.release_asked.keys()).copied().collect();
        for pid in pids {
            self.refused(pid, why);
        }
        self.list_asked.clear();
    }
}
