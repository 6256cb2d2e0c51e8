//! The book of one broker: transfers that it keeps, until both sides have posted.
//!
//! A transfer is *open* from the first posting, *committed* with the second, *aborted* when its sender has taken the work back before
//! the receiver had it. When an epoch of the book closes, all that was settled in it adds up to nothing; what is open goes over into
//! the next, and is let go of after some. Where a sum is not nothing, the broker and the two sides compare their numbers
//! ([`audit`](super::audit())), and nothing else is held up.

use alloc::collections::{BTreeMap, BTreeSet};
use serde::{Deserialize, Serialize};

use super::field::Trits;
use super::triad::{Half, Posting, Triad};
use crate::words::limits::{LEDGER_EPOCHS_OPEN, LEDGER_OPEN_BY_ONE, LEDGER_OPEN_MAX};
use crate::words::{GrantId, NodeId};

/// A transfer that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub triad: Triad,
    pub sender: bool,
    pub receiver: bool,
    /// The epoch in which it was opened.
    since: u64,
}

impl Entry {
    /// The side that has posted it. It is open: the other has not.
    const fn opener(&self) -> NodeId {
        if self.sender { self.triad.sender() } else { self.triad.receiver() }
    }
}

/// What an epoch was when it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Of all that was settled in it.
    pub sum: Trits,
    /// Transfers of which one side never came, and that are let go of.
    pub unresolved: u64,
}

/// Why a posting is not entered. The book is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unposted {
    /// Its author is not the one who may post it.
    Forged,
    /// It is in the book already.
    Repeated,
    /// The other side told the transfer otherwise.
    Unlike,
    /// This book is another broker's.
    NotHere,
    /// Too many are open.
    Full,
}

/// What one broker knows of the transfers of its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    broker: NodeId,
    epoch: u64,
    open: BTreeMap<GrantId, Entry>,
    /// How many of these each node opened: none takes the room of all others.
    opened: BTreeMap<NodeId, usize>,
    sum: Trits,
    /// Numbers that were settled in this epoch and in the one before: three more postings of one would not be seen in the sum.
    settled: BTreeSet<GrantId>,
    before: BTreeSet<GrantId>,
}

