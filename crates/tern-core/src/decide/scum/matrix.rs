//! What becomes of a process that takes much, by how loaded its machine is.
//!
//! ```text
//! score        +1 overloaded          0 balanced   -1 idle
//! above .35    move, else throttle    throttle     allow
//! up to .35    nothing                nothing      nothing
//! ```

use serde::Serialize;

use super::ProcTrit;
use crate::observe::NodeTrit;

/// What is to be done with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// To an idle node.
    Migrate,
    /// Held back where it is.
    Throttle,
    /// It takes much, and the machine can bear it.
    Allow,
    /// It takes little.
    Nothing,
}

/// `taker`: an idle node could take it.
#[must_use]
pub const fn action(process: ProcTrit, node: NodeTrit, taker: bool) -> Action {
    match (process, node) {
        (ProcTrit::Hog, NodeTrit::Overloaded) if taker => Action::Migrate,
        (ProcTrit::Hog, NodeTrit::Overloaded | NodeTrit::Balanced) => Action::Throttle,
        (ProcTrit::Hog, NodeTrit::Idle) => Action::Allow,
        (ProcTrit::Watch | ProcTrit::Quiet, _) => Action::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell() {
        use NodeTrit::{Balanced, Idle, Overloaded};
        for taker in [false, true] {
            assert_eq!(action(ProcTrit::Hog, Balanced, taker), Action::Throttle);
            assert_eq!(action(ProcTrit::Hog, Idle, taker), Action::Allow);
            for node in [Idle, Balanced, Overloaded] {
                assert_eq!(action(ProcTrit::Watch, node, taker), Action::Nothing);
                assert_eq!(action(ProcTrit::Quiet, node, taker), Action::Nothing);
            }
        }
        assert_eq!(action(ProcTrit::Hog, Overloaded, true), Action::Migrate);
        assert_eq!(action(ProcTrit::Hog, Overloaded, false), Action::Throttle);
    }
}
