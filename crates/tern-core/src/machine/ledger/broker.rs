//! The book of transfers that others asked this node to keep. It never sees what they carry.

use alloc::vec::Vec;

use super::Ledgers;
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::machine::plant::Plant;
use crate::promise::ledger::{Posting, Triad, Unposted};
use crate::wire::Message;
use crate::words::limits::{LEDGER_EPOCH, LEDGER_OPEN_MAX, LEDGER_TELL, POSTINGS_PER_FRAME};
use crate::words::{GrantId, NodeId, Now};

impl Machine {
    /// Both sides of transfers tell this node of them.
    pub(in crate::machine) fn keep_book(&mut self, from: NodeId, postings: &[Posting], aborts: &[Triad], now: Now) {
        for posting in postings {
            self.enter(from, posting, now);
        }
        for triad in aborts {
            self.abort(from, triad, now);
        }
    }

    /// Enters a posting. Whoever needs not to tell of the transfer again will hear so.
    pub(super) fn enter(&mut self, by: NodeId, posting: &Posting, now: Now) {
        let triad = &posting.triad;
        match self.ledgers.book.post(by, posting) {
            Ok(false) => {}
            Ok(true) => {
                self.ledgers.totals.committed += 1;
                self.ledgers.totals.tasks += u64::from(triad.tasks());
                // Both have told this node of it, also where nothing else is heard of one of them.
                for side in [triad.sender(), triad.receiver()] {
                    self.settled_for(side, triad.tx(), now);
                }
            }
            // Told again since the answer was lost; or told again before the other side was heard.
            Err(Unposted::Repeated) if !self.ledgers.book.is_settled((triad.sender(), triad.tx())) => {}
            Err(Unposted::Repeated) => self.settled_for(by, triad.tx(), now),
            Err(refused) => {
                *self.ledgers.refused.entry(refused).or_insert(0) += 1;
                if refused == Unposted::Unlike && self.planted(Plant::QuarrelsOfOthers) {
                    self.ledgers.book.block(triad);
                }
                // There may be room again, or the two may come to agree.
                if !matches!(refused, Unposted::Full | Unposted::Unlike | Unposted::Blocked) {
                    self.settled_for(by, triad.tx(), now);
                }
            }
        }
    }

    /// For whom there is no room tells again, and is answered then.
    fn settled_for(&mut self, to: NodeId, tx: GrantId, now: Now) {
        let ledgers = &mut self.ledgers;
        if to == self.state.node() || ledgers.answers_waiting >= LEDGER_OPEN_MAX {
            return;
        }
        ledgers.answers_waiting += 1;
        ledgers.entered_at = now.boot;
        let txs = ledgers.answers.entry(to).or_default();
        txs.push(tx);
        // What fills a message gains nothing by waiting.
        let turn = if txs.len() < POSTINGS_PER_FRAME { Ledgers::turn(ledgers.answered_at, now) } else { now.boot };
        ledgers.answers_due = Some(ledgers.answers_due.map_or(turn, |due| due.min(turn)));
    }

    pub(super) fn answers_due(&self) -> Option<u64> {
        // Where nothing more was settled for a while, the others wait for nothing else.
        let quiet = self.ledgers.answered_at.map(|at| at.max(self.ledgers.entered_at) + LEDGER_TELL);
        self.ledgers.answers_due.map(|due| quiet.map_or(due, |quiet| due.min(quiet)))
    }

    /// Says what is settled.
    pub(super) fn answer(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.answers_due().is_none_or(|due| due > now.boot) {
            return;
        }
        let ledgers = &mut self.ledgers;
        (ledgers.answers_due, ledgers.answered_at, ledgers.answers_waiting) = (None, Some(now.boot), 0);
        for (to, txs) in core::mem::take(&mut ledgers.answers) {
            for txs in txs.chunks(POSTINGS_PER_FRAME) {
                out.push(Effect::Send { to, message: Message::Settled { txs: txs.to_vec() } });
            }
        }
    }

    /// The sender of a transfer took it back. Who needs not to tell of it again will hear so.
    pub(super) fn abort(&mut self, by: NodeId, triad: &Triad, now: Now) {
        let tx = triad.tx();
        match self.ledgers.book.abort(by, triad) {
            Ok(posted) => {
                self.ledgers.totals.aborted += 1;
                for side in posted.into_iter().chain([by]) {
                    self.settled_for(side, tx, now);
                }
            }
            Err(refused) => {
                if refused != Unposted::Repeated {
                    *self.ledgers.refused.entry(refused).or_insert(0) += 1;
                }
                if refused != Unposted::Full {
                    self.settled_for(by, tx, now);
                }
            }
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
