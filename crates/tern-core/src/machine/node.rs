//! One node: what it promised, what its warden holds, what it knows of its peers.
//!
//! Every event is handled in the same steps: what fell due by the clock, the event itself, then what follows from the
//! new state (jobs that are over, tasks to start, questions to peers, the next time to wake).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::balance::Balance;
use super::broker::Broker;
use super::controller::Controller;
use super::effect::Effect;
use super::event::Event;
use super::history::Runs;
use super::lane::{Lane, LaneKey};
use super::ledger::Ledgers;
use super::local::{Ready, Room};
use super::migrate::Moving;
use super::share::Sharing;
use super::staged::Staged;
use crate::observe::Fit;
use crate::plan::decision::{DECISIONS_MAX, STANDING_MAX};
use crate::plan::{Decision, Did, Fault, Reason};
use crate::promise::ledger::Line;
use crate::promise::{Record, Refusal, State};
use crate::words::limits::SLOTS_MAX;
use crate::words::{Attempt, Epoch, JobId, Now};

/// Dispatches and loans in one incarnation; one event makes far fewer than what is left below the greatest number.
const DISPATCHES_MAX: u32 = u32::MAX - (1 << 20);

/// The decisions of one node.
#[derive(Debug)]
pub struct Machine {
    pub(super) state: State,
    pub(super) staged: Staged,
    pub(super) here: Here,
    pub(super) lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes that may have something to start. One that has not is dropped when its turn comes.
    pub(super) ready: Ready,
    /// Lanes whose tasks take more than a slot.
    pub(super) heavy: BTreeSet<LaneKey>,
    /// The lane that was served last.
    pub(super) turn: Option<LaneKey>,
    pub(super) sharing: Sharing,
    pub(super) balance: Balance,
    /// Nodes of other zones.
    pub(super) broker: Broker,
    pub(super) controller: Controller,
    pub(super) ledgers: Ledgers,
    /// Tasks that somebody wants elsewhere.
    pub(super) moving: Moving,
    /// How long tasks took, and may take.
    pub(super) runs: Runs,
    /// Jobs that changed during this event.
    pub(super) touched: BTreeSet<JobId>,
    pub(super) refused: BTreeMap<Refusal, u64>,
    pub(super) fault: Option<Fault>,
    pub(super) decisions: VecDeque<Decision>,
    /// Those that are about the node: thousands of starts must not push them out.
    pub(super) standing: VecDeque<Decision>,
    /// The time of the event that is being handled.
    pub(super) now: Now,
    #[cfg(feature = "planted")]
    pub(super) plants: BTreeSet<super::plant::Plant>,
}

/// This machine, as far as the core knows it.
#[derive(Debug, Default)]
pub(super) struct Here {
    pub slots: u32,
    /// What it has for tasks that ask for more than a slot.
    pub fit: Fit,
    /// Of one core, in thousandths of the reference machine; 0: not measured.
    pub speed: u16,
    pub incarnation: u64,
    /// The incarnation is durable: attempts may carry it.
    pub started: bool,
    /// The warden is there, and what it holds is known.
    pub warden: bool,
    /// The warden has said once what it holds: until then any task that waits here may run there.
    pub met: bool,
    /// Attempts that the warden held without need and that are being ended: their tasks must not run beside them.
    pub strays: BTreeSet<Attempt>,
    /// The record of the incarnation could not be written yet.
    pub start_failed: bool,
    pub full: bool,
    /// It starts nothing, for whichever cause.
    pub draining: bool,
    /// Slots that are for tasks now: all of them, or fewer while the owner of the machine uses it.
    pub open: u32,
    pub room: Room,
    /// The number of the last dispatch or grant of this incarnation.
    pub n: u32,
    /// Sum over all lanes.
    pub in_hand: u32,
    /// Which of the orders with something to start was served last.
    pub group: usize,
    /// Smoothed run time of tasks, nanoseconds.
    pub mean_ns: Option<u64>,
    /// Since when more is in the warden's hands than runs, and none of it has ended (boot time).
    pub full_since: Option<u64>,
    /// What was there too many was asked back: until one ends, nothing is given ahead.
    pub stalls: bool,
    /// After a failed write: when the node's own records are tried again (boot time).
    pub storage_retry: Option<u64>,
}

