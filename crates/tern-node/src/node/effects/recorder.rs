//! Writing down what happens: the lines of the event log, and the counts that `/v1/metrics` tells.
//!
//! It follows from events and effects as the loop passes them on, a line for many tasks where there are many. Nothing waits for it.

use std::collections::{BTreeMap, HashSet};

use tern_core::machine::Effect;
use tern_core::observe::NodeTrit;
use tern_core::observe::kpi::line::Standing;
use tern_core::observe::kpi::{End, Event, How, Peer, Tag};
use tern_core::promise::ledger::{Half, Line, Posting};
use tern_core::promise::{Exit, Outcome, Record};
use tern_core::words::limits::JOBS_MAX;
use tern_core::words::{Attempt, JobId, NodeId, Now, Span, TaskSet};

use super::tally::Tally;
use crate::clock;
use crate::home::Home;
use crate::node::run::Loop;
use crate::store::EventLog;

/// Rounds of jobs of which is remembered when they began; the first are forgotten.
const ROUNDS_MAX: usize = 1_024;
/// Peers in one line of loads.
const PEERS_MAX: usize = 64;
/// A node that has nothing to do writes its load so often, and one that works at each reading.
const IDLE_LOAD_EVERY: Span = Span::secs(10);

/// What is written down, and what is remembered for it.
#[derive(Debug)]
pub(in crate::node) struct Recorder {
    me: Tag,
    pub log: EventLog,
    pub tally: Tally,
    /// Slots that are for tasks and whether the node drains, as they were written last; none before the agent began.
    stands: Option<(u32, bool)>,
    /// When tasks of later rounds began to wait, Unix milliseconds.
    rounds: BTreeMap<(JobId, u16), u64>,
    /// Tasks of jobs that were counted as cancelled; the first are forgotten.
    cancelled: BTreeMap<JobId, u32>,
    /// Boot time at which the load of an idle node is written next.
    load_at: u64,
}

/// Ends of attempts, each with the slots that it took.
pub(in crate::node) type Ends = Vec<(Outcome, u32)>;

impl Recorder {
    pub fn new(home: &Home, node: NodeId, keeps: bool) -> Self {
        let (log, tally) = (EventLog::new(home, keeps), Tally::default());
        Self {
            me: Tag(node.tag()),
            log,
            tally,
            stands: None,
            rounds: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            load_at: 0,
        }
    }

    fn write(&mut self, now: Now, event: Event) {
        self.log.add(now, event);
    }

    /// Tasks of a job are over without having run to their end. Remembered, so that none is counted twice.
    fn count_cancelled(&mut self, job: JobId, tasks: u32) {
        if self.cancelled.len() >= JOBS_MAX && !self.cancelled.contains_key(&job) {
            self.cancelled.pop_first();
        }
        *self.cancelled.entry(job).or_default() += tasks;
    }

    fn round_began(&mut self, job: JobId, round: u16, at_ms: u64) {
        if self.rounds.len() >= ROUNDS_MAX {
            self.rounds.pop_first();
        }
        self.rounds.insert((job, round), at_ms);
    }
}

impl Loop {
    /// Ends that the machine is about to hear of: afterwards it may not know any more what their tasks took.
    pub(in crate::node) fn weigh(&self, outcomes: &[Outcome]) -> Ends {
        // Whoever lives as long as a command is asked for no figures.
        let asked = outcomes.iter().filter(|_| self.recorder.log.keeps());
        asked.map(|end| (*end, self.machine.slots_of(&end.attempt))).collect()
    }

    /// Ends that the machine has heard of; `effects` is what it made of them.
    pub(in crate::node) fn note_ends(&mut self, ends: Ends, effects: &[Effect]) {
        if ends.is_empty() {
            return;
        }
        let counted = effects.iter().filter_map(|effect| match effect {
            Effect::Counted { outcomes, .. } => Some(outcomes.iter().map(|outcome| outcome.attempt)),
            _ => None,
        });
        let counted: HashSet<Attempt> = counted.flatten().collect();
        let mut groups: BTreeMap<(JobId, u16, u32, u32), Vec<End>> = BTreeMap::new();
        for (outcome, slots) in ends {
            let Attempt { job, task, round, .. } = outcome.attempt;
            let is_over = counted.contains(&outcome.attempt);
            let cpu_us = Some(outcome.cpu_us).filter(|us| *us > 0);
            let end = End(task, outcome.started_ms, outcome.ran_ns, cpu_us, how(outcome.exit), is_over);
            groups.entry((job, round, outcome.ran_on, slots)).or_default().push(end);
        }
        let (now, left) = (clock::now(), self.machine.left());
        for ((job, round, on, slots), tasks) in groups {
            let queued_ms = self.queued_ms(job, round);
            let (on, own) = (Tag(on), job.owner_tag() == self.recorder.me.0);
            let here = on == self.recorder.me;
            for end in &tasks {
                self.recorder.tally.ended(end, slots, own, here, queued_ms);
            }
            let over = |end: &&End| matches!(end, End(_, _, _, _, How::Cancelled | How::Void, true));
            let cancelled = tasks.iter().filter(over).count();
            if own && cancelled > 0 {
                self.recorder.count_cancelled(job, u32::try_from(cancelled).unwrap_or(u32::MAX));
            }
            self.recorder.write(now, Event::Ended { job, round, on, slots, queued_ms, tasks, left });
        }
    }

