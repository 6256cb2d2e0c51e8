//! Answering faces: every question is answered by the loop's own thread, in the order in which it came.

use std::collections::btree_map::Entry;

use tern_core::decide::scum::is_named;
use tern_core::machine::{Answer, Command, Deny, Effect, Event};
use tern_core::observe::history::row_key;
use tern_core::promise::{Record, Refusal};
use tern_core::wire::Message;
use tern_core::words::limits::{GRANT_TASKS_MAX, HISTORY_JOB_TASKS_MAX};
use tern_core::words::{Inputs, JobId, Span};
use tokio::sync::oneshot;

use super::effects::recorder::sign;
use super::handle::{LedgerPage, MetricsPage, NodeError, NodeStatus, PeerStatus, Submission};
use super::input::Ask;
use super::run::{Loop, Stopping};
use super::watch::Live;
use crate::clock;
use crate::sense::stat;
use crate::store;

/// Lines of the ledger in one answer: it has to fit into a call between nodes.
const LEDGER_PAGE: usize = 96;
/// Pairs that are named of those whose transfers are told in two ways.
const BLOCKED_SHOWN: usize = 16;
/// Watchers of one job.
const WATCHERS_MAX: usize = 64;

type Reply = oneshot::Sender<Result<Answer, NodeError>>;

impl Loop {
    pub(super) fn answer(&mut self, ask: Ask, effects: &mut Vec<Effect>) {
        // Whoever has stopped waiting gets no answer: that is what the ignored results below mean.
        match ask {
            Ask::Submit { submission, reply } => self.submit(*submission, reply, effects),
            Ask::Command { command, reply } => self.command(command, reply, effects),
            Ask::Jobs(reply) => drop(reply.send(self.machine.jobs())),
            Ask::Job { job, reply } => drop(reply.send(self.machine.job_view(job))),
            Ask::Watch { job, reply } => drop(reply.send(self.watch(job))),
            Ask::Status(reply) => drop(reply.send(self.status())),
            Ask::Explain { job, task, reply } => drop(reply.send(self.machine.explain(job, task))),
            Ask::Lately(reply) => drop(reply.send(self.machine.lately().collect())),
            Ask::Queue(reply) => drop(reply.send(self.machine.waits(clock::now().wall_ms))),
            Ask::Flows(reply) => drop(reply.send(self.machine.flows().collect())),
            Ask::Offered { from, tasks, reply } => {
                // As if it had said so itself; it lends or has nothing.
                let tasks = tasks.min(GRANT_TASKS_MAX);
                self.handle(Event::Message { from, message: Message::Offer { tasks } }, effects);
                let _gone = reply.send(self.machine.has_asked(from));
            }
            Ask::Ledger { from, reply } => drop(reply.send(self.ledger_page(from))),
            Ask::Metrics(reply) => drop(reply.send(Box::new(self.metrics()))),
            Ask::Written(reply) => {
                self.write_events();
                let _gone = reply.send(());
            }
            Ask::Begun(reply) => self.wardens.begun(reply),
            Ask::Throttle { wish, reply } => match self.protected(wish.pid) {
                Some(why) => drop(reply.send(Err(why))),
                None => self.wardens.throttle(wish, reply),
            },
            Ask::ReleaseThrottle { pid, reply } => self.wardens.release_throttle(pid, reply),
            Ask::Throttles(reply) => self.wardens.list_throttles(reply),
            Ask::Stop { drain, keep_tasks, reply } => self.stop(drain, keep_tasks, reply, effects),
        }
    }

    /// The name of a question that nobody else has.
    pub(super) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    fn ticket(&mut self, reply: Reply) -> u64 {
        let ticket = self.next_ticket();
        self.tickets.insert(ticket, reply);
        ticket
    }

    pub(super) fn reply(&mut self, ticket: u64, outcome: Result<Answer, Deny>) {
        if let Some(stop) = self.stopping.as_mut().filter(|stop| stop.after == Some(ticket)) {
            stop.after = None;
        }
        if let Some(reply) = self.tickets.remove(&ticket) {
            let _ = reply.send(outcome.map_err(NodeError::Denied));
        }
    }

