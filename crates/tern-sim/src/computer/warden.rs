//! The simulated warden: its own process, parent of the running tasks, writer of the result segment.
//!
//! It is deliberately naive: it runs what it is given, in order, in as many slots as it has. Whatever should not run must
//! be kept from it by the machine. When it dies its tasks go on as orphans until the next warden has ended or adopted
//! each of them; only then does that one run anything.

use std::collections::VecDeque;

use tern_core::promise::{Exit, Outcome};
use tern_core::words::{Attempt, GrantId, JobId, TaskSet};

/// From the agent.
#[derive(Clone, Debug)]
pub enum ToWarden {
    Grant(Vec<Attempt>, Option<GrantId>),
    Revoke { job: JobId, tasks: TaskSet },
    End { job: JobId, tasks: TaskSet },
}

/// To the agent.
#[derive(Clone, Debug)]
pub enum FromWarden {
    /// The welcome of the warden of this generation.
    Up {
        generation: u32,
        running: Vec<Attempt>,
        queued: Vec<Attempt>,
    },
    /// The segment is durable up to this index; `again` earlier ends are told once more.
    Finished {
        end: usize,
        again: usize,
    },
    Revoked(Vec<Attempt>),
    Full(bool),
    /// The socket closed.
    Down,
}

/// A process that is there.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique within a life of the world.
    pub id: u64,
    pub attempt: Attempt,
    pub grant: Option<GrantId>,
    pub started: u64,
    pub started_ms: u64,
    /// True time at which it ends, with this exit.
    pub ends: u64,
    pub exit: Exit,
}

/// The warden of one computer, and what lies in its files.
#[derive(Debug, Default)]
pub struct Warden {
    pub alive: bool,
    /// Increased by each death, so that what was sent to a dead one stays unread.
    pub generation: u32,
    pub slots: u32,
    pub queue: VecDeque<(Attempt, Option<GrantId>)>,
    pub running: Vec<Run>,
    /// Alive, but their warden is not.
    pub orphans: Vec<Run>,
    /// Ends that are written and not yet durable.
    pub unsynced: Vec<Outcome>,
    /// How many of them the running fsync covers; 0: none runs.
    pub syncing: usize,
    /// The result segment: durable, survives everything.
    pub segment: Vec<Outcome>,
    /// No room under the results: nothing is started, and failures do not count.
    pub full: bool,
}

impl Warden {
    /// What it holds, as it tells a new agent. What has ended but is not durable yet must still be named as running: it
    /// is neither reported nor lost.
    #[must_use]
    pub fn holds(&self) -> (Vec<Attempt>, Vec<Attempt>) {
        let unsynced = self.unsynced.iter().map(|outcome| outcome.attempt);
        let running = self.running.iter().map(|run| run.attempt).chain(unsynced).collect();
        (running, self.queue.iter().map(|(attempt, _)| *attempt).collect())
    }

    /// Takes unstarted attempts out of the queue.
    pub fn revoke(&mut self, job: JobId, tasks: &TaskSet) -> Vec<Attempt> {
        let named = |attempt: &Attempt| attempt.job == job && tasks.contains(attempt.task);
        let back = self.queue.iter().map(|(attempt, _)| *attempt).filter(named).collect();
        self.queue.retain(|(attempt, _)| !named(attempt));
        back
    }

    /// The next attempt for a free slot.
    pub fn next(&mut self) -> Option<(Attempt, Option<GrantId>)> {
        let free = self.alive && !self.full && self.running.len() < self.slots as usize;
        if free { self.queue.pop_front() } else { None }
    }

    /// The process dies: the queue and unsynced ends are lost, tasks become orphans.
    pub fn crash(&mut self) {
        self.alive = false;
        self.generation += 1;
        self.syncing = 0;
        self.queue.clear();
        self.unsynced.clear();
        self.orphans.append(&mut self.running);
    }

    /// Power is lost: nothing runs any more. The first `kept` unsynced ends had reached the disk in time.
    pub fn power_loss(&mut self, kept: usize) -> Vec<Outcome> {
        let kept: Vec<_> = self.unsynced.drain(..kept.min(self.unsynced.len())).collect();
        self.segment.extend_from_slice(&kept);
        self.crash();
        self.orphans.clear();
        kept
    }

    /// Removes the process `id` if it ends exactly now. True: it was an orphan.
    pub fn take_ended(&mut self, id: u64, at: u64) -> Option<(Run, bool)> {
        let ends = |run: &Run| run.id == id && run.ends == at;
        if let Some(index) = self.running.iter().position(ends) {
            return Some((self.running.remove(index), false));
        }
        let index = self.orphans.iter().position(ends)?;
        Some((self.orphans.remove(index), true))
    }

    /// All processes of this computer, orphans included.
    pub fn live(&self) -> impl Iterator<Item = &Run> {
        self.running.iter().chain(&self.orphans)
    }
}
