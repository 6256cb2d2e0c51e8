//! What kind of life a seed has: how many computers, which faults and how often, how bad the network is.
//!
//! Each seed has its own subset of the faults (a life in which everything goes wrong all the time hides more than it
//! shows), drawn from the seed alone.

use crate::world::faults::Fault;

/// The parameters of one life.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Computers that run the machine.
    pub honest: u8,
    /// Computers that forge messages.
    pub liars: u8,
    pub slots_max: u32,
    /// Zones that know only each other's sums; the computers stand in them in turn.
    pub areas: u8,
    /// How long things go wrong, and how long the rest may take, in milliseconds.
    pub faulty_ms: u64,
    pub calm_ms: u64,
    /// Commands of the client while things go wrong.
    pub commands: u32,
    /// Messages lost, repeated, and late by up to two seconds: of a thousand.
    pub loss: u32,
    pub repeat: u32,
    pub late: u32,
    /// One way, microseconds.
    pub delay_us: (u64, u64),
    /// One fsync, microseconds.
    pub fsync_us: (u64, u64),
    /// Clocks run up to so many parts in a million fast or slow, and disagree about when they booted.
    pub drift: u64,
    /// What goes wrong, and the mean time between, in milliseconds.
    pub faults: Vec<(Fault, u64)>,
    /// The machines' own law of conservation is checked every so many events.
    pub sane_every: u64,
    /// A bug on purpose.
    #[cfg(feature = "planted")]
    pub plant: Option<tern_core::machine::Plant>,
}

impl Plan {
    /// The life of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x7465_726e);
        let honest = *dice.choice(&[1, 1, 2, 3, 3, 4]).unwrap_or(&1);
        let liars = u8::from(honest > 1 && honest < 4 && dice.u32(..4) == 0);
        let slow = dice.u32(..4) == 0;
        let noisy = dice.u32(..3) == 0;
        let mut plan = Self {
            seed,
            honest,
            liars,
            slots_max: 4,
            areas: 1,
            faulty_ms: dice.u64(3_000..25_000),
            calm_ms: 600_000,
            commands: dice.u32(4..60),
            loss: if noisy { dice.u32(..200) } else { dice.u32(..10) },
            repeat: if noisy { dice.u32(..200) } else { 0 },
            late: if noisy { dice.u32(..100) } else { 0 },
            delay_us: if slow { (20_000, 90_000) } else { (100, 2_000) },
            fsync_us: if dice.u32(..5) == 0 { (5_000, 60_000) } else { (300, 4_000) },
            drift: 10_000,
            faults: Vec::new(),
            sane_every: 4,
            #[cfg(feature = "planted")]
            plant: None,
        };
        for (fault, mean) in Fault::ALL {
            if dice.bool() {
                plan.faults.push((fault, dice.u64(mean / 2..mean * 3)));
            }
        }
        if honest > 1 && dice.u32(..4) == 0 {
            plan.areas = 2;
        }
        plan
    }

    /// The zone in which a computer stands. Where there are several a liar has one to itself: what it says of its load keeps
    /// nobody's work back, and all else that it says is heard as before.
    #[must_use]
    pub const fn area(&self, node: usize) -> usize {
        let liar = self.areas > 1 && node >= self.honest as usize;
        if liar { self.areas as usize } else { node % self.areas as usize }
    }

    /// Nothing goes wrong but what a script does: exact clocks, an even network, a quick disk.
    #[must_use]
    pub const fn quiet(honest: u8, slots_max: u32) -> Self {
        Self {
            seed: 1,
            honest,
            liars: 0,
            slots_max,
            areas: 1,
            faulty_ms: 0,
            calm_ms: 60_000,
            commands: 0,
            loss: 0,
            repeat: 0,
            late: 0,
            delay_us: (500, 501),
            fsync_us: (1_000, 1_001),
            drift: 0,
            faults: Vec::new(),
            sane_every: 1,
            #[cfg(feature = "planted")]
            plant: None,
        }
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} nodes", self.honest)?;
        if self.areas > 1 {
            write!(f, " in {} zones", self.areas)?;
        }
        if self.liars > 0 {
            write!(f, " and a liar")?;
        }
        write!(f, ", {} ms of trouble, {} commands", self.faulty_ms, self.commands)?;
        for (fault, mean) in &self.faults {
            write!(f, ", {fault:?} every {mean} ms")?;
        }
        Ok(())
    }
}

/// Independent sources of chance, so that more of one kind leaves the others as they were.
#[derive(Clone, Debug)]
pub struct Dice {
    pub net: fastrand::Rng,
    pub disk: fastrand::Rng,
    pub work: fastrand::Rng,
    pub fault: fastrand::Rng,
    pub client: fastrand::Rng,
    pub lie: fastrand::Rng,
}

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut root = fastrand::Rng::with_seed(seed);
        Self {
            net: root.fork(),
            disk: root.fork(),
            work: root.fork(),
            fault: root.fork(),
            client: root.fork(),
            lie: root.fork(),
        }
    }
}
