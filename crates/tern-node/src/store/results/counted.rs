//! For each task of a job the one result that counts.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

use tern_core::promise::{Exit, Job, Outcome, winner};
use tern_core::words::{JobId, TaskSet};

use super::super::StoreError;
use super::super::segment::{Block, SegmentReader};
use super::summary::{segments, summary};
use crate::home::Home;

/// The results of a job as they count, block by block, in about the order in which the tasks ended. Memory: one block,
/// two bitmaps of the job's tasks, and one result for each task that has several.
pub struct Past {
    home: Home,
    job: JobId,
    /// What the results have to agree with, where it is known.
    state: Option<Job>,
    /// Segments that hold results of the job, and how far they are read: what is written later belongs to the present.
    left: std::vec::IntoIter<(u32, u64)>,
    reader: Option<SegmentReader>,
    /// Tasks with several results; which one counts is known at the end.
    several: TaskSet,
    held: BTreeMap<u32, Outcome>,
}

impl Past {
    /// With the job's state at hand only results of tasks that are over are given, and only those of the kind that it
    /// says. Without it those of a task's greatest round, and of a task that has tries left its last failure.
    ///
    /// # Errors
    /// [`StoreError::Io`]; damaged blocks are passed over.
    pub fn open(home: &Home, job: JobId, state: Option<&Job>) -> Result<Self, StoreError> {
        let mut past = Self {
            home: home.clone(),
            job,
            state: state.cloned(),
            left: Vec::new().into_iter(),
            reader: None,
            several: TaskSet::new(),
            held: BTreeMap::new(),
        };
        let mut found = Vec::new();
        for (number, finished) in segments(home)? {
            if finished && summary(home, number, true)?.is_none_or(|found| !found.jobs.contains_key(&job)) {
                continue;
            }
            // One that the warden dropped meanwhile held nothing that lives.
            let Ok(metadata) = fs::metadata(home.segment(number)) else { continue };
            found.push((number, metadata.len()));
        }
        past.left = found.clone().into_iter();
        let mut once = TaskSet::new();
        while let Some(outcomes) = past.block()? {
            for outcome in outcomes {
                if !once.insert(outcome.attempt.task) {
                    past.several.insert(outcome.attempt.task);
                }
            }
        }
        past.left = found.into_iter();
        Ok(past)
    }

    /// Some more results, at least one; None at the end.
    ///
    /// # Errors
    /// As [`Past::open`].
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and an iterator of results invites to go on after a failure"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<Outcome>>, StoreError> {
        while let Some(outcomes) = self.block()? {
            let (later, mut now): (Vec<_>, Vec<_>) =
                outcomes.into_iter().partition(|outcome| self.several.contains(outcome.attempt.task));
            for outcome in later {
                let known = self.held.entry(outcome.attempt.task).or_insert(outcome);
                if supersedes(&outcome, known) {
                    *known = outcome;
                }
            }
            if !now.is_empty() {
                now.shrink_to_fit();
                return Ok(Some(now));
            }
        }
        let held = std::mem::take(&mut self.held);
        Ok((!held.is_empty()).then(|| held.into_values().collect()))
    }

    /// The outcomes of the next block that holds some of the job.
    fn block(&mut self) -> Result<Option<Vec<Outcome>>, StoreError> {
        loop {
            let Some(reader) = &mut self.reader else {
                let Some((number, end)) = self.left.next() else { return Ok(None) };
                // Segments that cannot be opened were told of at the start.
                if let Ok(mut reader) = SegmentReader::open(&self.home.segment(number)) {
                    reader.seek(0, Some(end));
                    self.reader = Some(reader);
                }
                continue;
            };
            match reader.next_block()? {
                Some(Block::Outcomes { mut outcomes, .. }) => {
                    outcomes.retain(|outcome| self.job == outcome.attempt.job && counts(self.state.as_ref(), outcome));
                    if !outcomes.is_empty() {
                        return Ok(Some(outcomes));
                    }
                }
                Some(_) => {}
                None => self.reader = None,
            }
        }
    }
}

/// The results that count of all tasks, by task, as far as segments alone can tell (see [`Past::open`]). For small jobs:
/// a great one is read with [`Past`].
///
/// # Errors
/// As [`Past::open`].
pub fn counted(home: &Home, job: JobId) -> Result<Vec<Outcome>, StoreError> {
    sorted(Past::open(home, job, None)?, |_| true)
}

/// The results that count of the tasks in `tasks` that are over by `state`, by task.
///
/// # Errors
/// As [`Past::open`].
pub fn counted_page(
    home: &Home,
    id: JobId,
    state: &Job,
    tasks: RangeInclusive<u32>,
) -> Result<Vec<Outcome>, StoreError> {
    sorted(Past::open(home, id, Some(state))?, |task| tasks.contains(&task))
}

fn sorted(mut past: Past, wanted: impl Fn(u32) -> bool) -> Result<Vec<Outcome>, StoreError> {
    let mut all = Vec::new();
    while let Some(outcomes) = past.next()? {
        all.extend(outcomes.into_iter().filter(|outcome| wanted(outcome.attempt.task)));
    }
    all.sort_unstable_by_key(|outcome| outcome.attempt.task);
    Ok(all)
}

/// Whether an outcome may be its task's result at all.
fn counts(state: Option<&Job>, outcome: &Outcome) -> bool {
    let Some(state) = state else { return outcome.exit != Exit::Void };
    let task = outcome.attempt.task;
    outcome.attempt.round >= state.round_of(task)
        && match outcome.exit {
            exit if exit.is_success() => state.done.contains(task),
            Exit::Cancelled => state.cancelled.contains(task),
            Exit::Checkpointed => state.cancelled.contains(task) || state.failed.contains(task),
            Exit::Void => false,
            _ => state.failed.contains(task),
        }
}

/// Greater rounds first; then success before failure before cancelled. Of two successes the one of lower rank stays, of
/// two failures the later one counts: the earlier had a try left.
fn supersedes(new: &Outcome, known: &Outcome) -> bool {
    let kind = |outcome: &Outcome| match outcome.exit {
        exit if exit.is_success() => 2,
        Exit::Cancelled | Exit::Void => 0,
        _ => 1,
    };
    let order = |outcome: &Outcome| (outcome.attempt.round, kind(outcome));
    match order(new).cmp(&order(known)) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal if kind(new) == 2 => winner::rank(new) < winner::rank(known),
        // The number orders dispatches of one start; between starts only the clock for people is left.
        Ordering::Equal if new.attempt.epoch == known.attempt.epoch => new.attempt.n > known.attempt.n,
        Ordering::Equal => new.started_ms > known.started_ms,
    }
}
