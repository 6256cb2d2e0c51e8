//! One transfer: who gives, who brings together, who takes.

use serde::{Deserialize, Serialize};

use super::field::Trits;
use crate::words::{GrantId, NodeId};

/// A transfer, always whole: +1 the sender, 0 the broker, −1 the receiver. Half of one cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Told")]
pub struct Triad {
    tx: GrantId,
    sender: NodeId,
    broker: NodeId,
    receiver: NodeId,
    tasks: u32,
}

/// A transfer as another node tells it.
#[derive(Deserialize)]
struct Told {
    tx: GrantId,
    sender: NodeId,
    broker: NodeId,
    receiver: NodeId,
    tasks: u32,
}

impl TryFrom<Told> for Triad {
    type Error = &'static str;
    fn try_from(told: Told) -> Result<Self, Self::Error> {
        let Told { tx, sender, broker, receiver, tasks } = told;
        Self::new(tx, [sender, broker, receiver], tasks).ok_or("no transfer")
    }
}

/// Which side of a transfer posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// +1
    Sender,
    /// −1
    Receiver,
}

/// What one side enters into the book. It names the whole transfer, as that side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Posting {
    pub triad: Triad,
    pub half: Half,
}

/// What a node writes down of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Its half.
    Posted(Posting),
    /// As its sender: it was taken back before the receiver gave a sign.
    Aborted(GrantId),
    /// Its agent began anew: what it would have written just before may be missing, unless it had ended in order.
    Began,
    /// Its agent ended in order.
    Ended,
}

impl Triad {
    /// None where it is no transfer: of nothing, to oneself, or brokered by the one who takes. Where no third node is there, the
    /// sender keeps the book itself.
    #[must_use]
    pub fn new(tx: GrantId, [sender, broker, receiver]: [NodeId; 3], tasks: u32) -> Option<Self> {
        let sound = sender != receiver && broker != receiver && tasks > 0;
        sound.then_some(Self { tx, sender, broker, receiver, tasks })
    }

    #[must_use]
    pub const fn tx(&self) -> GrantId {
        self.tx
    }
    #[must_use]
    pub const fn sender(&self) -> NodeId {
        self.sender
    }
    #[must_use]
    pub const fn broker(&self) -> NodeId {
        self.broker
    }
    #[must_use]
    pub const fn receiver(&self) -> NodeId {
        self.receiver
    }
    #[must_use]
    pub const fn tasks(&self) -> u32 {
        self.tasks
    }

    /// What a node is in it: +1, 0 or −1; 0 for all who have nothing to do with it.
    #[must_use]
    pub fn role(&self, node: NodeId) -> i8 {
        i8::from(node == self.sender) - i8::from(node == self.receiver)
    }

    /// Both postings.
    #[must_use]
    pub const fn halves(self) -> [Posting; 2] {
        [Posting { triad: self, half: Half::Sender }, Posting { triad: self, half: Half::Receiver }]
    }
}

impl Posting {
    /// The vector that it adds to the book.
    #[must_use]
    pub fn value(&self) -> Trits {
        let value = Trits::of(self.triad.tx);
        match self.half {
            Half::Sender => value,
            Half::Receiver => value.negated(),
        }
    }

    /// The node that may post it.
    #[must_use]
    pub const fn author(&self) -> NodeId {
        match self.half {
            Half::Sender => self.triad.sender,
            Half::Receiver => self.triad.receiver,
        }
    }
}

#[cfg(test)]
pub(super) fn sample(n: u32, ids: [u8; 3]) -> Triad {
    let nodes = ids.map(|id| NodeId([id; 32]));
    Triad::new(GrantId { incarnation: 0x5eed, n }, nodes, 1 + n % 7).expect("a transfer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_postings_of_a_transfer_add_up_to_nothing() {
        for n in 0..1000 {
            let triad = sample(n, [1, 2, 3]);
            let roles: i8 = (0..6).map(|id| triad.role(NodeId([id; 32]))).sum();
            let [one, other] = triad.halves();
            assert_eq!(roles, 0);
            assert!(one.value().with(other.value()).is_zero() && !one.value().is_zero());
        }
    }

    #[test]
    fn what_is_no_transfer_is_none() {
        let [one, two, three] = [1, 2, 3].map(|id| NodeId([id; 32]));
        let tx = GrantId { incarnation: 1, n: 1 };
        assert!(Triad::new(tx, [one, two, one], 1).is_none(), "to oneself");
        assert!(Triad::new(tx, [one, three, three], 1).is_none(), "brokered by the receiver");
        assert!(Triad::new(tx, [one, two, three], 0).is_none(), "of nothing");
        assert!(Triad::new(tx, [one, one, three], 1).is_some(), "no third node is there");
    }
}
