//! The life of a seed: what kind of grid, how bad the network, which trouble, and how it must end.

use std::fmt;

use super::network::Quality;
use super::queue::What;
use super::world::{MS, World};
use crate::story::Story;

/// Who can reach whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Everybody reaches everybody.
    Lan,
    /// Some can be dialled by nobody.
    Nat,
    /// Each reaches its two neighbours only.
    Chain,
    /// Two LANs, and two computers that are in both.
    Houses,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Crash,
    Cut,
    Split,
    Stall,
    Suspend,
    Move,
}

const ALL: [Trouble; 6] =
    [Trouble::Crash, Trouble::Cut, Trouble::Split, Trouble::Stall, Trouble::Suspend, Trouble::Move];

/// How long it takes until all have followed a change of routes that nobody needed, milliseconds. Where several belonged to a zone that was
/// not theirs, each of them takes up its own with its next look at its links, a second after the one before it.
const BLINK_MS: u64 = 3_000;

/// The parameters of one life.
#[derive(Clone, Debug)]
pub struct Life {
    pub seed: u64,
    pub count: usize,
    pub shape: Shape,
    pub quality: Quality,
    pub troubles: Vec<Trouble>,
    /// So many zones whose nodes know only each other; 0: everybody knows everybody.
    pub zones: usize,
    /// Mean time between troubles, and how long they go on, milliseconds.
    pub gap_ms: u64,
    pub troubled_ms: u64,
    /// How long it may take until all is well again.
    pub calm_ms: u64,
    #[cfg(feature = "planted")]
    pub plant: Option<tern_core::machine::Plant>,
}

impl Life {
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x6c69_6665);
        let shape =
            *dice.choice(&[Shape::Lan, Shape::Lan, Shape::Nat, Shape::Chain, Shape::Houses]).unwrap_or(&Shape::Lan);
        let count = dice.usize(2..=if shape == Shape::Chain { 7 } else { 14 });
        let rough = dice.u32(..3) == 0;
        let quality = if rough { Quality { jitter_us: dice.u64(..40_000), ..Quality::ROUGH } } else { Quality::LAN };
        let zones = if dice.u32(..3) == 0 { dice.usize(1..=4) } else { 0 };
        let troubles = ALL.into_iter().filter(|_| dice.bool()).collect();
        Self {
            seed,
            count,
            shape,
            quality,
            troubles,
            zones,
            gap_ms: dice.u64(300..5_000),
            troubled_ms: dice.u64(1_000..40_000),
            calm_ms: if zones > 0 { 20_000 } else { 8_000 },
            #[cfg(feature = "planted")]
            plant: None,
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, shape, zones, troubles, gap_ms, troubled_ms, .. } = self;
        write!(
            f,
            "{count} nodes, {shape:?}, {zones} zones, {troubles:?} every {gap_ms} ms for {troubled_ms} ms, {:?}",
            self.quality
        )
    }
}

/// What a life came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// From the end of all trouble until all was well.
    pub well_after_ms: u64,
    pub events: u64,
    pub downs: u64,
}

/// Lives a life. The story says what happened.
///
/// # Errors
/// What an oracle saw, and when.
pub fn live(life: &Life, story: Story) -> (Result<Report, String>, String) {
    let mut world = World::new(life.seed, life.count, life.quality, story);
    #[cfg(feature = "planted")]
    {
        world.plant = life.plant;
    }
    world.story.head(&format!("seed {}: {life}", life.seed));
    world.shape(life.shape);
    world.zone(life.zones);
    world.life = Some(life.clone());
    world.start_all();
    world.queue.plan(2_000 * MS, What::Trouble);
    world.run_ms(2_000 + life.troubled_ms);
    world.calm();
    let end = world.well_within(life.calm_ms).and_then(|well_after_ms| {
        // And stays so, but for the moments in which a better way or another zone is taken up by one computer after the other.
        world.run_ms(3_000);
        world.well_within(BLINK_MS).map_err(|why| format!("a little later: {why}"))?;
        let sum = |count: fn(&super::Count) -> u64| world.nodes.iter().map(|node| count(&node.count)).sum();
        Ok(Report { well_after_ms, events: sum(|count| count.events), downs: sum(|count| count.downs) })
    });
    let end = end.map_err(|why| format!("seed {} at {} ms: {why} ({life})", life.seed, world.now / MS));
    (end, world.story.text())
}

impl World {
    pub fn shape(&mut self, shape: Shape) {
        let count = self.nodes.len();
        let hidden: Vec<bool> = (0..count).map(|node| node > 1 && self.dice.u32(..3) == 0).collect();
        for a in 0..count {
            for (b, hidden) in hidden.iter().enumerate() {
                let gateway = a < 2 || b < 2;
                self.net.reach[a][b] = match shape {
                    Shape::Lan => true,
                    Shape::Nat => !hidden,
                    Shape::Chain => a.abs_diff(b) == 1,
                    Shape::Houses => gateway || a % 2 == b % 2,
                };
            }
        }
    }

    /// Gives each computer one of so many zones, in the order of their numbers, and lets only those of one zone know each other.
    pub fn zone(&mut self, zones: usize) {
        if zones == 0 {
            return;
        }
        self.flat_members = 0;
        let count = self.nodes.len();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            node.here.zone = format!("zone-{:03}", number * zones / count);
        }
    }

    pub(super) fn trouble(&mut self) {
        let Some(life) = self.life.clone() else { return };
        if life.troubles.is_empty() {
            return;
        }
        let node = self.dice.usize(..self.nodes.len());
        let other = self.dice.usize(..self.nodes.len());
        let later = self.now + self.dice.u64(50..8_000) * MS;
        match life.troubles[self.dice.usize(..life.troubles.len())] {
            Trouble::Crash => {
                self.crash(node);
                self.queue.plan(later, What::Start(node));
            }
            Trouble::Cut if node != other => {
                self.cut(node, other);
                self.queue.plan(later, What::Heal { a: node, b: other });
            }
            Trouble::Cut => {}
            Trouble::Split => self.split(node, later),
            Trouble::Stall => {
                let ms = self.dice.u64(20..=500);
                self.stall(node, ms);
            }
            Trouble::Suspend => {
                self.suspend(node);
                self.queue.plan(later + 12_000 * MS, What::Resume(node));
            }
            Trouble::Move => {
                // Always the same one: two that moved while they were apart could not find each other.
                let follow = self.dice.bool();
                self.moves(0, follow);
            }
        }
        self.nodes[other].busy ^= true;
        let next = self.now + self.dice.u64(..2 * life.gap_ms) * MS;
        self.queue.plan(next, What::Trouble);
    }

    /// Those before and those after a computer lose each other.
    fn split(&mut self, at: usize, until: u64) {
        for a in 0..at {
            for b in at..self.nodes.len() {
                self.cut(a, b);
                self.queue.plan(until, What::Heal { a, b });
            }
        }
    }

    /// All trouble ends now.
    pub fn calm(&mut self) {
        self.life = None;
        for (a, b) in self.net.cuts.clone() {
            self.heal(a, b);
        }
        for node in 0..self.nodes.len() {
            self.resume(node);
            self.start(node);
        }
        self.story.head("from here on nothing goes wrong");
    }
}
