//! Whole days, watched: each node reads its load now and then and looks at its processes, and what it decides for itself is noted.
//!
//! The first events are kept, so that they can be played to fresh machines: the same events must bring the same decisions and effects.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use tern_core::decide::scum::ProcTrit;
use tern_core::decide::scum::control::{Process, Reach};
use tern_core::machine::{Effect, Event, Machine, WorkSettings};
use tern_core::observe::trit::TritSettings;
use tern_core::observe::{NodeTrit, Reading};
use tern_core::plan::{Decision, Did};
use tern_core::words::{Now, Span};

use super::What;
use super::agent::Agent;
use super::step::Grid;

/// Events that are kept: some minutes of five nodes under load.
const TAPE_MAX: usize = 20_000;

/// What a node decided for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noted {
    /// Seconds since the start.
    pub at: f64,
    pub node: usize,
    pub decision: Decision,
    /// How it stood then.
    pub trit: NodeTrit,
    pub deferred: u64,
}

/// Every event, whom it reached and when, and a digest of what followed.
type Tape = Vec<(usize, Event, Now, u64)>;

/// What is kept of a watched run.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub sample_s: f64,
    pub noted: Vec<Noted>,
    tape: Tape,
    held: BTreeSet<(usize, i32)>,
}

/// As on machines at which people sit; the load is that of the moment, and the matrix acts on tasks.
pub(super) fn prepare(machine: &mut Machine) {
    let work = WorkSettings { yield_to_owner: true, load_average: Span::default(), ..WorkSettings::default() };
    machine.set_work(work);
    machine.set_trit(TritSettings::default());
    machine.set_reach(Reach::Tasks);
}

impl Watch {
    pub(super) fn new(sample_s: f64) -> Self {
        Self { sample_s, ..Self::default() }
    }

    /// Notes an event, what the machine decided by it, and which processes it holds.
    pub(super) fn note(&mut self, node: usize, event: Event, now: Now, agent: &Agent, effects: &[Effect]) {
        let machine = &agent.machine;
        for decision in machine.standing().filter(|decision| decision.at == now.boot) {
            let again = |noted: &&Noted| noted.node == node && noted.decision == *decision;
            if self.noted.iter().rev().take(8).find(again).is_none() {
                let (at, decision, trit) = (now.boot as f64 / 1e9, *decision, machine.trit());
                self.noted.push(Noted { at, node, decision, trit, deferred: machine.deferred_tasks() });
            }
        }
        for effect in effects {
            match effect {
                Effect::Hold { pid, .. } => drop(self.held.insert((node, *pid))),
                Effect::Free { pid, .. } => drop(self.held.remove(&(node, *pid))),
                _ => {}
            }
        }
        if self.tape.len() < TAPE_MAX {
            self.tape.push((node, event, now, digest(effects)));
        }
    }

    /// Plays the tape to machines that know nothing. Returns the place of the first event after which one does something else.
    pub(super) fn replay(&self, fresh: Vec<Machine>) -> Option<usize> {
        let mut machines = fresh;
        let mut effects = Vec::new();
        self.tape.iter().position(|(node, event, now, expected)| {
            effects.clear();
            machines[*node].handle(event.clone(), *now, &mut effects);
            digest(&effects) != *expected
        })
    }
}

fn digest(effects: &[Effect]) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{effects:?}").hash(&mut hasher);
    hasher.finish()
}

impl Grid<'_> {
    /// A node reads its load and looks at its processes.
    pub(super) fn sample(&mut self, node: usize) {
        let Some(watch) = &self.watch else { return };
        let next = self.seconds() + watch.sample_s;
        self.read_load(node);
        let Some(watch) = &self.watch else { return };
        let seen = self.agents[node].host.running.iter().map(|run| {
            let pid = (run.what.task % 1_000_000) as i32 + 2;
            let (start_time, throttled) = ((run.began * 1e3) as u64, watch.held.contains(&(node, pid)));
            let task = Some((run.what.attempt.job, run.what.attempt.task));
            Process { pid, start_time, score_milli: 600, band: ProcTrit::Hog, task, protected: false, throttled }
        });
        let seen = seen.collect();
        self.feed(node, Event::Processes(seen));
        self.plan(next, What::Sample(node));
    }

    /// As the machine itself would find if all that it counts as running ran.
    pub(super) fn read_load(&mut self, node: usize) {
        let now = self.seconds();
        self.agents[node].host.advance(now);
        let host = &self.agents[node].host;
        let load = host.owner + f64::from(self.agents[node].machine.running_slots());
        let reading = Reading { at: self.agenda.now, load1: load, cpus: host.spec.cores, ..Reading::default() };
        self.feed(node, Event::Reading(reading));
    }
}

/// What was decided in the course of a run that begins with no node wishing for anything.
#[derive(Clone, Debug)]
pub struct Course {
    pub noted: Vec<Noted>,
    /// The first event of a replay after which a machine did something else; none: all were the same.
    pub differs: Option<usize>,
    pub events: usize,
}

impl Course {
    pub(super) fn of(watch: &Watch, fresh: Vec<Machine>) -> Self {
        Self { noted: watch.noted.clone(), differs: watch.replay(fresh), events: watch.tape.len() }
    }

    /// Decisions of a kind, in order.
    pub fn of_kind<'a>(&'a self, is: impl Fn(&Did) -> bool + 'a) -> impl Iterator<Item = &'a Noted> {
        self.noted.iter().filter(move |noted| is(&noted.decision.did))
    }
}
