//! The loop itself: take what came, let the machine handle all of it, make it durable, perform the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tern_core::machine::{Answer, Command, Effect, Event, Machine};
use tern_core::promise::ledger::Line;
use tern_core::words::{GrantId, JobId, NodeId, Now, Span, TaskSet};
use tokio::sync::{mpsc, oneshot};

use super::effects::history::History;
use super::effects::recorder::{Ends, Recorder};
use super::handle::NodeError;
use super::input::{Input, Peer};
use super::sampler::Sampler;
use super::wardens::Wardens;
use super::wardens::orders::Orders;
use super::watch::Live;
use crate::clock;
use crate::home::Home;
use crate::overlay::ToMesh;
use crate::sense::Conditions;
use crate::sense::hogs::Hogs;
use crate::stage::Stager;
use crate::store::{Journal, LedgerLog};

/// Inputs handled before their records are made durable together.
const BATCH_MAX: usize = 256;
/// How often the state is written whole, so that recovery stays short.
const CHECKPOINT_EVERY: Span = Span::secs(1);
/// The loop looks around at least this often even if nothing happens.
const IDLE_WAKE: Span = Span::secs(60);

/// Old jobs forgotten at a time, so that askers do not wait for it.
const FORGET_MAX: usize = 64;

/// Where frames for peers go.
pub type ToPeers = mpsc::Sender<(NodeId, Vec<u8>)>;

/// What the loop's thread owns.
pub struct Loop {
    pub(super) home: Home,
    pub(super) node: NodeId,
    pub(super) machine: Machine,
    pub(super) journal: Journal,
    pub(super) history: History,
    pub(super) inputs: Receiver<Input>,
    pub(super) orders: Orders,
    pub(super) wardens: Wardens,
    pub(super) sampler: Sampler,
    /// What feeds this machine, and how hot it is.
    pub(super) conditions: Conditions,
    /// Processes for the matrix, and what it leaves them.
    pub(super) hogs: Hogs,
    pub(super) hold_percent: u8,
    pub(super) to_peers: Option<ToPeers>,
    pub(super) to_mesh: Option<ToMesh>,
    /// Moves files of tasks; None: it is in no grid.
    pub(super) stager: Option<Stager>,
    /// It gives and takes files.
    pub(super) files: bool,
    /// What was written down of transfers.
    pub(super) ledger: LedgerLog,
    /// What is written down of all that happens.
    pub(super) recorder: Recorder,
    /// Tasks of loans for which messages had no room.
    pub(super) uncarried: Vec<(GrantId, TaskSet)>,
    pub(super) tickets: BTreeMap<u64, oneshot::Sender<Result<Answer, NodeError>>>,
    pub(super) last_ticket: u64,
    pub(super) watchers: BTreeMap<JobId, Vec<Live>>,
    /// Bytes of each segment that the machine has been told of.
    pub(super) positions: BTreeMap<u32, u64>,
    pub(super) dirty_since: Option<u64>,
    pub(super) wake_at: Option<u64>,
    pub(super) notes: Vec<String>,
    /// The number of the first job that this life of the node may accept.
    pub(super) first_job: u32,
    /// Finished jobs beyond this many jobs are forgotten, the oldest first.
    pub(super) keep_jobs: usize,
    /// Names of processes that are never throttled.
    pub(super) protected: Vec<String>,
    /// Jobs were forgotten: what held only their results may go.
    pub(super) forgot: bool,
    pub(super) stopping: Option<Stopping>,
}

/// A stop on its way.
pub(super) struct Stopping {
    /// Ticket of the drain that it waits for.
    pub after: Option<u64>,
    pub keep_tasks: bool,
    /// Whoever asked: a second asker may hurry the first one's stop.
    pub replies: Vec<oneshot::Sender<()>>,
}

impl Loop {
    /// Runs until a stop was asked for and is done.
    pub fn run(mut self) {
        // The first reading, before the first question.
        let mut effects = Vec::new();
        self.tend(&mut effects);
        self.perform(effects);
        loop {
            let mut effects = Vec::new();
            match self.inputs.recv_timeout(self.patience()) {
                Ok(input) => self.take(input, &mut effects),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for _ in 1..BATCH_MAX {
                let Ok(input) = self.inputs.try_recv() else { break };
                self.take(input, &mut effects);
            }
            self.tend(&mut effects);
            self.perform(effects);
            if self.stopping.as_ref().is_some_and(|stop| stop.after.is_none()) {
                break;
            }
        }
        self.end();
    }

    fn take(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Ask(ask) => self.answer(ask, effects),
            Input::Warden { generation, said } => self.warden_said(generation, said, effects),
            Input::WardenGone { generation } => self.warden_gone(generation, effects),
            Input::Peer(peer) => self.peer(peer, effects),
        }
    }

    fn peer(&mut self, peer: Peer, effects: &mut Vec<Effect>) {
        match peer {
            Peer::Up(node) => self.handle(Event::PeerUp(node), effects),
            Peer::Down(node) => self.handle(Event::PeerDown(node), effects),
            Peer::Heard { from, message } => self.handle(Event::Message { from, message }, effects),
            Peer::Areas(areas) => self.handle(Event::Areas(areas), effects),
            Peer::Fit { from, fit } => self.peer_fit(from, fit, effects),
            Peer::Staged { grant, task, inputs } => self.staged(grant, task, inputs, effects),
            Peer::Returned { from, message, long } => self.said(from, message, long, effects),
            Peer::Left(left) => self.left(*left),
            Peer::Asks(ask) => self.answer(*ask, effects),
            Peer::Frame { from, bytes } => self.frame(from, &bytes, effects),
        }
    }

