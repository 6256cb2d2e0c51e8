//! The node of a zone that brings its nodes together with those of other zones, and what it is told for that.
//!
//! It is a balanced one, if there is any: an overloaded one has enough to do, and an idle one may fall asleep. All nodes of a zone find
//! the same, unless they have heard different things lately; two that both do it name the same nodes twice, which does no harm.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::machine::mesh::effect::MeshEffect;
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::Held;
use crate::observe::{Area, NodeTrit, Vitals};
use crate::wire::mesh::Load;
use crate::words::NodeId;
use crate::words::limits::AREAS_EVERY;

impl Mesh {
    /// Of the nodes of this zone, in the order in which they serve, the first that is balanced, or else the first.
    pub(super) fn broker_here(&self, order: &[NodeId]) -> NodeId {
        let balanced = |node: &&NodeId| {
            let vitals: Option<Vitals> = match self.nodes.get(node) {
                Some(known) => known.vitals.map(|(vitals, _)| vitals),
                None => self.pulse.own,
            };
            vitals.is_some_and(|vitals| vitals.trit == NodeTrit::Balanced && !vitals.flags.draining)
        };
        order.iter().find(balanced).or(order.first()).copied().unwrap_or(self.me)
    }

    /// Tells how loaded all zones are: the broker pairs them, all others know by it that there are more machines than those of which they hear.
    pub(super) fn tell_areas(&mut self, order: &[NodeId], out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        if !self.areas.areal && core::mem::take(&mut self.areas.told_all) > 0 {
            // Everybody knows everybody again.
            out.push(MeshEffect::Areas(Vec::new()));
        }
        if !self.areas.areal || self.leaving || now < self.areas.told_all + AREAS_EVERY {
            return;
        }
        self.areas.told_all = now;
        out.push(MeshEffect::Areas(self.all_areas(self.broker_here(order))));
    }

    /// All zones that can be reached and have said how loaded they are, in the order of their names: zones in one outer zone stand side by
    /// side. A load is believed of who speaks for that zone, as its roster is.
    fn all_areas(&self, broker: NodeId) -> Vec<Area> {
        let zone = self.area().unwrap_or_default().to_string();
        let mut said: BTreeMap<&str, &Held<Load>> = BTreeMap::new();
        for way in &self.areas.ways {
            let load = self.areas.held.get(&way.speaker).and_then(|spoken| spoken.load.as_ref());
            let speaks =
                |held: &&Held<Load>| self.spoken_by(&way.speaker).is_some_and(|roster| roster.zone == held.value.zone);
            if let Some(held) = load.filter(speaks) {
                let last = said.entry(&held.value.zone).or_insert(held);
                *last = if last.heard_at < held.heard_at { held } else { *last };
            }
        }
        let far = said.into_values().map(|held| &held.value);
        let mut areas: BTreeMap<String, Area> = far
            .map(|Load { zone, load, broker, .. }| {
                (zone.clone(), Area { zone: zone.clone(), broker: *broker, load: *load, here: false })
            })
            .collect();
        let own = Area { zone: zone.clone(), broker, load: self.own_load(), here: true };
        areas.insert(zone, own);
        areas.into_values().collect()
    }
}
