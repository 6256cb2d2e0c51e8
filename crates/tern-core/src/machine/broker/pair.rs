//! As the broker of a zone: finding the zone with which it is to be paired, and in it who takes.

use alloc::vec::Vec;

use crate::decide::balance::pairing::{self, Pair, Party};
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::observe::Area;
use crate::plan::{Did, Reason};
use crate::wire::Message;
use crate::words::limits::GIVERS_MAX;
use crate::words::{NodeId, Now};

impl Machine {
    /// How loaded all zones are, in the order of their names. The broker of each sees the same pairs in it, and acts on those in
    /// which its own zone gives: so each is acted upon once.
    pub(in crate::machine) fn pair_areas(&mut self, areas: &[Area], out: &mut Vec<Effect>) {
        self.broker.zones = areas.len() > 1;
        let Some(here) = areas.iter().position(|area| area.here) else { return };
        let all = u32::try_from(areas.len()).unwrap_or(u32::MAX);
        let parties = |tasks: fn(&Area) -> u64| -> Vec<Party<usize>> {
            let tasks = areas.iter().map(|area| u32::try_from(tasks(area)).unwrap_or(u32::MAX));
            let all = tasks.enumerate().map(|(who, tasks)| Party { who, tasks });
            all.filter(|party| party.tasks > 0).collect()
        };
        let (waiting, free) = (parties(|area| area.load.queued), parties(|area| area.load.free()));
        self.broker.stuck = if areas[here].load.is_stuck() { self.broker.stuck + 1 } else { 0 };
        let draw = if self.broker.stuck > 1 { self.draw() | 1 } else { 0 };
        let place = |who: usize| match draw {
            0 => pairing::place_in_row(who as u64, all),
            draw => draw.wrapping_mul(2 * who as u64 + 1) >> 32,
        };
        let (_, pairs) = pairing::tree(waiting, free, all, place);
        let told = self.broker.told.take();
        for Pair { to, tasks, .. } in pairs.into_iter().filter(|pair| pair.from == here) {
            let with = areas[to].broker;
            let givers = self.givers(tasks);
            if givers.is_empty() || self.is_near(with) {
                continue;
            }
            if told != Some(with) {
                let (waiting, free) = (areas[here].load.queued, areas[to].load.free());
                self.decided(Did::Pair { with, tasks }, Reason::Zones { waiting, free });
            }
            self.broker.told = Some(with);
            out.push(Effect::Send { to: with, message: Message::Pair { givers } });
        }
    }

    /// Nodes of this zone on which so many tasks wait, those with the most first.
    fn givers(&self, mut tasks: u32) -> Vec<(NodeId, u32)> {
        let own = (self.state.node(), u32::try_from(self.waiting()).unwrap_or(u32::MAX));
        let peers = self.sharing.peers.iter().filter(|(id, _)| !self.broker.is_far(**id));
        let mut all: Vec<(NodeId, u32)> = peers.map(|(id, peer)| (*id, peer.heard.queued)).chain([own]).collect();
        all.sort_unstable_by_key(|(id, queued)| (u32::MAX - queued, *id));
        let mut givers = Vec::new();
        for (id, queued) in all.into_iter().take(GIVERS_MAX) {
            let part = queued.min(tasks);
            if part == 0 {
                break;
            }
            tasks -= part;
            givers.push((id, part));
        }
        givers
    }

    /// Another zone's broker says who waits there: nodes of this zone with free slots are told.
    pub(in crate::machine) fn paired(&mut self, givers: &[(NodeId, u32)], now: Now, out: &mut Vec<Effect>) {
        let far = givers.iter().filter(|(who, tasks)| *tasks > 0 && !self.is_near(*who));
        let mut waiting: Vec<Party<NodeId>> = far.map(|(who, tasks)| Party { who: *who, tasks: *tasks }).collect();
        let mut free = self.takers();
        // Not always the same first: it may be the one that cannot run them.
        let first = self.draw() as usize % free.len().max(1);
        free.rotate_left(first);
        for Pair { from: with, to, .. } in pairing::pair(&mut waiting, &mut free) {
            if to == self.state.node() {
                self.meet(with, now, out);
            } else {
                out.push(Effect::Send { to, message: Message::Meet { with } });
            }
        }
    }

    /// Nodes of this zone with free slots.
    fn takers(&self) -> Vec<Party<NodeId>> {
        let own = Party { who: self.state.node(), tasks: self.room_for_far() };
        let near = self.sharing.peers.iter().filter(|(id, _)| !self.broker.is_far(**id));
        let idle = near.filter(|(_, peer)| peer.heard.queued == 0);
        let peers =
            idle.map(|(id, peer)| Party { who: *id, tasks: peer.heard.slots.saturating_sub(peer.heard.running) });
        peers.chain([own]).filter(|party| party.tasks > 0).collect()
    }

    /// Slots of this node for which there is no task here.
    pub(super) fn room_for_far(&self) -> u32 {
        let here = &self.here;
        let starts = here.started && here.warden && !here.full && !here.draining;
        let waits = self.ready.iter().any(|key| self.may_start(*key));
        if starts && !waits { here.open.saturating_sub(here.in_hand) } else { 0 }
    }
}
