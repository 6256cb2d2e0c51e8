//! What the matrix makes of one process after another: which are held back, which are let go again.
//!
//! A process that is held uses little, and would be let go by its score at once: it is let go when its machine is idle, not when it
//! is quiet. Between two steps with the same process there is a pause, so that a load around a bound cannot play with it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::ProcTrit;
use super::matrix::{Action, action};
use crate::observe::NodeTrit;
use crate::words::{JobId, Span};

/// The least time between two steps with one process.
pub const PAUSE: Span = Span::secs(30);
/// Processes that are held by this at the same time.
pub const HELD_MAX: usize = 64;

/// On which processes the matrix acts. Others are for people: `tern throttle` and `tern migrate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// None: nobody looks at them but who asks for it.
    #[default]
    Off,
    /// None; what would be done to which is decided and said.
    DryRun,
    /// Those of tasks.
    Tasks,
    /// Those of this user, too, that Tern did not start.
    All,
}

/// A process that was looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    pub pid: i32,
    /// With the number its identity.
    pub start_time: u64,
    /// In thousandths.
    pub score_milli: u32,
    pub band: ProcTrit,
    /// The task that it belongs to.
    pub task: Option<(JobId, u32)>,
    /// One never acts upon it.
    pub protected: bool,
    /// Somebody holds it back now.
    pub throttled: bool,
}

/// A process that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    pub pid: i32,
    pub start_time: u64,
    /// The matrix had it held, in this life of the node or in one before; else a person.
    pub by_matrix: bool,
}

/// What is remembered of a process with which something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub stage: Stage,
    /// Boot time of the last step.
    pub at: u64,
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is to be held, and was not seen so yet.
    Asked,
    Held,
    /// It is to be let go, and was not seen so yet.
    Freeing,
    /// Let go, or never held.
    Loose,
    /// Somebody let it go that the matrix had held: it is not held again.
    Spared,
}

impl Mark {
    /// Whether the matrix has a hand on it.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Asked | Stage::Held | Stage::Freeing)
    }

    /// As it is after a look. What was to be held and is not after a while never was; what was held and is not any more, a person
    /// let go.
    #[must_use]
    pub fn looked(self, throttled: bool, now: u64) -> Self {
        let stage = match (self.stage, throttled) {
            (Stage::Asked, true) => Stage::Held,
            (Stage::Asked, false) if now >= self.at + PAUSE => Stage::Loose,
            (Stage::Held, false) => Stage::Spared,
            (Stage::Freeing, false) => Stage::Loose,
            (stage, _) => stage,
        };
        Self { stage, ..self }
    }
}

/// What the warden's word makes of a mark; none: as it is. What the matrix had held and forgot is its own again, and what a
/// person has held since is the person's.
#[must_use]
pub fn told(mark: Option<Mark>, by_matrix: bool, now: u64) -> Option<Mark> {
    match (mark, by_matrix) {
        (None | Some(Mark { stage: Stage::Loose, .. }), true) => Some(Mark { stage: Stage::Held, at: now }),
        (Some(mark), false) if mark.is_held() => Some(Mark { stage: Stage::Loose, ..mark }),
        _ => None,
    }
}

/// What is to be done with one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To an idle node, where it is a task that can move; else it is held back.
    Move,
    Hold,
    Free,
}

/// What is known when it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    pub node: NodeTrit,
    /// An idle node could take something.
    pub taker: bool,
    pub reach: Reach,
    pub now: u64,
}

/// The step with one process; none: as it is.
#[must_use]
pub fn step(process: &Process, mark: Option<Mark>, around: &Around) -> Option<Step> {
    let held = mark.is_some_and(|mark| mark.is_held());
    let reached = match around.reach {
        Reach::Off => false,
        Reach::Tasks => process.task.is_some(),
        Reach::DryRun | Reach::All => true,
    };
    if !reached || process.protected {
        return held.then_some(Step::Free);
    }
    // What a person holds or let go is the person's.
    let theirs = match mark.map(|mark| mark.stage) {
        None | Some(Stage::Loose) => process.throttled,
        Some(Stage::Spared) => true,
        Some(Stage::Asked | Stage::Held | Stage::Freeing) => false,
    };
    if theirs || mark.is_some_and(|mark| around.now < mark.at + PAUSE) {
        return None;
    }
    if held {
        // What was said may be lost, with the warden that it was said to.
        let again = mark.is_some_and(|mark| mark.stage == Stage::Freeing);
        return (again || around.node == NodeTrit::Idle).then_some(Step::Free);
    }
    match action(process.band, around.node, around.taker) {
        Action::Migrate => Some(Step::Move),
        Action::Throttle => Some(Step::Hold),
        Action::Allow | Action::Nothing => None,
    }
}

