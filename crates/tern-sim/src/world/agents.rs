//! Starting and killing agents, and everything that reaches their machine.

use tern_core::machine::Event;

use super::{What, World, say};
use crate::computer::{Agent, Commit, FromWarden, Link, Power};
use crate::text;

const MS: u64 = 1_000_000;

/// Effects of one event beyond which something grows without bound.
const EFFECTS_MAX: usize = 8_192;

impl World {
    pub(super) fn agent_starts(&mut self, node: usize) {
        if self.nodes[node].agent.is_some() || self.nodes[node].power != Power::On {
            return;
        }
        let computer = &mut self.nodes[node];
        computer.agent_generation += 1;
        let generation = computer.agent_generation;
        let from = computer.checkpoint.as_ref();
        let agent = Agent::recover(computer.id, from, &computer.journal.durable, &computer.warden.segment);
        #[cfg(feature = "planted")]
        let agent = agent.planted(self.plan.plant);
        let mut agent = agent;
        agent.machine.set_work(Self::settings(node));
        computer.agent = Some(agent);
        (computer.yielding, computer.low) = (None, None);
        let (records, ends) = (computer.journal.durable.len(), computer.warden.segment.len());
        say!(self, Some(node), "agent", "starts from {records} records and {ends} ends of attempts");
        let incarnation = self.dice.disk.u64(..);
        let slots = self.nodes[node].warden.slots;
        self.feed(node, Event::Start { incarnation, slots });
        let fit = self.fit(node);
        self.feed(node, Event::Fit(fit));
        self.tell_power(node);
        let soon = self.now + self.dice.net.u64(100_000..2 * MS);
        self.queue.plan(soon, What::Connect(node));
        self.queue.plan(soon + MS, What::Sense { node, generation });
        self.links_changed(node);
    }

    /// kill -9, and a start after `restart_ms`.
    pub fn kill_agent(&mut self, node: usize, restart_ms: u64) {
        if self.nodes[node].agent.is_some() {
            self.agent_dies(node);
            self.queue.plan(self.now + (restart_ms + 1) * MS, What::AgentStarts(node));
        }
    }

    /// The process is gone: what it wrote to the socket may still be read, what it wrote to the disk may be there.
    pub(super) fn agent_dies(&mut self, node: usize) {
        if self.nodes[node].agent.take().is_none() {
            return;
        }
        say!(self, Some(node), "agent", "DIES");
        let computer = &mut self.nodes[node];
        computer.stalled_until = 0;
        computer.to_agent.clear();
        let read = self.dice.disk.usize(..=computer.to_warden.len());
        computer.to_warden.truncate(read);
        let survivors = computer.journal.crash(self.dice.disk.u64(..1_000));
        self.records_became_durable(node, survivors);
        self.client.lose(node);
        self.links_changed(node);
    }

    pub(super) fn connect(&mut self, node: usize) {
        let computer = &mut self.nodes[node];
        let Some(agent) = computer.agent.as_mut() else { return };
        let generation = computer.warden.generation;
        if !computer.warden.alive || agent.connected == Some(generation) {
            return;
        }
        agent.connected = Some(generation);
        let again = if self.plan.faulty_ms > 0 { self.dice.disk.usize(..4) } else { 0 };
        let end = computer.warden.segment.len();
        let (running, queued) = computer.warden.holds();
        self.tell_agent(node, FromWarden::Finished { end, again });
        self.tell_agent(node, FromWarden::Up { generation, running, queued });
        let full = self.nodes[node].warden.full;
        self.tell_agent(node, FromWarden::Full(full));
    }

    pub(super) fn tell_agent(&mut self, node: usize, what: FromWarden) {
        let computer = &mut self.nodes[node];
        if computer.agent.as_ref().is_some_and(|agent| agent.connected.is_some()) {
            computer.to_agent.push_back(what);
            let generation = computer.agent_generation;
            let at = self.now + self.dice.net.u64(20_000..400_000);
            self.queue.plan(at, What::AgentReads { node, generation });
        }
    }

    pub(super) fn agent_reads(&mut self, node: usize, generation: u32) {
        let computer = &mut self.nodes[node];
        let Some(agent) = computer.agent.as_mut().filter(|_| computer.agent_generation == generation) else { return };
        let Some(what) = computer.to_agent.pop_front() else { return };
        let event = match what {
            FromWarden::Up { generation, running, queued } => {
                agent.link = Link::Open(generation);
                self.ledger.welcomed(node, self.now);
                Event::WardenUp { running, queued }
            }
            FromWarden::Finished { end, again } => {
                let from = agent.segment_read.saturating_sub(again);
                if from >= end {
                    return;
                }
                agent.segment_read = agent.segment_read.max(end);
                Event::Finished(computer.warden.segment[from..end].to_vec())
            }
            FromWarden::Revoked(attempts) => Event::Revoked(attempts),
            FromWarden::Full(full) => Event::WardenFull(full),
            FromWarden::Down => {
                agent.link = Link::Closed;
                Event::WardenDown
            }
        };
        self.feed(node, event);
    }

