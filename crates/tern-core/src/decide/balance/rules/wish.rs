//! A wish for more machines or for fewer, spoken only when the same sign has stood for a minute.
//!
//! Waking a machine takes a minute and costs power, sending one to sleep takes its slots away: neither follows a sign that comes
//! and goes. A wish begins with its rule, counts as *standing* after [`STANDS`], and is over at once when the rule is another.

use serde::{Deserialize, Serialize};

use super::Rule;
use crate::words::Span;

/// How long a sign must stand before machines are wished for or offered: the age of signals that power follows.
pub const STANDS: Span = Span::secs(60);

/// What the grid could do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Another machine.
    More,
    /// One machine less.
    Fewer,
}

impl Wish {
    /// What a rule asks of the number of machines.
    #[must_use]
    pub const fn of(rule: Rule) -> Option<Self> {
        match rule {
            Rule::Throttle => Some(Self::More),
            Rule::Offer => Some(Self::Fewer),
            Rule::Move | Rule::Wake | Rule::Pairs | Rule::Rest => None,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Fewer => "fewer",
        }
    }
}

/// A wish and since when the rule behind it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    wish: Option<Wish>,
    since: u64,
    stands: bool,
}

impl Standing {
    /// The rule now, at this boot time. Returns whether what is wished for changed: a wish came to stand, or one that stood is over.
    pub fn look(&mut self, rule: Rule, now: u64) -> bool {
        let wish = Wish::of(rule);
        let stood = self.stands();
        if wish != self.wish {
            *self = Self { wish, since: now, stands: false };
        }
        self.stands = self.wish.is_some() && now >= self.since + STANDS;
        self.stands() != stood
    }

    /// What is wished for.
    #[must_use]
    pub fn stands(&self) -> Option<Wish> {
        self.wish.filter(|_| self.stands)
    }

    /// When a wish that has begun will stand, if nothing changes.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.wish.filter(|_| !self.stands).map(|_| self.since + STANDS)
    }

    /// Boot time since which the rule behind it holds.
    #[must_use]
    pub const fn since(&self) -> u64 {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_wish_stands_after_a_minute_and_is_over_at_once() {
        let mut standing = Standing::default();
        assert!(!standing.look(Rule::Throttle, SECOND));
        assert_eq!((standing.stands(), standing.due()), (None, Some(61 * SECOND)));
        assert!(!standing.look(Rule::Throttle, 60 * SECOND));
        assert!(standing.look(Rule::Throttle, 61 * SECOND));
        assert_eq!((standing.stands(), standing.due()), (Some(Wish::More), None));
        assert!(!standing.look(Rule::Throttle, 90 * SECOND), "said once");
        assert!(standing.look(Rule::Move, 91 * SECOND));
        assert_eq!(standing.stands(), None);
    }

    proptest! {
        /// However the rule comes and goes, there is at most one change of the wish for each minute, and one more when it ends.
        #[test]
        fn changes_are_bounded_by_the_time_that_passed(steps in proptest::collection::vec((0u64..90, 0usize..6), 1..400)) {
            let rules = [Rule::Move, Rule::Throttle, Rule::Wake, Rule::Offer, Rule::Pairs, Rule::Rest];
            let (mut standing, mut now, mut changes) = (Standing::default(), 0, 0u64);
            for (passed, rule) in steps {
                now += passed * SECOND;
                changes += u64::from(standing.look(rules[rule], now));
                prop_assert!(changes <= 2 * (now / STANDS.0));
            }
        }
    }
}
