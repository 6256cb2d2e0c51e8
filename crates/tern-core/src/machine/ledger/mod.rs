//! A node's part in the ledger: what it posts of its own transfers, and the book of those that others asked it to keep.
//!
//! Nothing waits for it, and nothing is decided by it. A posting follows from the record of a loan, or from taking one; it is written
//! down at once, told to the broker with others, and told again until the broker has settled it. What is told, and what is answered, is
//! collected: soon where it was quiet or nothing is shared any more, and for longer where much is transferred.

mod broker;
mod own;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::promise::ledger::{Book, Half, Triad, Unposted};
use crate::words::limits::{LEDGER_GAP, LEDGER_TELL};
use crate::words::{GrantId, NodeId, Now};

/// What a node knows of transfers; none of it is durable.
#[derive(Debug)]
pub(super) struct Ledgers {
    /// Of transfers that this node brokers.
    pub book: Book,
    /// Own postings that their broker has not settled.
    unsettled: BTreeMap<(GrantId, Half), Own>,
    /// When some of them are told next; none: there are none. And when some were told last.
    due: Option<u64>,
    told_at: Option<u64>,
    /// Some of them were never told.
    fresh: bool,
    /// When this node last had something of others, or they of it.
    shared_at: u64,
    /// As a broker: transfers that are settled, for those who wait to hear so, and how many these are: [`LEDGER_OPEN_MAX`] at most.
    ///
    /// [`LEDGER_OPEN_MAX`]: crate::words::limits::LEDGER_OPEN_MAX
    answers: BTreeMap<NodeId, Vec<GrantId>>,
    answers_waiting: usize,
    /// When they are told next, and when some were told last.
    answers_due: Option<u64>,
    answered_at: Option<u64>,
    /// When the last of them was settled.
    entered_at: u64,
    /// When the book's epoch may close next.
    close_at: u64,
    /// Nodes that are balanced, and may broker.
    pub balanced: BTreeSet<NodeId>,
    pub totals: Totals,
    /// What was not entered, by reason.
    pub refused: BTreeMap<Unposted, u64>,
}

/// An own posting on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Own {
    triad: Triad,
    /// It was taken back before the receiver had it.
    aborted: bool,
    told: bool,
    /// Boot time at which it was posted, and at which it is told next.
    since: u64,
    tell_at: u64,
}

/// Counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub committed: u64,
    pub aborted: u64,
    /// Tasks of committed transfers.
    pub tasks: u64,
    /// Epochs that closed, and those of them that did not add up to nothing.
    pub epochs: u64,
    pub unequal: u64,
    /// Transfers of which one side never came.
    pub unresolved: u64,
    /// Own postings that no broker settled.
    pub unbrokered: u64,
}

impl Ledgers {
    pub fn new(node: NodeId) -> Self {
        Self {
            book: Book::new(node, 0),
            unsettled: BTreeMap::new(),
            due: None,
            told_at: None,
            fresh: false,
            shared_at: 0,
            answers: BTreeMap::new(),
            answers_waiting: 0,
            answers_due: None,
            answered_at: None,
            entered_at: 0,
            close_at: 0,
            balanced: BTreeSet::new(),
            totals: Totals::default(),
            refused: BTreeMap::new(),
        }
    }

    /// When what comes now is told, where some was told then.
    fn turn(told_at: Option<u64>, now: Now) -> u64 {
        let soon = now.boot + LEDGER_TELL;
        told_at.map_or(soon, |at| soon.max(at + LEDGER_GAP))
    }

    /// Own postings that wait for their broker.
    pub fn waiting(&self) -> usize {
        self.unsettled.len()
    }
}
