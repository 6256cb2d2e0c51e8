//! The graph of zones, and the first step on the way to each.
//!
//! Link states between zones instead of vectors of paths: a roster names the borders anyway, and from the same rosters all draw the
//! same graph, so that each zone on the way agrees on what comes next. Of a zone's inside only its own nodes know the lengths;
//! they count nowhere else.

use alloc::vec::Vec;

use super::Areas;
use crate::decide::route::{Graph, ways};
use crate::machine::mesh::effect::{FarRoute, LinkId, MeshEffect};
use crate::machine::mesh::node::Mesh;
use crate::wire::mesh::{Kind, Roster};
use crate::words::{NodeId, Span};

/// Between two drawings of the graph of zones, for each roster: they come in swarms …
const DRAW_GAP: Span = Span::ms(10);
/// … and at most.
const DRAW_GAP_MOST: Span = Span::secs(1);

/// The way to what one roster names.
#[derive(Clone, Copy, Debug)]
pub(super) struct FarWay {
    pub speaker: NodeId,
    cost_us: u64,
    link: LinkId,
    /// The border over which it leads: the node of this zone, and the one beyond.
    exit: (NodeId, NodeId),
}

/// Who names a node, by number of the roster.
struct Index(Vec<(u64, u32)>);

impl Index {
    fn of(rosters: &[(NodeId, &Roster)]) -> Self {
        let all = rosters.iter().enumerate();
        let mut marks: Vec<(u64, u32)> =
            all.flat_map(|(at, (_, roster))| roster.marks().map(move |mark| (mark, at as u32))).collect();
        marks.sort_unstable();
        Self(marks)
    }

    fn naming(&self, mark: u64) -> impl Iterator<Item = u32> {
        let from = self.0.partition_point(|(other, _)| *other < mark);
        self.0[from..].iter().take_while(move |(other, _)| *other == mark).map(|(_, at)| *at)
    }
}

