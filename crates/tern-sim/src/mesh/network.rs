//! The network between computers: who can dial whom, links that carry frames in order, datagrams that get lost, cut cables.

use std::collections::BTreeSet;

/// How good the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// One way, microseconds.
    pub delay_us: u64,
    /// Up to so much more, drawn for each datagram and frame.
    pub jitter_us: u64,
    /// Datagrams lost and repeated: of a thousand. A frame is sent again instead, and comes later.
    pub loss: u32,
    pub repeat: u32,
}

impl Quality {
    /// A home network.
    pub const LAN: Self = Self { delay_us: 150, jitter_us: 200, loss: 0, repeat: 0 };
    /// What the false-alarm figure is promised for.
    pub const ROUGH: Self = Self { delay_us: 500, jitter_us: 100_000, loss: 50, repeat: 5 };
}

/// One connection. The number of its end `e` is `2 × index + e`; end 0 dialled.
#[derive(Clone, Debug)]
pub struct Link {
    pub ends: [usize; 2],
    pub lives: [u32; 2],
    /// Whether each end still has it.
    pub open: [bool; 2],
    /// When the last frame towards each end arrives: none overtakes it.
    pub(super) last: [u64; 2],
    /// Frames towards each end that wait for a cut cable.
    pub(super) held: [Vec<Vec<u8>>; 2],
    /// Since when nothing passes.
    pub(super) broken: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Network {
    pub quality: Quality,
    /// `reach[a][b]`: a can dial b, where no cable is cut.
    pub reach: Vec<Vec<bool>>,
    /// Pairs, the smaller first.
    pub cuts: BTreeSet<(usize, usize)>,
    pub links: Vec<Link>,
    pub(super) dice: fastrand::Rng,
}

impl Network {
    pub(super) fn new(count: usize, quality: Quality, dice: fastrand::Rng) -> Self {
        let reach = vec![vec![true; count]; count];
        Self { quality, reach, cuts: BTreeSet::new(), links: Vec::new(), dice }
    }

    #[must_use]
    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cuts.contains(&(a.min(b), a.max(b)))
    }

    /// Whether one of the two could dial the other now.
    #[must_use]
    pub fn can_meet(&self, a: usize, b: usize) -> bool {
        (self.reach[a][b] || self.reach[b][a]) && !self.is_cut(a, b)
    }

    pub(super) fn delay(&mut self) -> u64 {
        let jitter = self.dice.u64(..=self.quality.jitter_us);
        (self.quality.delay_us + jitter) * 1_000
    }

    pub(super) fn loses(&mut self) -> bool {
        self.dice.u32(..1_000) < self.quality.loss
    }

    pub(super) fn repeats(&mut self) -> bool {
        self.dice.u32(..1_000) < self.quality.repeat
    }

    /// When a frame sent now arrives at `end`: after those before it, later where it had to be sent again.
    pub(super) fn frame_arrives(&mut self, link: usize, end: usize, now: u64) -> u64 {
        let mut at = now + self.delay();
        while self.loses() {
            at += 3 * (self.quality.delay_us + self.quality.jitter_us) * 1_000;
        }
        let last = &mut self.links[link].last[end];
        *last = (*last).max(at);
        *last
    }

    /// Links between living ends of a pair.
    pub(super) fn between(&self, a: usize, b: usize) -> Vec<usize> {
        let is = |link: &Link| link.ends == [a, b] || link.ends == [b, a];
        (0..self.links.len()).filter(|at| is(&self.links[*at]) && self.links[*at].open.contains(&true)).collect()
    }
}
