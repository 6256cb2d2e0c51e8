//! A scheduler without tokens, of the kind that others have: each task goes to the better of two random nodes, an idle node
//! takes half of a random queue. It has the same estimates, longest-first order, guard of slow nodes and budget of clones.

use super::{Bench, Common, Copy, Lots};
use crate::workload::agenda::Agenda;
use crate::workload::dice::Dice;
use crate::workload::model::{TYPICAL, Workload, latency};
use crate::workload::report::Report;

/// Share of the work done that second copies may waste.
const CLONE_BUDGET: f64 = 0.02;
/// Victims asked in vain before a thief rests.
const TRIES: u32 = 4;

enum Event {
    Common(Common),
    /// A task, or its second copy, has reached this node.
    Comes(Copy, usize),
    /// The thief's question has reached its victim.
    Asked(usize, usize),
    /// The victim had nothing.
    Refused(usize),
    Rested(usize),
    /// Everybody hears how much there is to do.
    Drain,
}

impl From<Common> for Event {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

#[derive(Clone, Default)]
struct Queue {
    tasks: Vec<usize>,
    /// Estimated work in it, and on its way to it.
    work: f64,
    coming: u32,
    coming_work: f64,
    asked: bool,
    refusals: u32,
    rests_until: f64,
    resting: bool,
}

struct Control<'a> {
    bench: Bench<'a>,
    agenda: Agenda<Event>,
    queues: Vec<Queue>,
    dice: Dice,
    lots: Lots,
    fastest: f64,
    /// Seconds until the grid has nothing to do.
    drain: f64,
    /// Second copies: of which tasks, and work they may waste while they run.
    cloned: Vec<bool>,
    at_risk: f64,
    counted: f64,
    placed: Vec<[Option<usize>; 2]>,
}

/// Replays the workload through the control; `seed` draws its choices.
#[must_use]
pub fn control(workload: &Workload, seed: u64) -> Report {
    let mut agenda = Agenda::new();
    let bench = Bench::new(workload, &mut agenda);
    let mut control = Control {
        bench,
        agenda,
        queues: vec![Queue::default(); workload.nodes.len()],
        dice: Dice(seed ^ 0x77),
        lots: Lots::of(workload),
        fastest: workload.fastest(),
        drain: 0.0,
        cloned: vec![false; workload.tasks.len()],
        at_risk: 0.0,
        counted: 0.0,
        placed: vec![[None; 2]; workload.tasks.len()],
    };
    control.agenda.plan(0.0, Event::Drain);
    for node in 0..workload.nodes.len() {
        control.steal(node);
    }
    while control.bench.left > 0 {
        let Some(event) = control.agenda.next() else { break };
        control.happen(event);
    }
    let now = control.agenda.seconds();
    control.bench.report(now)
}

