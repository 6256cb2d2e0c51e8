//! What a tailnet's list of machines is worth, and how often strangers there are asked.

use super::*;

fn machine(id: &str, addresses: &[&str]) -> Machine {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Machine { id: id.into(), host_name: String::new(), addresses }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn only_addresses_that_tailscale_gives_are_believed() {
    for (address, believed) in [
        ("100.64.0.1", true),
        ("100.127.255.254", true),
        ("fd7a:115c:a1e0::1101:702", true),
        ("100.128.0.1", false),
        ("99.64.0.1", false),
        ("127.0.0.1", false),
        ("0.0.0.0", false),
        ("255.255.255.255", false),
        ("224.0.0.1", false),
        ("192.168.1.1", false),
        ("8.8.8.8", false),
        ("::1", false),
        ("::ffff:100.64.0.1", false),
        ("fd7a:115c:a1e1::1", false),
    ] {
        assert_eq!(is_of_tailnet(&address.parse().unwrap()), believed, "{address}");
    }
}

#[test]
fn a_known_machine_gives_its_other_addresses_and_an_unknown_one_is_a_place_to_try() {
    let (one, other) = (NodeId([1; 32]), NodeId([2; 32]));
    let missed = [
        Missed { node: one, addresses: vec![at("192.168.1.2:41737"), at("100.64.0.1:5000")] },
        Missed { node: other, addresses: vec![at("192.168.1.3:41737")] },
    ];
    let machines = [
        machine("a", &["100.64.0.1", "fd7a:115c:a1e0::1"]),
        machine("b", &["100.64.0.2", "fd7a:115c:a1e0::2"]),
        // A member that is reached lives there.
        machine("c", &["100.64.0.3"]),
        machine("d", &[]),
    ];
    let taken = ["100.64.0.1", "100.64.0.3"].iter().map(|ip| ip.parse().unwrap()).collect();
    let found = hints(&machines, &missed, &taken, 41_737);
    assert_eq!(found.certain, BTreeMap::from([(one, vec![at("[fd7a:115c:a1e0::1]:5000")])]));
    assert_eq!(found.places, [at("100.64.0.2:41737")]);
}

#[test]
fn a_search_in_vain_becomes_rare_and_begins_anew_when_somebody_comes_online() {
    let node = NodeId([1; 32]);
    let many: Vec<SocketAddr> = (0..40).map(|n| at(&format!("100.64.0.{n}:41737"))).collect();
    let mut searches = Searches::default();
    let rounds: Vec<usize> =
        (0..64).map(|_| searches.due(&[node], &many).first().map_or(0, |(_, places)| places.len())).collect();
    // Every place is tried before the first pause.
    assert_eq!(rounds[..2], [32, 8]);
    assert!(rounds[32..].iter().filter(|places| **places > 0).count() <= 4, "{rounds:?}");
    assert_eq!(searches.due(&[node], &many[..39])[0].1.len(), 32, "another list begins anew");
    assert_eq!(searches.due(&[node], &[]), []);
    let crowd: Vec<NodeId> = (0..50).map(|n| NodeId([n; 32])).collect();
    assert_eq!(searches.due(&crowd, &many).len(), LOOKED_FOR_MAX);
    let later: BTreeSet<NodeId> = (0..12).flat_map(|_| searches.due(&crowd, &many)).map(|(node, _)| node).collect();
    assert!(later.len() > 3 * LOOKED_FOR_MAX, "all have their turn: {}", later.len());
}
