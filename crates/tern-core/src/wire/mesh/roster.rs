//! What a zone says of itself to the other zones: who is in it, where it borders on others, how loaded it is.
//!
//! Two of its nodes say it in the name of all. Other zones need no more to find the way: which nodes are there, over which links
//! they are entered, and where a node that looks for a new link may knock.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use crate::observe::ZoneLoad;
use crate::wire::bounded;
use crate::words::limits::{ROSTER_MEMBERS_MAX, ZONE_BYTES_MAX};
use crate::words::{Bytes, NodeId};

/// Bytes of a node's mark.
const MARK: usize = 8;

/// Who is in a zone, as one of its nodes sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Of the node that says it.
    pub incarnation: u64,
    pub zone: String,
    /// The [marks](NodeId::mark) of the nodes that can be reached, in ascending order, eight bytes each. Empty: the sender speaks for
    /// its zone no more.
    pub members: Bytes,
    #[serde(deserialize_with = "bounded::per_border")]
    pub borders: Vec<Border>,
    #[serde(deserialize_with = "bounded::per_door")]
    pub doors: Vec<Door>,
}

/// A link out of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Border {
    /// The mark of the node at its far end.
    pub to: u64,
    pub cost_us: u32,
}

/// A node that may be dialled from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    pub node: NodeId,
    #[serde(deserialize_with = "bounded::per_address")]
    pub addresses: Vec<SocketAddr>,
}

/// How loaded a zone is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Of the node that says it.
    pub incarnation: u64,
    pub zone: String,
    pub load: ZoneLoad,
    /// The node that brings those of the zone together with others.
    pub broker: NodeId,
}

impl Roster {
    /// Packs marks, in ascending order.
    #[must_use]
    pub fn pack(marks: impl Iterator<Item = u64>) -> Bytes {
        let mut marks: Vec<u64> = marks.take(ROSTER_MEMBERS_MAX).collect();
        marks.sort_unstable();
        marks.dedup();
        Bytes(marks.into_iter().flat_map(u64::to_be_bytes).collect())
    }

    pub fn marks(&self) -> impl ExactSizeIterator<Item = u64> {
        self.members.chunks_exact(MARK).map(read)
    }

    /// Whether it names this node.
    #[must_use]
    pub fn names(&self, mark: u64) -> bool {
        let (mut low, mut high) = (0, self.members.len() / MARK);
        while low < high {
            let middle = usize::midpoint(low, high);
            match read(&self.members[middle * MARK..(middle + 1) * MARK]).cmp(&mark) {
                core::cmp::Ordering::Equal => return true,
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// Whether it is what one of us would have written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.zone.len() <= ZONE_BYTES_MAX
            && self.members.len().is_multiple_of(MARK)
            && self.members.len() <= MARK * ROSTER_MEMBERS_MAX
            && self.marks().is_sorted_by(|one, next| one < next)
    }
}

fn read(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_names_whom_it_lists_and_nobody_else() {
        let roster = Roster { members: Roster::pack([9, 3, 7, 3].into_iter()), ..Roster::default() };
        assert_eq!(roster.marks().collect::<Vec<_>>(), [3, 7, 9]);
        assert!((0..12).filter(|mark| roster.names(*mark)).eq([3, 7, 9]));
        assert!(roster.is_sound());
    }

    #[test]
    fn a_roster_out_of_order_or_of_half_a_mark_is_not_sound() {
        let bytes = |list: &[u64]| Bytes(list.iter().flat_map(|mark| mark.to_be_bytes()).collect());
        let roster = |members| Roster { members, ..Roster::default() };
        assert!(!roster(bytes(&[3, 3])).is_sound());
        assert!(!roster(bytes(&[4, 3])).is_sound());
        assert!(!roster(Bytes(alloc::vec![0; 9])).is_sound());
    }
}