fn mix(mixed: u64, word: u64) -> u64 {
    (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

impl Areas {
    /// When the ways between zones are to be drawn anew, if they are.
    pub fn draws_at(&self) -> Option<u64> {
        let gap = (DRAW_GAP.0 * self.held.len() as u64).min(DRAW_GAP_MOST.0);
        self.changed.then_some(self.drawn_at + Span(gap))
    }
}

impl Mesh {
    /// Whether a node is named by the roster of another zone that can be reached.
    pub(in crate::machine::mesh) fn is_elsewhere(&self, node: &NodeId) -> bool {
        self.far_way(node).is_some()
    }

    pub(super) fn far_way(&self, node: &NodeId) -> Option<&FarWay> {
        let names = |way: &&FarWay| self.spoken_by(&way.speaker).is_some_and(|roster| roster.names(node.mark()));
        self.areas.ways.iter().find(names)
    }

    pub(super) fn spoken_by(&self, speaker: &NodeId) -> Option<&Roster> {
        Some(&self.areas.held.get(speaker)?.roster.as_ref()?.value)
    }

    /// The nodes on the way to one of another zone, as far as they are known, itself last.
    pub(in crate::machine::mesh) fn far_path(&self, to: &NodeId) -> Vec<NodeId> {
        let Some(FarWay { exit: (here, beyond), .. }) = self.far_way(to) else { return Vec::new() };
        let mut path = if *here == self.me { Vec::new() } else { self.topology.path(&self.me, here) };
        path.push(*beyond);
        path.extend((beyond != to).then_some(*to));
        path
    }

    /// The borders lead elsewhere, or by other links, than when the ways were drawn.
    pub(in crate::machine::mesh) fn look_at_borders(&mut self) {
        let mut seen = 1;
        for (here, far, rtt) in self.borders() {
            let link = self.exit_link(&here, &far).map_or(0, |link| link.0 + 1);
            seen = [here.mark(), far.mark(), rtt.into(), link].into_iter().fold(seen, mix);
        }
        if self.areas.areal && seen != self.areas.borders_seen {
            (self.areas.borders_seen, self.areas.changed) = (seen, true);
        }
    }

    /// The link of this node that leads over a border.
    fn exit_link(&self, here: &NodeId, far: &NodeId) -> Option<LinkId> {
        let first = || self.topology.keys.get(self.topology.way(here)?.first as usize).copied();
        let neighbour = if *here == self.me { *far } else { first()? };
        self.links.get(&neighbour).map(|link| link.id)
    }

    /// Draws the graph of zones, if it is time, and publishes the routes.
    pub(in crate::machine::mesh) fn draw_areas(&mut self, out: &mut Vec<MeshEffect>) {
        if self.areas.draws_at().is_none_or(|at| at > self.now.boot) {
            return;
        }
        (self.areas.changed, self.areas.drawn_at) = (false, self.now.boot);
        self.areas.ways = if self.areas.areal { self.far_ways() } else { Vec::new() };
        let empty = Vec::new();
        let mut routes = Vec::new();
        let mut published = u64::from(!self.areas.ways.is_empty());
        for way in &self.areas.ways {
            let members = self.spoken_by(&way.speaker).map_or(&empty, |roster| &roster.members.0);
            let held = self.areas.held.get(&way.speaker).and_then(|spoken| spoken.record(Kind::Roster));
            let sequence = held.map_or(0, |record| record.stamp.sequence);
            published = [way.speaker.mark(), way.link.0, sequence].into_iter().fold(published, mix);
            routes.push(FarRoute { link: way.link, members: members.clone().into() });
        }
        if published != self.areas.published {
            self.areas.published = published;
            out.push(MeshEffect::FarRoutes(routes));
        }
    }

    /// The way to each roster that can be reached, the shortest first.
    fn far_ways(&self) -> Vec<FarWay> {
        let own = self.own_roster(&self.order());
        // Who speaks for this zone and can be reached in it says what is known better here.
        let here = |key: &NodeId| *key == self.me || self.topology.way(key).is_some();
        let rosters: Vec<(NodeId, &Roster)> = self.standing().filter(|(key, _)| !here(key)).collect();
        let index = Index::of(&rosters);
        let mut graph = Graph::new(rosters.len() + 1);
        for border in &own.borders {
            index.naming(border.to).for_each(|to| graph.claim(0, to + 1, border.cost_us));
        }
        for (at, (_, roster)) in rosters.iter().enumerate() {
            let from = at as u32 + 1;
            for border in &roster.borders {
                index.naming(border.to).for_each(|to| graph.claim(from, to + 1, border.cost_us));
                if own.names(border.to) {
                    graph.claim(from, 0, border.cost_us);
                }
            }
        }
        graph.agree();
        let exits = self.exits();
        let mut found: Vec<FarWay> = Vec::new();
        for (way, (speaker, _)) in ways(&graph, 0).iter().skip(1).zip(&rosters) {
            let Some(way) = way else { continue };
            let (_, first) = rosters[way.first as usize - 1];
            let exit = exits.iter().find(|exit| first.names(exit.far.mark()));
            found.extend(exit.map(|exit| FarWay {
                speaker: *speaker,
                cost_us: way.cost_us,
                link: exit.link,
                exit: (exit.here, exit.far),
            }));
        }
        found.sort_by_key(|way| (way.cost_us, way.speaker));
        found
    }

    /// Borders that can be reached, the nearest first.
    fn exits(&self) -> Vec<Exit> {
        let mut exits: Vec<Exit> = Vec::new();
        for (here, far, rtt_us) in self.borders() {
            let inside = if here == self.me { Some(0) } else { self.topology.cost(&here) };
            let (Some(inside), Some(link)) = (inside, self.exit_link(&here, &far)) else { continue };
            exits.push(Exit { cost: inside + u64::from(rtt_us), here, far, link });
        }
        exits.sort_by_key(|exit| (exit.cost, exit.here, exit.far));
        exits
    }
}

struct Exit {
    cost: u64,
    here: NodeId,
    far: NodeId,
    link: LinkId,
}