    pub(super) fn handle(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match &event {
            Event::Finished(outcomes) => outcomes.iter().for_each(|end| self.orders.devices.give_back(&end.attempt)),
            Event::Revoked(attempts) => attempts.iter().for_each(|attempt| self.orders.devices.give_back(attempt)),
            _ => {}
        }
        let ends = if let Event::Finished(outcomes) = &event { self.weigh(outcomes) } else { Ends::new() };
        let looked = matches!(event, Event::Reading(_));
        let persisted = matches!(event, Event::Persisted(_));
        let before = effects.len();
        self.machine.handle(event, clock::now(), effects);
        self.note_ends(ends, &effects[before..]);
        // What became durable is written down first: ends of lent tasks are among it.
        if !persisted {
            self.note_over(&effects[before..]);
        }
        if looked {
            self.note_load();
        }
        self.note_standing();
    }

    /// What is due without anybody asking: a reading, a new warden, the machine's own timer, a checkpoint.
    fn tend(&mut self, effects: &mut Vec<Effect>) {
        let now = clock::now();
        if self.wake_at.is_some_and(|at| at <= now.boot) {
            self.wake_at = None;
            self.handle(Event::Tick, effects);
        }
        if self.conditions.has_changed().unwrap_or(false) {
            let power = self.conditions.borrow_and_update().power;
            self.handle(Event::Power(power), effects);
        }
        if self.hogs.has_changed().unwrap_or(false) {
            let mut seen = self.hogs.borrow_and_update().clone();
            for process in &mut seen {
                process.throttled = self.wardens.holds(process.pid, process.start_time);
            }
            self.handle(Event::Processes(seen), effects);
        }
        if let Some(reading) = self.sampler.due(now) {
            self.handle(Event::Reading(reading), effects);
        }
        self.revive_warden(now);
        if self.orders.loans() != self.machine.borrowed().count() {
            let held: BTreeSet<GrantId> = self.machine.borrowed().map(|(grant, _)| grant).collect();
            for folder in self.orders.keep_grants(|grant| held.contains(&grant)) {
                if let Some(stager) = &self.stager {
                    stager.discard(folder);
                }
            }
        }
        self.tend_history(now);
        if self.recorder.log.due().is_some_and(|due| due <= now.boot) {
            self.write_events();
        }
        if self.dirty_since.is_some_and(|since| since + CHECKPOINT_EVERY <= now.boot) {
            self.checkpoint();
            self.forget_old(effects);
        }
    }

    /// How long to sleep if nothing comes.
    fn patience(&self) -> Duration {
        let now = clock::now();
        let checkpoint = self.dirty_since.map(|since| since + CHECKPOINT_EVERY);
        let own = [self.history.due, self.recorder.log.due(), Some(self.sampler.next_at())];
        let due = [self.wake_at, checkpoint, self.wardens.retry_at()];
        let next = due.into_iter().chain(own).flatten().min().unwrap_or(u64::MAX).min(now.boot + IDLE_WAKE);
        Duration::from_nanos(next.saturating_sub(now.boot))
    }

    pub(super) fn mark_dirty(&mut self, now: Now) {
        self.dirty_since.get_or_insert(now.boot);
    }

    /// Writes what changed since the last checkpoint. A failure keeps the records, which say the same: recovery is only longer.
    pub(super) fn checkpoint(&mut self) {
        self.dirty_since = None;
        self.watchers.retain(|_, watchers| {
            watchers.retain(|live| !live.is_orphan());
            !watchers.is_empty()
        });
        let dirty = self.machine.take_dirty();
        if let Err(error) = self.journal.checkpoint(self.machine.state(), dirty, &self.positions) {
            tracing::warn!(%error, "the checkpoint failed; the journal's records stay and say the same");
            self.mark_dirty(clock::now());
        }
    }

    /// Keeps the list of jobs short: forgets the oldest of those that are over, some at a time.
    fn forget_old(&mut self, effects: &mut Vec<Effect>) {
        let jobs = self.machine.state().jobs();
        let excess = jobs.len().saturating_sub(self.keep_jobs).min(FORGET_MAX);
        let old: Vec<JobId> = jobs.iter().filter(|(_, job)| job.is_settled()).map(|(id, _)| *id).take(excess).collect();
        for job in old {
            let ticket = self.next_ticket();
            self.handle(Event::Command { ticket, command: Command::Forget(job) }, effects);
        }
        if std::mem::take(&mut self.forgot) {
            // What a slot still writes to is let go of now and removed when it is named again.
            self.forgot = self.collect_garbage();
            if self.forgot {
                self.mark_dirty(clock::now());
            }
        }
    }

    /// The last thing: everything durable, the warden told, watchers and askers freed.
    fn end(mut self) {
        self.checkpoint();
        self.keep_history();
        self.note_stopped();
        self.ledger.add(clock::now().wall_ms, Line::Ended);
        if let Err(error) = self.ledger.flush() {
            tracing::warn!(%error, "the last lines of the ledger are lost");
        }
        let keep_tasks = self.stopping.as_ref().is_some_and(|stop| stop.keep_tasks);
        self.wardens.leave(keep_tasks, self.machine.in_hand());
        for live in self.watchers.values().flatten() {
            live.close();
        }
        let stopping = self.stopping.take();
        drop(self.journal);
        for reply in stopping.map(|stop| stop.replies).unwrap_or_default() {
            // The asker may have gone; then nobody waits for the answer.
            let _ = reply.send(());
        }
    }
}
