//! What happens when somebody wants a task elsewhere.
//!
//! What waits moves. What runs leaves a checkpoint, where its job says that it can, or is stopped and begins again, where its job says
//! that this does no harm and little is lost. What can do neither is held back where it runs. A person who names a node is
//! bound only by what that node can run; without a name it is the node where most is gained, an idle one first.

use core::fmt;

use crate::words::NodeId;

/// Of a task that would begin anew more than this must not be done already, in per cent.
pub const DONE_MOST: u8 = 25;

/// Where the task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Over,
    /// On its way between two nodes.
    Between,
    /// It waits with its owner.
    Waits,
    /// It runs with its owner, or is about to.
    Runs,
    /// Another node has it.
    With(NodeId),
}

/// A node that could have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub node: NodeId,
    /// It has what such a task needs, and takes tasks at all.
    pub can: bool,
    /// It says of itself that it is idle.
    pub idle: bool,
    /// By how much a move there would even out the work; none: it would not.
    pub gain: Option<f64>,
}

/// What is known of the task.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The owner.
    pub here: NodeId,
    pub at: At,
    /// The job waits for its release.
    pub held: bool,
    pub may_leave: bool,
    pub checkpoint: bool,
    pub idempotent: bool,
    /// How much of it is done, in per cent, where that is known.
    pub done: Option<u8>,
    /// The owner's machine is overloaded.
    pub overloaded: bool,
    /// The node that a person named.
    pub wanted: Option<NodeId>,
    /// All that are connected, and the owner.
    pub candidates: alloc::vec::Vec<Candidate>,
}

/// How it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It has not begun.
    Waiting,
    /// It is asked for a checkpoint.
    Checkpoint,
    /// It is stopped and begins again.
    Rerun,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Move(Way, NodeId),
    /// It is held back where it runs.
    Throttle(Why),
    Refuse(Why),
}

/// Why a task does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Over,
    Between,
    Held,
    /// Its job may run nowhere else.
    Bound,
    /// It is there.
    There,
    /// The named node is not connected.
    NotConnected,
    /// The named node cannot run it, or takes nothing.
    Unfit,
    /// No node would be better.
    NoTaker,
    /// It runs, and its job says neither that it leaves checkpoints nor that it may run again.
    NotDeclared,
    /// So much of it is done, in per cent, and it would begin anew.
    Late {
        done: u8,
    },
    /// This node has just started and does not know yet what runs.
    Unmet,
    /// Another wish for it is not over.
    Moving,
    /// It runs twice at the moment, since one run took long.
    Copied,
    /// The node that was to have it did not ask for it in time.
    NotTaken,
    /// It came to its end before.
    Ended,
}

/// See the top of this file.
#[must_use]
pub fn decide(picture: &Picture) -> Answer {
    let runs = picture.at == At::Runs;
    let unless_here = |why| if runs { Answer::Throttle(why) } else { Answer::Refuse(why) };
    let way = match picture.at {
        At::Over => return Answer::Refuse(Why::Over),
        At::Between => return Answer::Refuse(Why::Between),
        At::Waits if picture.held => return Answer::Refuse(Why::Held),
        _ if !picture.may_leave => return unless_here(Why::Bound),
        At::Waits => Way::Waiting,
        At::Runs | At::With(_) if picture.checkpoint => Way::Checkpoint,
        At::Runs | At::With(_) if picture.idempotent => Way::Rerun,
        At::Runs | At::With(_) => return unless_here(Why::NotDeclared),
    };
    if let (Way::Rerun, None, Some(done @ DONE_MOST..)) = (way, picture.wanted, picture.done) {
        return unless_here(Why::Late { done });
    }
    match target(picture) {
        Ok(to) => Answer::Move(way, to),
        Err(Why::NoTaker) if runs && picture.overloaded => Answer::Throttle(Why::NoTaker),
        Err(why) => Answer::Refuse(why),
    }
}

