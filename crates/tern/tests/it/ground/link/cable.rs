//! A cable between two machines, or between a machine and the switch of a LAN.
//!
//! It can be pulled (the ends see that), fall silent or lose packets (nobody is told), and an end can get another
//! address, as a laptop does that changes its place.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::filter;
use super::slow::Slow;
use crate::ground::node::Node;

/// Host numbers of a subnet that a roaming end may be given.
const LAST_HOST: u8 = 250;

pub struct Link {
    /// Carries it, where the kernel does not. First, so that it ends before its interfaces do.
    _slow: Option<Slow>,
    ends: [End; 2],
    subnet: [u8; 3],
    /// Hosts that were given out, over all cables of this subnet.
    hosts: Arc<Mutex<u8>>,
}

struct End {
    node: Node,
    interface: String,
    /// A port of a switch has none.
    address: Mutex<Option<Ipv4Addr>>,
}

/// What a cable is made of.
#[derive(Clone, Copy)]
pub enum Kind {
    /// As fast as the kernel.
    Direct,
    /// Each packet takes that long.
    Slow(Duration),
    /// To a port of the second machine's switch; only the first end has an address.
    Switched(&'static str),
}

impl Link {
    /// A cable between two machines. Cables of one subnet share the count of `hosts`.
    pub fn new(ends: [&Node; 2], kind: Kind, subnet: [u8; 3], hosts: Arc<Mutex<u8>>) -> Result<Self, String> {
        let [a, b] = ends;
        let [at_a, at_b] = [interface(b), interface(a)];
        let slow = if let Kind::Slow(delay) = kind {
            Some(Slow::new([(a, &at_a), (b, &at_b)], delay)?)
        } else {
            a.ip(&["link", "add", &at_a, "type", "veth", "peer", "name", &at_b, "netns", b.space()])?;
            None
        };
        let end = |node: &Node, interface| End { node: node.clone(), interface, address: Mutex::new(None) };
        let link = Self { _slow: slow, ends: [end(a, at_a), end(b, at_b)], subnet, hosts };
        link.renumber(&link.ends[0])?;
        match kind {
            Kind::Switched(switch) => drop(b.ip(&["link", "set", &link.ends[1].interface, "master", switch, "up"])?),
            Kind::Direct | Kind::Slow(_) => drop(link.renumber(&link.ends[1])?),
        }
        Ok(link)
    }

    /// It joins these two, in either order.
    pub fn joins(&self, one: &str, other: &str) -> bool {
        let [a, b] = [self.ends[0].node.label(), self.ends[1].node.label()];
        (a, b) == (one, other) || (b, a) == (one, other)
    }

    /// The address of that machine on this cable, if it has one.
    pub fn address(&self, label: &str) -> Option<Ipv4Addr> {
        let end = self.ends.iter().find(|end| end.node.label() == label)?;
        *end.address.lock().unwrap()
    }

    /// Pulls it: the interface of the second end is down, the first one's has lost its carrier and keeps its address.
    /// (The first end of a slow cable keeps its carrier, too: nothing passes, and it is not told.)
    pub fn cut(&self) {
        self.ends[1].ip(&["link", "set", &self.ends[1].interface, "down"]).unwrap();
    }

    /// Nothing passes any more in either direction, and no machine is told. Needs [`Need::Filter`](crate::ground::Need::Filter).
    pub fn silence(&self) {
        self.lose(100);
    }

    /// Loses that many of a hundred packets in each direction, none again with 0. Needs [`Need::Filter`](crate::ground::Need::Filter).
    pub fn lose(&self, percent: u8) {
        for end in &self.ends {
            filter::lose(&end.node, &end.interface, percent).unwrap();
        }
    }

    /// Puts a pulled cable in again.
    pub fn restore(&self) {
        self.ends[1].ip(&["link", "set", &self.ends[1].interface, "up"]).unwrap();
        if self.ends[1].address.lock().unwrap().is_some() {
            self.ends[1].shout().unwrap();
        }
    }

    /// Gives that machine's end another address in place of its old one, and says which.
    pub fn roam(&self, label: &str) -> Ipv4Addr {
        let end = self.ends.iter().find(|end| end.node.label() == label).expect("an end of this cable");
        self.renumber(end).unwrap()
    }

    /// The next address of the subnet, in place of the one there is.
    fn renumber(&self, end: &End) -> Result<Ipv4Addr, String> {
        let mut host = self.hosts.lock().unwrap();
        *host += 1;
        assert!(*host <= LAST_HOST, "the subnet has no more addresses");
        let [x, y, z] = self.subnet;
        let new = Ipv4Addr::new(x, y, z, *host);
        let mut address = end.address.lock().unwrap();
        if let Some(old) = *address {
            end.ip(&["address", "del", &format!("{old}/24"), "dev", &end.interface])?;
        }
        // Without `brd` there would be no broadcast address, by which some look for their neighbours.
        end.ip(&["address", "add", &format!("{new}/24"), "brd", "+", "dev", &end.interface])?;
        end.ip(&["link", "set", &end.interface, "up"])?;
        end.shout()?;
        *address = Some(new);
        Ok(new)
    }
}

impl End {
    fn ip(&self, words: &[&str]) -> Result<String, String> {
        self.node.ip(words)
    }

    /// Multicast goes out here as well. A real machine's default route does that; these have none. It goes with the
    /// last address and with the cable.
    fn shout(&self) -> Result<(), String> {
        let _fresh = self.ip(&["route", "del", "224.0.0.0/4", "dev", &self.interface]);
        self.ip(&["route", "append", "224.0.0.0/4", "dev", &self.interface]).map(drop)
    }
}

/// What the interface to that machine is called on the others.
fn interface(to: &Node) -> String {
    format!("to-{}", to.label())
}