impl Book {
    #[must_use]
    pub const fn new(broker: NodeId, epoch: u64) -> Self {
        Self {
            broker,
            epoch,
            open: BTreeMap::new(),
            opened: BTreeMap::new(),
            sum: Trits::ZERO,
            settled: BTreeSet::new(),
            before: BTreeSet::new(),
        }
    }

    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
    /// Of all that was posted.
    #[must_use]
    pub const fn sum(&self) -> Trits {
        self.sum
    }
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.open.values()
    }

    /// Enters what a node posted. True: both sides have, and the transfer is committed.
    ///
    /// # Errors
    /// [`Unposted`]
    pub fn post(&mut self, by: NodeId, posting: &Posting) -> Result<bool, Unposted> {
        let Posting { triad, half } = *posting;
        let tx = triad.tx();
        if by != posting.author() {
            return Err(Unposted::Forged);
        }
        if triad.broker() != self.broker {
            return Err(Unposted::NotHere);
        }
        if self.is_settled(tx) {
            return Err(Unposted::Repeated);
        }
        if !self.open.contains_key(&tx) {
            let opened = self.opened.get(&by).copied().unwrap_or(0);
            if self.open.len() + self.settled.len() >= LEDGER_OPEN_MAX || opened >= LEDGER_OPEN_BY_ONE {
                return Err(Unposted::Full);
            }
        }
        let none = Entry { triad, sender: false, receiver: false, since: self.epoch };
        let known = self.open.get(&tx).copied().unwrap_or(none);
        if known.triad != triad {
            return Err(Unposted::Unlike);
        }
        let was = if half == Half::Sender { known.sender } else { known.receiver };
        if was {
            return Err(Unposted::Repeated);
        }
        let entry = Entry {
            sender: known.sender || half == Half::Sender,
            receiver: known.receiver || half == Half::Receiver,
            ..known
        };
        self.sum = self.sum.with(posting.value());
        let both = entry.sender && entry.receiver;
        if both {
            self.settle(tx);
        } else {
            self.open.insert(tx, entry);
            *self.opened.entry(by).or_default() += 1;
        }
        Ok(both)
    }

    /// The sender took the work back before the receiver had it: what it posted is posted the other way round, too.
    ///
    /// # Errors
    /// [`Unposted`]
    pub fn abort(&mut self, by: NodeId, triad: &Triad) -> Result<(), Unposted> {
        if by != triad.sender() {
            return Err(Unposted::Forged);
        }
        if triad.broker() != self.broker {
            return Err(Unposted::NotHere);
        }
        if self.is_settled(triad.tx()) {
            return Err(Unposted::Repeated);
        }
        if let Some(entry) = self.open.get(&triad.tx()) {
            if entry.triad != *triad {
                return Err(Unposted::Unlike);
            }
            let [sender, receiver] = triad.halves();
            let missing = if entry.sender { receiver } else { sender };
            self.sum = self.sum.with(missing.value());
        } else if self.open.len() + self.settled.len() >= LEDGER_OPEN_MAX {
            return Err(Unposted::Full);
        }
        // Also where neither side was heard of yet: what comes late of it opens nothing any more.
        self.settle(triad.tx());
        Ok(())
    }

    fn settle(&mut self, tx: GrantId) {
        if let Some(entry) = self.open.remove(&tx)
            && let Some(opened) = self.opened.get_mut(&entry.opener())
        {
            *opened -= 1;
        }
        self.settled.insert(tx);
    }

    /// Whether both sides have posted it, or it was taken back, not long ago.
    #[must_use]
    pub fn is_settled(&self, tx: GrantId) -> bool {
        self.settled.contains(&tx) || self.before.contains(&tx)
    }

    /// An open transfer.
    #[must_use]
    pub fn of(&self, tx: GrantId) -> Option<Triad> {
        self.open.get(&tx).map(|entry| entry.triad)
    }

    /// Ends the epoch, if something was settled in it or is open.
    pub fn close(&mut self) -> Option<Closed> {
        if self.open.is_empty() && self.settled.is_empty() {
            self.before.clear();
            return None;
        }
        let posted = |entry: &Entry| {
            let [one, other] = entry.triad.halves().map(|half| half.value());
            let sum = if entry.sender { one } else { Trits::ZERO };
            if entry.receiver { sum.with(other) } else { sum }
        };
        let open = |book: &Self| book.open.values().fold(Trits::ZERO, |sum, entry| sum.with(posted(entry)));
        let sum = self.sum.with(open(self).negated());
        let all = self.open.len();
        let epoch = self.epoch;
        self.open.retain(|_, entry| epoch - entry.since < LEDGER_EPOCHS_OPEN);
        let unresolved = (all - self.open.len()) as u64;
        self.opened.clear();
        for entry in self.open.values() {
            *self.opened.entry(entry.opener()).or_default() += 1;
        }
        self.sum = open(self);
        self.before = core::mem::take(&mut self.settled);
        self.epoch += 1;
        Some(Closed { sum, unresolved })
    }
}

#[cfg(test)]
mod tests {
    use super::super::triad::sample;
    use super::*;
    use proptest::prelude::*;

    fn id(byte: u8) -> NodeId {
        NodeId([byte; 32])
    }

    #[test]
    fn both_sides_commit_and_the_epoch_closes_at_nothing() {
        let mut book = Book::new(id(2), 0);
        let triad = sample(1, [1, 2, 3]);
        let [sender, receiver] = triad.halves();
        assert_eq!(book.post(id(1), &sender), Ok(false));
        assert_eq!(book.post(id(1), &sender), Err(Unposted::Repeated));
        assert_eq!(book.post(id(1), &receiver), Err(Unposted::Forged));
        assert_eq!(book.post(id(3), &receiver), Ok(true));
        assert_eq!(book.post(id(3), &receiver), Err(Unposted::Repeated));
        assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
        assert_eq!(book.post(id(3), &receiver), Err(Unposted::Repeated), "the epoch before is remembered");
        assert_eq!((book.epoch(), book.close()), (1, None));
    }