fn target(picture: &Picture) -> Result<NodeId, Why> {
    let now = if let At::With(node) = picture.at { node } else { picture.here };
    if let Some(wanted) = picture.wanted {
        let known = picture.candidates.iter().find(|candidate| candidate.node == wanted);
        return match known {
            _ if wanted == now => Err(Why::There),
            None => Err(Why::NotConnected),
            Some(candidate) if candidate.can => Ok(wanted),
            Some(_) => Err(Why::Unfit),
        };
    }
    let mut best: Option<(&Candidate, f64)> = None;
    for candidate in picture.candidates.iter().filter(|candidate| candidate.can && candidate.node != now) {
        let Some(gain) = candidate.gain.filter(|gain| *gain > 0.0) else { continue };
        let better = |(known, most): (&Candidate, f64)| {
            (candidate.idle, gain) > (known.idle, most)
                || ((candidate.idle, gain) == (known.idle, most) && candidate.node < known.node)
        };
        if best.is_none_or(better) {
            best = Some((candidate, gain));
        }
    }
    best.map(|(candidate, _)| candidate.node).ok_or(Why::NoTaker)
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "it had not begun, and moves as it is",
            Self::Checkpoint => "it leaves a checkpoint, and goes on from it there",
            Self::Rerun => "it may run again, and begins anew there",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Over => "it is over",
            Self::Between => "it is on its way to another node just now",
            Self::Held => "its job is held, and waits for release",
            Self::Bound => "its job may not leave this node (--share lets it)",
            Self::There => "it is there already",
            Self::NotConnected => "that node is not connected",
            Self::Unfit => "that node cannot run it, or starts nothing now",
            Self::NoTaker => "no other node that may run it would be done with it earlier",
            Self::NotDeclared => "it runs, and its job is declared neither --checkpoint nor --idempotent",
            Self::Late { done } => {
                return write!(f, "{done} % of it are done, and without a checkpoint it would begin anew");
            }
            Self::Unmet => "this node has just started, and does not know yet what runs here",
            Self::Moving => "it is being moved already",
            Self::Copied => "two nodes run it just now, since one run takes long",
            Self::NotTaken => "the other node did not take it in time: it has no free slot, or could not run it",
            Self::Ended => "it came to its end before",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// How a picture differs from the usual one.
    type Change<'a> = &'a dyn Fn(&mut Picture);

    const HERE: NodeId = NodeId([1; 32]);
    const A: NodeId = NodeId([2; 32]);
    const B: NodeId = NodeId([3; 32]);

    fn candidate(node: NodeId) -> Candidate {
        Candidate { node, can: true, idle: false, gain: Some(1.0) }
    }

    /// It waits, may do nothing but move, and one other node would gain.
    fn picture() -> Picture {
        Picture {
            here: HERE,
            at: At::Waits,
            held: false,
            may_leave: true,
            checkpoint: false,
            idempotent: false,
            done: None,
            overloaded: false,
            wanted: None,
            candidates: vec![candidate(A)],
        }
    }

    #[test]
    fn each_state_has_its_answer() {
        use Answer::{Move, Refuse, Throttle};
        let base = picture();
        let with = |change: &dyn Fn(&mut Picture)| {
            let mut it = base.clone();
            change(&mut it);
            decide(&it)
        };
        let table: [(Change, Answer); 19] = [
            (&|_| {}, Move(Way::Waiting, A)),
            (&|it| it.at = At::Over, Refuse(Why::Over)),
            (&|it| it.at = At::Between, Refuse(Why::Between)),
            (&|it| it.held = true, Refuse(Why::Held)),
            (&|it| it.may_leave = false, Refuse(Why::Bound)),
            (&|it| (it.may_leave, it.at) = (false, At::Runs), Throttle(Why::Bound)),
            (&|it| it.at = At::Runs, Throttle(Why::NotDeclared)),
            (&|it| it.at = At::With(B), Refuse(Why::NotDeclared)),
            (&|it| (it.at, it.checkpoint) = (At::Runs, true), Move(Way::Checkpoint, A)),
            (&|it| (it.at, it.checkpoint, it.idempotent) = (At::With(B), true, true), Move(Way::Checkpoint, A)),
            (&|it| (it.at, it.idempotent) = (At::Runs, true), Move(Way::Rerun, A)),
            (&|it| (it.at, it.idempotent, it.done) = (At::Runs, true, Some(24)), Move(Way::Rerun, A)),
            (&|it| (it.at, it.idempotent, it.done) = (At::Runs, true, Some(25)), Throttle(Why::Late { done: 25 })),
            (&|it| (it.at, it.idempotent, it.done) = (At::With(B), true, Some(90)), Refuse(Why::Late { done: 90 })),
            // A checkpoint loses nothing, however late.
            (&|it| (it.at, it.checkpoint, it.done) = (At::Runs, true, Some(90)), Move(Way::Checkpoint, A)),
            (&|it| it.candidates[0].gain = None, Refuse(Why::NoTaker)),
            (&|it| (it.at, it.checkpoint, it.candidates[0].can) = (At::Runs, true, false), Refuse(Why::NoTaker)),
            (
                &|it| (it.at, it.checkpoint, it.candidates[0].can, it.overloaded) = (At::Runs, true, false, true),
                Throttle(Why::NoTaker),
            ),
            (
                &|it| (it.at, it.checkpoint, it.candidates[0].gain) = (At::With(A), true, Some(9.0)),
                Refuse(Why::NoTaker),
            ),
        ];
        for (at, (change, answer)) in table.iter().enumerate() {
            assert_eq!(with(change), *answer, "line {at}");
        }
    }

    #[test]
    fn who_names_a_node_is_bound_by_what_it_can_run_and_by_nothing_else() {
        let named = |wanted, change: &dyn Fn(&mut Picture)| {
            let mut it = Picture { wanted: Some(wanted), ..picture() };
            it.candidates.push(Candidate { can: false, ..candidate(B) });
            change(&mut it);
            decide(&it)
        };
        assert_eq!(named(A, &|it| it.candidates[0].gain = None), Answer::Move(Way::Waiting, A));
        let late = |it: &mut Picture| (it.at, it.idempotent, it.done) = (At::Runs, true, Some(99));
        assert_eq!(named(A, &late), Answer::Move(Way::Rerun, A));
        assert_eq!(named(B, &|_| {}), Answer::Refuse(Why::Unfit));
        assert_eq!(named(HERE, &|_| {}), Answer::Refuse(Why::There));
        assert_eq!(named(NodeId([9; 32]), &|_| {}), Answer::Refuse(Why::NotConnected));
        // Back home.
        let away = |it: &mut Picture| {
            (it.at, it.checkpoint) = (At::With(A), true);
            it.candidates.push(candidate(HERE));
        };
        assert_eq!(named(HERE, &away), Answer::Move(Way::Checkpoint, HERE));
        assert_eq!(named(A, &away), Answer::Refuse(Why::There));
    }

    #[test]
    fn an_idle_node_wins_then_the_most_gained_then_the_smaller_id() {
        let of = |idle: [bool; 2], gain: [f64; 2]| {
            let two = |at: usize, node| Candidate { idle: idle[at], gain: Some(gain[at]), ..candidate(node) };
            decide(&Picture { candidates: vec![two(0, A), two(1, B)], ..picture() })
        };
        assert_eq!(of([false, true], [9.0, 1.0]), Answer::Move(Way::Waiting, B));
        assert_eq!(of([true, true], [1.0, 9.0]), Answer::Move(Way::Waiting, B));
        assert_eq!(of([true, true], [1.0, 1.0]), Answer::Move(Way::Waiting, A));
        assert_eq!(of([false, false], [f64::NAN, 0.0]), Answer::Refuse(Why::NoTaker));
    }
}
