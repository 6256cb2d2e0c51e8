//! What falls due by the clock, and what a message starts.

use alloc::vec::Vec;

use super::peers::Heard;
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::plan::Reason;
use crate::wire::Message;
use crate::words::limits::{LEASE_RENEW, LEASE_TTL, RESEND};
use crate::words::{GrantId, NodeId, Now, Span};
use alloc::collections::BTreeMap;

impl Machine {
    /// One message of a peer. Whatever it says, nothing is believed that its sender could not know.
    pub(in crate::machine) fn message(&mut self, from: NodeId, message: Message, now: Now, out: &mut Vec<Effect>) {
        match message {
            Message::Vitals { trit, queued, running, slots, load_milli } => {
                self.heard(from, Heard { trit, queued, running, slots, load_milli }, now);
            }
            Message::Ask { tasks, asked } => self.asked_for(from, tasks, asked, now, out),
            Message::Lend { .. } => self.granted(from, message, now, out),
            Message::Nothing { asked } => self.asked_in_vain(from, asked, now),
            Message::Renew { grants, asked } => self.renew(from, &grants, asked, now, out),
            Message::Renewed { grants, lost, asked } => self.renewed(from, &grants, &lost, asked, now, out),
            Message::Results { grant, outcomes, .. } => self.results(from, grant, outcomes, now, out),
            Message::Received { grant, tasks } => self.acknowledged(from, grant, &tasks),
            Message::Return { grant, tasks, why } => self.returned(from, grant, &tasks, why, now, out),
            Message::Revoke { grant } => self.revoke(from, grant, now, out),
            Message::Offer { tasks } => self.offered(from, tasks, now),
            Message::Post { postings, aborts } => self.keep_book(from, &postings, &aborts, now),
            Message::Settled { txs } => self.settled(from, &txs),
            Message::Pair { givers } => self.paired(&givers, now, out),
            Message::Meet { with } => self.meet(from, with, now, out),
            Message::Greet { fit, answers } => self.greeted(from, fit, answers, now, out),
            Message::Recall { grant, tasks } => self.recall(from, grant, &tasks, now, out),
        }
    }

    /// Everything whose time has come. First in every event: a message that waited through a suspend must not revive what
    /// expired in it.
    pub(in crate::machine) fn due(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.here.storage_retry.is_some_and(|at| at <= now.boot) {
            self.here.storage_retry = None;
        }
        self.reclaim_due(now, out);
        self.tell_ledger(now, out);
        self.close_epoch(now);
        if !self.sharing.borrowed.is_empty() {
            self.end_due(now, out);
            self.renew_due(now, out);
            self.resend_due(now, out);
        }
        let asked = self.lease_clock(now);
        let late: Vec<(NodeId, u64)> = self
            .sharing
            .asking
            .iter()
            .filter_map(|id| Some((*id, self.sharing.peers.get(id)?.ask?.0)))
            .filter(|(_, at)| *at + LEASE_TTL <= asked)
            .collect();
        for (peer, at) in late {
            self.asked_in_vain(peer, at, now);
        }
    }

    fn end_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let clock = self.lease_clock(now);
        let over: Vec<(GrantId, Span)> = self
            .sharing
            .borrowed
            .iter()
            .filter(|(_, held)| held.ends <= clock && !held.ending)
            .map(|(grant, held)| (*grant, Span(clock - held.ends)))
            .collect();
        for (grant, late) in over {
            self.end_grant(grant, Reason::LeaseOver { late }, out);
        }
    }

    fn renew_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let asked = self.lease_clock(now);
        let mut by_owner: BTreeMap<NodeId, Vec<GrantId>> = BTreeMap::new();
        for (grant, held) in &mut self.sharing.borrowed {
            if held.renew_at <= asked && !held.ending {
                held.renew_at = asked + LEASE_RENEW;
                by_owner.entry(held.from).or_default().push(*grant);
            }
        }
        for (to, grants) in by_owner {
            out.push(Effect::Send { to, message: Message::Renew { grants, asked } });
        }
    }

    fn resend_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut due = Vec::new();
        for (grant, held) in &mut self.sharing.borrowed {
            if held.owes() && held.resend_at <= now.boot {
                held.resend_at = now.boot + RESEND;
                due.push(*grant);
            }
        }
        for grant in due {
            self.send_results(grant, out);
        }
    }

    /// When something falls due next, if nothing happens before.
    pub(in crate::machine) fn next_wake(&self, now: Now) -> Option<u64> {
        let sharing = &self.sharing;
        let loans = sharing.loans.values().filter(|clock| !clock.closing && clock.ends < u64::MAX).map(|it| it.ends);
        let held = sharing.borrowed.values().filter(|held| !held.ending).flat_map(|held| {
            let resend = held.owes().then_some(held.resend_at);
            [Some(held.ends), Some(held.renew_at), resend].into_iter().flatten()
        });
        let asks = sharing.asking.iter().filter_map(|id| sharing.peers.get(id)?.ask).map(|(at, _)| at + LEASE_TTL);
        let pulse = (self.is_listened_to() && self.here.started).then_some(sharing.pulse.due);
        let retry = self.here.storage_retry;
        // A loan that could not be reclaimed for want of disk is overdue: it waits for the disk, not for its own time.
        let loans = loans.map(|at| retry.map_or(at, |retry| at.max(retry)));
        let all = loans
            .chain(held)
            .chain(asks)
            .chain(pulse)
            .chain(retry)
            .chain(self.next_ask(now.boot))
            .chain(self.next_offer())
            .chain(self.next_look())
            .chain(self.next_posting())
            .chain(self.next_look_ahead())
            .chain(self.next_move());
        all.min()
    }
}