impl Control<'_> {
    fn happen(&mut self, event: Event) {
        let now = self.agenda.seconds();
        match event {
            Event::Common(Common::Arrives(task)) => self.place(task),
            Event::Common(Common::Ends(node, version)) => {
                if self.bench.hosts[node].version == version {
                    self.ends(node);
                }
            }
            Event::Common(Common::Owner(node)) => {
                self.bench.owner(node, now);
                self.serve(node);
            }
            Event::Comes(copy, node) => self.comes(copy, node),
            Event::Asked(thief, victim) => self.asked(thief, victim),
            Event::Refused(thief) => {
                self.queues[thief].asked = false;
                self.queues[thief].refusals += 1;
                if self.queues[thief].refusals >= TRIES { self.rest(thief) } else { self.steal(thief) }
            }
            Event::Rested(node) => {
                self.queues[node].resting = false;
                self.queues[node].rests_until = 0.0;
                self.steal(node);
            }
            Event::Drain => {
                let capacity = |node: usize| self.capacity(node);
                let (mut work, mut all) = (0.0, 0.0);
                for node in 0..self.queues.len() {
                    work += self.backlog(node) * capacity(node);
                    all += capacity(node);
                }
                self.drain = work / all;
                self.bench.counts.vitals += self.queues.len() as u64;
                self.agenda.plan(now + 1.0, Event::Drain);
            }
        }
    }

    fn capacity(&self, node: usize) -> f64 {
        let host = &self.bench.hosts[node];
        host.available() * host.spec.speed
    }

    fn speed(&self, node: usize) -> f64 {
        self.bench.hosts[node].spec.speed
    }

    /// Seconds until this node has nothing to do.
    fn backlog(&self, node: usize) -> f64 {
        let (now, speed) = (self.agenda.seconds(), self.speed(node));
        let left = |began: f64, estimate: f64| {
            let done = (now - began) * speed;
            (estimate - done).max(0.3 * done).max(0.1)
        };
        let running = &self.bench.hosts[node].running;
        let running: f64 = running.iter().map(|run| left(run.began, self.bench.estimate(run.what.task))).sum();
        (self.queues[node].work + self.queues[node].coming_work + running) / self.capacity(node)
    }

    fn guard(&self, node: usize, task: usize, elsewhere: f64) -> bool {
        let estimate = self.bench.estimate(task);
        let best = estimate / self.fastest;
        estimate / self.speed(node) <= (1.6 * best).max(self.drain + best).max(elsewhere)
    }

    fn place(&mut self, task: usize) {
        let (one, other) = (self.lots.draw(&mut self.dice), self.lots.draw(&mut self.dice));
        self.bench.counts.messages += 4;
        let estimate = self.bench.estimate(task);
        let until = |node: usize| self.backlog(node) + estimate / self.speed(node);
        let node = if until(one) <= until(other) { one } else { other };
        let origin = self.bench.workload.tasks[task].origin;
        let copy = Copy { task, second: false };
        if node == origin { self.enqueue(node, task) } else { self.send(origin, node, copy) }
    }

    fn send(&mut self, from: usize, to: usize, copy: Copy) {
        let (now, nodes) = (self.agenda.seconds(), &self.bench.workload.nodes);
        let bytes = self.bench.workload.tasks[copy.task].bytes;
        let here = self.bench.hosts[from].send(bytes, nodes[to].bandwidth, now) + latency(&nodes[from], &nodes[to]);
        self.bench.counts.messages += 1;
        self.queues[to].coming += 1;
        self.queues[to].coming_work += self.bench.estimate(copy.task);
        self.agenda.plan(here, Event::Comes(copy, to));
    }

    fn comes(&mut self, copy: Copy, node: usize) {
        self.queues[node].coming -= 1;
        self.queues[node].coming_work -= self.bench.estimate(copy.task);
        if !copy.second {
            return self.enqueue(node, copy.task);
        }
        if self.bench.courses[copy.task].is_none() {
            if self.bench.hosts[node].free() > 0 {
                self.placed[copy.task][1] = Some(node);
                let now = self.agenda.seconds();
                self.bench.start(node, copy, now);
                self.bench.replan(node, &mut self.agenda);
            } else {
                self.cloned[copy.task] = false;
            }
        }
        self.steal(node);
    }

    fn enqueue(&mut self, node: usize, task: usize) {
        self.queues[node].tasks.push(task);
        self.queues[node].work += self.bench.estimate(task);
        self.serve(node);
    }

    /// Starts the longest tasks that wait here; who then has nothing steals.
    fn serve(&mut self, node: usize) {
        let now = self.agenda.seconds();
        while self.bench.hosts[node].free() > 0 {
            let length = |place: &usize| self.bench.estimate(self.queues[node].tasks[*place]);
            let places = 0..self.queues[node].tasks.len();
            let Some(place) = places.max_by(|a, b| length(a).total_cmp(&length(b))) else { break };
            let task = self.queues[node].tasks.swap_remove(place);
            self.queues[node].work -= self.bench.estimate(task);
            self.placed[task][0] = Some(node);
            self.bench.start(node, Copy { task, second: false }, now);
        }
        self.bench.replan(node, &mut self.agenda);
        self.steal(node);
    }

    fn ends(&mut self, node: usize) {
        let now = self.agenda.seconds();
        for run in self.bench.hosts[node].take_ended(now) {
            let Copy { task, second } = run.what;
            if !self.bench.done(task, run.began, now) {
                continue;
            }
            self.counted += self.bench.workload.tasks[task].work;
            let other = self.placed[task][usize::from(!second)].filter(|_| self.cloned[task]);
            if let Some(other) = other {
                self.stop(other, Copy { task, second: !second });
            }
        }
        self.serve(node);
    }

    fn stop(&mut self, node: usize, copy: Copy) {
        self.bench.hosts[node].advance(self.agenda.seconds());
        let Some(place) = self.bench.hosts[node].running.iter().position(|run| run.what == copy) else { return };
        let run = self.bench.hosts[node].running.swap_remove(place);
        self.bench.counts.wasted += self.bench.workload.tasks[copy.task].work - run.left;
        self.bench.counts.messages += 1;
        self.at_risk -= TYPICAL;
        self.serve(node);
    }

    fn steal(&mut self, thief: usize) {
        let (now, queue) = (self.agenda.seconds(), &self.queues[thief]);
        if self.bench.hosts[thief].free() <= queue.coming || !queue.tasks.is_empty() || queue.asked {
            return;
        }
        if now < queue.rests_until {
            let until = queue.rests_until;
            if !std::mem::replace(&mut self.queues[thief].resting, true) {
                self.agenda.plan(until, Event::Rested(thief));
            }
            return;
        }
        let nodes = &self.bench.workload.nodes;
        let drawn = self.dice.below(nodes.len());
        let victim = if drawn == thief { (drawn + 1) % nodes.len() } else { drawn };
        self.queues[thief].asked = true;
        self.bench.counts.messages += 1;
        self.agenda.plan(now + latency(&nodes[thief], &nodes[victim]), Event::Asked(thief, victim));
    }

    /// Half of the queue goes, from its back, as far as the guard lets it.
    fn asked(&mut self, thief: usize, victim: usize) {
        let most = self.queues[victim].tasks.len().div_ceil(2);
        let (mut place, mut taken) = (self.queues[victim].tasks.len(), 0);
        while taken < most && place > 0 {
            place -= 1;
            let task = self.queues[victim].tasks[place];
            let stays = self.backlog(victim) * 0.5 + self.bench.estimate(task) / self.speed(victim);
            if self.guard(thief, task, stays) {
                self.queues[victim].tasks.remove(place);
                self.queues[victim].work -= self.bench.estimate(task);
                self.bench.counts.moves += 1;
                self.send(victim, thief, Copy { task, second: false });
                taken += 1;
            }
        }
        if taken > 0 {
            self.queues[thief].asked = false;
            self.queues[thief].refusals = 0;
            return;
        }
        let nodes = &self.bench.workload.nodes;
        let at = self.agenda.seconds() + latency(&nodes[thief], &nodes[victim]);
        self.bench.counts.messages += u64::from(most == 0);
        self.agenda.plan(at, Event::Refused(thief));
    }

    fn rest(&mut self, thief: usize) {
        if self.bench.counts.wasted + self.at_risk <= CLONE_BUDGET * self.counted {
            self.copy_straggler(thief);
        }
        let now = self.agenda.seconds();
        self.queues[thief].refusals = 0;
        let until = now + 0.25 + 0.25 * self.dice.unit();
        self.queues[thief].rests_until = until;
        if !std::mem::replace(&mut self.queues[thief].resting, true) {
            self.agenda.plan(until, Event::Rested(thief));
        }
    }

    /// Looks at a few nodes for the running task that would gain most here.
    fn copy_straggler(&mut self, here: usize) {
        if self.bench.hosts[here].free() <= self.queues[here].coming {
            return;
        }
        let (now, count) = (self.agenda.seconds(), self.queues.len());
        let mut best: Option<(usize, usize, f64)> = None;
        for _ in 0..(2 * count).min(12) {
            let there = self.dice.below(count);
            if there == here || self.bench.hosts[there].running.is_empty() || !self.queues[there].tasks.is_empty() {
                continue;
            }
            self.bench.counts.messages += 2;
            let rate = self.bench.hosts[there].rate();
            for run in &self.bench.hosts[there].running {
                let Copy { task, .. } = run.what;
                if self.cloned[task] || self.bench.courses[task].is_some() {
                    continue;
                }
                let (done, estimate) = ((now - run.began) * rate, self.bench.estimate(task));
                let left = (estimate - done).max(0.5 * done) / rate;
                let bandwidth = self.bench.hosts[here].spec.bandwidth.min(self.bench.hosts[there].spec.bandwidth);
                let bytes = self.bench.workload.tasks[task].bytes;
                let anew = bytes / bandwidth + 0.02 + estimate.max(done) / self.speed(here);
                if anew < 0.8 * left && left - anew > 1.0 && best.is_none_or(|(_, _, gain)| left - anew > gain) {
                    best = Some((there, task, left - anew));
                }
            }
        }
        if let Some((there, task, _)) = best {
            self.cloned[task] = true;
            self.bench.counts.clones += 1;
            self.at_risk += TYPICAL;
            self.send(there, here, Copy { task, second: true });
        }
    }
}
