//! The way to every other node: shortest paths over the links that both ends claim.
//!
//! A link counts only if each end lists the other, so a node that died disappears as soon as its neighbours have dropped
//! it, whatever old records of its own are still about. Costs are round-trip times plus a toll a hop: on a LAN, where all
//! times are alike, fewer hops win. Own code instead of a graph library: it runs at every change of the picture, on plain
//! index lists, and must name the first hop and the tree, which libraries leave to a second pass.

use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Added to the cost of each link, microseconds.
pub const HOP_TOLL_US: u32 = 200;
/// A link slower than this is counted as this slow, so that sums stay small.
pub const RTT_US_MAX: u32 = 60_000_000;

/// Nodes by index, and for each the links that lead away from it as (index, round-trip time in microseconds).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub edges: Vec<Vec<(u32, u32)>>,
}

impl Graph {
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { edges: vec![Vec::new(); nodes] }
    }

    /// Adds what one end claims. Links that only one end claims are dropped by [`Graph::agree`].
    pub fn claim(&mut self, from: u32, to: u32, rtt_us: u32) {
        if from != to && (to as usize) < self.edges.len() {
            self.edges[from as usize].push((to, rtt_us.min(RTT_US_MAX)));
        }
    }

    /// The same graph without one link.
    #[must_use]
    pub fn without(&self, a: u32, b: u32) -> Self {
        let mut rest = self.clone();
        rest.edges[a as usize].retain(|(to, _)| *to != b);
        rest.edges[b as usize].retain(|(to, _)| *to != a);
        rest
    }

    /// Keeps the links that both ends claim, each with the greater of the two times, so that both ends count the same.
    pub fn agree(&mut self) {
        for list in &mut self.edges {
            list.sort_unstable();
            list.dedup_by_key(|(to, _)| *to);
        }
        // No link is that slow.
        const NONE: u32 = u32::MAX;
        for from in 0..self.edges.len() {
            let (lists, above) = self.edges.split_at_mut(from + 1);
            for (to, rtt) in lists[from].iter_mut().filter(|(to, _)| *to as usize > from) {
                let back = &mut above[*to as usize - from - 1];
                let found = back.binary_search_by_key(&(from as u32), |(node, _)| *node);
                *rtt = found.map_or(NONE, |at| {
                    back[at].1 = back[at].1.max(*rtt);
                    back[at].1
                });
            }
            let (below, lists) = self.edges.split_at_mut(from);
            for (to, rtt) in lists[0].iter_mut().filter(|(to, _)| (*to as usize) < from) {
                if below[*to as usize].binary_search_by_key(&(from as u32), |(node, _)| *node).is_err() {
                    *rtt = NONE;
                }
            }
        }
        for list in &mut self.edges {
            list.retain(|(_, rtt)| *rtt != NONE);
        }
    }
}

/// How one node is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The neighbour to which a packet goes first.
    pub first: u32,
    /// The node before the last, seen from the start.
    pub parent: u32,
    pub hops: u32,
    /// Sum of round-trip times and tolls, microseconds.
    pub cost_us: u64,
}

/// The ways from `start`; None for itself and for what cannot be reached. Of equal ways the one whose nodes have the
/// smaller indices wins, so the result depends on the graph alone.
#[must_use]
pub fn ways(graph: &Graph, start: u32) -> Vec<Option<Way>> {
    let mut found: Vec<Option<Way>> = vec![None; graph.edges.len()];
    let mut settled = vec![false; graph.edges.len()];
    let mut open = BinaryHeap::from([Reverse((0u64, 0u32, start))]);
    while let Some(Reverse((cost, hops, node))) = open.pop() {
        if core::mem::replace(&mut settled[node as usize], true) {
            continue;
        }
        for &(next, rtt) in &graph.edges[node as usize] {
            let cost_us = cost + u64::from(rtt) + u64::from(HOP_TOLL_US);
            let better = found[next as usize].is_none_or(|way| (cost_us, hops + 1) < (way.cost_us, way.hops));
            if settled[next as usize] || !better {
                continue;
            }
            let first = found[node as usize].map_or(next, |way| way.first);
            found[next as usize] = Some(Way { first, parent: node, hops: hops + 1, cost_us });
            open.push(Reverse((cost_us, hops + 1, next)));
        }
    }
    found[start as usize] = None;
    found
}

/// The nodes on the way to `to`, itself last; empty where there is none.
#[must_use]
pub fn path(ways: &[Option<Way>], start: u32, to: u32) -> Vec<u32> {
    let mut path = Vec::new();
    let mut node = to;
    while node != start {
        let Some(way) = ways.get(node as usize).copied().flatten() else { return Vec::new() };
        path.push(node);
        node = way.parent;
    }
    path.reverse();
    path
}

/// The neighbours of `me` in the tree of shortest ways from `root`: along these, what is for everybody travels once.
#[must_use]
pub fn tree_neighbours(graph: &Graph, root: u32, me: u32) -> Vec<u32> {
    let from_root = ways(graph, root);
    let up = from_root.get(me as usize).copied().flatten().map(|way| way.parent);
    let down = graph.edges[me as usize].iter().map(|(next, _)| *next);
    let down = down.filter(|next| from_root[*next as usize].is_some_and(|way| way.parent == me));
    up.into_iter().chain(down).collect()
}

