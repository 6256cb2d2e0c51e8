//! Who is connected, and how loaded everybody is.
//!
//! Each node tells its peers once a second, and at once when one of its trits changes.

use alloc::vec::Vec;

use crate::machine::balance::Served;
use crate::machine::effect::{Effect, Told};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::observe::trit::{self, LoadSource, Smoothed, TritSettings, TritTracker};
use crate::observe::{Fit, NodeTrit, QueueTrit, Reading};
use crate::promise::Refusal;
use crate::words::limits::{PEERS_MAX, RUNNING_PER_SLOT_MAX, SLOTS_MAX, VITALS_GAP, VITALS_INTERVAL};
use crate::words::{NodeId, Now, Span};

/// A connected peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::machine) struct Peer {
    pub heard: Heard,
    /// Boot time at which it last said so; 0: never.
    pub heard_at: u64,
    /// What tasks got there.
    pub served: Served,
    /// What it has for tasks; none: not told yet.
    pub fit: Option<Fit>,
    /// Of one core, in thousandths of the reference machine; 0: not known.
    pub speed: u16,
    /// The question that waits for its answer: when it was asked and for how many tasks.
    pub ask: Option<(u64, u32)>,
    /// It is not asked again before this.
    pub ask_again: u64,
    pub wait: Span,
    /// It said itself that tasks wait there: asked even while this node is quiet.
    pub offered: bool,
    /// Before this it is not looked for a task of which it could have a second copy.
    pub search_at: u64,
    /// The last question it asked, against repeated messages.
    pub answered: Option<u64>,
}

/// How loaded a peer said it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub trit: NodeTrit,
    pub queued: u32,
    pub running: u32,
    pub slots: u32,
    pub load_milli: u32,
}

/// What was last told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::machine) struct Pulse {
    tracker: TritTracker,
    pub source: LoadSource,
    /// The bare bounds on the raw load.
    literal: bool,
    pub smoothed: Smoothed,
    load_milli: u32,
    told: Option<(NodeTrit, QueueTrit)>,
    told_at: u64,
    /// Since when all others are told that tasks wait here.
    pub waits_since: Option<u64>,
    pub due: u64,
}

impl Pulse {
    pub(super) fn new(settings: TritSettings) -> Self {
        Self {
            tracker: TritTracker::new(settings),
            source: settings.source,
            literal: settings.literal,
            smoothed: Smoothed::new(if settings.literal { Span::default() } else { settings.smoothing }),
            load_milli: 0,
            told: None,
            told_at: 0,
            waits_since: None,
            due: 0,
        }
    }

    pub(in crate::machine) fn trit(&self) -> NodeTrit {
        self.tracker.current()
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new(TritSettings::default())
    }
}

impl Machine {
    /// How readings become this node's trit. Forgets the readings so far.
    pub fn set_trit(&mut self, settings: TritSettings) {
        self.sharing.pulse = Pulse::new(settings);
    }

    pub(in crate::machine) fn peer_up(&mut self, peer: NodeId, now: Now, out: &mut Vec<Effect>) {
        // Nodes of other zones have places of their own.
        let near = self.sharing.peers.len() - self.broker.count();
        if near >= PEERS_MAX && (self.broker.is_far(peer) || !self.sharing.peers.contains_key(&peer)) {
            return self.refuse(Refusal::TooLarge);
        }
        self.broker.forget(peer);
        self.add_peer(peer, now);
        self.signs_changed();
        out.push(Effect::Tell(self.told()));
    }

    pub(in crate::machine) fn add_peer(&mut self, peer: NodeId, now: Now) {
        let sharing = &mut self.sharing;
        sharing.peers.insert(peer, Peer::default());
        sharing.loaded.remove(&peer);
        sharing.asking.remove(&peer);
        for borrowed in sharing.borrowed.values_mut().filter(|borrowed| borrowed.from == peer) {
            borrowed.resend_at = now.boot;
            borrowed.renew_at = now.boot;
        }
    }

    /// Loans stay: only an expired lease says that the other stopped.
    pub(in crate::machine) fn peer_down(&mut self, peer: NodeId, now: Now) {
        self.sharing.peers.remove(&peer);
        self.broker.forget(peer);
        self.signs_changed();
        self.ledgers.balanced.remove(&peer);
        self.sharing.loaded.remove(&peer);
        self.sharing.asking.remove(&peer);
        self.count_tokens(peer);
        if self.planted(Plant::ReclaimOnPeerDown) {
            for loan in self.sharing.loans.values_mut().filter(|loan| loan.to == peer) {
                loan.ends = now.boot;
            }
        }
    }

    pub(in crate::machine) fn reading(&mut self, reading: &Reading, now: Now, out: &mut Vec<Effect>) {
        let gives_way = if self.sharing.pulse.literal { 0.0 } else { self.put_off_load(reading) };
        let ratio = match self.sharing.pulse.source {
            LoadSource::System => trit::load_ratio(reading) - gives_way,
            LoadSource::Tasks => self.task_ratio(),
        };
        // What is not a number stays so.
        let ratio = if ratio < 0.0 { 0.0 } else { ratio };
        let pulse = &mut self.sharing.pulse;
        let smoothed = pulse.smoothed.next(reading.at, ratio);
        let was = pulse.trit();
        let turned = pulse.tracker.next(smoothed) != was;
        let milli = libm::floor(smoothed * 1000.0);
        // Not a number becomes 0: a load that was not measured is never a reason to act.
        pulse.load_milli = if milli > 0.0 { milli.min(1e9) as u32 } else { 0 };
        if turned {
            self.signs_changed();
        }
        self.look_for_owner(reading, now, out);
    }

