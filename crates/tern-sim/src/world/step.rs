//! The beginning of a world, and one step of it.

use tern_core::observe::Reading;

use super::{Network, Queue, Stats, What, World, say};
use crate::client::Client;
use crate::computer::{Clock, Computer, Kind, Power};
use crate::oracle::{Failure, Ledger, Triads};
use crate::plan::{Dice, Plan};
use crate::story::Story;

const MS: u64 = 1_000_000;

/// A life with more steps than that is a storm of messages or of alarms.
const STEPS_MAX: u64 = 300_000;

impl World {
    #[must_use]
    pub fn new(plan: Plan, story: Story) -> Self {
        let mut dice = Dice::new(plan.seed);
        let all = usize::from(plan.honest + plan.liars);
        let nodes = (0..all).map(|number| computer(number, &plan, &mut dice)).collect::<Vec<_>>();
        let mut world = Self {
            now: 0,
            triads: Triads::default(),
            ledger: Ledger::new(nodes.iter().map(|node| (node.id, node.kind)).collect()),
            network: Network::new(all),
            client: Client::default(),
            nodes,
            plan,
            stats: Stats::default(),
            story,
            failure: None,
            calm_since: None,
            queue: Queue::default(),
            dice,
            runs: 0,
            effects: Vec::new(),
        };
        for node in 0..all {
            match world.nodes[node].kind {
                Kind::Honest => world.queue.plan(node as u64 * MS, What::Boot(node)),
                Kind::Liar => {
                    world.nodes[node].power = Power::On;
                    world.queue.plan(100 * MS, What::Lie(node));
                }
            }
        }
        world.plan_faults();
        world.plan_client();
        world
    }

    /// The index of the computer with this id or tag.
    #[must_use]
    pub fn index_of_tag(&self, tag: u32) -> Option<usize> {
        self.nodes.iter().position(|node| node.id.tag() == tag)
    }

    /// The first failure stays; the world goes on no further.
    pub(crate) fn fail(&mut self, oracle: &'static str, detail: String) {
        if self.failure.is_none() {
            say!(self, None, "ORACLE", "{oracle}: {detail}");
            self.failure = Some(Failure { seed: self.plan.seed, at: self.now, oracle, detail });
        }
    }

    /// Lives until true time `end`, or until an oracle fails. Returns whether all is well.
    pub fn run_until(&mut self, end: u64) -> bool {
        while self.failure.is_none() {
            if !self.step(end) {
                self.now = end;
                break;
            }
        }
        self.stats.lived = self.now;
        self.failure.is_none()
    }

    /// Lets the next thing happen. False: nothing does before true time `end`.
    pub fn step(&mut self, end: u64) -> bool {
        let Some((at, what)) = self.queue.next(end) else { return false };
        self.now = at;
        self.stats.steps += 1;
        if self.stats.steps > STEPS_MAX {
            self.fail("anytime_no_storms", format!("more than {STEPS_MAX} things happened in one life"));
        }
        self.happen(what);
        true
    }

    pub fn run_for_ms(&mut self, ms: u64) -> bool {
        self.run_until(self.now + ms * MS)
    }

    fn happen(&mut self, what: What) {
        if let Some(on) = what.on() {
            let computer = &mut self.nodes[on];
            match computer.power {
                Power::Asleep => {
                    let lost = matches!(what, What::Deliver(_)) && self.dice.net.bool();
                    if !lost {
                        computer.deferred.push((self.now, what));
                    }
                    return;
                }
                Power::Off => return,
                Power::On if computer.stalled_until > self.now && what.by_agent() => {
                    self.queue.plan(computer.stalled_until, what);
                    return;
                }
                Power::On => {}
            }
        }
        match what {
            What::Boot(node) => self.boot(node),
            What::AgentStarts(node) => self.agent_starts(node),
            What::WardenStarts(node) => self.warden_starts(node),
            What::Connect(node) => self.connect(node),
            What::Alarm(node) => self.alarm(node),
            What::FsyncReturns { node, generation } => self.fsync_returns(node, generation),
            What::WardenReads { node, generation } => self.warden_reads(node, generation),
            What::AgentReads { node, generation } => self.agent_reads(node, generation),
            What::RunEnds { node, run } => self.run_ends(node, run),
            What::SegmentSynced { node, generation } => self.segment_synced(node, generation),
            What::InputsCome { node, generation, grant, tasks } => self.inputs_come(node, generation, grant, tasks),
            What::Uncarried { node, generation, grant, tasks } => self.uncarried(node, generation, grant, tasks),
            What::Sense { node, generation } => self.sense(node, generation),
            What::Look { at, peer } => self.look(at, peer),
            What::Deliver(parcel) => self.deliver(*parcel),
            What::Lie(node) => self.lie(node),
            What::Client => self.client_acts(),
            What::Fault(fault) => self.fault(fault),
            What::Repair(repair) => self.repair(repair),
        }
    }

    /// A sample of the sensors each second: mostly the truth, at times another machine's work.
    fn sense(&mut self, node: usize, generation: u32) {
        let computer = &self.nodes[node];
        if computer.agent_generation != generation || computer.agent.is_none() {
            return;
        }
        self.queue.plan(self.now + 1_000 * MS, What::Sense { node, generation });
        let noise = if self.plan.faulty_ms > 0 { self.dice.work.f64() * 2.0 } else { 0.0 };
        let noise = if noise > 1.6 && self.calm_since.is_none() { noise * 2.0 } else { 0.0 };
        self.read_load(node, noise);
        self.tell_power(node);
        self.tell_areas(node);
    }

    /// The load as the machine knows its own part of it: of a load that is an average both sides know no more.
    pub(super) fn read_load(&mut self, node: usize, noise: f64) {
        let computer = &self.nodes[node];
        let Some(agent) = &computer.agent else { return };
        let reading = Reading {
            at: computer.clock.boot(self.now),
            load1: f64::from(agent.machine.running_slots() + computer.owner) + noise,
            cpus: computer.warden.slots,
            cpu_pressure: None,
            memory_total_kib: Some(1 << 20),
            memory_available_kib: Some(1 << 19),
        };
        let left = self.left_by_owner(node);
        // What it does with more than there was, it may do at once.
        let computer = &mut self.nodes[node];
        computer.yielding = computer.yielding.filter(|before| left.is_some_and(|left| left.open <= before.open));
        self.feed(node, tern_core::machine::Event::Reading(reading));
        self.nodes[node].yielding = left.filter(|_| self.nodes[node].agent.is_some());
    }
}

fn computer(number: usize, plan: &Plan, dice: &mut Dice) -> Computer {
    let kind = if number < usize::from(plan.honest) { Kind::Honest } else { Kind::Liar };
    let rate = 1_000_000 - plan.drift + if plan.drift > 0 { dice.work.u64(..=plan.drift * 2) } else { 0 };
    let booted = if plan.drift > 0 { dice.work.u64(..1_000_000 * MS) } else { 1_000 * MS };
    let slots = if plan.drift > 0 { dice.work.u32(1..=plan.slots_max) } else { plan.slots_max };
    let clock = Clock::new(0, rate, booted, 1_700_000_000_000);
    Computer::new(u8::try_from(number).unwrap_or(u8::MAX), kind, clock, slots)
}