    /// Of jobs that are over now, after all else that was heard of them: the tasks that were cancelled before they began. Of these nobody hears an end.
    pub(in crate::node) fn note_over(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::Changed { job, over: true } = effect else { continue };
            let all = self.machine.state().job(*job).map_or(0, |known| known.cancelled.len());
            let counted = self.recorder.cancelled.get(job).copied().unwrap_or(0);
            let tasks = all.saturating_sub(counted);
            if tasks > 0 && self.recorder.log.keeps() {
                self.recorder.count_cancelled(*job, tasks);
                *self.recorder.tally.over.entry(How::Cancelled).or_default() += u64::from(tasks);
                self.recorder.write(clock::now(), Event::Unstarted { job: *job, tasks });
            }
        }
    }

    fn queued_ms(&self, job: JobId, round: u16) -> Option<u64> {
        match round {
            0 => self.machine.state().job(job).map(|job| job.accepted_ms),
            _ => self.recorder.rounds.get(&(job, round)).copied(),
        }
    }

    /// Records that are durable and that the machine has heard of.
    pub(in crate::node) fn note_durable(&mut self, records: &[Record], effects: &[Effect]) {
        // Counting what is left looks at all jobs: only for lines that say it.
        let says = |record: &Record| {
            matches!(record, Record::Accepted { .. } | Record::Retried { .. } | Record::Cancelled { .. })
        };
        let counts = self.recorder.log.keeps() && records.iter().any(says);
        let left = if counts { self.machine.left() } else { 0 };
        let (now, mut ends) = (clock::now(), Ends::new());
        for record in records {
            let event = match record {
                Record::Accepted { job, spec, .. } => {
                    self.recorder.tally.accepted += u64::from(spec.tasks);
                    Event::Accepted { job: *job, tasks: spec.tasks, left }
                }
                Record::Retried { job, round, tasks } => {
                    self.recorder.round_began(*job, *round, now.wall_ms);
                    let still = self.machine.state().job(*job).map_or(0, |known| known.cancelled.len());
                    if let Some(counted) = self.recorder.cancelled.get_mut(job) {
                        *counted = still.min(*counted);
                    }
                    Event::Retried { job: *job, round: *round, tasks: tasks.len(), left }
                }
                Record::Cancelled { job } => Event::Cancelled { job: *job, left },
                Record::Lent { job, to, tasks, .. } => {
                    self.recorder.tally.lent += u64::from(tasks.len());
                    Event::Lent { job: *job, to: Tag(to.tag()), tasks: tasks.len() }
                }
                Record::Outcomes { via: Some(_), outcomes } => {
                    self.note_returned(outcomes);
                    let ran: Vec<Outcome> = outcomes.iter().filter(|end| !never_ran(end)).copied().collect();
                    ends.append(&mut self.weigh(&ran));
                    continue;
                }
                _ => continue,
            };
            self.recorder.write(now, event);
        }
        self.note_ends(ends, effects);
    }

    /// Lent tasks that came back as they went.
    fn note_returned(&mut self, outcomes: &[Outcome]) {
        let mut back: BTreeMap<(JobId, u32), u32> = BTreeMap::new();
        for end in outcomes.iter().filter(|end| never_ran(end)) {
            *back.entry((end.attempt.job, end.ran_on)).or_default() += 1;
        }
        for ((job, from), tasks) in back {
            self.note_back(job, from, tasks);
        }
    }

    pub(in crate::node) fn note_back(&mut self, job: JobId, from: u32, tasks: u32) {
        self.recorder.tally.returned += u64::from(tasks);
        self.recorder.write(clock::now(), Event::Returned { job, from: Tag(from), tasks });
    }

    pub(in crate::node) fn note_given(&mut self, job: JobId, round: u16, tasks: &TaskSet) {
        self.recorder.tally.given += u64::from(tasks.len());
        if self.recorder.log.keeps() {
            let tasks = tasks.ranges().into_iter().map(|range| (*range.start(), *range.end())).collect();
            self.recorder.write(clock::now(), Event::Given { job, round, tasks });
        }
    }

    /// What the ledger is told says also when a life begins, and what was taken of others.
    pub(in crate::node) fn note_transfer(&mut self, line: &Line) {
        match line {
            Line::Began => {
                self.recorder.stands = Some((self.machine.open_slots(), self.machine.is_draining()));
                // Earlier lives have counted what was cancelled in them.
                let known = self.machine.state().jobs().iter().filter(|(_, job)| !job.cancelled.is_empty());
                self.recorder.cancelled = known.map(|(id, job)| (*id, job.cancelled.len())).collect();
                let event = Event::Began(self.standing());
                self.recorder.write(clock::now(), event);
            }
            Line::Posted(Posting { triad, half: Half::Receiver }) => {
                let (from, tasks) = (Tag(triad.sender().tag()), triad.tasks());
                self.recorder.tally.borrowed += u64::from(tasks);
                self.recorder.write(clock::now(), Event::Borrowed { from, tasks });
            }
            Line::Posted(_) | Line::Aborted(_) | Line::Ended => {}
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            node: self.recorder.me,
            slots: self.machine.slots(),
            open: self.machine.open_slots(),
            cpus: crate::node::start::cpus(),
            speed_milli: Some(self.machine.speed()).filter(|speed| *speed > 0),
            left: self.machine.left(),
        }
    }

    /// Whether the node's slots or its drain are not as they were written last.
    pub(in crate::node) fn note_standing(&mut self) {
        let Some((open, drains)) = self.recorder.stands else { return };
        let is = (self.machine.open_slots(), self.machine.is_draining());
        if is == (open, drains) {
            return;
        }
        self.recorder.stands = Some(is);
        let now = clock::now();
        if is.0 != open {
            self.recorder.write(now, Event::Slots { open: is.0 });
        }
        if is.1 != drains {
            self.recorder.write(now, Event::Drain { on: is.1 });
        }
    }

    /// How loaded this node is now, and what it knows of the others.
    pub(in crate::node) fn note_load(&mut self) {
        let (now, left) = (clock::now(), self.machine.left());
        let idle = left == 0 && self.machine.in_hand() == 0;
        if !self.recorder.log.keeps() || (idle && now.boot < self.recorder.load_at) {
            return;
        }
        self.recorder.load_at = now.boot + IDLE_LOAD_EVERY;
        let known = |speed: u16| Some(speed).filter(|speed| *speed > 0);
        let peers = self.machine.loads().take(PEERS_MAX).map(|(node, heard, speed)| {
            Peer(Tag(node.tag()), heard.load_milli, heard.running, heard.slots, known(speed))
        });
        let event = Event::Load {
            rho: self.machine.load().filter(|rho| rho.is_finite()),
            trit: sign(self.machine.trit()),
            queued: self.machine.queued(),
            running: self.machine.running_slots(),
            slots: self.machine.open_slots(),
            speed_milli: known(self.machine.speed()),
            peers: peers.collect(),
            left,
        };
        self.recorder.write(now, event);
    }

    /// The agent ends in order.
    pub(in crate::node) fn note_stopped(&mut self) {
        let left = self.machine.left();
        self.recorder.write(clock::now(), Event::Stopped { left });
        self.write_events();
    }

    /// Hands what waits to the system. A disk that does not take it costs lines, and nothing else.
    pub(in crate::node) fn write_events(&mut self) {
        let standing = self.standing();
        if let Err(error) = self.recorder.log.flush(clock::now(), || Event::Continues(standing)) {
            tracing::debug!(%error, "lines of the event log wait");
        }
    }
}

/// A task that came back from where it was lent to, without having begun there.
fn never_ran(end: &Outcome) -> bool {
    end.exit == Exit::Void && end.ran_ns == 0
}

const fn how(exit: Exit) -> How {
    match exit {
        Exit::Code(0) => How::Done,
        Exit::Code(_) | Exit::Signal(_) => How::Failed,
        Exit::TimedOut => How::TimedOut,
        Exit::Cancelled => How::Cancelled,
        // It goes on from there: the run is not over, and did not count.
        Exit::Void | Exit::Checkpointed => How::Void,
    }
}

pub(in crate::node) const fn sign(trit: NodeTrit) -> i8 {
    match trit {
        NodeTrit::Overloaded => 1,
        NodeTrit::Balanced => 0,
        NodeTrit::Idle => -1,
    }
}
