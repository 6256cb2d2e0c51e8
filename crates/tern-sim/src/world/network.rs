//! The network between computers: delay, loss, repetition, late arrival, partitions, and what link monitoring says.

use tern_core::machine::{Event, Told};
use tern_core::observe::vitals::Flags;
use tern_core::observe::{Area, Fit, Vitals, ZoneLoad};
use tern_core::wire::Message;

use super::faults::Repair;
use super::{Parcel, What, World, say};
use crate::computer::{Kind, Power};
use crate::text;

const MS: u64 = 1_000_000;

/// Messages that a liar remembers.
const HEARD_MAX: usize = 32;

/// Who can reach whom, and who believes so.
#[derive(Clone, Debug)]
pub struct Network {
    /// How many faults keep the two apart.
    cuts: Vec<Vec<u32>>,
    /// What the machine of the first was last told of the second.
    seen: Vec<Vec<bool>>,
    /// How loaded each last told its zone to be.
    pub(super) told: Vec<Option<Told>>,
    /// What liars heard last.
    pub(super) heard: Vec<Parcel>,
}

impl Network {
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            cuts: vec![vec![0; nodes]; nodes],
            seen: vec![vec![false; nodes]; nodes],
            told: vec![None; nodes],
            heard: Vec::new(),
        }
    }
}

/// What computers say of their speed, in turn; what runs takes as long everywhere.
const SPEEDS: [u16; 4] = [300, 1_200, 1_000, 400];

impl World {
    fn reaches(&self, a: usize, b: usize) -> bool {
        a != b && self.network.cuts[a][b] == 0 && self.nodes[a].listens() && self.nodes[b].listens()
    }

