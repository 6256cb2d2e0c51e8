//! What goes wrong with computers, and how it is mended.
//!
//! Each of these is also a verb for scripted lives. Not modelled: bit rot, a paused virtual machine (which stops boot time
//! too), an fsync of the result segment that fails, and a cloned disk.

pub(crate) mod presence;

use tern_core::machine::Command;
use tern_core::words::JobId;

use super::{What, World, say};
use crate::computer::{Health, Kind, Power};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    AgentDies,
    WardenDies,
    BothDie,
    PowerFails,
    /// The lid is closed: boot time goes on, all else stands still.
    Sleeps,
    /// The agent's process is stopped for a while; clocks and warden go on.
    Stalls,
    WallClockJumps,
    JournalFull,
    JournalFails,
    ResultsFull,
    /// Two computers do not hear one another.
    Partition,
    /// One computer hears nobody.
    Island,
    /// Link monitoring is wrong for a moment.
    LinkFlaps,
    /// Somebody sits down at the computer and uses it.
    OwnerComes,
    BatteryFalls,
}

/// The end of a fault that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Wakes(usize),
    Journal(usize),
    Results(usize),
    Heal(usize, usize),
    Undrain(usize),
    OwnerGoes(usize),
    /// The battery has this charge.
    Charged(usize, u8),
    PluggedIn(usize),
    /// The client wants a cancelled job after all.
    Retry(usize, JobId),
}

impl Fault {
    /// All of them, with a usual time between two of a kind in milliseconds.
    pub const ALL: [(Self, u64); 15] = [
        (Self::AgentDies, 900),
        (Self::WardenDies, 1_300),
        (Self::BothDie, 2_500),
        (Self::PowerFails, 2_500),
        (Self::Sleeps, 3_000),
        (Self::Stalls, 2_000),
        (Self::WallClockJumps, 2_000),
        (Self::JournalFull, 2_500),
        (Self::JournalFails, 2_500),
        (Self::ResultsFull, 2_500),
        (Self::Partition, 1_500),
        (Self::Island, 2_500),
        (Self::LinkFlaps, 1_500),
        (Self::OwnerComes, 2_500),
        (Self::BatteryFalls, 3_500),
    ];
}

const MS: u64 = 1_000_000;

