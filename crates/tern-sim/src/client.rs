//! Somebody who uses the grid: asks for things at random, and remembers what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use tern_core::machine::{Answer, Command, Deny};
use tern_core::promise::Exit;
use tern_core::words::limits::CHECKPOINT_EXIT;
use tern_core::words::spec::{HaltWhat, HaltWhen};
use tern_core::words::template::{Form, Piece, Template};
use tern_core::words::{Attempt, Bytes, Checkpoint, Discipline, Halt, Inputs, JobId, JobSpec, Stage, TaskSet, work};

use crate::oracle::Ledger;

/// A command that waits for its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub node: usize,
    pub command: Command,
    /// How many records were durable there when it was asked.
    pub since: usize,
}

/// How the tasks of a job behave; written into its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Longest run of a task, milliseconds.
    pub most_ms: u64,
    /// Runs that fail, of a hundred.
    pub fails: u32,
}

/// The client's own books.
#[derive(Debug, Default)]
pub struct Client {
    pub pending: BTreeMap<u64, Asked>,
    /// Jobs whose acceptance was acknowledged.
    pub accepted: BTreeMap<JobId, usize>,
    /// Jobs it asked to forget: nothing may be said of them any more.
    pub forgotten: BTreeSet<JobId>,
    /// Names of submissions that were refused: they must never appear.
    pub refused: BTreeSet<String>,
    pub(crate) tickets: u64,
}

impl Client {
    /// An agent died: what it was asked may have happened or not.
    pub fn lose(&mut self, node: usize) {
        self.pending.retain(|_, asked| asked.node != node);
    }

    /// How long the `nth` run of a task takes and how it ends: the same in each life of the seed.
    #[must_use]
    pub fn fate(&self, seed: u64, ledger: &Ledger, attempt: &Attempt, nth: u32) -> (u64, Exit) {
        let shape = ledger.spec(attempt.job).and_then(|spec| Shape::of_name(&spec.name));
        let Some(shape) = shape else { return (20_000_000, Exit::Code(0)) };
        let mix = seed ^ attempt.job.0.rotate_left(17) ^ (u64::from(attempt.task) << 32 | u64::from(nth));
        let mut dice = fastrand::Rng::with_seed(mix);
        let lasts = dice.u64(shape.most_ms * 250_000..=shape.most_ms * 1_000_000).max(1);
        let fails = dice.u32(..100) < shape.fails;
        let keeps = ledger.spec(attempt.job).is_some_and(|spec| spec.checkpoint.is_some());
        let exit = match dice.u8(..4) {
            // Some leave checkpoints by themselves, and come to an end after some of them.
            _ if keeps && nth < 4 && dice.u8(..3) == 0 => Exit::Code(CHECKPOINT_EXIT),
            _ if !fails => Exit::Code(0),
            0 => Exit::Signal(11),
            code => Exit::Code(code),
        };
        (lasts, exit)
    }
}

impl Shape {
    /// `j7-40ms-10%`
    #[must_use]
    pub fn name(self, number: u64) -> String {
        format!("j{number}-{}ms-{}%", self.most_ms, self.fails)
    }

    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.split('-').skip(1);
        let most_ms = parts.next()?.strip_suffix("ms")?.parse().ok()?;
        let fails = parts.next()?.strip_suffix('%')?.parse().ok()?;
        Some(Self { most_ms, fails })
    }
}

/// A plain job, for scripts: each run succeeds after at most `most_ms`.
#[must_use]
pub fn plain_job(number: u64, tasks: u32, most_ms: u64) -> JobSpec {
    let place = Piece::Place { column: None, form: Form::Whole };
    JobSpec {
        name: Shape { most_ms, fails: 0 }.name(number),
        command: Template { words: vec![vec![Piece::Literal("work".into())], vec![place]], shell: None },
        inputs: Inputs::Array { first: 0 },
        tasks,
        parallel: 0,
        tries: 1,
        timeout_ms: None,
        halt: Halt::default(),
        held: false,
        local_only: false,
        rlimits: Vec::new(),
        env: Vec::new(),
        ..JobSpec::default()
    }
}

/// A job as somebody might submit it.
#[must_use]
pub fn random_job(number: u64, dice: &mut fastrand::Rng) -> JobSpec {
    let tasks = match dice.u32(..10) {
        0 => 1,
        1 => dice.u32(40..90),
        _ => dice.u32(1..24),
    };
    let most_ms = *dice.choice(&[2, 20, 80, 300, 900, 4_000]).unwrap_or(&20);
    // Copies need long tasks; many of them would outlast the life.
    let tasks = if most_ms > 1_000 { tasks.min(6) } else { tasks };
    let fails = *dice.choice(&[0, 0, 10, 50, 100]).unwrap_or(&0);
    let mut spec = plain_job(number, tasks, most_ms);
    spec.name = Shape { most_ms, fails }.name(number);
    spec.tries = *dice.choice(&[1, 1, 2, 3]).unwrap_or(&1);
    spec.parallel = if dice.u32(..4) == 0 { dice.u32(1..4) } else { 0 };
    spec.timeout_ms = (dice.u32(..8) == 0).then_some(most_ms / 2 + 1);
    // Of the others a second copy may run where they take too long.
    spec.exclusive = !number.is_multiple_of(3);
    spec.checkpoint = (number % 3 == 1).then(Checkpoint::default);
    spec.idempotent = number.is_multiple_of(5);
    spec.held = dice.u32(..10) == 0;
    spec.local_only = dice.u32(..6) == 0;
    spec.stage = (dice.u32(..4) == 0).then(Stage::default);
    spec.needs.cpus = if dice.u32(..8) == 0 { dice.u16(1..4) } else { 0 };
    spec.needs.gpus = u8::from(dice.u32(..16) == 0);
    spec.deferred = dice.u32(..8) == 0;
    if dice.u32(..3) == 0 {
        known_lengths(&mut spec, most_ms, dice);
    }
    if dice.u32(..5) == 0 {
        spec.halt = Halt {
            when: if dice.bool() { HaltWhen::Soon } else { HaltWhen::Now },
            what: *dice.choice(&[HaltWhat::Fail, HaltWhat::Success, HaltWhat::Done]).unwrap_or(&HaltWhat::Fail),
            count: dice.u32(1..6),
            percent: dice.u32(..4) == 0,
        };
    }
    spec
}

/// How long each task is expected to run, which is often wrong; some must not run twice.
fn known_lengths(spec: &mut JobSpec, most_ms: u64, dice: &mut fastrand::Rng) {
    let wrong = *dice.choice(&[0.3, 1.0, 1.0, 8.0]).unwrap_or(&1.0);
    let class = |_| work::class(most_ms as f64 * dice.f64().max(0.2) * wrong);
    spec.work = Bytes((0..spec.tasks).map(class).collect());
    spec.discipline =
        *dice.choice(&[Discipline::Batch, Discipline::Batch, Discipline::Interactive]).unwrap_or(&Discipline::Batch);
    spec.exclusive = dice.u32(..4) == 0;
}

/// Some tasks of a job.
#[must_use]
pub fn some_tasks(dice: &mut fastrand::Rng) -> TaskSet {
    let first = dice.u32(..10);
    (first..first + dice.u32(1..20)).collect()
}

/// What an answer says about a job, if it says that the job is unknown.
#[must_use]
pub const fn says_unknown(outcome: &Result<Answer, Deny>) -> Option<JobId> {
    match outcome {
        Err(Deny::NoSuchJob(job)) => Some(*job),
        _ => None,
    }
}
