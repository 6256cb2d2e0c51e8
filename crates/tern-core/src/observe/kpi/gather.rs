//! Reads the lines of a log, oldest first, and adds up what the figures are made of. Lines before the time that is asked for tell how
//! things stood when it began, and count for nothing else.
//!
//! What it holds is bounded by the log, whose files are.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::figures::{variance, variation};
use super::jobs::{Capacity, Jobs};
use super::line::{End, Event, How, Line, Peer, Standing, Tag};
use super::report::{Moves, Tasks};
use crate::words::JobId;

/// A nanosecond is so small a part of a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// The lines of one life that lie within the time.
#[derive(Clone, Copy, Debug)]
struct Life {
    from_ns: u64,
    last_ns: u64,
}

/// Something that was so for a part of the time: its sum over the nanoseconds of that part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub area: f64,
    pub ns: u64,
}

impl Held {
    fn elapse(&mut self, value: Option<f64>, ns: u64) {
        if let Some(value) = value {
            self.area += value * ns as f64;
            self.ns = self.ns.saturating_add(ns);
        }
    }

    /// The mean over time.
    pub fn mean(&self) -> Option<f64> {
        (self.ns > 0).then(|| self.area / self.ns as f64)
    }
}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Gather {
    since_ms: u64,
    // How things stand.
    me: Option<Tag>,
    open: Option<u32>,
    speed_milli: Option<u16>,
    left: Option<u64>,
    peers: Vec<Peer>,
    spread: (Option<f64>, Option<f64>),
    life: Option<Life>,
    /// Tasks that are tried again: since when they wait.
    waiting: BTreeMap<(JobId, u16, u32), u64>,
    pub(super) jobs: Jobs,
    // What was added up.
    pub(super) lines: u64,
    pub(super) unreadable: u64,
    pub(super) lives: u32,
    pub(super) span_ms: Option<(u64, u64)>,
    pub(super) awake_ns: u64,
    /// Slots times nanoseconds: what there was, and what tasks took of it.
    pub(super) capacity: u128,
    pub(super) busy: u128,
    /// The same of each node that is known, of own tasks, and of the time in which there were any.
    pub(super) entitled: BTreeMap<Tag, u128>,
    pub(super) allocated: BTreeMap<Tag, u128>,
    pub(super) in_system: Held,
    pub(super) variance: Held,
    pub(super) variation: Held,
    pub(super) waits_ms: Vec<u64>,
    /// Starts that lie before their task was accepted: the clock was set in between.
    pub(super) clock_steps: u64,
    /// Of tasks that are over: how many, and the sum of the time from acceptance to end.
    pub(super) took: (u64, u128),
    pub(super) tasks: Tasks,
    pub(super) moves: Moves,
}

impl Gather {
    /// Of what was written at this Unix time or later; 0: of all.
    #[must_use]
    pub fn since(since_ms: u64) -> Self {
        Self { since_ms, ..Self::default() }
    }

    /// A line that could not be read.
    pub const fn unreadable(&mut self) {
        self.unreadable += 1;
    }

    pub fn take(&mut self, line: &Line) {
        let counts = line.at_ms >= self.since_ms;
        if counts {
            self.lines += 1;
            let (from, to) = self.span_ms.unwrap_or((line.at_ms, line.at_ms));
            self.span_ms = Some((from, to.max(line.at_ms)));
            self.pass(line);
        }
        self.stand(&line.event);
        match &line.event {
            Event::Ended { .. } => self.ended(line, counts),
            event if counts => self.count(event, line.at_ms),
            _ => {}
        }
    }

    /// The time from the line before to this one.
    fn pass(&mut self, line: &Line) {
        let begins = matches!(line.event, Event::Began(_));
        let at = line.mono_ns;
        match self.life.as_mut().filter(|life| !begins && life.last_ns <= at) {
            Some(life) => {
                let ns = at - life.last_ns;
                life.last_ns = at;
                self.elapse(ns);
            }
            None => {
                self.life = Some(Life { from_ns: at, last_ns: at });
                self.lives += 1;
            }
        }
    }

    fn elapse(&mut self, ns: u64) {
        self.awake_ns = self.awake_ns.saturating_add(ns);
        let slot_ns = |slots: u32| u128::from(slots) * u128::from(ns);
        self.capacity += self.open.map_or(0, slot_ns);
        let works = self.left.is_some_and(|left| left > 0);
        let here = self.me.zip(self.open);
        for (tag, slots) in here.into_iter().chain(self.peers.iter().map(|peer| (peer.0, peer.3))) {
            *self.entitled.entry(tag).or_default() += if works { slot_ns(slots) } else { 0 };
        }
        self.in_system.elapse(self.left.map(|left| left as f64), ns);
        self.variance.elapse(self.spread.0, ns);
        self.variation.elapse(self.spread.1, ns);
    }