/// The parts that `me` would lose by the death of one other node: the nodes of each, the nearest lost first. Parts may lie in
/// one another. Deaths of `me` and of leaves cut nobody off.
#[must_use]
pub fn lost_parts(graph: &Graph, me: u32) -> Vec<Vec<u32>> {
    let walk = Walk::of(graph, me);
    let mut parts = Vec::new();
    for (at, node) in walk.order.iter().enumerate().skip(1) {
        let above = walk.above[*node as usize];
        // Nothing below this node leads around the one above it.
        if above != me && walk.low[*node as usize] >= walk.found[above as usize] {
            parts.push(walk.order[at..at + walk.below[*node as usize] as usize].to_vec());
        }
    }
    parts
}

/// A walk into the depth, with the earliest node that each subtree touches.
struct Walk {
    order: Vec<u32>,
    /// Place in that order, from 1; 0: not reached.
    found: Vec<u32>,
    low: Vec<u32>,
    above: Vec<u32>,
    /// Nodes in the subtree, itself included.
    below: Vec<u32>,
}

impl Walk {
    fn of(graph: &Graph, start: u32) -> Self {
        let count = graph.edges.len();
        let zeros = || vec![0; count];
        let mut walk = Self { order: Vec::new(), found: zeros(), low: zeros(), above: zeros(), below: vec![1; count] };
        walk.enter(start, start);
        let mut open = vec![(start, 0)];
        while let Some((node, next)) = open.pop() {
            if let Some(&(to, _)) = graph.edges[node as usize].get(next) {
                open.push((node, next + 1));
                if walk.found[to as usize] == 0 {
                    walk.enter(to, node);
                    open.push((to, 0));
                } else if to != walk.above[node as usize] {
                    walk.low[node as usize] = walk.low[node as usize].min(walk.found[to as usize]);
                }
            } else if node != start {
                let above = walk.above[node as usize] as usize;
                walk.low[above] = walk.low[above].min(walk.low[node as usize]);
                walk.below[above] += walk.below[node as usize];
            }
        }
        walk
    }

    fn enter(&mut self, node: u32, above: u32) {
        self.order.push(node);
        let place = self.order.len() as u32;
        (self.found[node as usize], self.low[node as usize]) = (place, place);
        self.above[node as usize] = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, links: &[(u32, u32, u32)]) -> Graph {
        let mut graph = Graph::new(nodes);
        for &(a, b, rtt) in links {
            graph.claim(a, b, rtt);
            graph.claim(b, a, rtt);
        }
        graph.agree();
        graph
    }

    #[test]
    fn a_chain_is_walked_link_by_link() {
        let chain = graph(4, &[(0, 1, 100), (1, 2, 100), (2, 3, 100)]);
        let from_0 = ways(&chain, 0);
        assert_eq!(from_0[3], Some(Way { first: 1, parent: 2, hops: 3, cost_us: 900 }));
        assert_eq!(path(&from_0, 0, 3), [1, 2, 3]);
        assert_eq!(lost_parts(&chain, 0), [vec![2, 3], vec![3]]);
        assert_eq!(tree_neighbours(&chain, 0, 1), [0, 2]);
    }

    #[test]
    fn a_link_that_one_end_denies_is_none() {
        let mut graph = Graph::new(2);
        graph.claim(0, 1, 5);
        graph.agree();
        assert_eq!(ways(&graph, 0), [None, None]);
    }

    #[test]
    fn the_faster_way_wins_and_of_equal_ones_the_shorter() {
        let slow_direct = graph(3, &[(0, 2, 10_000), (0, 1, 1_000), (1, 2, 1_000)]);
        assert_eq!(ways(&slow_direct, 0)[2].map(|way| way.first), Some(1));
        let lan = graph(3, &[(0, 2, 150), (0, 1, 100), (1, 2, 100)]);
        assert_eq!(ways(&lan, 0)[2].map(|way| way.hops), Some(1));
    }

    #[test]
    fn a_ring_has_no_cut() {
        let ring = graph(5, &[(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 0, 1)]);
        assert_eq!(lost_parts(&ring, 0), [[0u32; 0]; 0]);
        assert_eq!(lost_parts(&ring.without(4, 0), 0), [vec![2, 3, 4], vec![3, 4], vec![4]]);
    }

    #[test]
    fn a_part_is_lost_with_the_one_node_that_leads_to_it() {
        let two_rings = [(0, 1, 1), (1, 2, 1), (2, 0, 1), (2, 3, 1), (3, 4, 1), (4, 2, 1)];
        let graph = graph(5, &two_rings);
        assert_eq!(lost_parts(&graph, 0), [vec![3, 4]]);
        assert_eq!(lost_parts(&graph, 4), [vec![0, 1]]);
        assert_eq!(lost_parts(&graph, 2), [[0u32; 0]; 0]);
    }
}
