//! Lives by their seeds: one to read, many to judge.

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::oracle::Failure;
use crate::plan::Plan;
use crate::story::Story;
use crate::world::{Stats, World};

/// How to render a life.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Another life than the seed's own.
    pub plan: Option<Plan>,
}

/// What many lives came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lives lived.
    pub seeds: u64,
    pub total: Stats,
    /// By seed, ascending.
    pub failures: Vec<Failure>,
    /// Whether the deadline came before the last seed.
    pub cut_short: bool,
}

/// Failures after which a run over many seeds gives up.
const FAILURES_MAX: usize = 64;

/// Seeds that a thread takes at once.
const BATCH: u64 = 8;

fn lived(plan: Plan, story: Story) -> World {
    let faulty = plan.faulty_ms;
    let mut world = World::new(plan, story);
    if world.run_for_ms(faulty) {
        world.calm();
        world.live_out();
    }
    world
}

/// One life as text. The last line says how it ended.
#[must_use]
pub fn life(seed: u64, options: &Options) -> String {
    let plan = options.plan.clone().unwrap_or_else(|| Plan::of(seed));
    let mut story = Story::told();
    story.head(&format!("seed {seed}: {plan}"));
    let mut world = lived(plan, story);
    let end = match &world.failure {
        Some(failure) => format!("FAILED: {failure}"),
        None => format!("all is well: {}", world.stats),
    };
    world.story.head(&end);
    world.story.text()
}

/// Lives one life and says what it came to.
///
/// # Errors
/// What the oracle saw that objected first.
pub fn check_seed(seed: u64) -> Result<Stats, Failure> {
    check_plan(Plan::of(seed))
}

/// As [`check_seed`], for a life of one's own making.
///
/// # Errors
/// What the oracle saw that objected first.
pub fn check_plan(plan: Plan) -> Result<Stats, Failure> {
    let world = lived(plan, Story::default());
    world.failure.map_or(Ok(world.stats), Err)
}

/// Lives all lives of a range on so many threads, until the deadline.
#[must_use]
pub fn check_seeds(seeds: Range<u64>, threads: usize, deadline: Option<Instant>) -> Report {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= seeds.end {
                return;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                stop.store(true, Ordering::Relaxed);
                lock(&report).cut_short = true;
                return;
            }
            let mut mine = Report::default();
            for seed in from..seeds.end.min(from.saturating_add(BATCH)) {
                mine.add(check_seed(seed));
            }
            let mut all = lock(&report);
            all.merge(mine);
            if all.failures.len() >= FAILURES_MAX {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let mut report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report.failures.sort_by_key(|failure| failure.seed);
    report
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Report {
    fn add(&mut self, result: Result<Stats, Failure>) {
        self.seeds += 1;
        match result {
            Ok(stats) => self.total.add(&stats),
            Err(failure) => self.failures.push(failure),
        }
    }

    fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.total.add(&other.total);
        self.failures.extend(other.failures);
    }
}

impl Stats {
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.events += other.events;
        self.effects += other.effects;
        self.messages += other.messages;
        self.jobs += other.jobs;
        self.tasks += other.tasks;
        self.runs += other.runs;
        self.faults += other.faults;
        self.lies += other.lies;
        self.loans += other.loans;
        self.copies += other.copies;
        self.lived += other.lived;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, events, messages, jobs, tasks, runs, faults, lies, loans, copies, lived, .. } = self;
        write!(f, "{} s lived, {steps} steps, {events} events, {messages} messages, ", lived / 1_000_000_000)?;
        write!(
            f,
            "{jobs} jobs of {tasks} tasks, {runs} runs, {loans} loans, {copies} copies, {faults} faults, {lies} lies"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds: {}", self.seeds, self.total)?;
        for failure in &self.failures {
            writeln!(f, "FAILED {failure}")?;
        }
        write!(f, "{} failures{}", self.failures.len(), if self.cut_short { ", cut short by the deadline" } else { "" })
    }
}
