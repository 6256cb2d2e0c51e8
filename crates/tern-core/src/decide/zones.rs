//! Which machines belong together, and which of them speak for the others.
//!
//! A zone that is declared is taken as it is. Machines without one are put together by what they share: the private network of
//! their addresses, as far as round trips between them are short (two houses may both have 192.168.1), and without a private
//! network short round trips alone. A machine that only joins two such groups pulls them not into one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::words::NodeId;

/// Machines with a shorter round trip are near, microseconds.
pub const NEAR_US: u32 = 5_000;

/// Machines that were near are far with a longer one.
pub const FAR_US: u32 = 100_000;

/// What is known of where a machine stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub declared: String,
    /// See [`private_network`].
    pub network: String,
    /// For the name of a group that has none.
    pub tag: u32,
    /// Machines with a short round trip to it, by index; both list each other.
    pub near: Vec<u32>,
}

/// The first private network among these addresses, as the name of a zone; empty where there is none.
#[must_use]
pub fn private_network(addresses: &[SocketAddr]) -> String {
    let name = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) if ip.is_private() => {
            let [a, b, c, _] = ip.octets();
            Some(format!("lan-{a}.{b}.{c}"))
        }
        IpAddr::V6(ip) if ip.is_unique_local() => {
            let [a, b, c, d, ..] = ip.segments();
            Some(format!("lan-{a:x}-{b:x}-{c:x}-{d:x}"))
        }
        _ => None,
    };
    addresses.iter().find_map(name).unwrap_or_default()
}

/// The zone of each machine; empty for one that stands alone.
#[must_use]
pub fn infer(places: &[Place]) -> Vec<String> {
    let mut zones: Vec<String> = places.iter().map(|place| place.declared.clone()).collect();
    let open = |at: usize| places[at].declared.is_empty();
    let networks: BTreeSet<&str> = places.iter().map(|place| place.network.as_str()).collect();
    for network in networks {
        let group: BTreeSet<u32> =
            (0..places.len()).filter(|at| open(*at) && places[*at].network == network).map(|at| at as u32).collect();
        let mut parts = if network.is_empty() { knots(places, &group) } else { parts(places, &group) };
        // The greatest has the plain name; of equal ones that with the smallest tag.
        let first = |part: &BTreeSet<u32>| part.iter().map(|at| places[*at as usize].tag).min();
        parts.sort_by_key(|part| (usize::MAX - part.len(), first(part)));
        for (number, part) in parts.iter().enumerate() {
            let tag = first(part).unwrap_or_default();
            let name = match (network.is_empty(), number) {
                (true, _) if part.len() < 2 => continue,
                (true, _) => format!("near-{tag:08x}"),
                (false, 0) => network.to_string(),
                (false, _) => format!("{network}-{tag:08x}"),
            };
            for at in part {
                zones[*at as usize].clone_from(&name);
            }
        }
    }
    zones
}

/// Parts of a group that hang together by short ways.
fn parts(places: &[Place], group: &BTreeSet<u32>) -> Vec<BTreeSet<u32>> {
    let mut left = group.clone();
    let mut parts = Vec::new();
    while let Some(start) = left.pop_first() {
        let (mut part, mut open) = (BTreeSet::from([start]), Vec::from([start]));
        while let Some(at) = open.pop() {
            for next in places[at as usize].near.iter().filter(|next| left.remove(next)) {
                part.insert(*next);
                open.push(*next);
            }
        }
        parts.push(part);
    }
    parts
}

/// The same where a machine that alone holds two parts of several machines together does not make them one; it goes with the
/// first of these.
fn knots(places: &[Place], group: &BTreeSet<u32>) -> Vec<BTreeSet<u32>> {
    let whole = parts(places, group);
    let joins = |at: &u32| {
        let Some(part) = whole.iter().find(|part| part.contains(at)) else { return false };
        let rest: BTreeSet<u32> = part.iter().copied().filter(|other| other != at).collect();
        parts(places, &rest).iter().filter(|piece| piece.len() > 1).count() > 1
    };
    let joints: BTreeSet<u32> = group.iter().copied().filter(joins).collect();
    let rest: BTreeSet<u32> = group.difference(&joints).copied().collect();
    let mut pieces = parts(places, &rest);
    for joint in joints {
        let near = &places[joint as usize].near;
        match pieces.iter_mut().find(|piece| near.iter().any(|other| piece.contains(other))) {
            Some(piece) => drop(piece.insert(joint)),
            None => pieces.push(BTreeSet::from([joint])),
        }
    }
    pieces
}