    fn command(&mut self, command: Command, reply: Reply, effects: &mut Vec<Effect>) {
        let ticket = self.ticket(reply);
        self.handle(Event::Command { ticket, command }, effects);
    }

    /// The machine names the job and stages its record; its inputs are made durable before that record is.
    fn submit(&mut self, submission: Submission, reply: Reply, effects: &mut Vec<Effect>) {
        let Submission { spec, rows, context, adaptive } = submission;
        if matches!(spec.inputs, Inputs::Rows) && rows.len() != spec.tasks as usize {
            let why = format!("{} rows for {} tasks", rows.len(), spec.tasks);
            let _ = reply.send(Err(NodeError::Inputs(why)));
            return;
        }
        let ticket = self.ticket(reply);
        let mut staged = Vec::new();
        let told_apart = spec.tasks <= HISTORY_JOB_TASKS_MAX;
        let names = rows.iter().filter(|_| told_apart).map(|row| row_key(row)).collect();
        let command = Command::SubmitNamed { spec: Box::new(spec), rows: names, adaptive };
        self.handle(Event::Command { ticket, command }, &mut staged);
        let Some((sequence, job)) = accepted(&staged) else { return effects.append(&mut staged) };
        if let Err(error) = store::write_inputs(&self.home, job, &rows, &context) {
            let full = error.is_full();
            tracing::error!(%error, %job, "the inputs of a job could not be written: it is not accepted");
            // What was staged before goes its way to the disk.
            staged.retain(|effect| !matches!(effect, Effect::Persist { sequence: its, .. } if *its >= sequence));
            self.handle(Event::PersistFailed { after: sequence - 1, full }, &mut staged);
        }
        effects.append(&mut staged);
    }

    fn watch(&mut self, job: JobId) -> Result<Option<Live>, NodeError> {
        let (Some(view), Some(known)) = (self.machine.job_view(job), self.machine.state().job(job)) else {
            return Ok(None);
        };
        let live = Live::new(view, known);
        match self.watchers.entry(job) {
            Entry::Vacant(vacant) => drop(vacant.insert(vec![live.clone()])),
            Entry::Occupied(mut occupied) => {
                let watchers = occupied.get_mut();
                watchers.retain(|known| !known.is_orphan());
                if watchers.len() >= WATCHERS_MAX {
                    return Err(NodeError::Watched);
                }
                watchers.push(live.clone());
            }
        }
        Ok(Some(live))
    }

    fn status(&self) -> NodeStatus {
        let now = clock::now().boot;
        let peers = self.machine.peers().map(|(node, heard)| PeerStatus {
            node: node.to_string(),
            connected: true,
            trit: heard.trit,
            queued: heard.queued,
            running: heard.running,
            slots: heard.slots,
        });
        NodeStatus {
            node: self.node.to_string(),
            key: self.node.to_hex(),
            trit: self.machine.trit(),
            reading: self.sampler.last(),
            smoothed: self.machine.load(),
            source: self.machine.load_source(),
            condition: *self.conditions.borrow(),
            slots: self.machine.slots(),
            open: self.machine.open_slots(),
            because: self.machine.stands_back().map(|reason| reason.to_string()),
            running: self.machine.running(),
            queued: self.machine.queued(),
            movable: self.machine.movable(),
            draining: self.machine.is_draining(),
            disk_full: self.machine.is_full(),
            outputs_wait: self.outputs_wait(),
            agent_pid: std::process::id(),
            warden_pid: self.wardens.pid(),
            warden_deaths: self.wardens.deaths(),
            notes: self.notes.iter().cloned().chain(self.doubts()).collect(),
            mode: self.machine.mode(),
            deferred: self.machine.deferred_tasks(),
            wish: self.machine.wish().map(|(wish, since)| (wish, Span(now.saturating_sub(since)))),
            peers: peers.collect(),
        }
    }

