//! The book of transfers that others asked this node to keep. It never sees what they carry.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::promise::ledger::{Posting, Triad, Unposted};
use crate::wire::Message;
use crate::words::limits::LEDGER_EPOCH;
use crate::words::{GrantId, NodeId, Now};

impl Machine {
    /// Both sides of transfers tell this node of them.
    pub(in crate::machine) fn keep_book(
        &mut self,
        from: NodeId,
        postings: &[Posting],
        aborts: &[Triad],
        out: &mut Vec<Effect>,
    ) {
        let mut settled: BTreeMap<NodeId, Vec<GrantId>> = BTreeMap::new();
        for posting in postings {
            let triad = &posting.triad;
            let committed = self.ledgers.totals.committed;
            if self.enter(from, posting) {
                settled.entry(from).or_default().push(triad.tx());
            }
            // What was refused says nothing about the other side.
            let other = if from == triad.sender() { triad.receiver() } else { triad.sender() };
            if self.ledgers.totals.committed > committed && self.sharing.peers.contains_key(&other) {
                settled.entry(other).or_default().push(triad.tx());
            }
        }
        for triad in aborts {
            self.abort(from, triad);
            settled.entry(from).or_default().push(triad.tx());
        }
        for (to, txs) in settled {
            if to != self.state.node() {
                out.push(Effect::Send { to, message: Message::Settled { txs } });
            }
        }
    }

    /// Enters a posting. True: its author needs not to tell it again.
    pub(super) fn enter(&mut self, by: NodeId, posting: &Posting) -> bool {
        match self.ledgers.book.post(by, posting) {
            Ok(both) => {
                let totals = &mut self.ledgers.totals;
                totals.committed += u64::from(both);
                totals.tasks += if both { u64::from(posting.triad.tasks()) } else { 0 };
                both
            }
            // Told again since the answer was lost; or told again before the other side was heard.
            Err(Unposted::Repeated) => self.ledgers.book.is_settled(posting.triad.tx()),
            Err(refused) => {
                *self.ledgers.refused.entry(refused).or_insert(0) += 1;
                if refused == Unposted::Unlike && self.planted(Plant::QuarrelsOfOthers) {
                    self.ledgers.book.block(&posting.triad);
                }
                // There may be room again, or the two may come to agree.
                !matches!(refused, Unposted::Full | Unposted::Unlike | Unposted::Blocked)
            }
        }
    }

    pub(super) fn abort(&mut self, by: NodeId, triad: &Triad) {
        match self.ledgers.book.abort(by, triad) {
            Ok(()) => self.ledgers.totals.aborted += 1,
            Err(Unposted::Repeated) => {}
            Err(refused) => *self.ledgers.refused.entry(refused).or_insert(0) += 1,
        }
    }

    /// Closes the epoch, if it is time and something was settled in it.
    pub(in crate::machine) fn close_epoch(&mut self, now: Now) {
        let ledgers = &mut self.ledgers;
        if now.boot < ledgers.close_at {
            return;
        }
        ledgers.close_at = now.boot + LEDGER_EPOCH;
        let Some(closed) = ledgers.book.close() else { return };
        ledgers.totals.epochs += 1;
        ledgers.totals.unequal += u64::from(!closed.sum.is_zero());
        ledgers.totals.unresolved += closed.unresolved;
    }
}
