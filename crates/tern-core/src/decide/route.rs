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

    /// Keeps the links that both ends claim, each with the greater of the two times, so that both ends count the same.
    pub fn agree(&mut self) {
        for list in &mut self.edges {
            list.sort_unstable();
            list.dedup_by_key(|(to, _)| *to);
        }
        let claimed = self.edges.clone();
        for (from, list) in self.edges.iter_mut().enumerate() {
            list.retain_mut(|(to, rtt)| {
                let back = &claimed[*to as usize];
                let found = back.binary_search_by_key(&(from as u32), |(node, _)| *node);
                found.is_ok_and(|at| {
                    *rtt = (*rtt).max(back[at].1);
                    true
                })
            });
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

/// For each node whose death would cut `me` off from others that it can reach now: the smallest index of each part lost.
/// Deaths of leaves and of `me` cut nobody off.
#[must_use]
pub fn lost_parts(graph: &Graph, me: u32) -> Vec<u32> {
    let from_me = ways(graph, me);
    let reached: Vec<u32> = (0..graph.edges.len() as u32).filter(|node| from_me[*node as usize].is_some()).collect();
    let mut lost = Vec::new();
    // Only a node that is somebody's parent on a shortest way can be a cut; leaves of that tree never are.
    let mut inner: Vec<u32> = reached.iter().filter_map(|node| from_me[*node as usize]).map(|way| way.parent).collect();
    inner.sort_unstable();
    inner.dedup();
    for dead in inner.into_iter().filter(|node| *node != me) {
        let seen = reach_without(graph, me, dead);
        let mut rest: Vec<u32> =
            reached.iter().copied().filter(|node| *node != dead && !seen[*node as usize]).collect();
        while let Some(&first) = rest.first() {
            lost.push(first);
            let part = reach_without(graph, first, dead);
            rest.retain(|node| !part[*node as usize]);
        }
    }
    lost.sort_unstable();
    lost.dedup();
    lost
}

fn reach_without(graph: &Graph, start: u32, dead: u32) -> Vec<bool> {
    let mut seen = vec![false; graph.edges.len()];
    seen[start as usize] = true;
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for &(next, _) in &graph.edges[node as usize] {
            if next != dead && !core::mem::replace(&mut seen[next as usize], true) {
                open.push(next);
            }
        }
    }
    seen
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
        assert_eq!(lost_parts(&chain, 0), [2, 3]);
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
        assert_eq!(lost_parts(&ring, 0), [0u32; 0]);
    }
}
