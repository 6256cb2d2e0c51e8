//! What this node makes of what it heard: how much there is to do everywhere, and who has free slots.

use alloc::collections::BTreeMap;

use super::copies::Copied;
use super::served::Served;
use crate::decide::balance::guard::Guard;
use crate::decide::balance::token::Tokens;
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::words::{JobId, NodeId, Now, Span};

/// How long a picture of the whole grid is good.
const PICTURE_LASTS: Span = Span::ms(100);
/// How long a task is taken to run where nothing at all is known, in milliseconds.
const UNKNOWN_MS: f64 = 1_000.0;

/// The whole grid in a few figures, and the state of the draws.
#[derive(Debug, Default)]
pub(in crate::machine) struct Balance {
    /// What a task that nothing is known of is taken to need, in milliseconds on the reference core.
    pub typical_ms: f64,
    /// Until everything that waits is done, in milliseconds.
    pub drain_ms: f64,
    /// The fastest core, 1 being the reference.
    pub fastest: f64,
    /// Since when the guard keeps what waits from free slots while no fast machine takes any of it.
    pub stuck_since: Option<u64>,
    /// Much more waits everywhere than there are slots.
    pub plenty: bool,
    /// From a question to its answer, smoothed.
    pub way_ns: u64,
    /// When these figures were made.
    made: Option<u64>,
    /// From which draws between equals come.
    pub dice: u64,
    /// Free slots elsewhere.
    pub tokens: Tokens<NodeId>,
    /// Nodes that were told that tasks wait here and have not asked, with the time after which another is told.
    pub told: BTreeMap<NodeId, u64>,
    /// When running tasks are looked at again.
    pub look_at: u64,
    /// What tasks got of this machine.
    pub served: Served,
    /// Tasks that two nodes have.
    pub copies: BTreeMap<(JobId, u32), Copied>,
    /// Work that counted, and that was spent on copies or is at risk by them, in milliseconds on the reference core.
    pub counted_ms: f64,
    pub spent_ms: f64,
}

/// A speed as it is told: thousandths, and 0 for what was not measured.
pub(in crate::machine) fn speed_of(told: u16) -> f64 {
    if told == 0 { 1.0 } else { f64::from(told) / 1_000.0 }
}

impl Machine {
    pub(in crate::machine) fn draw(&mut self) -> u64 {
        let state = &mut self.balance.dice;
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Brings the figures of the whole grid up to date, now and then.
    pub(in crate::machine) fn look_around(&mut self, now: Now) {
        if self.balance.made.is_some_and(|made| now.boot < made + PICTURE_LASTS) {
            return;
        }
        self.balance.made = Some(now.boot);
        self.count_served(now);
        let speed = speed_of(self.here.speed);
        let measured = self.here.mean_ns.map_or(UNKNOWN_MS, |mean| mean as f64 / 1e6 * speed);
        let (mut work, mut tasks) = (0.0, 0u64);
        for (key, lane) in &self.lanes {
            if matches!(key, LaneKey::Own(_)) && !lane.queued.is_empty() {
                work += lane.queued.work_ms(measured);
                tasks += u64::from(lane.queued.len());
            }
        }
        let typical = if tasks > 0 { work / tasks as f64 } else { measured };
        let mut capacity = speed * f64::from(self.here.open);
        let mut fastest = speed;
        let (mut elsewhere, mut slots, mut queued) = (0.0, self.here.open, tasks);
        for peer in self.sharing.peers.values() {
            let speed = speed_of(peer.speed);
            capacity += speed * f64::from(peer.heard.slots);
            fastest = fastest.max(if peer.heard.slots > 0 { speed } else { 0.0 });
            slots += peer.heard.slots;
            queued += u64::from(peer.heard.queued);
            elsewhere += f64::from(peer.heard.queued) + 0.5 * f64::from(peer.heard.running);
        }
        elsewhere += 0.5 * f64::from(self.running());
        self.balance.plenty = queued >= 2 * u64::from(slots);
        self.balance.typical_ms = typical;
        self.balance.fastest = fastest;
        self.balance.drain_ms = (work + elsewhere * typical) / capacity.max(0.1);
    }

    /// What the slow-node guard says of this node, or of a peer.
    pub(in crate::machine) fn guard_of(&self, peer: Option<NodeId>) -> Guard {
        let told = match peer {
            Some(peer) => self.sharing.peers.get(&peer).map_or(0, |peer| peer.speed),
            None => self.here.speed,
        };
        let speed = if told == 0 { 0.0 } else { f64::from(told) / 1_000.0 };
        self.guard(speed)
    }

    /// The same of a machine of this speed.
    pub(in crate::machine) fn guard(&self, speed: f64) -> Guard {
        let Balance { fastest, drain_ms, stuck_since, .. } = &self.balance;
        let stuck = stuck_since.map_or(0, |since| self.now.boot.saturating_sub(since));
        Guard { speed, fastest: *fastest, drain_ms: *drain_ms, stuck_ms: stuck as f64 / 1e6 }
    }
}
