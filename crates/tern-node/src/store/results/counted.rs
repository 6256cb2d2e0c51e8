//! For each task of a job the one result that counts.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tern_core::promise::{Exit, Job, Outcome, winner};
use tern_core::words::JobId;

use super::super::StoreError;
use super::super::segment::{Block, SegmentReader};
use super::summary::{segments, summary};
use crate::home::Home;

/// The results that count of all tasks, by task, as far as segments alone can tell: those of a task's greatest round, and
/// of a task that has tries left its last failure. With the job at hand [`counted_page`] knows better.
///
/// # Errors
/// [`StoreError::Io`]; damaged blocks are passed over.
pub fn counted(home: &Home, job: JobId) -> Result<Vec<Outcome>, StoreError> {
    gather(home, job, |_| true)
}

/// The results that count of the tasks in `tasks` that are over by `state`, by task. Memory: one result a task asked for,
/// so a great job is read in pages.
///
/// # Errors
/// As [`counted`].
pub fn counted_page(
    home: &Home,
    id: JobId,
    state: &Job,
    tasks: RangeInclusive<u32>,
) -> Result<Vec<Outcome>, StoreError> {
    gather(home, id, |outcome| {
        let task = outcome.attempt.task;
        tasks.contains(&task) && outcome.attempt.round >= state.round_of(task) && agrees(state, outcome)
    })
}

/// Whether the outcome is of the kind that the state has for its task.
fn agrees(state: &Job, outcome: &Outcome) -> bool {
    let task = outcome.attempt.task;
    match outcome.exit {
        exit if exit.is_success() => state.done.contains(task),
        Exit::Cancelled => state.cancelled.contains(task),
        Exit::Void => false,
        _ => state.failed.contains(task),
    }
}

fn gather(home: &Home, job: JobId, wanted: impl Fn(&Outcome) -> bool) -> Result<Vec<Outcome>, StoreError> {
    let mut best: BTreeMap<u32, Outcome> = BTreeMap::new();
    for (number, finished) in segments(home)? {
        if finished && summary(home, number, true)?.is_none_or(|found| !found.jobs.contains_key(&job)) {
            continue;
        }
        // Segments that cannot be opened were told of at the start; a dropped one held nothing that lives.
        let Ok(mut reader) = SegmentReader::open(&home.segment(number)) else { continue };
        while let Some(block) = reader.next_block()? {
            let Block::Outcomes { outcomes, .. } = block else { continue };
            for outcome in outcomes.iter().filter(|outcome| outcome.attempt.job == job && wanted(outcome)) {
                if outcome.exit == Exit::Void {
                    continue;
                }
                best.entry(outcome.attempt.task)
                    .and_modify(|known| {
                        if supersedes(outcome, known) {
                            *known = *outcome;
                        }
                    })
                    .or_insert(*outcome);
            }
        }
    }
    Ok(best.into_values().collect())
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
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal if kind(new) == 2 => winner::rank(new) < winner::rank(known),
        // The number orders dispatches of one start; between starts only the clock for people is left.
        std::cmp::Ordering::Equal if new.attempt.epoch == known.attempt.epoch => new.attempt.n >= known.attempt.n,
        std::cmp::Ordering::Equal => new.started_ms >= known.started_ms,
    }
}
