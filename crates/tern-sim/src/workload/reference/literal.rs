//! The three rules taken to the letter, as a comparison: the sign of the sum decides, and everybody helps the first idle node.
//!
//! Each task goes to the better of two random nodes by the work that waits there, which is the kindest reading: left where they
//! arrive, tasks would wait many times as long. Every five seconds each node takes its one-minute load average; where more are
//! overloaded than idle, each overloaded node sends one waiting task to the first idle node there is. Nobody looks at how long a
//! task is, how fast a node is, or what the others have just sent.

use std::collections::VecDeque;

use super::{Bench, Common, Copy, Lots};
use crate::workload::agenda::Agenda;
use crate::workload::dice::Dice;
use crate::workload::model::{Workload, latency};
use crate::workload::report::Report;

/// Between two looks at the trits.
const TICK: f64 = 5.0;
/// The load average is that of the last minute.
const MINUTE: f64 = 60.0;

enum Event {
    Common(Common),
    /// A task has reached this node.
    Comes(usize, usize),
    Tick,
}

impl From<Common> for Event {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

struct Literal<'a> {
    bench: Bench<'a>,
    agenda: Agenda<Event>,
    queues: Vec<VecDeque<usize>>,
    /// On their way to each node.
    coming: Vec<Vec<usize>>,
    load: Vec<f64>,
    lots: Lots,
    dice: Dice,
}

/// Replays the workload by the letter; `seed` draws its choices.
#[must_use]
pub fn literal(workload: &Workload, seed: u64) -> Report {
    let mut agenda = Agenda::new();
    let bench = Bench::new(workload, &mut agenda);
    let nodes = workload.nodes.len();
    let mut literal = Literal {
        bench,
        agenda,
        queues: vec![VecDeque::new(); nodes],
        coming: vec![Vec::new(); nodes],
        load: vec![0.0; nodes],
        lots: Lots::of(workload),
        dice: Dice(seed ^ 0x77),
    };
    literal.agenda.plan(TICK, Event::Tick);
    while literal.bench.left > 0 {
        let Some(event) = literal.agenda.next() else { break };
        literal.happen(event);
    }
    let now = literal.agenda.seconds();
    literal.bench.report(now)
}

impl Literal<'_> {
    fn happen(&mut self, event: Event) {
        let now = self.agenda.seconds();
        match event {
            Event::Common(Common::Arrives(task)) => self.place(task),
            Event::Common(Common::Ends(node, version)) => {
                if self.bench.hosts[node].version == version {
                    for run in self.bench.hosts[node].take_ended(now) {
                        self.bench.done(run.what.task, run.began, now);
                    }
                    self.serve(node);
                }
            }
            Event::Common(Common::Owner(node)) => {
                self.bench.owner(node, now);
                self.serve(node);
            }
            Event::Comes(task, node) => {
                self.coming[node].retain(|coming| *coming != task);
                self.queues[node].push_back(task);
                self.serve(node);
            }
            Event::Tick => {
                self.tick();
                self.agenda.plan(now + TICK, Event::Tick);
            }
        }
    }

    fn place(&mut self, task: usize) {
        let (one, other) = (self.lots.draw(&mut self.dice), self.lots.draw(&mut self.dice));
        self.bench.counts.messages += 4;
        let node = if self.backlog(one) <= self.backlog(other) { one } else { other };
        let origin = self.bench.workload.tasks[task].origin;
        if node == origin {
            self.queues[node].push_back(task);
            self.serve(node);
        } else {
            self.send(origin, node, task);
        }
    }

    /// Seconds until this node has nothing to do, as far as estimates tell.
    fn backlog(&self, node: usize) -> f64 {
        let host = &self.bench.hosts[node];
        let running = host.running.iter().map(|run| run.what.task);
        let tasks = self.queues[node].iter().chain(&self.coming[node]).copied().chain(running);
        tasks.map(|task| self.bench.estimate(task)).sum::<f64>() / (host.available() * host.spec.speed)
    }

    fn send(&mut self, from: usize, to: usize, task: usize) {
        let (now, nodes) = (self.agenda.seconds(), &self.bench.workload.nodes);
        let bytes = self.bench.workload.tasks[task].bytes;
        let here = self.bench.hosts[from].send(bytes, nodes[to].bandwidth, now) + latency(&nodes[from], &nodes[to]);
        self.bench.counts.messages += 1;
        self.coming[to].push(task);
        self.agenda.plan(here, Event::Comes(task, to));
    }

    fn serve(&mut self, node: usize) {
        let now = self.agenda.seconds();
        while self.bench.hosts[node].free() > 0 {
            let Some(task) = self.queues[node].pop_front() else { break };
            self.bench.start(node, Copy { task, second: false }, now);
        }
        self.bench.replan(node, &mut self.agenda);
    }

    /// What a node's load average is made of: tasks that run or wait, and its owner.
    fn runnable(&self, node: usize) -> f64 {
        let host = &self.bench.hosts[node];
        f64::from(host.used()) + self.queues[node].len() as f64 + host.owner
    }

    fn tick(&mut self) {
        let decay = (-TICK / MINUTE).exp();
        for node in 0..self.load.len() {
            self.load[node] = decay * self.load[node] + (1.0 - decay) * self.runnable(node);
        }
        let ratio = |node: &usize| self.load[*node] / f64::from(self.bench.workload.nodes[*node].cores);
        let all = 0..self.load.len();
        let plus: Vec<usize> = all.clone().filter(|node| ratio(node) > 0.8).collect();
        let minus: Vec<usize> = all.filter(|node| ratio(node) < 0.3).collect();
        self.bench.counts.vitals += self.load.len() as u64;
        let Some(first) = minus.first().copied().filter(|_| plus.len() > minus.len()) else { return };
        for node in plus {
            if let Some(task) = self.queues[node].pop_front() {
                self.bench.counts.moves += 1;
                self.send(node, first, task);
            }
        }
    }
}
