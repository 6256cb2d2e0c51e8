//! One controller: what this node does by the trits of all the nodes that it hears, and in which order.
//!
//! What starts here and what moves between queues comes first. Work that was put off begins only where nothing else waits, on idle
//! nodes, and only while more nodes are idle than overloaded. Processes that take much are held back by the matrix. A wish for more machines or for fewer comes last: it is spoken when the
//! same sign has stood for a minute, by which time the others had their turn. So no two of them work against each other.

mod adapt;
mod defer;
mod hogs;

use alloc::collections::BTreeSet;

use super::node::Machine;
use super::share::{Heard, Peer};
use crate::decide::balance::rules::wish::{Standing, Wish};
use crate::decide::balance::rules::{self, Mode, Picture, Rule};
use crate::observe::trit::Smoothed;
use crate::observe::{NodeTrit, Signs};
use crate::plan::{Did, Reason};
use crate::words::{JobId, NodeId, Now, Span};

/// How long a picture of all trits is good while none changes.
const SIGNS_LAST: Span = Span::ms(100);

/// What the trits of all say, and what follows.
#[derive(Debug, Default)]
pub(super) struct Controller {
    pub mode: Mode,
    signs: Signs,
    /// When the signs were counted; none: a trit has changed since.
    counted: Option<u64>,
    rule: Option<Rule>,
    wish: Standing,
    hogs: hogs::Hogs,
    /// What loans of one task took beside its run, lately, in milliseconds: without files, and with.
    carry: [Option<adapt::Carry>; 2],
    /// Own jobs that were put off and are not over.
    deferred: BTreeSet<JobId>,
    /// What of the load they make, averaged as the load is.
    put_off: Option<Smoothed>,
    /// Some of their tasks may start somewhere, and here, now.
    wakes: bool,
    wakes_here: bool,
}

impl Controller {
    pub(super) fn defer(&mut self, job: JobId) {
        self.deferred.insert(job);
        self.counted = None;
    }

    pub(super) fn forget(&mut self, job: JobId) {
        self.deferred.remove(&job);
    }
}

impl Machine {
    /// What happens while as many nodes are overloaded as idle.
    pub fn set_mode(&mut self, mode: Mode) {
        self.controller.mode = mode;
    }

    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.controller.mode
    }

    /// How many of the nodes that are heard have which trit, this one included.
    #[must_use]
    pub const fn signs(&self) -> Signs {
        self.controller.signs
    }

    /// The rule that follows from them; none before anything was heard or measured.
    #[must_use]
    pub const fn rule(&self) -> Option<Rule> {
        self.controller.rule
    }

    /// What has been wished for, for a minute at least, and since when the sign has stood (boot time).
    #[must_use]
    pub fn wish(&self) -> Option<(Wish, u64)> {
        self.controller.wish.stands().map(|wish| (wish, self.controller.wish.since()))
    }

    /// A trit changed, or somebody came or went.
    pub(super) const fn signs_changed(&mut self) {
        self.controller.counted = None;
    }

    /// Called before anything starts or moves: what the trits say now.
    pub(super) fn look_at_signs(&mut self, now: Now) {
        let fresh = self.controller.counted.is_some_and(|counted| now.boot < counted + SIGNS_LAST);
        // What falls due is looked at then: else the node would be woken for it again and again.
        let due = self.controller.wish.due().is_some_and(|due| due <= now.boot);
        if !fresh || due {
            self.count_signs(now);
        }
        self.wake_deferred();
    }

    fn count_signs(&mut self, now: Now) {
        self.controller.counted = Some(now.boot);
        let (mut signs, mut takers, mut waiting) = (Signs::default(), false, u64::from(self.on_offer()));
        let own = self.sharing.pulse.smoothed.value().map(|_| self.trit());
        if let Some(trit) = own {
            signs.count(trit);
            let stands_back = self.here.draining || self.here.full;
            takers = trit == NodeTrit::Idle && !stands_back && waiting == 0 && self.running() < self.here.open;
        }
        // Of other zones a few nodes are known, which say nothing of these zones.
        let near = self.sharing.peers.iter().filter(|(id, _)| !self.broker.is_far(**id)).map(|(_, peer)| peer);
        for peer in near.filter(|peer| peer.heard_at > 0) {
            let heard = &peer.heard;
            signs.count(heard.trit);
            waiting += u64::from(heard.queued);
        }
        let takes = |heard: &Heard| heard.queued == 0 && heard.running < heard.slots;
        takers |= self.idle_peers().any(|(_, peer)| takes(&peer.heard));
        self.controller.signs = signs;
        if signs == Signs::default() {
            (self.controller.rule, self.controller.wish) = (None, Standing::default());
            return;
        }
        let here = own == Some(NodeTrit::Idle) && self.running() == 0;
        let spare = here || self.idle_peers().any(|(_, peer)| peer.heard.running == 0);
        let picture = Picture { signs, takers, deferred: self.deferred_tasks(), waiting, spare };
        let rule = rules::rule(&picture, self.controller.mode);
        let Signs { plus, zero, minus } = signs;
        if self.controller.rule.replace(rule).unwrap_or(Rule::Rest) != rule {
            self.decided(Did::Rule(rule), Reason::Signs { plus, zero, minus });
        }
        if self.controller.wish.look(rule, now.boot) {
            self.decided(Did::Wish(self.controller.wish.stands()), Reason::Signs { plus, zero, minus });
        }
    }

    /// When the signs are to be looked at again, if nothing happens before.
    pub(super) fn next_look(&self) -> Option<u64> {
        self.controller.wish.due()
    }

    /// Whether the mode lets tasks that could run here go to a node with this trit. Who asks need not know: the owner decides.
    pub(super) fn may_move_to(&self, to: NodeTrit) -> bool {
        match self.controller.mode {
            Mode::Paired => true,
            Mode::Strict => self.strict_moves() && self.trit() == NodeTrit::Overloaded && to == NodeTrit::Idle,
        }
    }

    /// Whether a task that runs too long may be run twice.
    pub(super) fn may_copy(&self) -> bool {
        self.controller.mode == Mode::Paired || self.strict_moves()
    }

    fn strict_moves(&self) -> bool {
        self.controller.rule.is_some_and(|rule| rule.moves(Mode::Strict))
    }

    /// Peers that were heard and are idle.
    pub(super) fn idle_peers(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        let idle = |peer: &Peer| peer.heard_at > 0 && peer.heard.trit == NodeTrit::Idle;
        self.sharing.peers.iter().filter(move |(_, peer)| idle(peer)).map(|(id, peer)| (*id, peer))
    }

    /// The trit of a peer as it was heard; none where it was not.
    pub(super) fn trit_of(&self, peer: NodeId) -> Option<NodeTrit> {
        self.sharing.peers.get(&peer).filter(|peer| peer.heard_at > 0).map(|peer| peer.heard.trit)
    }
}
