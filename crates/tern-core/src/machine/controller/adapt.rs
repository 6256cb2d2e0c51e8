//! The order of a job that leaves it to Tern, from what is known when it is accepted.

use crate::decide::strategy::{self, Choice, Lengths, Picture};
use crate::machine::node::Machine;
use crate::observe::history::command_key;
use crate::plan::{Did, Reason};
use crate::words::work::{self, UNKNOWN};
use crate::words::{JobId, JobSpec, Span};

/// How much the last loan counts against all before.
const LAST: f64 = 0.25;
/// How long it is believed what loans took.
const LASTS: Span = Span::secs(600);

/// What loans of one task took beside its run, in milliseconds, and the boot time of the last of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carry {
    ms: f64,
    at: u64,
}

impl Machine {
    /// Chooses for a job that is about to be accepted; its estimates are made.
    pub(in crate::machine) fn adapt(&mut self, job: JobId, spec: &mut JobSpec) {
        let elsewhere: u32 = self.sharing.peers.values().map(|peer| peer.heard.slots).sum();
        let may_leave = spec.may_leave();
        let slots = if may_leave { self.here.open.saturating_add(elsewhere) } else { self.here.open };
        let known = self.controller.carry[usize::from(spec.files_travel())];
        // A job that stays for it measures nothing: what is old is forgotten, so that others try again.
        let carry_ms = known.filter(|carry| self.now.boot < carry.at + LASTS).map(|carry| carry.ms);
        let lengths = self.lengths(spec);
        let deadline = spec.deadline_ms.is_some();
        let waiting = self.waiting();
        let picture = Picture { tasks: spec.tasks, waiting, slots, deadline, lengths, carry_ms, may_leave };
        let Choice { order, stay, why } = strategy::choose(&picture);
        spec.discipline = order;
        spec.local_only |= stay;
        let mean = lengths.map_or(Span::default(), |lengths| Span::ms(lengths.mean_ms as u64));
        let percent = lengths.map_or(0, |lengths| (lengths.variation * 100.0) as u32);
        let carry = carry_ms.map(|ms| Span::ms(ms as u64));
        self.decided(Did::Order { job, order, stay }, Reason::Strategy { why, slots, mean, percent, carry });
    }

    fn lengths(&self, spec: &JobSpec) -> Option<Lengths> {
        let known = || spec.work.iter().filter(|class| **class != UNKNOWN).filter_map(|class| work::ms(*class));
        let count = known().count();
        if count == 0 {
            return None;
        }
        let mean_ms = known().sum::<f64>() / count as f64;
        let squares = known().map(|ms| (ms - mean_ms) * (ms - mean_ms)).sum::<f64>() / count as f64;
        let within = libm::sqrt(squares) / mean_ms;
        // One word for all tasks says nothing of how they differ; earlier runs of the command do.
        let runs = self.runs.history.command(command_key(&spec.command));
        let variation = if count > 1 { within } else { runs.map_or(0.0, |known| known.spread() - 1.0) };
        Some(Lengths { mean_ms, variation })
    }

    /// A loan of one task ended: what it took beside its run.
    pub(in crate::machine) fn carried(&mut self, staged: bool, took: Span, ran_ns: u64) {
        if took.0 > LASTS.0 {
            // The machine slept.
            return;
        }
        let beside = took.0.saturating_sub(ran_ns) as f64 / 1e6;
        let known = &mut self.controller.carry[usize::from(staged)];
        let ms = known.map_or(beside, |known| known.ms + LAST * (beside - known.ms));
        *known = Some(Carry { ms, at: self.now.boot });
    }
}
