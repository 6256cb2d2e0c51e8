//! Machines and the cables between them, in the shapes that tests ask for.
//!
//! Each cable is a subnet of its own, so that a machine sees its neighbours and nobody else; the machines of a LAN
//! share one, through a switch in a namespace of its own that is called `lan`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::link::{Kind, Link};
use super::net::Net;
use super::node::Node;

/// The machine that is the switch of a LAN.
const SWITCH: &str = "lan";

/// Machines and cables. Labels are at most 12 letters, since interfaces are named after them.
pub struct Grid {
    links: Vec<Link>,
    nodes: Vec<Node>,
}

impl Grid {
    /// The machine of that label.
    pub fn node(&self, label: &str) -> &Node {
        self.nodes.iter().find(|node| node.label() == label).expect("a machine of that label")
    }

    /// Every machine, the switch of a LAN included.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The cable between two machines; on a LAN the one between a machine and `lan`.
    pub fn link(&self, one: &str, other: &str) -> &Link {
        self.links.iter().find(|link| link.joins(one, other)).expect("a cable between these")
    }

    /// The addresses that a machine has now, in the order of its cables.
    pub fn addresses(&self, label: &str) -> Vec<Ipv4Addr> {
        self.links.iter().filter_map(|link| link.address(label)).collect()
    }

    /// The first of them.
    pub fn address(&self, label: &str) -> Ipv4Addr {
        self.addresses(label)[0]
    }
}

impl Net {
    /// Machines, and a cable for each of these pairs.
    pub fn grid(&self, labels: &[&str], cables: &[(&str, &str)]) -> Grid {
        self.cabled(labels, cables.iter().map(|(one, other)| (*one, *other, Kind::Direct)))
    }

    /// The same with the time that a packet takes on each cable. Needs [`Need::Slow`](super::Need::Slow).
    pub fn slow_grid(&self, labels: &[&str], cables: &[(&str, &str, Duration)]) -> Grid {
        self.cabled(labels, cables.iter().map(|(one, other, delay)| (*one, *other, Kind::Slow(*delay))))
    }

    fn cabled<'a>(&self, labels: &[&str], cables: impl Iterator<Item = (&'a str, &'a str, Kind)>) -> Grid {
        let nodes = labels.iter().map(|label| self.node(label)).collect();
        let mut grid = Grid { nodes, links: Vec::new() };
        for (one, other, kind) in cables {
            let link = Link::new([grid.node(one), grid.node(other)], kind, subnet(), Arc::default());
            grid.links.push(link.unwrap());
        }
        grid
    }

    /// A line: each machine sees the one before it and the one after it.
    pub fn chain(&self, labels: &[&str]) -> Grid {
        let cables: Vec<_> = labels.windows(2).map(|two| (two[0], two[1])).collect();
        self.grid(labels, &cables)
    }

    /// The first machine sees each of the others, and they see only it.
    pub fn star(&self, labels: &[&str]) -> Grid {
        let cables: Vec<_> = labels[1..].iter().map(|leaf| (labels[0], *leaf)).collect();
        self.grid(labels, &cables)
    }

    /// A cable between any two.
    pub fn mesh(&self, labels: &[&str]) -> Grid {
        let rest = |at: usize| labels[at + 1..].iter().map(move |other| (labels[at], *other));
        let cables: Vec<_> = (0..labels.len()).flat_map(rest).collect();
        self.grid(labels, &cables)
    }

    /// All on one subnet, by a switch.
    pub fn lan(&self, labels: &[&str]) -> Grid {
        let mut grid = self.grid(&[labels, &[SWITCH]].concat(), &[]);
        let (subnet, hosts) = (subnet(), Arc::default());
        grid.node(SWITCH).ip(&["link", "add", "switch", "type", "bridge"]).unwrap();
        grid.node(SWITCH).ip(&["link", "set", "switch", "up"]).unwrap();
        for label in labels {
            let ends = [grid.node(label), grid.node(SWITCH)];
            let link = Link::new(ends, Kind::Switched("switch"), subnet, Arc::clone(&hosts));
            grid.links.push(link.unwrap());
        }
        grid
    }
}

/// A subnet that no other cable of this program has: addresses in messages are then of one place.
fn subnet() -> [u8; 3] {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    [10, high, low]
}