    fn ledger_page(&self, from: u64) -> LedgerPage {
        let (lines, next) = self.ledger.page(from, LEDGER_PAGE);
        let book = self.machine.book();
        LedgerPage {
            epoch: book.epoch(),
            adds_up: self.machine.ledger_totals().unequal == 0,
            open: u32::try_from(book.open().count()).unwrap_or(u32::MAX),
            waiting: u32::try_from(self.machine.unsettled()).unwrap_or(u32::MAX),
            totals: *self.machine.ledger_totals(),
            refused: self.machine.unposted().iter().map(|(why, count)| (*why, *count)).collect(),
            blocked: book.blocked().take(BLOCKED_SHOWN).collect(),
            now_ms: clock::now().wall_ms,
            since_ms: self.ledger.since_ms(),
            unread: self.ledger.unread(),
            lines,
            next,
        }
    }

    fn metrics(&self) -> MetricsPage {
        let own = self.machine.trit();
        let mut trits = [0; 3];
        for trit in self.machine.loads().map(|(_, heard, _)| heard.trit).chain([own]) {
            trits[usize::from(1i8.saturating_sub(sign(trit)).unsigned_abs())] += 1;
        }
        MetricsPage {
            tally: self.recorder.tally.clone(),
            trit: sign(own),
            load: self.machine.load(),
            slots: self.machine.slots(),
            open: self.machine.open_slots(),
            running: self.machine.running_slots(),
            queued: self.machine.queued(),
            left: self.machine.left(),
            draining: self.machine.is_draining(),
            trits,
            refused: self.machine.refused().iter().map(|(why, count)| (*why, *count)).collect(),
            totals: *self.machine.ledger_totals(),
            transfers_open: self.machine.book().open().count() as u64,
            unposted: self.machine.unposted().iter().map(|(why, count)| (*why, *count)).collect(),
        }
    }

    fn outputs_wait(&self) -> Option<String> {
        let lent = self.machine.state().lent();
        self.stager.as_ref().and_then(|stager| stager.waits(|grant| lent.contains_key(&grant)))
    }

    /// What the machine did not carry out or not believe, in words.
    fn doubts(&self) -> impl Iterator<Item = String> {
        let fault = self.machine.fault().map(|fault| {
            format!("a plan broke a rule and was not carried out ({fault:?}): this is a bug in Tern, please report it")
        });
        // Of the others, late and repeated messages are a part of every day.
        let grave =
            [Refusal::NotHolder, Refusal::NotOwner, Refusal::Malformed, Refusal::TaskOutOfRange, Refusal::TooLarge];
        let refused: u64 = grave.iter().filter_map(|reason| self.machine.refused().get(reason)).sum();
        let refused = (refused > 0).then(|| {
            format!("{refused} messages of other nodes broke the rules and were refused: is each of them yours, and of this version?")
        });
        fault.into_iter().chain(refused)
    }

    /// Why the settings protect this process. Whether it may be held at all is the warden's to judge.
    fn protected(&self, pid: i32) -> Option<String> {
        let name = stat(pid).ok()??.name;
        let pattern = self.protected.iter().find(|pattern| is_named(&name, pattern))?;
        Some(format!("process {pid} is {name}, which the setting scum.protected names ({pattern})"))
    }

    fn stop(&mut self, drain: bool, keep_tasks: bool, reply: oneshot::Sender<()>, effects: &mut Vec<Effect>) {
        let mut after = None;
        if drain && self.stopping.is_none() {
            let (nobody, _) = oneshot::channel();
            let ticket = self.ticket(nobody);
            after = Some(ticket);
        }
        let mut replies = self.stopping.take().map(|before| before.replies).unwrap_or_default();
        replies.push(reply);
        self.stopping = Some(Stopping { after, keep_tasks, replies });
        if let Some(ticket) = after {
            self.handle(Event::Command { ticket, command: Command::Leave }, effects);
        }
    }
}

/// The sequence and job of the acceptance among these effects.
fn accepted(effects: &[Effect]) -> Option<(u64, JobId)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Persist { sequence, records } => records.iter().find_map(|record| match record {
            Record::Accepted { job, .. } => Some((*sequence, *job)),
            _ => None,
        }),
        _ => None,
    })
}
