//! The book of one broker: transfers that it keeps, until both sides have posted.
//!
//! A transfer is *open* from the first posting, *committed* with the second, *aborted* when its sender has taken the work back before
//! the receiver had it. When an epoch of the book closes, all that was settled in it adds up to nothing; what is open goes over into
//! the next, and is let go of after some.
//!
//! A transfer's number is its sender's: where others use it, the sender's word stands. Two sides that tell a transfer in two ways are
//! *blocked*: this book enters no other of theirs until the receiver tells it as the sender does, the sender takes it back, or it is let
//! go of. Only the book waits: other pairs, the same two with another broker, and the work itself go on. Who has posted what is
//! compared by [`audit`](super::audit()).

use alloc::collections::{BTreeMap, BTreeSet};
use serde::{Deserialize, Serialize};

use super::field::Trits;
use super::triad::{Half, Posting, Triad};
use crate::words::limits::{LEDGER_BLOCKED_MAX, LEDGER_EPOCHS_OPEN, LEDGER_OPEN_BY_ONE, LEDGER_OPEN_MAX};
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
    /// Its two sides tell another transfer in two ways.
    Blocked,
}

/// A transfer: its sender, and the number that this one gave it.
type Key = (NodeId, GrantId);

/// What one broker knows of the transfers of its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    broker: NodeId,
    epoch: u64,
    open: BTreeMap<Key, Entry>,
    /// How many of these each node opened, or took back before they were: none takes the room of all others.
    opened: BTreeMap<NodeId, usize>,
    /// Who gives and who takes where the two do not agree, with the transfer in question.
    blocked: BTreeMap<(NodeId, NodeId), GrantId>,
    sum: Trits,
    /// Numbers that were settled in this epoch and in the one before: three more postings of one would not be seen in the sum.
    settled: BTreeSet<Key>,
    before: BTreeSet<Key>,
}

impl Book {
    #[must_use]
    pub const fn new(broker: NodeId, epoch: u64) -> Self {
        Self {
            broker,
            epoch,
            open: BTreeMap::new(),
            opened: BTreeMap::new(),
            blocked: BTreeMap::new(),
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
    /// Who gives and who takes where the two do not agree, with the transfer in question.
    pub fn blocked(&self) -> impl Iterator<Item = (NodeId, NodeId, GrantId)> {
        self.blocked.iter().map(|((sender, receiver), tx)| (*sender, *receiver, *tx))
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
        let key = (triad.sender(), tx);
        if self.is_settled(key) {
            return Err(Unposted::Repeated);
        }
        if self.blocked.get(&pair_of(&triad)).is_some_and(|open| *open != tx) {
            return Err(Unposted::Blocked);
        }
        match self.open.get(&key).copied() {
            Some(known) if known.triad != triad => self.otherwise(by, posting, known).map(|()| false),
            Some(known) if (half == Half::Sender) == known.sender => Err(Unposted::Repeated),
            Some(_) => {
                self.sum = self.sum.with(posting.value());
                self.settle(key);
                Ok(true)
            }
            None if self.has_room(by) => {
                self.open_by(by, posting, self.epoch);
                Ok(false)
            }
            None => Err(Unposted::Full),
        }
    }

    fn has_room(&self, of: NodeId) -> bool {
        let opened = self.opened.get(&of).copied().unwrap_or(0);
        self.open.len() + self.settled.len() < LEDGER_OPEN_MAX && opened < LEDGER_OPEN_BY_ONE
    }

    fn open_by(&mut self, by: NodeId, posting: &Posting, since: u64) {
        let Posting { triad, half } = *posting;
        let entry = Entry { triad, sender: half == Half::Sender, receiver: half == Half::Receiver, since };
        self.sum = self.sum.with(posting.value());
        self.open.insert((triad.sender(), triad.tx()), entry);
        *self.opened.entry(by).or_default() += 1;
    }

    /// A transfer that is open, told in another way. The sender's word takes the place of what a receiver told; nobody else's does.
    fn otherwise(&mut self, by: NodeId, posting: &Posting, known: Entry) -> Result<(), Unposted> {
        // Who contradicts himself, or tells of a receiver that is not the sender's, quarrels with nobody.
        if known.opener() != by && pair_of(&known.triad) == pair_of(&posting.triad) {
            self.block(&known.triad);
        }
        if known.sender || posting.half == Half::Receiver {
            return Err(Unposted::Unlike);
        }
        let [_, told] = known.triad.halves();
        self.sum = self.sum.with(told.value().negated());
        self.closed_by(known.opener());
        self.open_by(by, posting, known.since);
        Ok(())
    }

    /// The sender took the work back before the receiver had it: what it posted is posted the other way round, too. Answers with the
    /// receiver, if that one had posted it.
    ///
    /// # Errors
    /// [`Unposted`]
    pub fn abort(&mut self, by: NodeId, triad: &Triad) -> Result<Option<NodeId>, Unposted> {
        let key = (triad.sender(), triad.tx());
        if by != triad.sender() {
            return Err(Unposted::Forged);
        }
        if triad.broker() != self.broker {
            return Err(Unposted::NotHere);
        }
        if self.is_settled(key) {
            return Err(Unposted::Repeated);
        }
        let mut posted = None;
        if let Some(entry) = self.open.get(&key) {
            // However the other side told it.
            let [sender, receiver] = entry.triad.halves();
            posted = entry.receiver.then(|| entry.triad.receiver());
            self.sum = self.sum.with(if entry.sender { receiver } else { sender }.value());
        } else if self.has_room(by) {
            *self.opened.entry(by).or_default() += 1;
        } else {
            return Err(Unposted::Full);
        }
        // Also where neither side was heard of yet: what comes late of it opens nothing any more.
        self.settle(key);
        Ok(posted)
    }

    fn settle(&mut self, key: Key) {
        if let Some(entry) = self.open.remove(&key) {
            self.closed_by(entry.opener());
        }
        self.blocked.retain(|(sender, _), tx| (*sender, *tx) != key);
        self.settled.insert(key);
    }

    fn closed_by(&mut self, opener: NodeId) {
        if let Some(opened) = self.opened.get_mut(&opener) {
            *opened -= 1;
        }
    }

    /// Nothing more of these two is entered until this transfer is settled or let go of.
    pub(crate) fn block(&mut self, triad: &Triad) {
        if self.blocked.len() < LEDGER_BLOCKED_MAX {
            self.blocked.entry(pair_of(triad)).or_insert(triad.tx());
        }
    }

    /// Whether both sides have posted it, or it was taken back, not long ago.
    #[must_use]
    pub fn is_settled(&self, key: (NodeId, GrantId)) -> bool {
        self.settled.contains(&key) || self.before.contains(&key)
    }

    /// An open transfer of this sender.
    #[must_use]
    pub fn of(&self, sender: NodeId, tx: GrantId) -> Option<Triad> {
        self.open.get(&(sender, tx)).map(|entry| entry.triad)
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
        self.blocked.retain(|(sender, _), tx| self.open.contains_key(&(*sender, *tx)));
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

/// Who gives and who takes.
const fn pair_of(triad: &Triad) -> (NodeId, NodeId) {
    (triad.sender(), triad.receiver())
}

#[cfg(test)]
mod tests;
