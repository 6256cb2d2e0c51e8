//! How much of this machine is for tasks: drains, a battery that runs low, and slots that the owner needs.
//!
//! Three causes keep a node from starting anything, each of its own: a person asked for it, which survives a restart; the
//! battery is low; the agent is about to end. Whoever undoes one leaves the others as they are. Fewer slots end no task:
//! what has not started comes back from the warden, and what was borrowed and finds no slot goes back to its owner.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::decide::dispatch;
use crate::decide::presence::{battery, owner};
use crate::machine::effect::{Answer, Deny, Effect};
use crate::machine::lane::LaneKey;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::observe::trit::Smoothed;
use crate::observe::{Power, Reading};
use crate::plan::{Did, Reason};
use crate::promise::Record;
use crate::words::limits::STAGED_MAX;
use crate::words::{JobSpec, Now, Span};

/// When this node stands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkSettings {
    /// On battery below this charge, in per cent, it starts nothing more; 0: it goes on.
    pub drain_below: u8,
    /// Slots are given up while the owner uses the machine.
    pub yield_to_owner: bool,
    /// One slot is kept even where the owner takes all.
    pub leave_one: bool,
    /// The time of which the load is the average.
    pub load_average: Span,
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self { drain_below: 0, yield_to_owner: false, leave_one: true, load_average: Span::secs(60) }
    }
}

/// What keeps this machine from working, and how much of it is left.
#[derive(Debug, Default)]
pub(in crate::machine) struct Room {
    settings: WorkSettings,
    /// A person asked for it; durable, or about to be.
    person: bool,
    /// Why the battery does.
    low: Option<Reason>,
    /// The agent is about to end.
    leaving: bool,
    /// Askers who wait until nothing runs: a person's, and those of the end.
    drains: Vec<u64>,
    leaves: Vec<u64>,
    /// Our own part of the load, averaged as that is.
    ours: Option<Smoothed>,
    /// CPUs that are the owner's now.
    taken: u32,
    /// Why there are fewer slots.
    fewer: Option<Reason>,
}

impl Machine {
    /// When this node stands back. Forgets the loads so far.
    pub fn set_work(&mut self, settings: WorkSettings) {
        self.here.room = Room { settings, person: self.state.head().drained, ..Room::default() };
        self.here.open = self.here.slots;
        self.here.draining = self.here.room.person;
    }

    /// A person's drain outlives the agent.
    pub(in crate::machine) fn recover_drain(&mut self) {
        self.here.room.person = self.state.head().drained && !self.planted(Plant::DrainForgotten);
        self.here.draining = self.here.room.person;
    }

    /// Slots that are for tasks now.
    #[must_use]
    pub const fn open_slots(&self) -> u32 {
        self.here.open
    }

    /// Of one core, in thousandths of the reference machine; 0: not measured.
    #[must_use]
    pub const fn speed(&self) -> u16 {
        self.here.speed
    }

    pub(in crate::machine) fn is_lowered(&self) -> bool {
        self.here.open < self.here.slots && !self.planted(Plant::OwnerIgnored)
    }

    /// Tasks that should be in the warden's hands. None is given ahead while the owner uses the machine, or where they would wait.
    pub(in crate::machine) fn ahead(&self) -> u32 {
        if self.is_lowered() || self.here.stalls {
            self.here.open
        } else {
            dispatch::ahead(self.here.slots, self.here.mean_ns)
        }
    }

    /// Why this node starts nothing, or less than it could. None: it works as it can.
    #[must_use]
    pub fn stands_back(&self) -> Option<Reason> {
        let room = &self.here.room;
        let asked = (room.person || room.leaving).then_some(Reason::Draining);
        asked.or(room.low).or(room.fewer)
    }

    /// Why a job may not be accepted now: the node is about to end, or starts nothing and the job may go nowhere else.
    pub(in crate::machine) fn refuses(&self, spec: &JobSpec) -> Option<Deny> {
        match () {
            () if self.here.room.leaving => Some(Deny::Draining),
            () if self.here.draining && !spec.may_leave() => Some(Deny::Drained),
            () => None,
        }
    }

