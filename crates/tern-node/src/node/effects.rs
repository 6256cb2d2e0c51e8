//! Performing effects: one fsync for the records of a whole batch, then what depended on them.

use std::collections::BTreeSet;

use tern_core::machine::{Dispatch, Effect, Event};
use tern_core::promise::{Outcome, Record};
use tern_core::wire::{self, Message, WireError};
use tern_core::words::{Bytes, JobId, NodeId, limits};

use super::run::Loop;
use crate::clock;
use crate::process::protocol::{Grant, ToWarden};
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
                    Effect::Changed { job, .. } => drop(changed.insert(job)),
                    other => self.act(other),
                }
            }
            if let Some(first) = first {
                let event = self.commit(first, last, &records);
                self.handle(event, &mut effects);
            }
        }
        for job in changed {
            self.changed(job);
        }
    }

    fn commit(&mut self, first: u64, last: u64, records: &[Record]) -> Event {
        match self.journal.commit(last, records) {
            Ok(()) => {
                self.mark_dirty(clock::now());
                Event::Persisted(last)
            }
            Err(error) => {
                tracing::error!(%error, "records could not be made durable; their askers are told so");
                Event::PersistFailed { after: first - 1, full: error.is_full() }
            }
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { .. } | Effect::Changed { .. } => {}
            Effect::Reply { ticket, outcome } => self.reply(ticket, outcome),
            Effect::Dispatch(dispatch) => self.dispatch(dispatch),
            Effect::Revoke { job, tasks } => self.wardens.send(&ToWarden::Revoke { job, tasks }),
            Effect::End { job, tasks } => self.wardens.send(&ToWarden::End { job, tasks }),
            Effect::Send { to, message } => self.send(to, message),
            // Each replaces the one before: the machine names the earliest of all that it waits for.
            Effect::WakeAt(at) => self.wake_at = Some(at),
            Effect::Counted { job, outcomes } => self.counted(job, &outcomes),
            Effect::Discard { job } => self.discard(job),
        }
    }

    fn dispatch(&mut self, dispatch: Dispatch) {
        let Dispatch { job, round, epoch, n, tasks, grant } = dispatch;
        let orders = match grant {
            Some(grant) => self.orders.lent(grant, &tasks),
            None => self.orders.own(self.machine.state(), job, &tasks),
        };
        let context = self.home.context(job);
        self.wardens.send(&ToWarden::Grant(Grant { job, round, epoch, n, context, tasks: orders }));
    }

    fn counted(&mut self, job: JobId, outcomes: &[Outcome]) {
        self.mark_dirty(clock::now());
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
        if let Err(error) = store::discard_job(&self.home, job) {
            tracing::warn!(%error, %job, "the forgotten job's files could not be removed");
        }
        self.forgot = true;
        self.mark_dirty(clock::now());
    }

    /// Fills in what the core does not hold, and hands the frame to the overlay. A full overlay loses it, as a network may.
    fn send(&mut self, to: NodeId, mut message: Message) {
        match &mut message {
            Message::Lend { job, tasks, argv, .. } => {
                let orders = self.orders.own(self.machine.state(), *job, tasks);
                *argv = orders.into_iter().map(|order| order.argv).collect();
            }
            Message::Results { outcomes, output, .. } => {
                *output = outcomes.iter().map(|outcome| self.output_of(outcome)).collect();
            }
            _ => {}
        }
        let Some(to_peers) = &self.to_peers else { return };
        match fitting(message) {
            Ok(frame) => {
                if to_peers.try_send((to, frame)).is_err() {
                    tracing::debug!(%to, "a frame was dropped: the overlay's queue is full");
                }
            }
            Err(error) => tracing::warn!(%to, %error, "a message was dropped: no frame holds it"),
        }
    }

    fn output_of(&self, outcome: &Outcome) -> (Bytes, Bytes) {
        let read = |stderr: bool| {
            let range = if stderr { outcome.stderr } else { outcome.stdout };
            let bytes = store::results::read_output(&self.home, range, stderr, 0, limits::RESULT_OUTPUT_BYTES_MAX);
            Bytes(bytes.unwrap_or_default())
        };
        (read(false), read(true))
    }

    /// A frame from an admitted peer. What cannot be read is dropped: nothing of it reaches the machine.
    pub(super) fn frame(&mut self, from: NodeId, bytes: &[u8], effects: &mut Vec<Effect>) {
        let mut message = match wire::decode(bytes) {
            Ok(message) => message,
            Err(error) => return tracing::warn!(%from, ?error, "a frame could not be read and was dropped"),
        };
        match &mut message {
            Message::Lend { grant, job, tasks, argv, spec, .. } => {
                if let Err(error) = store::context::for_borrowed(&self.home, *job, spec) {
                    return tracing::warn!(%error, "a loan was dropped: its context could not be written");
                }
                // A copy: the machine counts the vectors when it judges the loan.
                self.orders.borrow(*grant, tasks, argv.clone());
            }
            Message::Results { grant, outcomes, output } => {
                let output = std::mem::take(output);
                let lent = self.machine.state().lent().get(grant).is_some_and(|loan| loan.to == from);
                // Of a loan that is over nothing counts any more: its output stays outside.
                if lent && let Err(error) = self.journal.keep_outputs(outcomes, &output) {
                    return tracing::warn!(%error, "results were dropped for now: their output could not be written");
                }
            }
            _ => {}
        }
        self.handle(Event::Message { from, message }, effects);
    }
}

/// The frame of a message. A loan whose commands are too long for one leaves with the first of its tasks; the others come
/// back when its lease ends.
fn fitting(mut message: Message) -> Result<Vec<u8>, WireError> {
    loop {
        match wire::try_encode(&message) {
            Err(error) => {
                let Message::Lend { tasks, argv, .. } = &mut message else { return Err(error) };
                if argv.len() < 2 {
                    return Err(error);
                }
                argv.truncate(argv.len() / 2);
                *tasks = tasks.take_first(u32::try_from(argv.len()).unwrap_or(u32::MAX));
            }
            fits => return fits,
        }
    }
}