impl World {
    /// Plans the next fault of each kind that this life has.
    pub(super) fn plan_faults(&mut self) {
        for (fault, mean) in self.plan.faults.clone() {
            let after = self.dice.fault.u64(1..mean * 2) * MS;
            self.queue.plan(after, What::Fault(fault));
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if self.calm_since.is_some() {
            return;
        }
        let mean = self.plan.faults.iter().find(|(kind, _)| *kind == fault).map_or(1_000, |(_, mean)| *mean);
        let next = self.now + self.dice.fault.u64(1..mean * 2) * MS;
        self.queue.plan(next, What::Fault(fault));
        let node = self.dice.fault.usize(..self.nodes.len());
        let long = self.dice.fault.u32(..4) == 0;
        let span = if long { self.dice.fault.u64(1_500..4_000) } else { self.dice.fault.u64(5..900) };
        self.strike(fault, node, span);
    }

    fn strike(&mut self, fault: Fault, node: usize, span: u64) {
        let other = (node + 1 + self.dice.fault.usize(..self.nodes.len())) % self.nodes.len();
        let both = self.nodes[node].kind == Kind::Honest && self.nodes[node].power == Power::On;
        self.stats.faults += u64::from(both);
        match fault {
            Fault::Partition if other != node => self.cut(node, other, span),
            Fault::Island => {
                (0..self.nodes.len()).filter(|peer| *peer != node).for_each(|peer| self.cut(node, peer, span));
            }
            Fault::LinkFlaps if other != node => self.flap(node, other),
            _ if !both => {}
            Fault::AgentDies if self.dice.fault.bool() => self.doom(node),
            Fault::AgentDies => self.kill_agent(node, span / 2),
            Fault::WardenDies => self.kill_warden(node, span / 2),
            Fault::BothDie => {
                self.kill_agent(node, span);
                self.kill_warden(node, span / 2);
            }
            Fault::PowerFails => self.power_fails(node, span),
            Fault::Sleeps => self.sleep(node, span * 2),
            Fault::Stalls => self.stall(node, span),
            Fault::WallClockJumps => self.set_wall_clock(node),
            Fault::JournalFull => self.journal_trouble(node, Health::Full, span),
            Fault::JournalFails => self.journal_trouble(node, Health::Failing, span),
            Fault::ResultsFull => self.results_full(node, span),
            Fault::OwnerComes => {
                let cpus = self.dice.fault.u32(1..6);
                self.owner_comes(node, cpus, span * 2);
            }
            Fault::BatteryFalls => self.battery_falls(node, span * 2),
            Fault::Partition | Fault::LinkFlaps => {}
        }
    }

    pub(super) fn repair(&mut self, repair: Repair) {
        match repair {
            Repair::Wakes(node) => self.wake(node),
            // A machine that sleeps finds the room when it wakes, in its turn among what waited for that.
            Repair::Results(node) if self.nodes[node].power == Power::Asleep => {
                self.nodes[node].deferred.push((self.now, What::Repair(repair)));
            }
            Repair::Journal(node) => {
                say!(self, Some(node), "disk", "the journal's disk works again");
                self.nodes[node].journal.health = Health::Good;
            }
            Repair::Results(node) => self.results_room(node),
            Repair::Heal(a, b) => self.heal(a, b),
            Repair::Undrain(node) => self.client_undrains(node),
            Repair::OwnerGoes(node) => self.owner_goes(node),
            Repair::Charged(node, percent) if self.nodes[node].feed.is_battery() => self.battery(node, percent),
            Repair::Charged(..) => {}
            Repair::PluggedIn(node) => self.plugged_in(node),
            Repair::Retry(..) if self.calm_since.is_some() => {}
            Repair::Retry(node, job) => {
                self.ask(node, Command::Retry { job, tasks: None });
            }
        }
    }

    /// The agent's process is killed in the middle of what it does next.
    fn doom(&mut self, node: usize) {
        let effects = self.dice.fault.u32(..4);
        if let Some(agent) = self.nodes[node].agent.as_mut() {
            agent.doomed = Some(effects);
        }
    }

    /// Everything on the computer stops at once; it boots after `off_ms`.
    pub fn power_fails(&mut self, node: usize, off_ms: u64) {
        if self.nodes[node].power != Power::On {
            return;
        }
        say!(self, Some(node), "power", "POWER FAILS for {off_ms} ms");
        self.agent_dies(node);
        let kept = self.dice.disk.usize(..=self.nodes[node].warden.unsynced.len());
        let kept = self.nodes[node].warden.power_loss(kept);
        self.ledger.note_durable(node, &kept);
        let computer = &mut self.nodes[node];
        computer.to_warden.clear();
        computer.to_agent.clear();
        computer.power = Power::Off;
        self.queue.plan(self.now + off_ms * MS, What::Boot(node));
    }

    pub(super) fn boot(&mut self, node: usize) {
        if self.nodes[node].power != Power::Off {
            return;
        }
        say!(self, Some(node), "power", "boots");
        let computer = &mut self.nodes[node];
        computer.power = Power::On;
        computer.clock = computer.clock.rebooted(self.now);
        computer.stalled_until = 0;
        self.queue.plan(self.now + MS, What::WardenStarts(node));
        self.queue.plan(self.now + 2 * MS, What::AgentStarts(node));
    }

    /// Agent, warden and tasks stand still; boot time does not.
    pub fn sleep(&mut self, node: usize, for_ms: u64) {
        if self.nodes[node].power != Power::On {
            return;
        }
        say!(self, Some(node), "power", "falls ASLEEP for {for_ms} ms");
        let computer = &mut self.nodes[node];
        computer.power = Power::Asleep;
        computer.clock.sleep(self.now);
        self.queue.plan(self.now + for_ms * MS, What::Repair(Repair::Wakes(node)));
        self.links_changed(node);
    }

    fn wake(&mut self, node: usize) {
        if self.nodes[node].power != Power::Asleep {
            return;
        }
        let computer = &mut self.nodes[node];
        computer.power = Power::On;
        let slept = computer.clock.wake(self.now);
        say!(self, Some(node), "power", "wakes after {} ms", slept / MS);
        let computer = &mut self.nodes[node];
        for (planned, what) in computer.deferred.drain(..) {
            let alarm = matches!(what, What::Alarm(_));
            self.queue.plan(if alarm { self.now } else { planned + slept }, what);
        }
        for run in computer.warden.running.iter_mut().chain(&mut computer.warden.orphans) {
            run.ends += slept;
            self.queue.plan(run.ends, What::RunEnds { node, run: run.id });
        }
        self.ledger.welcomed(node, self.now);
        self.links_changed(node);
    }

    /// The agent's process gets no time; warden, tasks and clocks go on.
    pub fn stall(&mut self, node: usize, for_ms: u64) {
        say!(self, Some(node), "agent", "is STOPPED for {for_ms} ms");
        self.nodes[node].stalled_until = self.now + for_ms * MS;
    }

    fn set_wall_clock(&mut self, node: usize) {
        let to = self.dice.fault.u64(..4_000_000_000_000);
        say!(self, Some(node), "clock", "somebody sets the time of day");
        self.nodes[node].clock.set_wall(to);
    }

    /// Each fsync of the journal fails for a while.
    pub fn journal_trouble(&mut self, node: usize, health: Health, for_ms: u64) {
        say!(self, Some(node), "disk", "the journal's disk is {health:?} for {for_ms} ms");
        self.nodes[node].journal.health = health;
        self.queue.plan(self.now + for_ms * MS, What::Repair(Repair::Journal(node)));
    }

    /// The client of a liveness phase waits for no repair: all is mended at once, and nothing breaks any more.
    pub fn calm(&mut self) {
        say!(self, None, "world", "—— from now on nothing goes wrong ——");
        self.calm_since = Some(self.now);
        self.plan.loss = 0;
        self.plan.repeat = 0;
        self.plan.late = 0;
        for node in 0..self.nodes.len() {
            self.nodes[node].stalled_until = 0;
            self.nodes[node].journal.health = Health::Good;
            if let Some(agent) = self.nodes[node].agent.as_mut() {
                agent.doomed = None;
            }
            self.results_room(node);
            self.wake(node);
            for peer in 0..node {
                self.heal(node, peer);
            }
            self.owner_goes(node);
            self.plugged_in(node);
            self.client_undrains(node);
        }
        self.client_calms();
    }
}
