//! The world of mesh machines: its construction, and the loop that makes one thing after another happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tern_core::machine::mesh::{LinkId, Mesh, MeshEffect, MeshEvent, MeshOptions, Signer};
use tern_core::trust::{GridId, Name, Roll, Statement, admit, found};
use tern_core::words::limits::FLAT_MEMBERS_MAX;
use tern_core::words::{NodeId, Now};

use super::computer::{Computer, State};
use super::keys;
use super::network::{Network, Quality};
use super::queue::{Queue, What};
use crate::story::Story;

/// One millisecond of true time.
pub const MS: u64 = 1_000_000;
/// Between two samples of the sensors.
const SENSE: u64 = 1_000 * MS;

/// Somebody was called dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub at: u64,
    pub by: usize,
    pub about: usize,
    /// It lived, was a member, and ran the life that was known.
    pub lived: bool,
}

pub struct World {
    /// True time, nanoseconds.
    pub now: u64,
    pub seed: u64,
    pub nodes: Vec<Computer>,
    pub net: Network,
    pub story: Story,
    pub alarms: Vec<Alarm>,
    /// Laws broken at any time, in words.
    pub broken: Vec<String>,
    /// In a grid of more members only those of one zone know each other.
    pub flat_members: usize,
    /// Computers whose keys were revoked or that left.
    pub removed: BTreeSet<usize>,
    pub(super) queue: Queue,
    /// The roll with which all begin, and its statements: shared, since there may be ten thousand of each.
    pub(super) founded: Roll,
    pub(super) founding: Arc<Vec<Statement>>,
    admitted: Arc<BTreeSet<NodeId>>,
    /// Of copies the first.
    by_key: BTreeMap<NodeId, usize>,
    /// Kinds of trouble of this life, and until when.
    pub(super) life: Option<super::Life>,
    pub(super) dice: fastrand::Rng,
    pub(super) effects: Vec<MeshEffect>,
    #[cfg(feature = "planted")]
    pub plant: Option<tern_core::machine::Plant>,
}

