//! What the threads of the warden share: the queue of orders, who holds what, ends that wait for the disk.
//!
//! Everything stands under one lock, taken once a task and once a batch. That makes the one promise easy that all
//! others hang on: an attempt is in the queue, or held, or durable in a segment, and a client that connects is told
//! exactly which.

mod state;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use tern_core::promise::Outcome;
use tern_core::words::limits::COMMIT_INTERVAL;
use tern_core::words::{Attempt, Bytes, JobId, TaskSet};

use self::state::{Batch, Desk, State, order_bytes};
use super::control::outbox::Outbox;
use crate::home::Home;
use crate::process::inflight::{ROWS_MAX, Table};
use crate::process::outputs::{Numbers, Pair};
use crate::process::pidfd::Pidfd;
use crate::process::protocol::{FromWarden, Grant, Order, Own, PROTOCOL_VERSION};
use crate::process::spawn::context::Contexts;
use crate::store::segment::Position;

/// Orders that wait at most; what is sent beyond is given back unstarted.
pub const QUEUE_TASKS_MAX: usize = 16 * 1024;
/// Bytes of their arguments at most.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Ends that are made durable together at most: about 64 KiB.
const COMMIT_BATCH: usize = 1000;
/// How often a full disk is looked at again.
const FULL_RETRY: Duration = Duration::from_millis(500);

/// What a grant says once for all its tasks.
pub struct Head {
    pub grant: Grant,
}

/// An order, taken.
pub struct Assigned {
    pub row: usize,
    pub attempt: Attempt,
    pub head: Arc<Head>,
    pub argv: Vec<Bytes>,
    pub own: Option<Box<Own>>,
}

/// An end that is not durable yet.
pub struct Ended {
    pub row: usize,
    pub outcome: Outcome,
    /// To be made durable before.
    pub outputs: Option<Arc<Pair>>,
}

/// What a worker is told besides orders.
#[derive(Clone)]
pub enum Mail {
    End {
        job: JobId,
        tasks: Arc<TaskSet>,
    },
    EndAll,
    /// Let go of these output files at the next task boundary.
    Retire(Arc<Vec<u32>>),
}

/// What the committer is to do.
pub enum Duty {
    Commit(Vec<Ended>),
    /// Look at the disk.
    Look,
    Stop,
}

/// Shared by all threads.
pub struct Hub {
    pub home: Home,
    pub tag: u32,
    pub table: Table,
    pub numbers: Numbers,
    pub contexts: Contexts,
    /// The kernel gives every process its own inode.
    pub pidfs: bool,
    /// The segment that the committer writes; it may not be removed.
    pub segment: AtomicU32,
    /// Wakes the control thread.
    pub wake: EventFd,
    state: Mutex<State>,
    to_commit: Condvar,
    to_save: Condvar,
    full: AtomicBool,
    /// How many times the disk became full.
    full_times: AtomicU32,
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn mono() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs())
}

