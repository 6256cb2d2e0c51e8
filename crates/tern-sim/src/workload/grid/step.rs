//! The run from the first event to the last.

use std::collections::BTreeMap;

use tern_core::machine::{Command, Effect, Event, WorkSettings};
use tern_core::observe::Fit;
use tern_core::promise::Exit;
use tern_core::wire::Message;
use tern_core::words::template::Template;
use tern_core::words::{Bytes, JobId, JobSpec, NodeId, Now, Span, work};

use super::agent::{Agent, Job};
use super::trace::Trace;
use super::watch::{self, Course as Decided, Watch};
use super::{Settings, What};
use crate::workload::agenda::Agenda;
use crate::workload::model::{NodeSpec, Workload};
use crate::workload::report::{Course, Report};

/// Everything there is.
pub(super) struct Grid<'a> {
    pub agenda: Agenda<What>,
    pub workload: &'a Workload,
    pub settings: Settings,
    pub agents: Vec<Agent>,
    pub places: BTreeMap<NodeId, usize>,
    /// The tasks of each submission, in the order of the workload.
    pub parts: Vec<Vec<usize>>,
    /// Which submission an accepted job is.
    pub jobs: BTreeMap<JobId, usize>,
    pub trace: Trace,
    pub watch: Option<Watch>,
    effects: Vec<Effect>,
}

/// Replays the workload through machines.
#[must_use]
pub fn run(workload: &Workload, settings: &Settings) -> Report {
    let mut grid = Grid::new(workload, *settings, None);
    grid.live();
    grid.report()
}

/// The same with nodes that read their loads every `sample_s` seconds. Returns also what they decided for themselves.
#[must_use]
pub fn watched(workload: &Workload, settings: &Settings, sample_s: f64) -> (Report, Decided) {
    let mut grid = Grid::new(workload, *settings, Some(Watch::new(sample_s)));
    grid.live();
    let report = grid.report();
    let fresh = (0..workload.nodes.len()).map(|index| {
        let mut agent = Agent::new(index, workload.nodes[index].clone());
        watch::prepare(&mut agent.machine);
        agent.machine
    });
    let watch = grid.watch.take().unwrap_or_default();
    (report, Decided::of(&watch, fresh.collect()))
}

impl<'a> Grid<'a> {
    /// From the first event to the last.
    fn live(&mut self) {
        let ends = self.workload.tasks.last().map_or(0.0, |task| task.arrival) + self.settings.ends_s;
        // A watched run goes on to its end: what happens when nothing is left to do is a part of it.
        while (self.trace.left > 0 || self.watch.is_some()) && self.seconds() <= ends {
            let Some(what) = self.agenda.next() else { break };
            self.happen(what);
        }
    }

    fn report(&mut self) -> Report {
        let now = self.seconds();
        let used = |agent: &mut Agent| {
            agent.host.advance(now);
            agent.host.done / agent.host.capacity.max(1e-9)
        };
        let used: Vec<f64> = self.agents.iter_mut().map(used).collect();
        let courses: Vec<Option<Course>> = self.trace.places.iter().map(|place| place.course).collect();
        Report::new(self.workload, &courses, &used, &self.trace.counts)
    }

    fn new(workload: &'a Workload, settings: Settings, watch: Option<Watch>) -> Self {
        let agents: Vec<Agent> =
            workload.nodes.iter().enumerate().map(|(index, spec)| Agent::new(index, spec.clone())).collect();
        let places = agents.iter().enumerate().map(|(index, agent)| (agent.id, index)).collect();
        let jobs = workload.tasks.iter().map(|task| task.job + 1).max().unwrap_or(0);
        let mut parts = vec![Vec::new(); jobs];
        for (index, task) in workload.tasks.iter().enumerate() {
            parts[task.job].push(index);
        }
        let mut grid = Self {
            agenda: Agenda::new(),
            workload,
            settings,
            agents,
            places,
            parts,
            jobs: BTreeMap::new(),
            trace: Trace::new(workload.tasks.len()),
            watch,
            effects: Vec::new(),
        };
        grid.begin();
        grid
    }

    pub(super) fn seconds(&self) -> f64 {
        self.agenda.seconds()
    }

    pub(super) fn plan(&mut self, at: f64, what: What) {
        self.agenda.plan(at, what);
    }

    fn begin(&mut self) {
        for node in 0..self.agents.len() {
            let incarnation = self.settings.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ node as u64;
            let slots = self.agents[node].host.spec.cores;
            let fit = fit(&self.agents[node].host.spec);
            if self.watch.is_some() {
                watch::prepare(&mut self.agents[node].machine);
                self.plan(0.5, What::Sample(node));
            }
            self.feed(node, Event::Fit(fit));
            let work = WorkSettings { yield_to_owner: true, load_average: Span::default(), ..WorkSettings::default() };
            if self.watch.is_none() {
                self.agents[node].machine.set_work(work);
            }
            self.feed(node, Event::Start { incarnation, slots });
            self.feed(node, Event::WardenUp { running: Vec::new(), queued: Vec::new() });
        }
        for node in 0..self.agents.len() {
            for peer in 0..self.agents.len() {
                if peer != node {
                    let id = self.agents[peer].id;
                    self.feed(node, Event::PeerUp(id));
                    let fit = fit(&self.agents[peer].host.spec);
                    self.feed(node, Event::PeerFit(id, fit));
                }
            }
            if let Some((at, _)) = self.agents[node].host.spec.owner.first() {
                self.plan(*at, What::Owner(node));
            }
        }
        for part in 0..self.parts.len() {
            // A job is submitted when its last task is there.
            if let Some(last) = self.parts[part].last() {
                self.plan(self.workload.tasks[*last].arrival, What::Submit(part));
            }
        }
    }