    #[test]
    fn a_transfer_that_is_told_two_ways_or_elsewhere_is_refused() {
        let mut book = Book::new(id(2), 0);
        let [one, _] = sample(1, [1, 2, 3]).halves();
        let [_, other] = sample(1, [4, 2, 3]).halves();
        assert_eq!(book.post(id(1), &one), Ok(false));
        assert_eq!(book.post(id(3), &other), Err(Unposted::Unlike));
        assert_eq!(book.post(id(1), &sample(2, [1, 5, 3]).halves()[0]), Err(Unposted::NotHere));
        assert_eq!(book.abort(id(3), &sample(1, [1, 2, 3])), Err(Unposted::Forged));
        assert_eq!(book.abort(id(1), &sample(1, [1, 2, 3])), Ok(()));
        assert!(book.is_settled(sample(1, [1, 2, 3]).tx()));
        // Taken back before anybody posted it: what the receiver says late opens nothing.
        assert_eq!(book.abort(id(1), &sample(7, [1, 2, 3])), Ok(()));
        assert_eq!(book.post(id(3), &sample(7, [1, 2, 3]).halves()[1]), Err(Unposted::Repeated));
        assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
    }

    #[test]
    fn what_stays_open_goes_over_and_is_let_go_of_after_some_epochs() {
        let mut book = Book::new(id(2), 0);
        let [lonely, _] = sample(1, [1, 2, 3]).halves();
        assert_eq!(book.post(id(1), &lonely), Ok(false));
        for _ in 0..LEDGER_EPOCHS_OPEN {
            assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
            assert!(book.open().count() == 1 && !book.sum().is_zero());
        }
        assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 1 }));
        assert!(book.open().count() == 0 && book.sum().is_zero());
    }

    #[test]
    fn one_node_leaves_room_for_others() {
        let mut book = Book::new(id(2), 0);
        let half = |n, ids| sample(n, ids).halves()[0];
        for n in 0..LEDGER_OPEN_BY_ONE as u32 {
            assert_eq!(book.post(id(1), &half(n, [1, 2, 3])), Ok(false));
        }
        let more = LEDGER_OPEN_BY_ONE as u32;
        assert_eq!(book.post(id(1), &half(more, [1, 2, 3])), Err(Unposted::Full));
        assert_eq!(book.post(id(4), &half(more, [4, 2, 3])), Ok(false));
        // One that is settled, or let go of, makes room.
        assert_eq!(book.post(id(3), &sample(0, [1, 2, 3]).halves()[1]), Ok(true));
        assert_eq!(book.post(id(1), &half(more + 1, [1, 2, 3])), Ok(false));
        assert!((0..=LEDGER_EPOCHS_OPEN).all(|_| book.close().is_some()));
        assert_eq!(book.post(id(1), &half(more + 2, [1, 2, 3])), Ok(false));
    }

    proptest! {
        /// However postings are lost, repeated, late or forged: what can be closed adds up to nothing, and the roles always do.
        #[test]
        fn closed_epochs_add_up_to_nothing(events in proptest::collection::vec((0u32..40, 0u8..6), 0..400)) {
            let mut book = Book::new(id(9), 0);
            for (n, what) in events {
                let triad = sample(n, [1 + (n % 3) as u8, 9, 4 + (n % 4) as u8]);
                let [sender, receiver] = triad.halves();
                // What it answers depends on what came before; the sum must hold whatever it is.
                let _any = match what {
                    0 | 1 => book.post(triad.sender(), &sender).map(drop),
                    2 | 3 => book.post(triad.receiver(), &receiver).map(drop),
                    4 => book.abort(triad.sender(), &triad),
                    _ => book.post(id(77), &sender).map(drop),
                };
                let open: Trits = book.open().fold(Trits::ZERO, |sum, entry| {
                    let [one, other] = entry.triad.halves();
                    let sum = if entry.sender { sum.with(one.value()) } else { sum };
                    if entry.receiver { sum.with(other.value()) } else { sum }
                });
                prop_assert_eq!(book.sum(), open, "what is settled adds up to nothing");
                if let Some(closed) = (n % 5 == 0).then(|| book.close()).flatten() {
                    prop_assert!(closed.sum.is_zero());
                }
            }
        }
    }
}