    pub(super) fn alarm(&mut self, node: usize) {
        let computer = &mut self.nodes[node];
        let Some(agent) = computer.agent.as_mut() else { return };
        agent.alarm_planned = None;
        match agent.alarm {
            Some(at) if at <= self.now => {
                agent.alarm = None;
                self.feed(node, Event::Tick);
            }
            Some(at) => {
                agent.alarm_planned = Some(at);
                self.queue.plan(at, What::Alarm(node));
            }
            None => {}
        }
    }

    /// The machine asks to be called at this boot time; the latest wish holds.
    pub(super) fn set_alarm(&mut self, node: usize, boot: u64) {
        let computer = &mut self.nodes[node];
        // An alarm for now or the past rings after the least time that a timer needs.
        let at = computer.clock.when_boot(boot).max(self.now + 50_000);
        let Some(agent) = computer.agent.as_mut() else { return };
        agent.alarm = Some(at);
        if agent.alarm_planned.is_none_or(|planned| planned > at) {
            agent.alarm_planned = Some(at);
            self.queue.plan(at, What::Alarm(node));
        }
    }

    pub(super) fn start_fsync(&mut self, node: usize) {
        let generation = self.nodes[node].agent_generation;
        if self.nodes[node].journal.begin() {
            let (least, most) = self.plan.fsync_us;
            let at = self.now + self.dice.disk.u64(least..most) * 1_000;
            self.queue.plan(at, What::FsyncReturns { node, generation });
        }
    }

    pub(super) fn fsync_returns(&mut self, node: usize, generation: u32) {
        let computer = &mut self.nodes[node];
        if computer.agent_generation != generation || computer.agent.is_none() {
            return;
        }
        let records = computer.journal.durable.len();
        let event = match computer.journal.end() {
            Commit::Durable { sequence, from } => {
                self.records_became_durable(node, from);
                Event::Persisted(sequence)
            }
            Commit::Failed { after, full } => Event::PersistFailed { after, full },
        };
        self.start_fsync(node);
        self.feed(node, event);
        let computer = &mut self.nodes[node];
        let written = computer.journal.durable.len() > records && self.plan.faulty_ms > 0;
        if let Some(agent) = computer.agent.as_ref().filter(|_| written && self.dice.disk.u32(..8) == 0) {
            computer.checkpoint = Some(agent.checkpoint(computer.journal.durable.len()));
        }
    }

    /// The machine handles one event, and what it wants is done, in order.
    pub(crate) fn feed(&mut self, node: usize, event: Event) {
        let computer = &mut self.nodes[node];
        let Some(agent) = computer.agent.as_mut() else { return };
        if self.story.is_told() {
            let (who, what) = text::event(&event);
            self.story.tell(self.now, Some(node), who, &what);
        }
        let cause = Cause::of(&event);
        let now = computer.clock.now(self.now);
        let mut effects = std::mem::take(&mut self.effects);
        agent.machine.handle(event, now, &mut effects);
        self.stats.events += 1;
        self.stats.effects += effects.len() as u64;
        if effects.len() > EFFECTS_MAX {
            self.fail("anytime_queues_are_bounded", format!("one event had {} effects", effects.len()));
        }
        for effect in effects.drain(..) {
            if self.failure.is_some() || self.dies_here(node) {
                break;
            }
            self.perform(node, effect, &cause);
        }
        effects.clear();
        self.effects = effects;
        self.check_obedience(node);
        self.check_sanity(node);
    }

    /// Whether the agent is killed before its next effect.
    fn dies_here(&mut self, node: usize) -> bool {
        let Some(agent) = self.nodes[node].agent.as_mut() else { return true };
        match agent.doomed.as_mut() {
            None => false,
            Some(0) => {
                let restart = self.dice.fault.u64(1..400);
                self.kill_agent(node, restart);
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
}

/// What the oracles need to know of the event that an effect answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cause {
    /// A message of this peer.
    Message(tern_core::words::NodeId),
    Other,
}

impl Cause {
    const fn of(event: &Event) -> Self {
        match event {
            Event::Message { from, .. } => Self::Message(*from),
            _ => Self::Other,
        }
    }
}
