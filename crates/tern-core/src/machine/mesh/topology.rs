//! What is known of each member, and what follows from all of it: who can be reached, and by which neighbour.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::effect::{MeshEffect, Route};
use super::links::{Budget, lot};
use super::node::Mesh;
use crate::decide::route::{self, Graph, Way, ways};
use crate::observe::Vitals;
use crate::wire::mesh::{Adjacency, Kind, Profile, Record};
use crate::words::limits::{DIAL_AGAIN_SOON, DRAW_GAP, DRAW_GAP_NODES, NODE_ADDRESSES_MAX};
use crate::words::{NodeId, Span};

/// A record with what it says.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub record: Record,
    pub value: T,
    pub heard_at: u64,
}

/// Up to where records of one kind were forgotten. They must not come back, as others may hold them longer. What another life of
/// that node says counts, wherever it counts from: nobody may be left who could show it what it has to overtake.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forgotten {
    incarnation: u64,
    sequence: u64,
}

impl Forgotten {
    pub fn at(record: &Record) -> Self {
        Self { incarnation: record.incarnation().unwrap_or_default(), sequence: record.stamp.sequence }
    }

    /// This very record may come again.
    fn before(record: &Record) -> Self {
        Self { sequence: record.stamp.sequence - 1, ..Self::at(record) }
    }

    pub fn bars(&self, record: &Record, anew: bool) -> bool {
        record.stamp.sequence <= self.sequence && (!anew || record.incarnation() == Some(self.incarnation))
    }
}

/// What this node knows of another member.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub profile: Option<Held<Profile>>,
    pub adjacency: Option<Held<Adjacency>>,
    /// The adjacency that was forgotten.
    forgotten: Forgotten,
    pub budget: Budget,
    /// A record of it came too often, from this neighbour.
    pub missed: Option<NodeId>,
    /// Addresses that it did not say itself.
    pub heard_of: Vec<SocketAddr>,
    pub up: bool,
    /// Its incarnation when it was last told as up.
    up_as: Option<u64>,
    pub direct: bool,
    pub vitals: Option<(Vitals, u64)>,
    pub dialling: bool,
    pub dial_at: u64,
    pub failures: u32,
}

impl Known {
    /// The record of this kind that counts.
    pub fn record(&self, kind: Kind) -> Option<&Record> {
        self.records().find(|record| record.stamp.kind == kind)
    }

    /// Whether it says nothing new. `anew`: another life of the node counts from elsewhere.
    pub fn is_old(&self, record: &Record, anew: bool) -> bool {
        match self.record(record.stamp.kind) {
            Some(held) => held.stamp.sequence >= record.stamp.sequence,
            None => record.stamp.kind == Kind::Adjacency && self.forgotten.bars(record, anew),
        }
    }

    pub fn forget_adjacency(&mut self) {
        if let Some(held) = self.adjacency.take() {
            self.forgotten = Forgotten::at(&held.record);
        }
    }

    /// It went to another zone, or everybody is told of everybody again: what it says there counts, were it the same.
    pub fn forget_what_was_said(&mut self) {
        self.profile = None;
        if let Some(held) = self.adjacency.take() {
            self.forgotten = Forgotten::before(&held.record);
        }
    }

    /// Somebody says where it may be. Returns whether that is new.
    pub fn may_be_at(&mut self, address: SocketAddr) -> bool {
        let new = !self.heard_of.contains(&address);
        if new {
            self.heard_of.insert(0, address);
            self.heard_of.truncate(NODE_ADDRESSES_MAX);
        }
        new
    }

    pub fn incarnation(&self) -> Option<u64> {
        self.adjacency.as_ref().map(|held| held.value.incarnation)
    }

    pub fn zone(&self) -> &str {
        self.profile.as_ref().map_or("", |held| held.value.zone.as_str())
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let profile = self.profile.iter().map(|held| &held.record);
        profile.chain(self.adjacency.iter().map(|held| &held.record))
    }

