//! The rules that no plan may break, whatever proposed it.
//!
//! A plan with a fault is not carried out; nothing starts until the next one is sound. That is loud in the tests and
//! harmless on a machine that somebody works with.

use super::start::Start;
use crate::decide::dispatch::Picture;

/// The rule that a plan breaks, with the place of the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It names a lane that is not in the picture, or names lanes out of order or twice.
    UnknownLane { lane: usize },
    /// It starts more than the lane has queued, or more than its cap allows.
    MoreThanRoom { lane: usize, tasks: u32, room: u32 },
    /// It starts more than there is place for.
    MoreThanFree { tasks: u64, free: u32 },
    /// The slow-node guard keeps so long a task from going there.
    TooLongThere { lane: usize },
    /// An action without effect.
    Empty { lane: usize },
}

/// Whether the plan keeps the rules in this picture.
///
/// # Errors
/// The first rule broken.
pub fn check(plan: &[Start], picture: &Picture) -> Result<(), Fault> {
    let mut total = 0u64;
    let mut last = None;
    for start in plan {
        let lane = start.lane;
        let Some(seen) = picture.lanes.get(lane).filter(|_| last.is_none_or(|last| last < lane)) else {
            return Err(Fault::UnknownLane { lane });
        };
        if start.tasks == 0 {
            return Err(Fault::Empty { lane });
        }
        if start.tasks > seen.room() {
            return Err(Fault::MoreThanRoom { lane, tasks: start.tasks, room: seen.room() });
        }
        last = Some(lane);
        total += u64::from(start.tasks);
    }
    if let Some(mut left) = picture.left {
        for start in plan {
            let takes = picture.lanes[start.lane].takes;
            if u64::from(start.tasks) * u64::from(takes.slots) > u64::from(left.slots) {
                return Err(Fault::MoreThanFree { tasks: total, free: left.slots });
            }
            left = left.without(takes, start.tasks);
        }
        return Ok(());
    }
    if total > u64::from(picture.free()) {
        return Err(Fault::MoreThanFree { tasks: total, free: picture.free() });
    }
    Ok(())
}