impl Machine {
    /// A node with a recovered (or new) state. It does nothing before [`Event::Start`].
    #[must_use]
    pub fn new(state: State) -> Self {
        let mut machine = Self {
            staged: Staged::new(state.head().next_job),
            ledgers: Ledgers::new(state.node()),
            state,
            here: Here::default(),
            lanes: BTreeMap::new(),
            ready: Ready::default(),
            heavy: BTreeSet::new(),
            turn: None,
            sharing: Sharing::default(),
            balance: Balance::default(),
            broker: Broker::default(),
            controller: Controller::default(),
            moving: Moving::default(),
            runs: Runs::default(),
            touched: BTreeSet::new(),
            refused: BTreeMap::new(),
            fault: None,
            decisions: VecDeque::new(),
            standing: VecDeque::new(),
            now: Now::default(),
            #[cfg(feature = "planted")]
            plants: BTreeSet::new(),
        };
        machine.recover_lanes();
        machine
    }

    /// Handles one event and appends what is to be done to `out`, in order.
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Effect>) {
        self.now = now;
        self.due(now, out);
        match event {
            Event::Start { incarnation, slots } => self.start(incarnation, slots, now, out),
            Event::Command { ticket, command } => self.command(ticket, command, now, out),
            Event::Persisted(sequence) => self.persisted(sequence, now, out),
            Event::PersistFailed { after, full } => self.persist_failed(after, full, now, out),
            Event::WardenUp { running, queued } => self.warden_up(&running, &queued, now, out),
            Event::WardenDown => self.here.warden = false,
            Event::WardenFull(full) => self.here.full = full,
            Event::Finished(outcomes) => self.finished(outcomes, now, out),
            Event::Revoked(attempts) => self.revoked(&attempts, now, out),
            Event::Reading(reading) => self.reading(&reading, now, out),
            Event::Processes(seen) => self.processes(&seen, now, out),
            Event::Holds(held) => self.holds(&held, now, out),
            Event::Unheld(pid) => self.unheld(pid),
            Event::Power(power) => self.power(power, now, out),
            Event::Recalled(remembered) => self.runs.recall(&remembered),
            Event::Fit(fit) => self.own_fit(fit),
            Event::PeerFit(peer, fit) => self.peer_fit(peer, fit),
            Event::Unwanted { from, grant, tasks, asked, why } => {
                self.unwanted(from, grant, tasks, (asked, why), now, out);
            }
            Event::Staged { grant, tasks } => self.staged_inputs(grant, &tasks),
            Event::Unstaged { grant, tasks, why } => self.unstaged_inputs(grant, &tasks, why, now, out),
            Event::Uncarried { grant, tasks } => self.uncarried(grant, &tasks, now, out),
            Event::PeerUp(peer) => self.peer_up(peer, now, out),
            Event::PeerDown(peer) => self.peer_down(peer, now),
            Event::Areas(areas) => self.pair_areas(&areas, now, out),
            Event::Message { from, message } => self.message(from, message, now, out),
            Event::Tick => {}
        }
        self.settle(now, out);
    }

    fn settle(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.pursue(now, out);
        self.settle_jobs(now, out);
        self.renew_incarnation();
        self.restart_if_failed(now, out);
        self.look_at_signs(now);
        self.dispatch(now, out);
        self.look_at_ahead(now, out);
        self.return_excess(now, out);
        self.answer_drains(out);
        self.offer(now, out);
        self.ask(now, out);
        self.tell(now, out);
        if let Some(wake) = self.next_wake(now) {
            out.push(Effect::WakeAt(wake));
        }
    }

    fn start(&mut self, incarnation: u64, slots: u32, now: Now, out: &mut Vec<Effect>) {
        self.here.slots = slots.min(SLOTS_MAX);
        self.here.open = self.here.slots;
        self.recover_drain();
        self.here.incarnation = incarnation;
        self.balance.dice = incarnation;
        self.recover_loans(now);
        out.push(Effect::Log(Line::Began));
        self.here.start_failed = !self.stage_own(alloc::vec![Record::Started { incarnation }], now, out);
    }

    pub(super) const fn epoch(&self) -> Epoch {
        Epoch { counter: 0, keeper: self.state.node().tag(), incarnation: self.here.incarnation }
    }

    pub(super) fn decided(&mut self, did: Did, because: Reason) {
        let (list, most) =
            if did.is_standing() { (&mut self.standing, STANDING_MAX) } else { (&mut self.decisions, DECISIONS_MAX) };
        if list.len() >= most {
            list.pop_front();
        }
        list.push_back(Decision { at: self.now.boot, did, because });
    }

    /// Numbers of dispatches are used up after some thousand million: the node then begins a new incarnation, as after a
    /// restart. Its successor must be as hard to guess by another disk's copy, and differs from all before it.
    fn renew_incarnation(&mut self) {
        if self.here.n < DISPATCHES_MAX {
            return;
        }
        self.here.n = 0;
        self.here.incarnation = self.here.incarnation.wrapping_add(1);
        self.here.started = false;
        self.here.start_failed = true;
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_insert(0) += 1;
    }
}