/// The place of a node in its zone's order: rendezvous hashing, so that each zone has other first nodes and a death moves nobody else.
#[must_use]
pub fn turn(zone: &str, node: &NodeId) -> u64 {
    let mut mixed = 0xcbf2_9ce4_8422_2325_u64;
    for byte in zone.bytes().chain(node.0) {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mixed ^ mixed >> 29
}

/// The other zones to which the node with this rank among its zone's keeps links: the first two close a ring of zones, twice, so
/// that a whole zone may die; the others choose by lot. `zones` are in order; `place` is where the own one would stand.
#[must_use]
pub fn far_zones(zones: &[&str], place: usize, rank: usize, me: &NodeId) -> BTreeSet<usize> {
    let count = zones.len();
    if count <= 2 {
        return (0..count).collect();
    }
    let (next, second, last) = (place % count, (place + 1) % count, (place + count - 1) % count);
    match rank {
        0 => BTreeSet::from([next, last]),
        1 => BTreeSet::from([next, second]),
        _ => {
            let lots: BTreeMap<u64, usize> = zones.iter().enumerate().map(|(at, zone)| (turn(zone, me), at)).collect();
            lots.into_values().take(2).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(declared: &str, network: &str, tag: u32, near: &[u32]) -> Place {
        Place { declared: declared.into(), network: network.into(), tag, near: near.to_vec() }
    }

    #[test]
    fn the_private_network_names_the_zone() {
        let addresses = |list: &[&str]| list.iter().filter_map(|one| one.parse().ok()).collect::<Vec<_>>();
        assert_eq!(private_network(&addresses(&["203.0.113.5:1", "192.168.7.20:1"])), "lan-192.168.7");
        assert_eq!(private_network(&addresses(&["[fd12:3456:789a:1::5]:1"])), "lan-fd12-3456-789a-1");
        assert_eq!(private_network(&addresses(&["203.0.113.5:1", "127.0.0.1:1"])), "");
    }

    #[test]
    fn what_is_declared_stays_and_two_houses_with_one_network_are_two() {
        let lan = "lan-192.168.1";
        let places = [
            place("", lan, 5, &[1]),
            place("", lan, 4, &[0]),
            place("cloud", "", 3, &[]),
            place("", lan, 2, &[4]),
            place("", lan, 1, &[3]),
            place("", lan, 9, &[]),
        ];
        assert_eq!(
            infer(&places),
            ["lan-192.168.1-00000004", "lan-192.168.1-00000004", "cloud", lan, lan, "lan-192.168.1-00000009"]
        );
    }

    #[test]
    fn without_a_network_short_ways_count_and_a_joint_does_not_make_two_groups_one() {
        // Two triangles and a machine that is near to one of each.
        let near: [&[u32]; 8] = [&[1, 2], &[0, 2], &[0, 1, 3], &[2, 4], &[3, 5, 6], &[4, 6], &[4, 5], &[]];
        let places: Vec<Place> = near.iter().enumerate().map(|(at, near)| place("", "", at as u32, near)).collect();
        let zones = infer(&places);
        assert_eq!(zones[0], zones[2]);
        assert_eq!(zones[5], zones[6]);
        assert_ne!(zones[0], zones[5]);
        assert_eq!(zones[7], "", "alone");
    }

    #[test]
    fn the_first_two_of_each_zone_close_the_ring_of_zones() {
        let zones = ["a", "b", "d", "e", "f"];
        let me = NodeId([1; 32]);
        assert_eq!(far_zones(&zones, 2, 0, &me), BTreeSet::from([1, 2]));
        assert_eq!(far_zones(&zones, 0, 1, &me), BTreeSet::from([0, 1]));
        assert_eq!(far_zones(&zones, 5, 0, &me), BTreeSet::from([0, 4]));
        assert_eq!(far_zones(&zones, 2, 5, &me).len(), 2);
        assert_eq!(far_zones(&zones[..1], 0, 7, &me), BTreeSet::from([0]));
    }
}
