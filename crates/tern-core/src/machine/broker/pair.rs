//! As the broker of a zone: finding the zone with which it is to be paired, and in it who takes.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use crate::decide::balance::pairing::{self, Pair, Party};
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::observe::Area;
use crate::plan::{Did, Reason};
use crate::promise::Refusal;
use crate::wire::Message;
use crate::words::limits::{FAR_PEERS_MAX, GIVERS_MAX, PAIR_GAP, PAIR_SAID_AGAIN};
use crate::words::{NodeId, Now};

/// So often a zone is offered to the one next to it, before the lot decides.
const LOOKS_IN_ORDER: u64 = 2;

impl Machine {
    /// How loaded all zones are, in the order of their names: every node hears it, and its zone's broker acts. The broker of each sees much the same pairs in it (others' sums may be
    /// some seconds old), and acts on those in which its own zone gives.
    pub(in crate::machine) fn pair_areas(&mut self, areas: &[Area], now: Now, out: &mut Vec<Effect>) {
        self.broker.zones = areas.iter().filter(|area| !area.here).map(|area| area.zone.clone()).collect();
        self.broker.told.retain(|_, said| *said + PAIR_SAID_AGAIN > now.boot);
        let Some(here) = areas.iter().position(|area| area.here) else { return };
        if areas[here].broker != self.state.node() {
            return;
        }
        let load = areas[here].load;
        let all = u32::try_from(areas.len()).unwrap_or(u32::MAX);
        let parties = |tasks: fn(&Area) -> u64| -> Vec<Party<usize>> {
            let tasks = areas.iter().map(|area| u32::try_from(tasks(area)).unwrap_or(u32::MAX));
            let all = tasks.enumerate().map(|(who, tasks)| Party { who, tasks });
            all.filter(|party| party.tasks > 0).collect()
        };
        let (waiting, free) = (parties(|area| area.load.on_offer), parties(|area| area.load.room));
        let again = load.on_offer > 0 && (load.is_stuck() || self.broker.stuck > 0);
        let draw = if self.broker.stuck > LOOKS_IN_ORDER { self.draw() | 1 } else { 0 };
        let place = |who: usize| match draw {
            0 => pairing::place_in_row(who as u64, all),
            draw => draw.wrapping_mul(2 * who as u64 + 1) >> 32,
        };
        let (_, pairs) = pairing::tree(waiting, free, all, place);
        let mut paired = false;
        for Pair { to, tasks, .. } in pairs.into_iter().filter(|pair| pair.from == here) {
            let with = areas[to].broker;
            let givers = self.givers(tasks);
            if givers.is_empty() || self.is_near(with) {
                continue;
            }
            paired = true;
            if let Entry::Vacant(first) = self.broker.told.entry(with) {
                first.insert(now.boot);
                let (waiting, free) = (load.on_offer, areas[to].load.room);
                self.decided(Did::Pair { with, tasks }, Reason::Zones { waiting, free });
            }
            out.push(Effect::Send { to: with, message: Message::Pair { givers } });
        }
        self.broker.stuck = if again || paired { self.broker.stuck + 1 } else { 0 };
    }

    /// Nodes of this zone on which so many tasks wait, from one that is drawn on: all of them have a part of the slots, whoever has
    /// most.
    fn givers(&mut self, mut tasks: u32) -> Vec<(NodeId, u32)> {
        let told = self.told();
        let own = (self.state.node(), if told.stays { 0 } else { told.load.queued });
        let near = self.sharing.peers.iter().filter(|(id, _)| !self.broker.is_far(**id));
        let all = near.map(|(id, peer)| (*id, peer.heard.queued)).chain([own]);
        let mut all: Vec<(NodeId, u32)> = all.filter(|(_, queued)| *queued > 0).collect();
        let first = self.draw() as usize % all.len().max(1);
        all.rotate_left(first);
        all.truncate(GIVERS_MAX);
        let part = tasks.div_ceil(u32::try_from(all.len().max(1)).unwrap_or(u32::MAX));
        let mut givers = Vec::new();
        for (id, queued) in all {
            let part = part.min(queued).min(tasks);
            tasks -= part;
            givers.extend((part > 0).then_some((id, part)));
        }
        givers
    }

    /// Another zone's broker says who waits there: nodes of this zone with free slots are told.
    pub(in crate::machine) fn paired(&mut self, givers: &[(NodeId, u32)], now: Now, out: &mut Vec<Effect>) {
        // Each such word makes many: whoever says it again and again is not listened to.
        if now.boot < self.broker.listens_at {
            return self.refuse(Refusal::TooOften);
        }
        self.broker.listens_at = now.boot + PAIR_GAP;
        let far = givers.iter().filter(|(who, tasks)| *tasks > 0 && !self.is_near(*who));
        let mut waiting: Vec<Party<NodeId>> = far.map(|(who, tasks)| Party { who: *who, tasks: *tasks }).collect();
        let mut free = self.takers();
        // Not always the same first: it may be the one that cannot run them.
        let first = self.draw() as usize % free.len().max(1);
        free.rotate_left(first);
        let mut met: BTreeMap<NodeId, usize> = BTreeMap::new();
        for Pair { from: with, to, .. } in pairing::pair(&mut waiting, &mut free) {
            // It has places for no more of them.
            let met = met.entry(with).or_default();
            *met += 1;
            if *met > FAR_PEERS_MAX {
                continue;
            }
            if to == self.state.node() {
                self.get_in_touch(with, now, out);
            } else {
                out.push(Effect::Send { to, message: Message::Meet { with } });
            }
        }
    }

    /// Nodes of this zone with free slots.
    fn takers(&self) -> Vec<Party<NodeId>> {
        let own = Party { who: self.state.node(), tasks: self.room_for_far() };
        let near = self.sharing.peers.iter().filter(|(id, _)| !self.broker.is_far(**id));
        // Also those on which tasks wait: what left slots free cannot run on them. Where it was otherwise, they greet nobody.
        let peers =
            near.map(|(id, peer)| Party { who: *id, tasks: peer.heard.slots.saturating_sub(peer.heard.running) });
        peers.chain([own]).filter(|party| party.tasks > 0).collect()
    }

    /// Slots of this node for which there is no task here.
    pub(super) fn room_for_far(&self) -> u32 {
        let here = &self.here;
        let starts = here.started && here.warden && !here.full && !here.draining;
        // What only waits for something that this machine has not leaves its slots free.
        let waits = self.ready.iter().any(|key| self.has_room(*key));
        if starts && !waits { self.free_slots() } else { 0 }
    }
}