    /// How things stand after this.
    fn stand(&mut self, event: &Event) {
        match event {
            Event::Began(standing) | Event::Continues(standing) => {
                let Standing { node, open, speed_milli, left, .. } = *standing;
                (self.me, self.open, self.left) = (Some(node), Some(open), Some(left));
                self.speed_milli = speed_milli;
                if matches!(event, Event::Began(_)) {
                    self.peers.clear();
                    self.spread = (None, None);
                }
            }
            Event::Stopped { left } => {
                self.left = Some(*left);
                self.life = None;
            }
            Event::Accepted { left, .. }
            | Event::Retried { left, .. }
            | Event::Cancelled { left, .. }
            | Event::Ended { left, .. } => self.left = Some(*left),
            Event::Load { rho, speed_milli, peers, left, .. } => {
                self.left = Some(*left);
                self.speed_milli = *speed_milli;
                self.peers.clone_from(peers);
                let others = peers.iter().map(|peer| f64::from(peer.1) / 1e3);
                let loads: Vec<f64> = rho.iter().copied().chain(others).collect();
                // Of a node alone there is nothing to compare.
                let compared = (loads.len() > 1).then_some(&loads[..]);
                self.spread = (compared.and_then(variance), compared.and_then(variation));
            }
            Event::Slots { open } => self.open = Some(*open),
            Event::Given { .. } | Event::Lent { .. } | Event::Returned { .. } | Event::Unstarted { .. } => {}
            Event::Borrowed { .. } | Event::Drain { .. } => {}
        }
    }

    fn count(&mut self, event: &Event, at_ms: u64) {
        match event {
            Event::Accepted { job, tasks, .. } => {
                self.tasks.accepted += u64::from(*tasks);
                self.jobs.accepted(*job, *tasks, at_ms);
            }
            Event::Retried { job, .. } | Event::Cancelled { job, .. } => self.jobs.forget(*job),
            Event::Unstarted { job, tasks } => {
                self.tasks.cancelled += u64::from(*tasks);
                self.jobs.forget(*job);
            }
            Event::Lent { tasks, .. } => self.moves.lent += u64::from(*tasks),
            Event::Returned { tasks, .. } => self.moves.returned += u64::from(*tasks),
            Event::Borrowed { tasks, .. } => self.moves.borrowed += u64::from(*tasks),
            _ => {}
        }
    }

    fn ended(&mut self, line: &Line, counts: bool) {
        let Event::Ended { job, round, on, slots, queued_ms, tasks, .. } = &line.event else { return };
        let since_life = self.life.map_or(0, |life| line.mono_ns.saturating_sub(life.from_ns));
        let own = self.me.is_some_and(|me| me.0 == job.owner_tag());
        for end in tasks {
            let End(task, _, ran_ns, ..) = *end;
            if counts {
                // What it did before the time began, or in an earlier life, is no part of it.
                let took = u128::from(ran_ns.min(since_life)) * u128::from(*slots);
                *self.allocated.entry(*on).or_default() += if own { took } else { 0 };
                if self.me == Some(*on) {
                    self.busy += took;
                }
                self.tasks.foreign += u64::from(!own);
            }
            if own {
                self.own_end((*job, *round, task), end, *queued_ms, counts);
                if counts && end.5 {
                    self.jobs.counted(*job, *on, *slots, end);
                }
            }
        }
        if counts && own {
            let nodes = self.me.zip(self.open).map(|(me, open)| Capacity::new(me, open, self.speed_milli));
            let others = self.peers.iter().map(|peer| Capacity::new(peer.0, peer.3, peer.4));
            self.jobs.finish(*job, &nodes.into_iter().chain(others).collect::<Vec<_>>());
        }
    }

    /// The end of an attempt at a task of this node, wherever it ran.
    fn own_end(&mut self, key: (JobId, u16, u32), end: &End, queued_ms: Option<u64>, counts: bool) {
        let End(_, started_ms, ran_ns, _, how, is_over) = *end;
        let again = self.waiting.remove(&key);
        if !is_over && how != How::Cancelled && how != How::Done {
            self.waiting.insert(key, started_ms.saturating_add(ran_ns / MS));
        }
        if !counts {
            return;
        }
        if is_over {
            match how {
                How::Done => self.tasks.done += 1,
                How::Failed | How::TimedOut => self.tasks.failed += 1,
                How::Cancelled | How::Void => self.tasks.cancelled += 1,
            }
        } else {
            self.tasks.again += 1;
        }
        match how {
            How::Failed | How::TimedOut => {}
            How::Done if is_over => {}
            How::Done | How::Cancelled | How::Void => return,
        }
        if let Some(since) = again.or(queued_ms) {
            match started_ms.checked_sub(since) {
                Some(waited) => self.waits_ms.push(waited),
                None => self.clock_steps += 1,
            }
        }
        if let Some(waited) = queued_ms.filter(|_| is_over).and_then(|since| started_ms.checked_sub(since)) {
            self.took.0 += 1;
            self.took.1 += u128::from(waited) * u128::from(MS) + u128::from(ran_ns);
        }
    }
}
