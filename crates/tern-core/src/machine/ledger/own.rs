//! What this node posts of the transfers in which it gives or takes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Ledgers, Own};
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::promise::Refusal;
use crate::promise::ledger::{Half, Line, Posting, Triad};
use crate::wire::Message;
use crate::words::limits::{
    LEDGER_OPEN_MAX, LEDGER_PATIENCE, LEDGER_SEATS, LEDGER_TELL, LEDGER_TELL_AGAIN, POSTINGS_PER_FRAME,
};
use crate::words::{GrantId, NodeId, Now};

impl Machine {
    /// Who keeps the book of a transfer: the first balanced node from one of a few places on the ring of all keys, whichever is the
    /// sender's. So those that take of many senders have few to tell. Where nobody is balanced but the two, the sender does it itself.
    pub(in crate::machine) fn broker_of(&self, to: NodeId) -> NodeId {
        let node = self.state.node();
        let mut place = [0; 32];
        place[0] = (node.0[31] % LEDGER_SEATS) * (u8::MAX / LEDGER_SEATS);
        let balanced = &self.ledgers.balanced;
        let around = balanced.range(NodeId(place)..).chain(balanced.iter()).copied();
        // Of another zone's nodes one may be gone soon, and its neighbours know none of this one's.
        { around }.find(|node| *node != to && !self.broker.is_far(*node)).unwrap_or(node)
    }

    /// Posts this node's half of a transfer.
    pub(in crate::machine) fn post(&mut self, triad: Triad, half: Half, now: Now, out: &mut Vec<Effect>) {
        let posting = Posting { triad, half };
        out.push(Effect::Log(Line::Posted(posting)));
        if triad.broker() == self.state.node() {
            let node = self.state.node();
            return self.enter(node, &posting, now);
        }
        let ledgers = &mut self.ledgers;
        if ledgers.unsettled.len() >= LEDGER_OPEN_MAX {
            ledgers.unsettled.pop_first();
            ledgers.totals.unbrokered += 1;
        }
        let tell_at = Ledgers::turn(ledgers.told_at, now);
        let own = Own { triad, aborted: false, told: false, since: now.boot, tell_at };
        ledgers.unsettled.insert((triad.tx(), half), own);
        ledgers.fresh = true;
        ledgers.due = Some(ledgers.due.map_or(tell_at, |due| due.min(tell_at)));
    }

    /// A loan is over of which its borrower never gave a sign: it is as if it had not been.
    pub(in crate::machine) fn taken_back(&mut self, tx: GrantId, now: Now, out: &mut Vec<Effect>) {
        out.push(Effect::Log(Line::Aborted(tx)));
        let node = self.state.node();
        let turn = Ledgers::turn(self.ledgers.told_at, now);
        if let Some(own) = self.ledgers.unsettled.get_mut(&(tx, Half::Sender)) {
            own.aborted = true;
            own.tell_at = own.tell_at.min(turn);
            self.ledgers.due = Some(self.ledgers.due.map_or(turn, |due| due.min(turn)));
        } else if let Some(triad) = self.ledgers.book.of(node, tx) {
            self.abort(node, &triad, now);
        }
    }

    /// Tells brokers what they have not settled, and as a broker what is.
    pub(in crate::machine) fn tell_ledger(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.shares() {
            self.ledgers.shared_at = now.boot;
        }
        self.tell_brokers(now, out);
        self.answer(now, out);
    }

    fn tell_brokers(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.postings_due().is_none_or(|due| due > now.boot) {
            return;
        }
        let ledgers = &mut self.ledgers;
        let before = ledgers.unsettled.len();
        ledgers.unsettled.retain(|_, own| own.since + LEDGER_PATIENCE > now.boot);
        ledgers.totals.unbrokered += (before - ledgers.unsettled.len()) as u64;
        let mut told: BTreeMap<NodeId, (Vec<Posting>, Vec<Triad>)> = BTreeMap::new();
        for ((_, half), own) in &mut ledgers.unsettled {
            let (triad, half) = (own.triad, *half);
            // Those that came since the last time go along.
            if own.told && own.tell_at > now.boot {
                continue;
            }
            let (postings, aborts) = told.entry(triad.broker()).or_default();
            // What has no room goes in the next message, at once.
            if postings.len() + aborts.len() >= POSTINGS_PER_FRAME {
                own.tell_at = now.boot;
                continue;
            }
            (own.told, own.tell_at) = (true, now.boot + LEDGER_TELL_AGAIN);
            if own.aborted {
                aborts.push(triad);
            } else {
                postings.push(Posting { triad, half });
            }
        }
        ledgers.due = ledgers.unsettled.values().map(|own| own.tell_at).min();
        ledgers.fresh = ledgers.unsettled.values().any(|own| !own.told);
        if !told.is_empty() {
            ledgers.told_at = Some(now.boot);
        }
        for (to, (postings, aborts)) in told {
            // It may live in the other's zone, of which nothing is heard here.
            out.push(Effect::Send { to, message: Message::Post { postings, aborts } });
        }
    }

    /// The broker has settled these, one way or the other.
    pub(in crate::machine) fn settled(&mut self, from: NodeId, txs: &[GrantId]) {
        for tx in txs {
            for half in [Half::Sender, Half::Receiver] {
                match self.ledgers.unsettled.get(&(*tx, half)) {
                    Some(own) if own.triad.broker() == from => drop(self.ledgers.unsettled.remove(&(*tx, half))),
                    Some(_) => self.refuse(Refusal::NotHolder),
                    None => {}
                }
            }
        }
        self.ledgers.due = self.ledgers.unsettled.values().map(|own| own.tell_at).min();
    }

    /// When brokers are to be told, or those who told this one.
    pub(in crate::machine) fn next_posting(&self) -> Option<u64> {
        self.postings_due().into_iter().chain(self.answers_due()).min()
    }

    fn postings_due(&self) -> Option<u64> {
        let due = self.ledgers.due?;
        Some(if self.ledgers.fresh { self.sooner(due, self.ledgers.told_at) } else { due })
    }

    /// Where nothing is shared any more, nothing is won by waiting for more to tell.
    fn sooner(&self, due: u64, told_at: Option<u64>) -> u64 {
        let quiet_at = |at: u64| at.max(self.ledgers.shared_at) + LEDGER_TELL;
        told_at.filter(|_| !self.shares()).map_or(due, |at| due.min(quiet_at(at)))
    }

    fn shares(&self) -> bool {
        !self.sharing.loans.is_empty() || !self.sharing.borrowed.is_empty()
    }
}
