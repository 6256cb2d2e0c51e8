//! What the nodes of a grid do by the sum of their trits.
//!
//! Where more are overloaded than idle, work moves, and where no idle node can take it, processes are held back and machines are
//! wished for. Where more are idle, work that was put off begins, and where there is none, machines are offered for sleep. Where the
//! sum is 0 nothing is woken and nobody is sent to sleep: in the mode `paired` an overloaded and an idle node still help each other,
//! in the mode `strict` nothing happens at all.

pub mod wish;

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::observe::Signs;

/// What happens while the sum is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Pairs of overloaded and idle nodes act.
    #[default]
    Paired,
    /// Nothing.
    Strict,
}

impl Mode {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Strict => "strict",
        }
    }
}

/// What else decides, beside the trits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    pub signs: Signs,
    /// An idle node can take some of the work that waits or runs on an overloaded one.
    pub takers: bool,
    /// Tasks that were put off until there is nothing else to do.
    pub deferred: u64,
    /// Tasks that wait for a slot somewhere.
    pub waiting: u64,
    /// An idle node on which nothing runs.
    pub spare: bool,
}

/// What is to be done for the whole grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// S > 0: work moves from overloaded nodes to idle ones.
    Move,
    /// S > 0 and no idle node can take anything: hogs are held back, and machines are wished for.
    Throttle,
    /// S < 0: deferred work begins on idle nodes.
    Wake,
    /// S < 0 and there is none: machines may sleep.
    Offer,
    /// S ≤ 0: pairs help each other, nothing is woken or sent to sleep.
    Pairs,
    /// S = 0: nothing. S < 0 in the mode `strict` while tasks wait or all idle nodes work: neither moves nor sleep.
    Rest,
}

#[must_use]
pub fn rule(picture: &Picture, mode: Mode) -> Rule {
    match picture.signs.sum() {
        1.. if picture.takers => Rule::Move,
        1.. => Rule::Throttle,
        ..0 if picture.deferred > 0 => Rule::Wake,
        ..0 if picture.waiting == 0 && picture.spare => Rule::Offer,
        // No machine is sent to sleep while something waits, since the next slot that is free is for it; nor one that works.
        ..0 if mode == Mode::Paired => Rule::Pairs,
        ..0 => Rule::Rest,
        0 if mode == Mode::Paired && picture.signs.pairs() > 0 && picture.takers => Rule::Pairs,
        0 => Rule::Rest,
    }
}

impl Rule {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Throttle => "throttle",
            Self::Wake => "wake",
            Self::Offer => "offer",
            Self::Pairs => "pairs",
            Self::Rest => "rest",
        }
    }

    /// The rule in words, with its figures.
    #[must_use]
    pub fn explain(self, signs: &Signs) -> String {
        let Signs { plus, minus, .. } = signs;
        let then = match self {
            Self::Move => "work moves from overloaded nodes to idle ones",
            Self::Throttle => "no idle node can take a hog: hogs may be held back, and another machine would help",
            Self::Wake => "work that was put off begins on idle nodes",
            Self::Offer => "nothing waits that was put off: idle machines could sleep",
            Self::Pairs => "nodes with work and idle ones help each other, nothing is woken or sent to sleep",
            Self::Rest if signs.sum() < 0 => {
                "tasks wait or run where they are, and no machine is sent to sleep meanwhile"
            }
            Self::Rest => "the sum is 0: no action needed",
        };
        format!("{plus} overloaded and {minus} idle: {then}")
    }

    /// Whether work may move between an overloaded and an idle node. While more are idle, pairs help each other, too.
    #[must_use]
    pub const fn moves(self, mode: Mode) -> bool {
        match self {
            Self::Move | Self::Pairs => true,
            Self::Wake | Self::Offer => matches!(mode, Mode::Paired),
            Self::Throttle | Self::Rest => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(plus: u32, minus: u32, takers: bool, deferred: u64) -> Picture {
        Picture { signs: Signs { plus, zero: 1, minus }, takers, deferred, waiting: 0, spare: true }
    }

    #[test]
    fn the_three_rules() {
        for mode in [Mode::Paired, Mode::Strict] {
            assert_eq!(rule(&seen(2, 1, true, 9), mode), Rule::Move);
            assert_eq!(rule(&seen(1, 0, false, 9), mode), Rule::Throttle);
            assert_eq!(rule(&seen(1, 2, true, 1), mode), Rule::Wake);
            assert_eq!(rule(&seen(0, 1, false, 0), mode), Rule::Offer);
            assert_eq!(rule(&seen(0, 0, false, 5), mode), Rule::Rest, "nothing is woken");
        }
        assert_eq!(rule(&seen(1, 1, true, 5), Mode::Paired), Rule::Pairs);
        assert_eq!(rule(&seen(1, 1, true, 5), Mode::Strict), Rule::Rest);
        assert_eq!(rule(&seen(1, 1, false, 5), Mode::Paired), Rule::Rest);
        let flooded = Picture { waiting: 9, ..seen(1, 2, true, 0) };
        assert_eq!(rule(&flooded, Mode::Paired), Rule::Pairs, "idle ones do not sleep while tasks wait");
        assert_eq!(rule(&flooded, Mode::Strict), Rule::Rest, "nor where these may not move");
        let full = Picture { waiting: 9, ..seen(0, 2, false, 0) };
        assert_eq!(rule(&full, Mode::Paired), Rule::Pairs, "the slots that are taken now are free in a moment");
        let busy = Picture { spare: false, ..seen(0, 2, false, 0) };
        assert_eq!(rule(&busy, Mode::Paired), Rule::Pairs, "one that works does not sleep");
    }

    #[test]
    fn strict_moves_only_by_the_first_rule() {
        assert!(Rule::Move.moves(Mode::Strict));
        for rule in [Rule::Throttle, Rule::Wake, Rule::Offer, Rule::Rest] {
            assert!(!rule.moves(Mode::Strict));
        }
    }
}