/// The steps with all of them, those with the highest scores first; at most one process is moved at a time, since the next look
/// may find the node relieved. Whoever takes these steps keeps to [`HELD_MAX`].
#[must_use]
pub fn steps(processes: &[Process], mark: impl Fn(&Process) -> Option<Mark>, around: &Around) -> Vec<(Process, Step)> {
    let mut sorted = processes.to_vec();
    sorted.sort_by_key(|process| (core::cmp::Reverse(process.score_milli), process.pid));
    let mut moved = false;
    let mut all = Vec::new();
    for process in sorted {
        let Some(step) = step(&process, mark(&process), around) else { continue };
        if step != Step::Move || !core::mem::replace(&mut moved, true) {
            all.push((process, step));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn process(band: ProcTrit, task: bool) -> Process {
        let job = JobId::new(1, 1);
        Process {
            pid: 7,
            start_time: 1,
            score_milli: 600,
            band,
            task: task.then_some((job, 0)),
            protected: false,
            throttled: false,
        }
    }

    fn around(node: NodeTrit, reach: Reach) -> Around {
        Around { node, taker: false, reach, now: 100 * SECOND }
    }

    #[test]
    fn every_cell_of_the_matrix_is_a_step() {
        use NodeTrit::{Balanced, Idle, Overloaded};
        let of = |band, node, taker| step(&process(band, true), None, &Around { taker, ..around(node, Reach::Tasks) });
        assert_eq!(of(ProcTrit::Hog, Overloaded, true), Some(Step::Move));
        assert_eq!(of(ProcTrit::Hog, Overloaded, false), Some(Step::Hold));
        assert_eq!(of(ProcTrit::Hog, Balanced, true), Some(Step::Hold));
        assert_eq!(of(ProcTrit::Hog, Idle, true), None);
        for node in [Idle, Balanced, Overloaded] {
            assert_eq!(of(ProcTrit::Watch, node, true), None);
            assert_eq!(of(ProcTrit::Quiet, node, true), None);
        }
    }

    #[test]
    fn only_what_is_reached_is_touched() {
        let hog = process(ProcTrit::Hog, false);
        let of = |process: &Process, reach| step(process, None, &around(NodeTrit::Overloaded, reach));
        assert_eq!((of(&hog, Reach::Off), of(&hog, Reach::Tasks)), (None, None));
        assert_eq!((of(&hog, Reach::All), of(&hog, Reach::DryRun)), (Some(Step::Hold), Some(Step::Hold)));
        assert_eq!(of(&Process { protected: true, ..hog }, Reach::All), None);
    }

    #[test]
    fn what_is_held_stays_so_until_its_machine_is_idle() {
        let quiet = process(ProcTrit::Quiet, true);
        let mark = Some(Mark { stage: Stage::Held, at: 10 * SECOND });
        let of = |node| step(&quiet, mark, &around(node, Reach::Tasks));
        assert_eq!(of(NodeTrit::Overloaded), None);
        assert_eq!(of(NodeTrit::Balanced), None);
        assert_eq!(of(NodeTrit::Idle), Some(Step::Free));
        let fresh = Some(Mark { stage: Stage::Held, at: 99 * SECOND });
        assert_eq!(step(&quiet, fresh, &around(NodeTrit::Idle, Reach::Tasks)), None, "not at once");
        assert_eq!(step(&quiet, fresh, &around(NodeTrit::Balanced, Reach::Off)), Some(Step::Free), "who asks for it");
    }

    #[test]
    fn what_a_person_holds_or_lets_go_is_the_persons() {
        let hog = process(ProcTrit::Hog, true);
        let loaded = around(NodeTrit::Overloaded, Reach::Tasks);
        assert_eq!(step(&Process { throttled: true, ..hog }, None, &loaded), None);
        let asked = Mark { stage: Stage::Asked, at: 10 * SECOND };
        assert_eq!(asked.looked(false, 12 * SECOND), asked, "the warden may not have done it yet");
        assert_eq!(asked.looked(false, 60 * SECOND).stage, Stage::Loose, "it never did: it is tried again");
        let held = asked.looked(true, 12 * SECOND);
        assert_eq!((held.stage, held.looked(true, 60 * SECOND)), (Stage::Held, held));
        let spared = held.looked(false, 60 * SECOND);
        assert_eq!((spared.stage, step(&hog, Some(spared), &loaded)), (Stage::Spared, None));
        let freeing = Mark { stage: Stage::Freeing, ..held };
        assert_eq!(step(&hog, Some(freeing), &loaded), Some(Step::Free), "said again where it was lost");
        assert_eq!(freeing.looked(false, 12 * SECOND).stage, Stage::Loose);
    }

    #[test]
    fn what_an_earlier_life_had_held_is_the_matrixs_and_what_a_person_takes_over_is_not() {
        let (now, mark) = (100 * SECOND, |stage| Some(Mark { stage, at: 10 * SECOND }));
        let held = Some(Mark { stage: Stage::Held, at: now });
        assert_eq!((told(None, true, now), told(mark(Stage::Loose), true, now)), (held, held));
        for known in [Stage::Asked, Stage::Held, Stage::Freeing, Stage::Spared] {
            assert_eq!(told(mark(known), true, now), None, "{known:?}");
        }
        for (known, then) in [(Stage::Held, mark(Stage::Loose)), (Stage::Spared, None), (Stage::Loose, None)] {
            assert_eq!(told(mark(known), false, now), then, "{known:?}");
        }
        assert_eq!(told(None, false, now), None);
        let hog = Process { throttled: true, ..process(ProcTrit::Hog, true) };
        assert_eq!(step(&hog, mark(Stage::Loose), &around(NodeTrit::Idle, Reach::Tasks)), None, "a person's");
    }

    proptest! {
        /// Whatever the loads are: with one process there is at most one step for each pause.
        #[test]
        fn steps_with_one_process_are_bounded(trits in proptest::collection::vec(0u8..3, 1..600)) {
            let (mut mark, mut count) = (None, 0u64);
            for (second, trit) in trits.iter().enumerate() {
                let node = [NodeTrit::Idle, NodeTrit::Balanced, NodeTrit::Overloaded][usize::from(*trit)];
                let at = Around { now: second as u64 * SECOND, ..around(node, Reach::Tasks) };
                if let Some(step) = step(&process(ProcTrit::Hog, true), mark, &at) {
                    let stage = if step == Step::Free { Stage::Loose } else { Stage::Held };
                    mark = Some(Mark { stage, at: at.now });
                    count += 1;
                }
                prop_assert!(count <= at.now / PAUSE.0 + 1);
            }
        }
    }
}