    /// `Drain` of a person.
    pub(in crate::machine) fn drain(&mut self, ticket: u64, wait: bool, now: Now, out: &mut Vec<Effect>) {
        if self.here.room.drains.len() >= STAGED_MAX || !self.staged.has_room(1) {
            out.push(Effect::Reply { ticket, outcome: Err(Deny::Backpressure) });
            return;
        }
        if wait {
            self.here.room.drains.push(ticket);
        }
        let reply = (!wait).then_some((ticket, Answer::Done));
        out.push(self.staged.push(vec![Record::Drained { drained: true }], reply));
        self.here.room.person = true;
        self.drains_changed(Reason::Asked, now, out);
    }

    /// `Undrain`: nothing starts before it is durable that it may.
    pub(in crate::machine) fn undrain(&mut self, ticket: u64, out: &mut Vec<Effect>) {
        if !self.staged.has_room(1) {
            out.push(Effect::Reply { ticket, outcome: Err(Deny::Backpressure) });
            return;
        }
        out.push(self.staged.push(vec![Record::Drained { drained: false }], Some((ticket, Answer::Done))));
    }

    /// `Leave`: of this life only.
    pub(in crate::machine) fn leave(&mut self, ticket: u64, now: Now, out: &mut Vec<Effect>) {
        if self.here.room.leaves.len() >= STAGED_MAX {
            out.push(Effect::Reply { ticket, outcome: Err(Deny::Backpressure) });
            return;
        }
        self.here.room.leaving = true;
        self.here.room.leaves.push(ticket);
        self.drains_changed(Reason::Asked, now, out);
    }

    /// What a person wants is durable.
    pub(in crate::machine) fn drain_durable(&mut self, drained: bool, now: Now, out: &mut Vec<Effect>) {
        self.here.room.person = drained;
        if !drained {
            if self.planted(Plant::UndrainAll) {
                self.here.room.low = None;
            }
            let undone = Deny::Invalid(String::from("the drain was undone before it was complete"));
            self.deny_drains(&undone, out);
        }
        self.drains_changed(Reason::Asked, now, out);
    }

    /// It will never be durable: what was so before is so again.
    pub(in crate::machine) fn drain_failed(&mut self, deny: &Deny, now: Now, out: &mut Vec<Effect>) {
        self.here.room.person = self.state.head().drained;
        self.deny_drains(deny, out);
        self.drains_changed(Reason::Asked, now, out);
    }

    fn deny_drains(&mut self, deny: &Deny, out: &mut Vec<Effect>) {
        for ticket in core::mem::take(&mut self.here.room.drains) {
            out.push(Effect::Reply { ticket, outcome: Err(deny.clone()) });
        }
    }

    /// The causes changed: does the node start tasks still, or again?
    fn drains_changed(&mut self, because: Reason, now: Now, out: &mut Vec<Effect>) {
        let room = &self.here.room;
        let (was, is) = (self.here.draining, room.person || room.leaving || room.low.is_some());
        self.here.draining = is;
        if is && !was {
            self.decided(Did::Drain, because);
            self.give_back_all(now, out);
        } else if was && !is {
            self.decided(Did::Undrain, because);
            self.ready.extend(self.lanes.keys().copied());
        }
        if is != was {
            // The others hear of it at once.
            self.sharing.pulse.due = self.sharing.pulse.due.min(now.boot);
            self.touched.extend(self.lanes.keys().filter_map(|key| match key {
                LaneKey::Own(job) => Some(*job),
                LaneKey::Borrowed(_) => None,
            }));
        }
    }