impl Hub {
    /// `adopted`: rows that are in use from the beginning.
    pub fn new(home: &Home, tag: u32, table: Table, adopted: &[(usize, Attempt)]) -> std::io::Result<Self> {
        let rows = adopted.iter().map(|(row, _)| row + 1).max().unwrap_or(0);
        let mut held = vec![None; rows];
        for (row, attempt) in adopted {
            held[*row] = Some(*attempt);
        }
        let free_rows = (0..rows).filter(|row| held[*row].is_none()).map(|row| row as u16).collect();
        table.set_rows_used(rows);
        Ok(Self {
            numbers: Numbers::open(home, &table)?,
            home: home.clone(),
            tag,
            table,
            contexts: Contexts::default(),
            pidfs: Pidfd::open(std::process::id() as i32).is_ok_and(|own| own.on_pidfs()),
            segment: AtomicU32::new(u32::MAX),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            state: Mutex::new(State { held, free_rows, ..State::default() }),
            to_commit: Condvar::new(),
            to_save: Condvar::new(),
            full: AtomicBool::new(false),
            full_times: AtomicU32::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the client, from any thread. What its socket does not take now is the control thread's to write later.
    fn say(&self, state: &mut State, message: &FromWarden) {
        if state.client.as_mut().is_some_and(|client| client.send(message)) {
            let _ = self.wake.write(1);
        }
    }

    // ---- for the workers ----

    /// Hands over ends and takes the next order, if there is one and `busy` slots are fewer than the worker's share.
    pub fn exchange(&self, me: usize, ended: &mut Vec<Ended>, busy: u32, wants: bool) -> Option<Assigned> {
        let mut state = self.lock();
        let handed_over = !ended.is_empty();
        let first = state.pending.is_empty();
        for end in ended.drain(..) {
            state.take_end(end);
        }
        if !state.unsaved.is_empty() {
            self.to_save.notify_one();
        }
        state.desks[me].busy = busy;
        let wants = wants && busy < state.desks[me].share;
        let open = !state.closing && !self.is_full() && state.has_free_slot();
        let next = if wants && open { state.take_order(&self.table) } else { None };
        state.desks[me].busy += u32::from(next.is_some());
        let idle = wants && next.is_none();
        let newly_idle = idle && !std::mem::replace(&mut state.desks[me].idle, idle);
        if !idle {
            state.desks[me].idle = false;
            // Another worker may have found all slots taken by adopted tasks.
            if state.queued > 0 && state.has_free_slot() {
                state.wake_desks(1);
            }
        }
        if !state.pending.is_empty()
            && ((handed_over && (first || state.pending.len() >= COMMIT_BATCH || state.urgent())) || newly_idle)
        {
            self.to_commit.notify_one();
        }
        next
    }

    pub fn take_mail(&self, me: usize) -> Vec<Mail> {
        std::mem::take(&mut self.lock().desks[me].mail)
    }

    // ---- for the thread that saves checkpoints ----

    /// Waits for an end whose checkpoint is to be made durable. None: the warden exits.
    pub fn unsaved(&self) -> Option<Ended> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(ended) = state.unsaved.pop_front() {
                state.saving = true;
                return Some(ended);
            }
            state = self.to_save.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What it named is durable, or it names none any more: it is the committer's now.
    pub fn saved(&self, ended: Ended) {
        let mut state = self.lock();
        state.saving = false;
        state.push_ended(ended);
        self.to_commit.notify_one();
    }

    // ---- for the committer ----

    /// Waits for something to do: at once when a slot idles, else when the interval or the batch is full.
    pub fn duty(&self) -> Duty {
        let mut state = self.lock();
        state.committing = false;
        if state.closing {
            let _ = self.wake.write(1);
        }
        loop {
            if state.stopped {
                return Duty::Stop;
            }
            let wait = if state.pending.is_empty() {
                if self.is_full() { Some(FULL_RETRY) } else { None }
            } else {
                let waited = mono().saturating_sub(state.pending_since);
                if state.urgent() || waited >= COMMIT_INTERVAL.0 || state.pending.len() >= COMMIT_BATCH {
                    break;
                }
                Some(Duration::from_nanos(COMMIT_INTERVAL.0 - waited))
            };
            let Some(wait) = wait else {
                state = self.to_commit.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let timed_out;
            (state, timed_out) = {
                let (state, result) = self.to_commit.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
                (state, result.timed_out())
            };
            if timed_out && state.pending.is_empty() {
                return Duty::Look;
            }
        }
        state.committing = true;
        Duty::Commit(std::mem::take(&mut state.pending))
    }

    /// These ends are durable: their rows are free, and the client is told.
    pub fn durable(&self, batch: &[Ended], at: Position) {
        for ended in batch {
            self.table.clear(ended.row);
        }
        self.segment.store(at.segment, Ordering::Relaxed);
        let outcomes = batch.iter().map(|ended| ended.outcome).collect();
        let mut state = self.lock();
        let exhausted = state.free_rows.is_empty() && state.held.len() == ROWS_MAX;
        for ended in batch {
            state.held[ended.row] = None;
            state.free_rows.push(ended.row as u16);
        }
        self.say(&mut state, &FromWarden::Finished { segment: at.segment, end: at.end, outcomes });
        if exhausted {
            state.wake_desks(usize::MAX);
        }
        if state.closing {
            let _ = self.wake.write(1);
        }
    }

    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// How many times the disk became full up to now.
    pub fn full_times(&self) -> u32 {
        self.full_times.load(Ordering::Relaxed)
    }

    pub fn set_full(&self, full: bool) {
        let mut state = self.lock();
        if self.full.swap(full, Ordering::Relaxed) == full {
            return;
        }
        if full {
            self.full_times.fetch_add(1, Ordering::Relaxed);
        }
        self.say(&mut state, &FromWarden::Full(full));
        if !full {
            state.wake_desks(usize::MAX);
        }
        // The committer looks at a full disk from time to time.
        self.to_commit.notify_one();
    }

    // ---- for the control thread ----

    /// Ends that an earlier warden noted and did not make durable.
    ///
    /// # Errors
    /// Those of the file system: the output cannot be opened.
    pub fn ended_before(&self, ended: Vec<(usize, Outcome)>) -> std::io::Result<()> {
        for (row, outcome) in ended {
            let has_output = outcome.stdout.len > 0 || outcome.stderr.len > 0;
            let outputs = has_output.then(|| self.numbers.adopt_pair(&self.home, outcome.stdout.file)).transpose()?;
            self.lock().take_end(Ended { row, outcome, outputs });
        }
        Ok(())
    }

    /// Adds a worker, whose share is 0 up to the next [`Hub::share_out`].
    pub fn add_desk(&self, wake: Arc<EventFd>, busy: u32) -> usize {
        let mut state = self.lock();
        state.desks.push(Desk { wake, idle: false, share: 0, busy, mail: Vec::new() });
        state.desks.len() - 1
    }

    /// Divides the slots among the workers.
    pub fn share_out(&self, slots: u32) {
        let mut state = self.lock();
        state.slots = slots;
        let workers = state.desks.len() as u32;
        for (index, desk) in state.desks.iter_mut().enumerate() {
            desk.share = slots / workers + u32::from((index as u32) < slots % workers);
            let _ = desk.wake.write(1);
        }
    }

    /// Queues the tasks of a grant. What is beyond the limits is returned, to be given back.
    pub fn grant(&self, mut grant: Grant) -> Vec<Attempt> {
        let mut orders = VecDeque::from(std::mem::take(&mut grant.tasks));
        let batch = |orders, grant| Batch { head: Arc::new(Head { grant }), orders };
        let mut state = self.lock();
        let mut room_bytes = QUEUE_BYTES_MAX.saturating_sub(state.queued_bytes);
        let room = QUEUE_TASKS_MAX.saturating_sub(state.queued);
        let mut fitting = 0;
        for order in orders.iter().take(room) {
            let bytes = order_bytes(order);
            let Some(left) = room_bytes.checked_sub(bytes) else { break };
            room_bytes = left;
            fitting += 1;
        }
        let surplus = orders.split_off(fitting);
        state.queued += orders.len();
        state.queued_bytes += orders.iter().map(order_bytes).sum::<usize>();
        let count = orders.len();
        let batch = batch(orders, grant);
        let given_back = surplus.iter().map(|order| batch.attempt(order.task)).collect();
        if count > 0 {
            state.queue.push_back(batch);
        }
        state.wake_desks(count);
        given_back
    }

    /// Takes tasks that have not started out of the queue.
    pub fn revoke(&self, job: JobId, tasks: &TaskSet) -> Vec<Attempt> {
        let mut revoked = Vec::new();
        let mut state = self.lock();
        let State { queue, queued, queued_bytes, .. } = &mut *state;
        for batch in queue.iter_mut().filter(|batch| batch.head.grant.job == job) {
            let orders = std::mem::take(&mut batch.orders);
            let (taken, kept) = orders.into_iter().partition(|order| tasks.contains(order.task));
            batch.orders = kept;
            let taken: VecDeque<Order> = taken;
            *queued -= taken.len();
            *queued_bytes -= taken.iter().map(order_bytes).sum::<usize>();
            revoked.extend(taken.iter().map(|order| batch.attempt(order.task)));
        }
        queue.retain(|batch| !batch.orders.is_empty());
        revoked
    }

    /// Puts a letter on every worker's desk.
    pub fn mail(&self, mail: &Mail) {
        for desk in &mut self.lock().desks {
            desk.mail.push(mail.clone());
            let _ = desk.wake.write(1);
        }
    }

    /// Makes this the client: it is told what is queued and held, and from now on every end that becomes durable.
    pub fn welcome(&self, mut client: Outbox, lost: &mut Vec<Attempt>) {
        let mut state = self.lock();
        client.send(&FromWarden::Welcome {
            version: PROTOCOL_VERSION,
            warden_pid: std::process::id(),
            running: state.held().collect(),
            queued: state
                .queue
                .iter()
                .flat_map(|batch| batch.orders.iter().map(|order| batch.attempt(order.task)))
                .collect(),
        });
        if !lost.is_empty() {
            client.send(&FromWarden::Lost(std::mem::take(lost)));
        }
        if self.is_full() {
            client.send(&FromWarden::Full(true));
        }
        state.client = Some(client);
    }

    pub fn send(&self, message: &FromWarden) {
        self.say(&mut self.lock(), message);
    }

    pub fn hang_up(&self) {
        self.lock().client = None;
    }

    /// Writes what the client's socket had no room for. True: there is more.
    pub fn flush(&self) -> bool {
        self.lock().client.as_mut().is_some_and(Outbox::flush)
    }

    /// From now on nothing starts; what is queued is forgotten (the agent gives it again to the next warden).
    pub fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.queue.clear();
        (state.queued, state.queued_bytes) = (0, 0);
        self.to_commit.notify_one();
        let _ = self.wake.write(1);
    }

    pub fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// What waits for the disk will not become durable any more.
    pub fn give_up(&self) {
        self.lock().given_up = true;
        let _ = self.wake.write(1);
    }

    /// Attempts that run, or ended and are not durable; and whether some of these wait for the disk.
    pub fn holds(&self) -> (usize, bool) {
        let state = self.lock();
        if state.given_up {
            return (0, false);
        }
        let waits = state.saving || !state.unsaved.is_empty() || !state.pending.is_empty();
        (state.held().count() + state.queued, state.committing || waits)
    }

    /// Ends the committer, and the thread that saves checkpoints.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.to_commit.notify_one();
        self.to_save.notify_one();
    }
}