    /// Those that the machine of `node` was told are there.
    pub(super) fn neighbours(&self, node: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|peer| self.network.seen[node][*peer]).collect()
    }

    /// The two do not hear one another for a while.
    pub fn cut(&mut self, a: usize, b: usize, for_ms: u64) {
        say!(self, Some(a), "network", "is CUT from {} for {for_ms} ms", b + 1);
        self.network.cuts[a][b] += 1;
        self.network.cuts[b][a] += 1;
        self.queue.plan(self.now + for_ms * MS, What::Repair(Repair::Heal(a, b)));
        self.plan_looks(a, b);
    }

    pub(super) fn heal(&mut self, a: usize, b: usize) {
        let left = if self.calm_since.is_some() { 0 } else { self.network.cuts[a][b].saturating_sub(1) };
        if self.network.cuts[a][b] > 0 && left == 0 {
            say!(self, Some(a), "network", "hears {} again", b + 1);
        }
        self.network.cuts[a][b] = left;
        self.network.cuts[b][a] = left;
        self.plan_looks(a, b);
    }

    /// What a computer has for tasks: a core a slot, and every second one a graphics processor.
    pub(crate) fn fit(&self, node: usize) -> Fit {
        let slots = self.nodes[node].warden.slots;
        let cores = u16::try_from(slots).unwrap_or(u16::MAX);
        let gpus = u8::from(node.is_multiple_of(2));
        let speed = SPEEDS[node % SPEEDS.len()];
        let zone = if self.plan.areas > 1 { zone_name(self.plan.area(node)) } else { String::new() };
        Fit { zone, cores, memory_mib: Some(1024), gpus, speed, ..Fit::default() }
    }

    /// Link monitoring errs: down, and up again soon.
    pub(super) fn flap(&mut self, at: usize, peer: usize) {
        let awake = self.nodes[at].power == Power::On && self.nodes[at].stalled_until <= self.now;
        if awake && std::mem::take(&mut self.network.seen[at][peer]) {
            let id = self.nodes[peer].id;
            self.feed(at, Event::PeerDown(id));
            let again = self.now + self.dice.net.u64(1..200) * MS;
            self.queue.plan(again, What::Look { at, peer });
        }
    }

    /// An agent came or went, or a computer sleeps or wakes.
    pub(super) fn links_changed(&mut self, node: usize) {
        if self.nodes[node].agent.is_none() {
            self.network.seen[node].fill(false);
        }
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            self.plan_looks(node, peer);
        }
    }

    /// A new link is noticed soon, a lost one after the silence of a few heartbeats.
    fn plan_looks(&mut self, a: usize, b: usize) {
        for (at, peer) in [(a, b), (b, a)] {
            let after = if self.reaches(at, peer) { self.dice.net.u64(2..60) } else { self.dice.net.u64(600..900) };
            self.queue.plan(self.now + after * MS, What::Look { at, peer });
        }
    }

    pub(super) fn look(&mut self, at: usize, peer: usize) {
        let up = self.reaches(at, peer) && self.plan.area(at) == self.plan.area(peer);
        if self.nodes[at].agent.is_none() || self.network.seen[at][peer] == up {
            return;
        }
        self.network.seen[at][peer] = up;
        let id = self.nodes[peer].id;
        self.feed(at, if up { Event::PeerUp(id) } else { Event::PeerDown(id) });
        if up {
            // A liar that claims to have nothing gets no work for which others might wait in vain.
            let honest = self.nodes[peer].kind == Kind::Honest;
            let fit = if honest { self.fit(peer) } else { Fit::default() };
            self.feed(at, Event::PeerFit(id, fit));
        }
    }

    /// Tells a node how loaded all zones are; now and then two of a zone take themselves for its broker.
    pub(super) fn tell_areas(&mut self, node: usize) {
        let areas = usize::from(self.plan.areas);
        if areas < 2 {
            return;
        }
        let brokers = self.broker_of_area(self.plan.area(node)) == Some(node) || self.dice.net.u8(..4) == 0;
        let all: Vec<Area> = (0..areas)
            .filter_map(|area| {
                let here = area == self.plan.area(node);
                let broker = if here && brokers { node } else { self.broker_of_area(area)? };
                let broker = self.nodes[broker].id;
                let load =
                    (0..self.nodes.len()).filter(|node| self.plan.area(*node) == area).map(|node| self.load(node));
                let load = load.fold(ZoneLoad::default(), ZoneLoad::join);
                Some(Area { zone: zone_name(area), broker, load, here })
            })
            .collect();
        self.feed(node, Event::Areas(all));
    }

    fn broker_of_area(&self, area: usize) -> Option<usize> {
        let there = |node: &usize| self.nodes[*node].agent.is_some() && self.plan.area(*node) == area;
        (0..self.nodes.len()).find(there)
    }

    fn load(&self, node: usize) -> ZoneLoad {
        let Some(told) = self.network.told[node] else { return ZoneLoad::default() };
        let count = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        let flags = Flags { draining: told.draining, disk_full: told.full, stays: told.stays, ..Flags::default() };
        let (queued, running, slots) = (count(told.load.queued), count(told.load.running), count(told.load.slots));
        ZoneLoad::of(None, Some(&Vitals { queued, running, slots, flags, ..Vitals::default() }))
    }

    pub(super) fn send(&mut self, from: usize, to: usize, message: Message) {
        self.stats.messages += 1;
        if self.dice.net.u32(..1_000) < self.plan.loss {
            say!(self, Some(from), "network", "… which is lost");
            return;
        }
        if self.dice.net.u32(..1_000) < self.plan.repeat {
            let at = self.arrival();
            self.queue.plan(at, What::Deliver(Box::new(Parcel { from, to, message: message.clone() })));
        }
        let at = self.arrival();
        self.queue.plan(at, What::Deliver(Box::new(Parcel { from, to, message })));
    }

    fn arrival(&mut self) -> u64 {
        let (least, most) = self.plan.delay_us;
        let late = self.dice.net.u32(..1_000) < self.plan.late;
        let late = if late { self.dice.net.u64(..2_000) * MS } else { 0 };
        self.now + self.dice.net.u64(least..most) * 1_000 + late
    }

    pub(super) fn deliver(&mut self, parcel: Parcel) {
        let Parcel { from, to, .. } = parcel;
        if self.network.cuts[from][to] > 0 || !self.nodes[to].listens() {
            say!(self, Some(to), "network", "never hears {} from {}", text::message(&parcel.message), from + 1);
            return;
        }
        if self.nodes[to].kind == Kind::Liar {
            if self.network.heard.len() >= HEARD_MAX {
                self.network.heard.remove(0);
            }
            self.network.heard.push(parcel);
            return;
        }
        self.note_leases(&parcel);
        let from = self.nodes[from].id;
        self.feed(to, Event::Message { from, message: parcel.message });
        self.check_leases(to);
    }
}

fn zone_name(area: usize) -> String {
    format!("zone{area}")
}