impl World {
    /// A grid of so many members, all of them off.
    #[must_use]
    pub fn new(seed: u64, count: usize, quality: Quality, story: Story) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x6d65_7368);
        let mut nodes: Vec<Computer> =
            (0..count).map(|number| Computer::new(keys::key(seed, number), number, &mut dice)).collect();
        let founded = founded(seed, &nodes);
        let founding = Arc::new(founded.statements());
        for node in &mut nodes {
            node.roll.clone_from(&founding);
        }
        let by_key = nodes.iter().enumerate().map(|(number, node)| (node.key, number)).collect();
        let net = Network::new(count, quality, dice.fork());
        Self {
            now: 0,
            seed,
            nodes,
            net,
            story,
            alarms: Vec::new(),
            broken: Vec::new(),
            flat_members: FLAT_MEMBERS_MAX,
            removed: BTreeSet::new(),
            queue: Queue::default(),
            founded,
            founding,
            admitted: Arc::default(),
            by_key,
            life: None,
            dice,
            effects: Vec::new(),
            #[cfg(feature = "planted")]
            plant: None,
        }
    }

    /// All start within a second, each knowing the address of every other: what remains after a restart of the whole grid.
    pub fn start_all(&mut self) {
        self.all_know_all();
        for node in 0..self.nodes.len() {
            let at = self.now + self.dice.u64(..1_000) * MS;
            self.queue.plan(at, What::Start(node));
        }
    }

    pub fn all_know_all(&mut self) {
        let known: Vec<_> = self.nodes.iter().map(|node| (node.key, node.here.link_addresses.clone())).collect();
        for node in &mut self.nodes {
            node.addresses = known.iter().filter(|(key, _)| *key != node.key).cloned().collect();
        }
    }

    /// The same where each knows its zone and a node in each of the next two: what a grid of many remembers.
    pub fn start_zones(&mut self, zones: usize) {
        let (count, each) = (self.nodes.len(), self.nodes.len().div_ceil(zones));
        let at = |number: usize| (self.nodes[number].key, self.nodes[number].here.link_addresses.clone());
        let known: Vec<BTreeMap<_, _>> = (0..count)
            .map(|node| {
                let first = node / each * each;
                let zone = (first..(first + each).min(count)).filter(|other| *other != node);
                let doors = [node + each, node + 2 * each].map(|far| far % count);
                zone.chain(doors.into_iter().filter(|far| far / each != node / each)).map(at).collect()
            })
            .collect();
        for (node, known) in known.into_iter().enumerate() {
            self.nodes[node].addresses = known;
            let at = self.now + self.dice.u64(..1_000) * MS;
            self.queue.plan(at, What::Start(node));
        }
    }

    /// The process of a computer starts, with what is durable on it.
    pub fn start(&mut self, node: usize) {
        let grid = GridId(keys::key(self.seed, usize::MAX - 1));
        let incarnation = self.dice.u64(1..);
        let computer = &mut self.nodes[node];
        if computer.mesh.is_some() || computer.puppet {
            return;
        }
        let (roll, refused) = if Arc::ptr_eq(&computer.roll, &self.founding) {
            (self.founded.clone(), Vec::new())
        } else {
            let mut roll = Roll::new(grid);
            let (_, refused) = roll.merge(&computer.roll, keys::verify);
            (roll, refused)
        };
        let key = computer.key;
        let signer = Signer::new(move |message| keys::sign(&key, message));
        (computer.admitted, computer.routes, computer.far, computer.up) = Default::default();
        let admitted = self.all_share(roll.member_keys().collect());
        let computer = &mut self.nodes[node];
        computer.admitted = admitted;
        let here = computer.here.clone();
        let flat_members = self.flat_members;
        let options = MeshOptions { me: key, incarnation, roll, verify: keys::verify, signer, here, flat_members };
        computer.mesh = Some(Mesh::new(options));
        computer.state = State::Runs;
        computer.life += 1;
        computer.incarnation = incarnation;
        (computer.wake_at, computer.alarm) = (u64::MAX, u64::MAX);
        computer.inbox.clear();
        let life = computer.life;
        if !refused.is_empty() {
            self.broken.push(format!("{node} cannot read its own roll: {refused:?}"));
        }
        #[cfg(feature = "planted")]
        if let (Some(plant), Some(mesh)) = (self.plant, &mut self.nodes[node].mesh) {
            mesh.plant(plant);
        }
        self.tell(node, "starts");
        self.give(node, MeshEvent::Tick);
        for (peer, addresses) in self.nodes[node].addresses.clone() {
            self.give(node, MeshEvent::Addresses { peer, addresses });
        }
        let first = self.now + self.dice.u64(..SENSE);
        self.queue.plan(first, What::Sense { node, life });
    }

    /// Lets time pass.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now + ms * MS;
        while let Some((at, what)) = self.queue.next(end) {
            self.now = at;
            self.happen(what);
        }
        self.now = end;
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Give { node, life, over, event } => {
                let computer = &self.nodes[node];
                if computer.life == life && over.is_none_or(|end| computer.links.contains(&end)) {
                    if matches!(*event, MeshEvent::LinkClosed { .. }) {
                        self.nodes[node].links.retain(|end| Some(*end) != over);
                    }
                    self.give(node, *event);
                }
            }
            What::Alarm { node, life } => self.alarm(node, life),
            What::Dialled { from, life, peer, to } => self.dialled(from, life, peer, to),
            What::IdleOut { link, since } => self.idle_out(link, since),
            What::Sense { node, life } => self.sense(node, life),
            What::StallEnds { node, life } => self.stall_ends(node, life),
            What::Start(node) => self.start(node),
            What::Resume(node) => self.resume(node),
            What::Heal { a, b } => self.heal(a, b),
            What::Trouble => self.trouble(),
        }
    }

    fn sense(&mut self, node: usize, life: u32) {
        let computer = &self.nodes[node];
        if computer.life != life || computer.mesh.is_none() {
            return;
        }
        let (vitals, busy) = (computer.vitals, computer.busy);
        self.give(node, MeshEvent::Vitals { vitals, busy });
        self.queue.plan(self.now + SENSE, What::Sense { node, life });
    }

    fn alarm(&mut self, node: usize, life: u32) {
        let computer = &mut self.nodes[node];
        if computer.life != life || computer.alarm != self.now {
            return;
        }
        computer.alarm = u64::MAX;
        if computer.wake_at > self.now {
            return self.plan_alarm(node);
        }
        computer.count.wakes += 1;
        self.give(node, MeshEvent::Tick);
    }

    pub(super) fn plan_alarm(&mut self, node: usize) {
        let computer = &mut self.nodes[node];
        if computer.wake_at < computer.alarm {
            computer.alarm = computer.wake_at.max(self.now);
            self.queue.plan(computer.alarm, What::Alarm { node, life: computer.life });
        }
    }

    /// An event for a computer: handled, kept for the end of a stall, or lost.
    pub fn give(&mut self, node: usize, event: MeshEvent) {
        let computer = &mut self.nodes[node];
        if computer.puppet {
            if let MeshEvent::Frame { bytes, .. } = event {
                computer.heard.push(bytes);
            }
            return;
        }
        match computer.state {
            State::Off => return,
            State::Suspended => {
                // Alarms ring at once on waking; news of links are found then; packets are lost.
                if matches!(
                    event,
                    MeshEvent::LinkClosed { .. }
                        | MeshEvent::Tick
                        | MeshEvent::Frame { .. }
                        | MeshEvent::DialFailed { .. }
                ) {
                    computer.inbox.push(event);
                }
                return;
            }
            State::Stalled(_) => return computer.inbox.push(event),
            State::Runs => {}
        }
        let Some(mesh) = &mut computer.mesh else { return };
        computer.count.events += 1;
        let boot = self.now + computer.booted;
        let now = Now { boot, mono: boot, wall_ms: boot / MS };
        let mut effects = std::mem::take(&mut self.effects);
        mesh.handle(event, now, &mut effects);
        for effect in effects.drain(..) {
            self.perform(node, effect);
        }
        self.effects = effects;
    }

    /// The same set is kept once.
    pub(super) fn all_share(&mut self, keys: BTreeSet<NodeId>) -> Arc<BTreeSet<NodeId>> {
        if *self.admitted != keys {
            self.admitted = Arc::new(keys);
        }
        self.admitted.clone()
    }

    /// The number of a computer by its key: of copies the first.
    #[must_use]
    pub fn number(&self, key: &NodeId) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(super) fn tell(&mut self, node: usize, what: &str) {
        if self.story.is_told() {
            self.story.tell(self.now, Some(node), "mesh", what);
        }
    }

    /// Statements are made on one computer and handled there.
    pub fn say(&mut self, node: usize, statements: Vec<Statement>) {
        self.give(node, MeshEvent::Statements(statements));
    }

    #[must_use]
    pub fn link_of(end: LinkId) -> (usize, usize) {
        ((end.0 / 2) as usize, (end.0 % 2) as usize)
    }
}

/// The roll of a grid whose first computer holds the admin key.
fn founded(seed: u64, nodes: &[Computer]) -> Roll {
    let root = keys::key(seed, usize::MAX - 1);
    let admin = keys::key(seed, usize::MAX - 2);
    let mut roll = Roll::new(GridId(root));
    let first = nodes.first().map_or(root, |node| node.key);
    let list = keys::with_signer(root, |root| {
        keys::with_signer(admin, |admin| found(root, admin, first, &Name::near("node-0")))
    });
    let mut taken = roll.apply(&list, keys::verify).is_ok();
    let mut all: Vec<Statement> = Vec::new();
    for (number, node) in nodes.iter().enumerate().skip(1) {
        let name = Name::near(&format!("node-{number}"));
        let list = keys::with_signer(admin, |admin| admit(&roll, admin, node.key, &name));
        all.extend(list.unwrap_or_default());
    }
    taken &= roll.apply(&all, keys::verify).is_ok();
    assert!(taken, "the grid cannot be founded");
    roll
}