    /// What feeds this machine.
    pub(in crate::machine) fn power(&mut self, power: Power, now: Now, out: &mut Vec<Effect>) {
        let below = self.here.room.settings.drain_below;
        let Some(change) = battery::propose(self.here.room.low.is_some(), power, below) else { return };
        let above = below.saturating_add(battery::RISE).min(100);
        let (because, low) = match change {
            battery::Change::Low { percent } => (Reason::BatteryLow { percent, below }, true),
            battery::Change::Charged { percent } => (Reason::BatteryCharged { percent, above }, false),
            battery::Change::Fed => (Reason::Fed, false),
        };
        self.here.room.low = low.then_some(because);
        self.drains_changed(because, now, out);
    }

    /// The time of which the load is the average.
    pub(in crate::machine) const fn load_average(&self) -> Span {
        self.here.room.settings.load_average
    }

    /// How much of the load is the owner's.
    pub(in crate::machine) fn look_for_owner(&mut self, reading: &Reading, now: Now, out: &mut Vec<Effect>) {
        let settings = self.here.room.settings;
        if !settings.yield_to_owner {
            return;
        }
        let busy = f64::from(self.running_slots());
        let ours = self.here.room.ours.get_or_insert(Smoothed::new(settings.load_average)).next(reading.at, busy);
        let picture = owner::Picture {
            slots: self.here.slots,
            cpus: reading.cpus,
            load: reading.load1,
            ours,
            taken: self.here.room.taken,
            leave_one: settings.leave_one,
        };
        let share = owner::propose(&picture);
        self.here.room.taken = share.taken;
        let (from, to) = (self.here.open, share.open);
        if from == to {
            return;
        }
        let slots = self.here.slots;
        let because = Reason::OwnerUses { open: to, slots, load_centi: centi(reading.load1), ours_centi: centi(ours) };
        self.here.open = to;
        self.count_served(now);
        self.here.room.fewer = (to < slots).then_some(because);
        self.decided(Did::Slots { from, to }, because);
        self.sharing.pulse.due = self.sharing.pulse.due.min(now.boot);
        if to < from && !self.planted(Plant::OwnerKeepsAhead) {
            self.give_back_ahead(out);
        }
    }

    /// Slots that tasks take now, the borrowed ones included.
    #[must_use]
    pub fn running_slots(&self) -> u32 {
        let all = self.lanes.iter().filter(|(_, lane)| lane.in_hand > 0);
        let slots = all.map(|(key, lane)| u64::from(lane.in_hand) * u64::from(self.takes(*key).slots)).sum::<u64>();
        u32::try_from(slots).unwrap_or(u32::MAX).min(self.here.slots)
    }

    /// More is with the warden than there are slots now: what has not started comes back.
    pub(in crate::machine) fn give_back_ahead(&self, out: &mut Vec<Effect>) {
        if self.running_slots() <= self.here.open && self.here.in_hand <= self.here.open {
            return;
        }
        for (key, lane) in self.lanes.iter().filter(|(_, lane)| lane.in_hand > 0) {
            if let Some(job) = self.job_of(*key) {
                out.push(Effect::Revoke { job, tasks: lane.in_hand_tasks() });
            }
        }
    }

    /// After dispatch: what was borrowed and found no slot goes back, while the owner uses this machine.
    pub(in crate::machine) fn return_excess(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.is_lowered() && !self.sharing.borrowed.is_empty() {
            self.return_waiting(now, out);
        }
    }

    /// Whoever waits until nothing runs here.
    pub(in crate::machine) fn answer_drains(&mut self, out: &mut Vec<Effect>) {
        let empty = self.here.in_hand == 0 && self.here.warden && self.here.strays.is_empty();
        if !self.here.draining || !empty {
            return;
        }
        let room = &mut self.here.room;
        let mut tickets = core::mem::take(&mut room.leaves);
        if self.state.head().drained && room.person {
            tickets.append(&mut room.drains);
        }
        for ticket in tickets {
            out.push(Effect::Reply { ticket, outcome: Ok(Answer::Done) });
        }
    }
}

/// Hundredths; what is not a number is none.
fn centi(load: f64) -> u32 {
    libm::rint(load.max(0.0) * 100.0) as u32
}