    /// Whether anything was heard that it has said since then.
    pub fn spoke_since(&self, then: u64) -> bool {
        let said = self.adjacency.as_ref().map_or(0, |held| held.heard_at);
        said.max(self.vitals.map_or(0, |(_, at)| at)) > then
    }

    pub fn has_address(&self) -> bool {
        !self.heard_of.is_empty() || self.adjacency.as_ref().is_some_and(|held| !held.value.link_addresses.is_empty())
    }

    /// Where it may be dialled: what it says first, then what others said.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let own = self.adjacency.iter().flat_map(|held| held.value.link_addresses.iter().copied());
        let mut all: Vec<SocketAddr> = Vec::new();
        for address in own.chain(self.heard_of.iter().copied()) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all.truncate(2 * NODE_ADDRESSES_MAX);
        all
    }
}

/// The graph of all links that both ends claim, and the ways through it.
#[derive(Debug, Default)]
pub(super) struct Topology {
    /// Members in the order of keys, this node among them; the graph's indices.
    pub keys: Vec<NodeId>,
    /// Zones as far as they can be seen; in a grid without areas only.
    pub zones: BTreeMap<NodeId, String>,
    /// Drawn anew since they were inferred.
    pub zones_due: bool,
    pub graph: Graph,
    pub ways: Vec<Option<Way>>,
    /// Neighbours to which common news are passed on.
    pub tree: Vec<NodeId>,
    pub changed: bool,
    drawn_at: u64,
    /// The routes name other links than before.
    pub republish: bool,
    pub save: bool,
    /// Members whose main endpoint is somewhere else than before.
    pub moved: Vec<NodeId>,
    /// Who saw a second machine with this node's key.
    pub own_key_disputed: Option<NodeId>,
    /// Since when some single death would cut somebody off.
    pub cut_since: Option<u64>,
    routes: Vec<Route>,
}

impl Topology {
    pub fn index_of(&self, node: &NodeId) -> Option<u32> {
        self.keys.binary_search(node).ok().map(|at| at as u32)
    }

    pub fn way(&self, node: &NodeId) -> Option<Way> {
        *self.ways.get(self.index_of(node)? as usize)?
    }

    pub fn cost(&self, node: &NodeId) -> Option<u64> {
        self.way(node).map(|way| way.cost_us)
    }

    /// The nodes on the way to one, itself last.
    pub fn path(&self, me: &NodeId, to: &NodeId) -> Vec<NodeId> {
        let (Some(me), Some(to)) = (self.index_of(me), self.index_of(to)) else { return Vec::new() };
        route::path(&self.ways, me, to).into_iter().map(|at| self.keys[at as usize]).collect()
    }
}

/// The indices of all members but this node, which has that place among them.
fn others(place: usize) -> impl Iterator<Item = u32> {
    (0..).filter(move |at| *at != place as u32)
}

impl Mesh {
    /// Draws the consequences of what changed: routes, who came, who went.
    pub(super) fn follow_topology(&mut self, out: &mut Vec<MeshEffect>) {
        if self.topology.changed && self.draws_at().is_some_and(|at| at <= self.now.boot) {
            (self.topology.changed, self.topology.drawn_at) = (false, self.now.boot);
            self.topology.republish = true;
            self.draw();
            self.tell_comings(out);
        }
        if core::mem::take(&mut self.topology.republish) {
            self.publish_routes(out);
            self.look_at_borders();
        }
        self.draw_areas(out);
        for node in core::mem::take(&mut self.topology.moved) {
            let said = self.nodes.get(&node).and_then(|known| known.adjacency.as_ref());
            let addresses = said.map_or_else(Vec::new, |held| held.value.main_addresses.clone());
            out.push(MeshEffect::MainAddresses { node, addresses });
        }
        if core::mem::take(&mut self.topology.save) {
            out.push(MeshEffect::Save);
        }
        self.tell_own_dispute(out);
    }

