//! The plan by which the next tasks of a job leave its queue: to the own warden, or to a node that asked.

use super::check::Fault;
use super::reason::Reason;
use crate::decide::lend;
use crate::words::Span;
use crate::words::limits::GRANT_TASKS_MAX;
use crate::words::spec::Discipline;

/// What is known of the tasks that were chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture {
    pub order: Discipline,
    /// Milliseconds on the reference core; where it is not known, what others needed.
    pub estimate_ms: f64,
    pub known: bool,
    /// The longest that may go there.
    pub limit_ms: Option<f64>,
    /// Since the job was accepted.
    pub waited: Span,
    /// Tasks of the job that wait.
    pub queued: u32,
    /// They are chosen by their length, one by one.
    pub sorted: bool,
    pub asked: u32,
}

/// So many tasks go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Next {
    pub tasks: u32,
    pub because: Reason,
}

/// Tasks of known length go as they are asked for; of others half of the queue at most, since nobody knows how long they keep
/// a node busy.
#[must_use]
pub fn plan(picture: &Picture) -> Next {
    let Picture { queued, asked, .. } = *picture;
    let half = lend::propose(&[queued], asked).map_or(0, |lend| lend.tasks);
    let tasks = if picture.sorted { queued.min(asked).min(GRANT_TASKS_MAX) } else { half };
    let because = if picture.sorted || picture.known {
        let estimate = Span::ms(picture.estimate_ms as u64);
        Reason::Next { order: picture.order, estimate, waited: picture.waited }
    } else {
        Reason::HalfOfQueue { queued, asked }
    };
    Next { tasks, because }
}

/// Whether so many may go.
///
/// # Errors
/// The first rule broken.
pub fn check(plan: &Next, picture: &Picture) -> Result<(), Fault> {
    let room = picture.queued.min(picture.asked).min(GRANT_TASKS_MAX);
    if plan.tasks == 0 || plan.tasks > room {
        return Err(Fault::MoreThanRoom { lane: 0, tasks: plan.tasks, room });
    }
    if picture.limit_ms.is_some_and(|limit| picture.estimate_ms > limit) {
        return Err(Fault::TooLongThere { lane: 0 });
    }
    Ok(())
}
