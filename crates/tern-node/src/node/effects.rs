//! Performing effects: one fsync for the records of a whole batch, then what depended on them.

mod ends;
mod frames;
pub(super) mod history;
pub(super) mod recorder;
mod sharing;
pub mod tally;

use std::collections::BTreeSet;

use tern_core::machine::{Dispatch, Effect, Event, Told};
use tern_core::observe::Vitals;
use tern_core::observe::vitals::{Flags, Memory, half_percent};
use tern_core::promise::{Outcome, Record};
use tern_core::wire::Message;
use tern_core::words::{Attempt, JobId, NodeId};

use super::run::Loop;
use super::wardens::orders::in_frames;
use crate::clock;
use crate::files::names;
use crate::process::checkpoint;
use crate::process::protocol::{Asker, Grant, Throttle, ToWarden};
use crate::sense::{Stat, stat};
use crate::stage;
use crate::store;

impl Loop {
    /// Performs effects until none is left; those that depend on records come from the machine once these are durable.
    ///
    /// Watchers are shown a job only after all that counted: the machine is further than the effects that are performed
    /// one by one, and a job that looks over before its last results are told would lose these.
    pub(super) fn perform(&mut self, mut effects: Vec<Effect>) {
        let mut changed = BTreeSet::new();
        while !effects.is_empty() {
            let mut records = Vec::new();
            let mut first = None;
            let mut last = 0;
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Persist { sequence, records: more } => {
                        first.get_or_insert(sequence);
                        last = sequence;
                        records.extend(more);
                    }
                    Effect::Changed { job, over } => {
                        changed.insert(job);
                        if over {
                            checkpoint::put_away(&self.home, &self.home.checkpoints().join(job.to_string()));
                        }
                    }
                    other => self.act(other),
                }
            }
            if let Some(first) = first {
                let event = self.commit(first, last, &records);
                let durable = matches!(event, Event::Persisted(_));
                self.handle(event, &mut effects);
                if durable {
                    self.note_durable(&records, &effects);
                }
                self.note_over(&effects);
            }
            for (grant, tasks) in std::mem::take(&mut self.uncarried) {
                self.handle(Event::Uncarried { grant, tasks }, &mut effects);
            }
        }
        for job in changed {
            self.changed(job);
        }
        if let Err(error) = self.ledger.flush() {
            tracing::warn!(%error, "what was posted in the ledger is in memory only");
        }
    }

    fn commit(&mut self, first: u64, last: u64, records: &[Record]) -> Event {
        match self.journal.commit(last, records) {
            Ok(()) => {
                self.note_reclaimed(records);
                self.mark_dirty(clock::now());
                Event::Persisted(last)
            }
            Err(error) => {
                tracing::error!(%error, "records could not be made durable; their askers are told so");
                Event::PersistFailed { after: first - 1, full: error.is_full() }
            }
        }
    }

    /// A task that may have begun elsewhere begins again: that is said.
    fn note_reclaimed(&mut self, records: &[Record]) {
        let lent = self.machine.state().lent();
        let loans = records.iter().filter_map(|record| match record {
            Record::Reclaimed { grant } => Some((*grant, lent.get(grant)?)),
            _ => None,
        });
        let back = loans.map(|(grant, loan)| (loan.to, self.machine.runs_again(grant, loan).len(), loan.job));
        let back: Vec<(NodeId, u32, JobId)> = back.filter(|(_, count, _)| *count > 0).collect();
        for (node, count, job) in &back {
            self.note_back(*job, node.tag(), *count);
        }
        let notes = back.iter().map(|(node, count, job)| {
            format!(
                "node {node} was not heard of in time: {count} task(s) of job {job} were taken back from it; what it had \
                 begun may still run there"
            )
        });
        let notes: Vec<String> = notes.collect();
        self.note(notes);
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { .. } | Effect::Changed { .. } => {}
            Effect::Reply { ticket, outcome } => self.reply(ticket, outcome),
            Effect::Dispatch(dispatch) => self.dispatch(dispatch),
            Effect::Stage { grant, tasks } => self.bring(grant, &tasks),
            Effect::Revoke { job, tasks } => self.wardens.send(&ToWarden::Revoke { job, tasks }),
            Effect::End { job, tasks } => self.wardens.send(&ToWarden::End { job, tasks }),
            Effect::Hold { pid, start_time } => self.hold(pid, start_time),
            Effect::Free { pid, .. } => self.wardens.free(pid),
            Effect::Log(line) => {
                self.note_transfer(&line);
                self.ledger.add(clock::now().wall_ms, line);
            }
            Effect::Send { to, message } => self.send(to, message),
            Effect::Tell(told) => self.tell(&told),
            // Each replaces the one before: the machine names the earliest of all that it waits for.
            Effect::WakeAt(at) => self.wake_at = Some(at),
            Effect::Counted { job, outcomes } => self.counted(job, &outcomes),
            Effect::Kept { job, task } => self.kept(job, task),
            Effect::Discard { job } => self.discard(job),
        }
    }

    /// Its number may be another's by now. What the warden refuses comes back as an event.
    fn hold(&mut self, pid: i32, start_time: u64) {
        let same = |stat: &Stat| stat.start_time == start_time;
        if stat(pid).is_ok_and(|found| found.as_ref().is_some_and(same)) {
            let (percent, asked_by) = (self.hold_percent, Asker::Matrix);
            self.wardens.hold(Throttle { pid, percent, method: None, asked_by });
        }
    }

    fn dispatch(&mut self, dispatch: Dispatch) {
        let Dispatch { job, round, epoch, n, tasks, grant } = dispatch;
        self.note_given(job, round, &tasks);
        let attempt = |task| Attempt { job, task, round, epoch, n };
        let orders = match grant {
            Some(grant) => self.orders.lent(grant, &tasks, attempt),
            None => {
                let mut orders = self.orders.own(self.machine.state(), job, &tasks);
                let gpus = self.machine.state().job(job).map_or(0, |job| job.spec.needs.gpus);
                self.orders.equip(&mut orders, gpus, attempt);
                if let Some(known) = self.machine.state().job(job).filter(|known| known.spec.checkpoint.is_some()) {
                    self.orders.keep(&mut orders, known, attempt);
                }
                orders
            }
        };
        let context = match grant {
            Some(grant) => self.orders.context_of(grant),
            None => None,
        };
        let context = context.unwrap_or_else(|| self.home.context(job));
        for tasks in in_frames(orders) {
            let context = context.clone();
            self.wardens.send(&ToWarden::Grant(Grant { job, round, epoch, n, context, tasks }));
        }
    }

    /// A task left a checkpoint: those before are not needed any more.
    fn kept(&mut self, job: JobId, task: u32) {
        self.mark_dirty(clock::now());
        let known = self.machine.state().job(job).and_then(|known| known.kept.get(&task));
        if let Some(kept) = known {
            let last = Attempt { job, task, round: 0, epoch: kept.epoch, n: kept.n };
            checkpoint::discard(checkpoint::others(&self.home, &[last]));
        }
    }

    fn counted(&mut self, job: JobId, outcomes: &[Outcome]) {
        self.mark_dirty(clock::now());
        if self.machine.state().job(job).is_some_and(|known| known.spec.checkpoint.is_some()) {
            for outcome in outcomes {
                checkpoint::put_away(&self.home, &self.home.checkpoints_of(job, outcome.attempt.task));
            }
        }
        if let Some(watchers) = self.watchers.get(&job) {
            for live in watchers {
                live.counted(outcomes);
            }
        }
    }

    fn changed(&mut self, job: JobId) {
        let Some(watchers) = self.watchers.get_mut(&job) else { return };
        watchers.retain(|live| !live.is_orphan());
        if let Some(view) = self.machine.job_view(job) {
            for live in watchers.iter() {
                live.changed(view.clone());
            }
        }
        if watchers.is_empty() {
            self.watchers.remove(&job);
        }
    }

    fn discard(&mut self, job: JobId) {
        self.orders.forget_job(job);
        for live in self.watchers.remove(&job).into_iter().flatten() {
            live.close();
        }
        if let Err(error) = store::discard_job(&self.home, job) {
            tracing::warn!(%error, %job, "the forgotten job's files could not be removed");
        }
        self.forgot = true;
        self.mark_dirty(clock::now());
    }

    /// How loaded this node is, with what its sensors say beside it.
    fn tell(&self, told: &Told) {
        let Some(to_mesh) = &self.to_mesh else { return };
        let (reading, condition) = (self.sampler.last(), *self.conditions.borrow());
        let on_battery = condition.power.is_battery();
        let vitals = Vitals {
            sequence: 0,
            rho_milli: Some(u16::try_from(told.load.load_milli).unwrap_or(u16::MAX - 1).min(u16::MAX - 1)),
            trit: told.load.trit,
            cpu_pressure: reading.and_then(|reading| half_percent(reading.cpu_pressure?)),
            memory: reading.as_ref().and_then(Memory::of),
            celsius: condition.celsius,
            queued: u16::try_from(told.load.queued).unwrap_or(u16::MAX),
            running: u16::try_from(told.load.running).unwrap_or(u16::MAX),
            slots: u16::try_from(told.load.slots).unwrap_or(u16::MAX),
            flags: Flags {
                draining: told.draining,
                disk_full: told.full,
                on_battery,
                holds_work: told.busy,
                stays: told.stays,
            },
        };
        to_mesh.vitals(vitals, told.busy);
    }

    /// Fills in what the core does not hold, and hands the frame to the overlay. A full overlay loses it, as a network may.
    pub(super) fn send(&mut self, to: NodeId, mut message: Message) {
        match &mut message {
            Message::Lend { job, tasks, argv, travel, .. } => {
                let orders = self.orders.own(self.machine.state(), *job, tasks);
                *argv = orders.into_iter().map(|order| order.argv).collect();
                *travel = self.orders.travel(self.machine.state(), *job, tasks, argv).map(Box::new);
                let found =
                    self.machine.state().job(*job).and_then(|job| job.spec.stage.as_ref()).is_some_and(|it| it.found);
                if let Some(travel) = travel {
                    let base = names::path(&travel.base);
                    for (words, files) in argv.iter_mut().zip(&travel.tasks) {
                        stage::names::relative(&base, words, files, found);
                    }
                }
            }
            Message::Results { grant, outcomes, output, made } => {
                self.fill_in((to, *grant), outcomes, output, made);
                if outcomes.is_empty() {
                    return;
                }
            }
            _ => {}
        }
        let Some(to_peers) = &self.to_peers else { return };
        let lent = if let Message::Lend { tasks, .. } = &message { Some(tasks.clone()) } else { None };
        let frames = match frames::fitting(&mut message) {
            Ok(frames) => frames,
            Err(error) => {
                tracing::warn!(%to, %error, "a message was dropped: no frame holds it");
                Vec::new()
            }
        };
        if let (Message::Lend { grant, tasks: carried, .. }, Some(mut rest)) = (&message, lent) {
            if !frames.is_empty() {
                rest.subtract(carried);
            }
            self.uncarried.extend((!rest.is_empty()).then_some((*grant, rest)));
        }
        if let (Message::Lend { asked, .. }, true) = (&message, frames.is_empty()) {
            // Else its asker waits for an answer.
            return self.send(to, Message::Nothing { asked: *asked });
        }
        for frame in frames {
            if to_peers.try_send((to, frame)).is_err() {
                tracing::debug!(%to, "a frame was dropped: the overlay's queue is full");
            }
        }
    }
}
