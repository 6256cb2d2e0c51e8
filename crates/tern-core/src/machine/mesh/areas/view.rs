//! Zones as people and other parts of the node see them: like a node, with a load, a trit, and a way.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::decide::zones::{FAR_US, NEAR_US, Place, infer, private_network};
use crate::machine::mesh::node::Mesh;
use crate::observe::{LinkTrit, ZoneLoad};
use crate::words::NodeId;

/// One zone. One that lies in others is counted in these, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneView {
    /// Segments from the outermost, joined by `/`.
    pub zone: String,
    /// This node stands in it.
    pub here: bool,
    /// Nodes of it that can be reached; others may be members of it and off.
    pub up: u32,
    /// How its nearest node is reached.
    pub link: LinkTrit,
    pub load: ZoneLoad,
    /// Zones directly inside it.
    pub inner: Vec<String>,
}

/// What one leaf, or one other zone, adds.
struct Part {
    here: bool,
    up: u32,
    link: LinkTrit,
    load: ZoneLoad,
}

impl Mesh {
    /// All zones that are known, those in which others lie among them, in the order of their names.
    #[must_use]
    pub fn zones(&self) -> Vec<ZoneView> {
        let mut zones: BTreeMap<String, ZoneView> = BTreeMap::new();
        for (zone, part) in self.parts() {
            let ends: BTreeSet<usize> = zone.match_indices('/').map(|(at, _)| at).chain([zone.len()]).collect();
            let mut inside: Option<String> = None;
            for end in ends.into_iter().rev() {
                let name = zone[..end].to_string();
                let view = zones.entry(name.clone()).or_insert_with(|| ZoneView {
                    zone: name.clone(),
                    here: false,
                    up: 0,
                    link: LinkTrit::Failed,
                    load: ZoneLoad::default(),
                    inner: Vec::new(),
                });
                (view.here, view.up) = (view.here || part.here, view.up.saturating_add(part.up));
                (view.link, view.load) = (view.link.max(part.link), view.load.join(part.load));
                view.inner.extend(inside.filter(|name| !view.inner.contains(name)));
                inside = Some(name);
            }
        }
        for view in zones.values_mut() {
            view.inner.sort_unstable();
        }
        zones.into_values().collect()
    }

    fn parts(&self) -> Vec<(String, Part)> {
        let own = Part { here: true, up: 1, link: LinkTrit::Direct, load: self.load_here() };
        let mut parts = Vec::from([(self.zone_of(&self.me), own)]);
        for (key, known) in self.nodes.iter().filter(|(_, known)| known.up) {
            let link = self.reach(key).trit;
            parts.push((self.zone_of(key), Part { here: false, up: 1, link, load: known.load() }));
        }
        let mut told = BTreeSet::new();
        for way in &self.areas.ways {
            let Some(roster) = self.spoken_by(&way.speaker) else { continue };
            if told.insert(&roster.zone) {
                let up = u32::try_from(roster.marks().len()).unwrap_or(u32::MAX);
                let part = Part { here: false, up, link: LinkTrit::Relayed, load: self.load_of(&roster.zone) };
                parts.push((roster.zone.clone(), part));
            }
        }
        parts.retain(|(zone, _)| !zone.is_empty());
        parts
    }

    /// What was heard last of the load of another zone.
    fn load_of(&self, zone: &str) -> ZoneLoad {
        let said = self.areas.held.values().filter_map(|spoken| spoken.load.as_ref());
        let last = said.filter(|held| held.value.zone == zone).max_by_key(|held| held.heard_at);
        last.map_or_else(ZoneLoad::default, |held| held.value.load)
    }

    /// The zone of a node: as declared, as its rosters say, or as it can be seen from here. Empty: none.
    #[must_use]
    pub fn zone_of(&self, node: &NodeId) -> String {
        let declared =
            if *node == self.me { self.here.zone.as_str() } else { self.nodes.get(node).map_or("", |it| it.zone()) };
        if !declared.is_empty() {
            return declared.to_string();
        }
        if self.areas.areal && (*node == self.me || self.topology.way(node).is_some()) {
            return self.area().unwrap_or_default().to_string();
        }
        if self.areas.areal {
            let roster = self.far_way(node).and_then(|way| self.spoken_by(&way.speaker));
            return roster.map(|roster| roster.zone.clone()).unwrap_or_default();
        }
        self.topology.zones.get(node).cloned().unwrap_or_default()
    }

    /// Pairs with a short way, each in both orders. Who was near stays so until it is far: round trips of busy machines tremble.
    fn near(&self) -> BTreeSet<(NodeId, NodeId)> {
        let (keys, edges) = (&self.topology.keys, &self.topology.graph.edges);
        let pairs = keys.iter().zip(edges).flat_map(|(from, list)| list.iter().map(move |(to, rtt)| (from, to, *rtt)));
        let pairs = pairs.map(|(from, to, rtt)| ((*from, keys[*to as usize]), rtt));
        let near = pairs.filter(|(pair, rtt)| *rtt < NEAR_US || *rtt < FAR_US && self.areas.near.contains(pair));
        near.map(|(pair, _)| pair).collect()
    }

    /// Sees who stands where in a flat grid. With the thinking about links, not at every drawing: it looks at every way between
    /// two nodes.
    pub(in crate::machine::mesh) fn infer_zones(&mut self) {
        if !core::mem::take(&mut self.topology.zones_due) {
            return;
        }
        self.topology.zones = if self.areas.areal { BTreeMap::new() } else { self.inferred() };
    }

    fn inferred(&mut self) -> BTreeMap<NodeId, String> {
        self.areas.near = self.near();
        let topology = &self.topology;
        let places: Vec<Place> = topology
            .keys
            .iter()
            .enumerate()
            .map(|(at, key)| {
                let known = self.nodes.get(key);
                let said = known.and_then(|known| known.adjacency.as_ref());
                let addresses = said.map_or(self.here.link_addresses.as_slice(), |held| &held.value.link_addresses);
                let addresses = if known.is_some() && said.is_none() { &[] } else { addresses };
                let near = topology.graph.edges.get(at).into_iter().flatten().map(|(to, _)| *to);
                let near = near.filter(|to| self.areas.near.contains(&(*key, topology.keys[*to as usize])));
                Place {
                    declared: known.map_or_else(|| self.here.zone.clone(), |known| known.zone().to_string()),
                    network: private_network(addresses),
                    tag: key.tag(),
                    near: near.collect(),
                }
            })
            .collect();
        topology.keys.iter().copied().zip(infer(&places)).collect()
    }
}