    /// When the ways are to be computed anew, if they are. In a large grid changes come in swarms, and each of them would
    /// cost as much as all together.
    pub(super) fn draws_at(&self) -> Option<u64> {
        let gap = Span(DRAW_GAP.0 * (self.nodes.len() as u64 / DRAW_GAP_NODES));
        let here = self.topology.changed.then_some(self.topology.drawn_at + gap);
        here.into_iter().chain(self.areas.draws_at()).min()
    }

    fn draw(&mut self) {
        let mut keys: Vec<NodeId> = self.nodes.keys().copied().collect();
        let place = keys.partition_point(|key| *key < self.me);
        keys.insert(place, self.me);
        let index = |key: &NodeId| keys.binary_search(key).ok().map(|at| at as u32);
        let mut graph = Graph::new(keys.len());
        for (peer, link) in self.links.iter().filter(|(_, link)| link.counts() && self.is_within(link) && !self.leaving)
        {
            if let Some(to) = index(peer) {
                graph.claim(place as u32, to, link.told_rtt_us);
            }
        }
        for (from, known) in others(place).zip(self.nodes.values()) {
            let said = known.adjacency.as_ref().map(|held| &held.value).filter(|said| !said.leaving);
            for neighbour in said.into_iter().flat_map(|said| &said.neighbours) {
                if let Some(to) = index(&neighbour.node) {
                    graph.claim(from, to, neighbour.rtt_us);
                }
            }
        }
        graph.agree();
        let topology = &mut self.topology;
        topology.ways = ways(&graph, place as u32);
        // One tree for all: that of the smallest key that can be reached, as everybody computes it from the same records.
        let root = topology.ways.iter().position(Option::is_some).map_or(place, |at| at.min(place));
        let tree = route::tree_neighbours(&graph, root as u32, place as u32);
        topology.tree = tree.into_iter().map(|at| keys[at as usize]).collect();
        (topology.graph, topology.keys) = (graph, keys);
        self.topology.zones_due = true;
    }

    fn tell_comings(&mut self, out: &mut Vec<MeshEffect>) {
        let crowd = self.crowd();
        for (key, known) in &mut self.nodes {
            let up = self.topology.way(key).is_some();
            let as_now = known.incarnation();
            let anew = up && known.up && as_now != known.up_as;
            if known.up && (!up || anew) {
                out.push(MeshEffect::Down(*key));
                known.vitals = None;
            }
            if known.up && !up && crowd > 1 && !self.links.contains_key(key) {
                // Its neighbours try at once, the others not all in the same moment.
                let turn = lot(&self.me, key) % crowd + 1;
                known.dial_at = known.dial_at.max(self.now.boot + Span(DIAL_AGAIN_SOON.0 * turn));
            }
            if up && (!known.up || anew) {
                out.push(MeshEffect::Up(*key));
                known.up_as = as_now;
                // What could not be reached may be now.
                (known.failures, known.dial_at) = (0, self.now.boot);
                self.pulse.told_to_newcomer();
            }
            known.up = up;
        }
    }

    fn publish_routes(&mut self, out: &mut Vec<MeshEffect>) {
        let topology = &self.topology;
        let routes = topology.keys.iter().zip(&topology.ways).filter_map(|(to, way)| {
            let first = topology.keys.get((*way)?.first as usize)?;
            Some(Route { to: *to, link: self.links.get(first)?.id })
        });
        // A neighbour is answered from its first packet on, also before its own record says that this link is one.
        let near = self.links.iter().filter(|(peer, link)| link.counts() && topology.way(peer).is_none());
        let near = near.map(|(peer, link)| Route { to: *peer, link: link.id });
        let routes: Vec<Route> = routes.chain(near).collect();
        if routes != self.topology.routes {
            self.topology.routes.clone_from(&routes);
            out.push(MeshEffect::Routes(routes));
        }
    }
}
