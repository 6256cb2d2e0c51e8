//! Vitals: how loaded everybody is, passed on along a tree so that each hears of each once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::effect::MeshEffect;
use super::node::Mesh;
use crate::observe::Vitals;
use crate::observe::vitals::is_newer;
use crate::promise::Refusal;
use crate::wire::mesh::beat::{VITALS_BATCH_MAX, encode_vitals};
use crate::words::NodeId;
use crate::words::limits::{VITALS_BATCH_WAIT, VITALS_BELIEVED, VITALS_GAP, VITALS_IDLE_INTERVAL, VITALS_INTERVAL};

/// What is to be told, and when.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub busy: bool,
    pub own: Option<Vitals>,
    sequence: u16,
    told: Option<(Vitals, u64)>,
    due: Option<u64>,
    /// Of others, to be passed on: tag, vitals, and the neighbour that they came from.
    passing: BTreeMap<u32, (Vitals, NodeId)>,
    flush_at: Option<u64>,
}

impl Pulse {
    pub fn due(&self) -> Option<u64> {
        self.due.into_iter().chain(self.flush_at).min()
    }

    /// Somebody came who has not heard yet.
    pub fn told_to_newcomer(&mut self) {
        if self.own.is_some() {
            self.due = Some(0);
        }
    }
}

/// Whether others would act differently after this.
fn is_urgent(before: &Vitals, after: &Vitals) -> bool {
    let acts = |vitals: &Vitals| {
        (vitals.trit, vitals.queued > 0, vitals.running < vitals.slots, vitals.flags.draining, vitals.flags.disk_full)
    };
    acts(before) != acts(after)
}

impl Mesh {
    /// This node's own vitals. What others act upon is told at once, the rest in its time.
    pub(super) fn own_vitals(&mut self, vitals: Vitals, busy: bool) {
        let now = self.now.boot;
        let pulse = &mut self.pulse;
        let urgent = pulse.own.is_none_or(|before| is_urgent(&before, &vitals));
        (pulse.busy, pulse.own) = (busy, Some(vitals));
        let told_at = pulse.told.map_or(0, |(_, at)| at);
        let soonest = told_at + VITALS_GAP;
        let due = if urgent { soonest.max(now) } else { told_at + self.vitals_interval() };
        let pulse = &mut self.pulse;
        pulse.due = Some(pulse.due.map_or(due, |before| before.min(due)));
    }

    fn vitals_interval(&self) -> crate::words::Span {
        if self.pulse.busy { VITALS_INTERVAL } else { VITALS_IDLE_INTERVAL }
    }

    /// Vitals from a neighbour: of itself, or passed on.
    pub(super) fn heard_vitals(&mut self, from: NodeId, batch: &[(u32, Vitals)], out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        for (tag, vitals) in batch {
            if *tag == self.me.tag() {
                continue;
            }
            let Some(origin) = self.of_tag(*tag) else {
                self.refuse(Refusal::NotAMember);
                continue;
            };
            let Some(known) = self.nodes.get_mut(&origin).filter(|known| known.up) else { continue };
            // What is long past bounds nothing: neither an early life nor a lie may silence a node for hours.
            let recent = known.vitals.filter(|(_, at)| *at + VITALS_BELIEVED > now);
            let before = recent.map(|(vitals, _)| vitals);
            if before.is_some_and(|before| !is_newer(vitals.sequence, before.sequence)) {
                continue;
            }
            known.vitals = Some((*vitals, now));
            out.push(MeshEffect::Heard { node: origin, vitals: *vitals });
            self.pulse.passing.insert(*tag, (*vitals, from));
            let urgent = before.is_none_or(|before| is_urgent(&before, vitals));
            let flush_at = if urgent { now } else { now + VITALS_BATCH_WAIT };
            self.pulse.flush_at = Some(self.pulse.flush_at.map_or(flush_at, |at| at.min(flush_at)));
        }
    }

    /// The member with this tag, if there is exactly one.
    fn of_tag(&self, tag: u32) -> Option<NodeId> {
        let mut low = [0; 32];
        low[..4].copy_from_slice(&tag.to_be_bytes());
        let mut from = self.nodes.range(NodeId(low)..).map(|(key, _)| *key).take_while(|key| key.tag() == tag);
        let only = from.next();
        only.filter(|_| from.next().is_none())
    }

    /// Sends own vitals and those of others that are due, along the tree.
    pub(super) fn tell_vitals(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let own_due = self.pulse.due.is_some_and(|at| at <= now);
        let flush = self.pulse.flush_at.is_some_and(|at| at <= now);
        if !own_due && !flush {
            return;
        }
        let interval = self.vitals_interval();
        let pulse = &mut self.pulse;
        let mut own = None;
        if own_due && let Some(vitals) = pulse.own {
            pulse.sequence = pulse.sequence.wrapping_add(1);
            let vitals = Vitals { sequence: pulse.sequence, ..vitals };
            pulse.told = Some((vitals, now));
            pulse.due = Some(now + interval);
            own = Some((self.me.tag(), vitals));
        }
        pulse.flush_at = None;
        let passing = core::mem::take(&mut pulse.passing);
        for neighbour in &self.topology.tree {
            let Some(link) = self.links.get(neighbour) else { continue };
            let others = passing.iter().filter(|(_, (_, from))| from != neighbour);
            let batch: Vec<(u32, Vitals)> =
                own.into_iter().chain(others.map(|(tag, (vitals, _))| (*tag, *vitals))).collect();
            for part in batch.chunks(VITALS_BATCH_MAX) {
                out.push(MeshEffect::Datagram { link: link.id, bytes: encode_vitals(part) });
            }
        }
    }
}