    pub(super) fn feed(&mut self, node: usize, event: Event) {
        self.trace.counts.events += 1;
        let at = self.agenda.now;
        let now = Now { boot: at, mono: at, wall_ms: at / 1_000_000 };
        let mut effects = std::mem::take(&mut self.effects);
        let kept = self.watch.is_some().then(|| event.clone());
        self.agents[node].machine.handle(event, now, &mut effects);
        if let (Some(watch), Some(event)) = (&mut self.watch, kept) {
            watch.note(node, event, now, &self.agents[node], &effects);
        }
        for effect in effects.drain(..) {
            self.perform(node, effect);
        }
        self.effects = effects;
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Submit(part) => self.submit(part),
            What::Deliver(parcel) => {
                let from = self.agents[parcel.from].id;
                self.feed(parcel.to, Event::Message { from, message: parcel.message });
            }
            What::Heard(from, message) => self.heard(from, &message),
            What::Tell(node, event) => self.feed(node, *event),
            What::Fsync(node) => self.fsynced(node),
            What::Synced(node) => {
                self.agents[node].syncing = false;
                let ended = std::mem::take(&mut self.agents[node].ended);
                self.feed(node, Event::Finished(ended));
            }
            What::Alarm(node) => {
                if self.agents[node].alarm == Some(self.agenda.now) {
                    self.agents[node].alarm = None;
                    self.feed(node, Event::Tick);
                }
            }
            What::Ends(node, version) => self.ends(node, version),
            What::Inputs(node) => self.start_waiting(node),
            What::Owner(node) => self.owner(node),
            What::Sample(node) => self.sample(node),
        }
    }

    fn submit(&mut self, part: usize) {
        let tasks = &self.parts[part];
        let first = &self.workload.tasks[tasks[0]];
        let origin = first.origin;
        let class = |task: &usize| work::class(self.workload.tasks[*task].estimate.unwrap_or(0.0) * 1e3);
        let mut spec = JobSpec {
            command: Template::parse(&[Bytes::from("task")], None, false).expect("one word is a command"),
            tasks: tasks.len() as u32,
            tries: 1,
            discipline: first.class.unwrap_or(self.settings.discipline),
            deadline_ms: first.deadline.map(|after| ((first.arrival + after) * 1e3) as u64),
            work: Bytes(tasks.iter().map(class).collect()),
            ..JobSpec::default()
        };
        spec.deferred = first.deferred;
        spec.needs.cpus = if first.cores > 1 { first.cores.min(u32::from(u16::MAX)) as u16 } else { 0 };
        spec.needs.memory_mib = first.memory_mib;
        let spec = Box::new(spec);
        let command = if self.settings.adaptive {
            Command::SubmitNamed { spec, rows: Vec::new(), adaptive: true }
        } else {
            Command::Submit(spec)
        };
        self.feed(origin, Event::Command { ticket: part as u64, command });
    }

    fn heard(&mut self, from: usize, message: &Message) {
        let id = self.agents[from].id;
        for to in 0..self.agents.len() {
            if to != from {
                self.feed(to, Event::Message { from: id, message: message.clone() });
            }
        }
    }

    fn fsynced(&mut self, node: usize) {
        let agent = &mut self.agents[node];
        let Some(covered) = agent.covered.take() else { return };
        if agent.written > covered {
            agent.covered = Some(agent.written);
            self.plan(self.seconds() + self.settings.fsync_s, What::Fsync(node));
        }
        self.feed(node, Event::Persisted(covered));
    }

    fn ends(&mut self, node: usize, version: u64) {
        if self.agents[node].host.version != version {
            return;
        }
        let now = self.seconds();
        for run in self.agents[node].host.take_ended(now) {
            let Job { task, .. } = run.what;
            let course = Course { began: run.began, ended: now };
            self.trace.ended(task, Some(course), self.workload.tasks[task].work);
            let outcome = self.agents[node].outcome(&run, Exit::Code(0), now);
            self.agents[node].ended.push(outcome);
        }
        self.sync(node);
        self.start_waiting(node);
        self.replan(node);
    }

    fn owner(&mut self, node: usize) {
        let now = self.seconds();
        let host = &mut self.agents[node].host;
        host.advance(now);
        let passed = host.spec.owner.iter().take_while(|(at, _)| *at <= now + 1e-9).count();
        host.owner = passed.checked_sub(1).map_or(0.0, |last| host.spec.owner[last].1);
        if let Some((at, _)) = host.spec.owner.get(passed).copied() {
            self.plan(at, What::Owner(node));
        }
        self.start_waiting(node);
        self.replan(node);
        self.read_load(node);
    }
}

/// What a machine says that it has for tasks.
fn fit(spec: &NodeSpec) -> Fit {
    Fit {
        zone: format!("zone-{}", spec.zone),
        cores: u16::try_from(spec.cores).unwrap_or(u16::MAX),
        memory_mib: Some(spec.memory_mib.unwrap_or(u32::MAX)),
        speed: milli(spec.speed),
        ..Fit::default()
    }
}

/// A speed as nodes tell it, 1000 being the reference.
fn milli(speed: f64) -> u16 {
    (speed * 1e3).round().clamp(1.0, 20_000.0) as u16
}
