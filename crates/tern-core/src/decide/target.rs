//! Where a file or a task goes that any idle machine may have: to the least loaded of those that can be reached.
//!
//! Only machines that say of themselves that they are idle are asked for anything; where none is, nothing is sent, and
//! the user hears that there is none.

use core::cmp::Reverse;

use crate::observe::{LinkTrit, NodeTrit};
use crate::words::NodeId;

/// What is known of a machine that could be the target. Who makes the list leaves out this node itself, and those that
/// drain or have no room on their disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub node: NodeId,
    pub trit: NodeTrit,
    /// ρ in thousandths. Absent: not measured, which is never a reason to send something there.
    pub rho_milli: Option<u16>,
    pub link: LinkTrit,
}

/// The place in `picture` of the least loaded idle node that can be reached. At equal load a direct link wins over a
/// relayed one, then the smaller id, so that the order of the list does not matter.
#[must_use]
pub fn least_loaded_idle(picture: &[Candidate]) -> Option<usize> {
    let rank = |candidate: &Candidate| {
        let fit = candidate.trit == NodeTrit::Idle && candidate.link != LinkTrit::Failed;
        let rho = candidate.rho_milli.filter(|_| fit)?;
        Some((rho, Reverse(candidate.link), candidate.node))
    };
    let ranked = picture.iter().enumerate().filter_map(|(place, candidate)| Some((rank(candidate)?, place)));
    ranked.min().map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node with the trit that the bare thresholds give it.
    fn node(id: u8, rho_milli: u16, link: LinkTrit) -> Candidate {
        let trit = NodeTrit::literal(f64::from(rho_milli) / 1000.0);
        Candidate { node: NodeId([id; 32]), trit, rho_milli: Some(rho_milli), link }
    }

    #[test]
    fn the_least_loaded_idle_node_is_chosen_and_not_the_first() {
        use LinkTrit::Direct;
        assert_eq!(least_loaded_idle(&[node(1, 250, Direct), node(2, 100, Direct), node(3, 600, Direct)]), Some(1));
        // None below .3.
        assert_eq!(least_loaded_idle(&[node(1, 300, Direct), node(2, 600, Direct), node(3, 900, Direct)]), None);
        assert_eq!(least_loaded_idle(&[]), None);
    }

    #[test]
    fn a_failed_link_is_never_chosen_and_a_direct_one_wins_at_equal_load() {
        use LinkTrit::{Direct, Failed, Relayed};
        assert_eq!(least_loaded_idle(&[node(1, 0, Failed), node(2, 290, Relayed)]), Some(1));
        assert_eq!(least_loaded_idle(&[node(1, 0, Failed)]), None);
        assert_eq!(least_loaded_idle(&[node(1, 100, Relayed), node(2, 100, Direct)]), Some(1));
        // The link decides only between equals.
        assert_eq!(least_loaded_idle(&[node(1, 100, Relayed), node(2, 101, Direct)]), Some(0));
    }

    #[test]
    fn equals_are_told_apart_by_their_ids_whatever_the_order() {
        use LinkTrit::Direct;
        assert_eq!(least_loaded_idle(&[node(2, 100, Direct), node(1, 100, Direct)]), Some(1));
        assert_eq!(least_loaded_idle(&[node(1, 100, Direct), node(2, 100, Direct)]), Some(0));
    }

    #[test]
    fn a_load_that_was_not_measured_is_no_reason_to_send() {
        let unmeasured = Candidate { rho_milli: None, ..node(1, 0, LinkTrit::Direct) };
        assert_eq!(least_loaded_idle(&[unmeasured, node(2, 299, LinkTrit::Relayed)]), Some(1));
        assert_eq!(least_loaded_idle(&[unmeasured]), None);
    }
}