    /// Peers that have said how loaded they are, each with the speed of one core in thousandths; 0: not known.
    pub fn loads(&self) -> impl Iterator<Item = (NodeId, Heard, u16)> {
        let said = self.sharing.peers.iter().filter(|(_, peer)| peer.heard_at > 0);
        said.map(|(id, peer)| (*id, peer.heard, peer.speed))
    }

    pub(in crate::machine) fn peer_fit(&mut self, from: NodeId, fit: Fit) {
        if let Some(peer) = self.sharing.peers.get_mut(&from) {
            peer.speed = fit.speed;
            peer.fit = Some(fit);
            self.count_tokens(from);
        }
    }

    pub(super) fn heard(&mut self, from: NodeId, heard: Heard, now: Now) {
        if self.trit_of(from) != Some(heard.trit) {
            self.signs_changed();
        }
        if let Some(peer) = self.sharing.peers.get_mut(&from) {
            if peer.heard.queued == 0 && heard.queued > 0 {
                peer.wait = Span::default();
                peer.ask_again = now.boot;
            }
            peer.heard_at = now.boot;
            let slots = heard.slots.min(SLOTS_MAX);
            // One that starts nothing more has no slots for others, and may run tasks still.
            let most = if slots == 0 { SLOTS_MAX } else { slots.saturating_mul(RUNNING_PER_SLOT_MAX) };
            let running = heard.running.min(most);
            peer.heard = Heard { running, slots, ..heard };
            if heard.trit == NodeTrit::Balanced {
                self.ledgers.balanced.insert(from);
            } else {
                self.ledgers.balanced.remove(&from);
            }
            peer.served.divide(if slots == 0 { running } else { slots }, running, now);
            if heard.queued > 0 {
                self.sharing.loaded.insert(from);
            } else {
                self.sharing.loaded.remove(&from);
            }
            self.count_tokens(from);
        }
    }

    /// Tasks that run or wait here over the slots, but for those that were put off: these give way. Not a number where there are none.
    fn task_ratio(&self) -> f64 {
        let all = u64::from(self.here.in_hand) + self.waiting();
        let tasks = all.saturating_sub(if self.sharing.pulse.literal { 0 } else { self.put_off_here() });
        if self.here.slots == 0 { f64::NAN } else { tasks as f64 / f64::from(self.here.slots) }
    }

    /// Tasks that wait here and that nothing but a free place keeps from starting.
    pub(in crate::machine) fn waiting(&self) -> u64 {
        let startable = |key: &&LaneKey| self.may_start(**key);
        self.ready
            .iter()
            .filter(startable)
            .filter_map(|key| self.lanes.get(key))
            .map(|lane| u64::from(lane.queued.len()))
            .sum()
    }

    /// Whether tasks of a lane may run on other nodes. What was borrowed is lent to nobody.
    fn may_leave(&self, key: LaneKey) -> bool {
        match key {
            LaneKey::Own(job) => self.state.job(job).is_some_and(|job| job.spec.may_leave()),
            LaneKey::Borrowed(_) => false,
        }
    }

    /// Whether it matters to anybody how loaded this node is.
    pub(super) fn is_listened_to(&self) -> bool {
        !self.broker.zones.is_empty() || !self.sharing.peers.is_empty()
    }

    pub(in crate::machine) fn told(&self) -> Told {
        let load = Heard {
            trit: self.sharing.pulse.trit(),
            queued: u32::try_from(self.waiting()).unwrap_or(u32::MAX),
            running: self.running_slots(),
            slots: self.here.open,
            load_milli: self.sharing.pulse.load_milli,
        };
        let shares = !self.sharing.loans.is_empty() || !self.sharing.borrowed.is_empty();
        let busy = shares || load.queued > 0 || self.here.in_hand > 0;
        let stays = load.queued > 0 && !self.ready.iter().any(|key| self.may_start(*key) && self.may_leave(*key));
        Told { load, busy, draining: self.here.draining, full: self.here.full, stays }
    }

    /// Tells all peers, where it is time or a trit changed.
    pub(in crate::machine) fn tell(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.is_listened_to() || !self.here.started {
            return;
        }
        let free = self.free_slots();
        // Counting all queues at every event would cost more than the events; whether one waits is known at once.
        let waits = self.ready.iter().any(|key| self.may_start(*key));
        let trits = (self.sharing.pulse.trit(), QueueTrit::of(u64::from(waits), free));
        let pulse = &mut self.sharing.pulse;
        if pulse.told != Some(trits) {
            pulse.due = pulse.due.min(if pulse.told.is_none() { now.boot } else { pulse.told_at + VITALS_GAP });
        }
        if now.boot < pulse.due {
            return;
        }
        let waits = trits.1 == QueueTrit::Waiting;
        pulse.waits_since = pulse.waits_since.or(Some(now.boot)).filter(|_| waits);
        (pulse.told, pulse.told_at, pulse.due) = (Some(trits), now.boot, now.boot + VITALS_INTERVAL);
        let told = self.told();
        out.push(Effect::Tell(told));
        self.tell_far(&told, now, out);
    }
}
